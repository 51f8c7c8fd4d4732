"""Distant pairs of real recordings: a night of CA1 and reaches of M1.

The tests are skipped where the recordings are absent.
"""

from functools import cache
from pathlib import Path

import numpy as np
import pytest
import torch

from invariance_probe.data.sessions import find_sessions, open_recording
from invariance_probe.errors import DataError
from invariance_probe.plan.plan import Plan
from invariance_probe.probing.bench.workbench import Workbench
from invariance_probe.probing.measurements.mining import distant_pairs
from invariance_probe.study.load import open_study

STUDIES = Path(__file__).parents[2] / "studies"


@cache
def found(name):
    """Diagnostics of distant pairs in every arm, and the pairs in seconds.

    They are those of the first session's first fold, at the primary share.
    """
    study = open_study(STUDIES / f"{name}.yaml").study
    try:
        plan = Plan(study, find_sessions(study, STUDIES))
    except DataError as error:
        pytest.skip(str(error))
    session = plan.sessions[0]
    runs = {
        run.arm: run
        for run in plan.grid
        if run.session == session.name and (run.fold, run.seed, run.setting) == (0, 0, "")
    }
    bench = Workbench.of(
        open_recording(session.source, session.name, STUDIES), runs["mined"], torch.device("cpu")
    )
    train = bench.train_windows(runs["mined"])
    pairs = np.array(bench.distant(runs["mined"], train).pairs(train)) * bench.recording.bin_s
    return {arm: distant_pairs(bench, run) for arm, run in runs.items()}, pairs


@pytest.mark.parametrize(("name", "gap_s"), [("mined_sleep", 1800), ("mined_reach", 5)])
def test_mined_pairs_keep_the_gap_and_are_purer_than_their_partners_are_of_other_anchors(
    name, gap_s
):
    arms, pairs = found(name)
    assert np.abs(pairs[0] - pairs[1]).min() >= gap_s - 1e-6
    assert arms["mined"].agreement > arms["shifted"].agreement + 0.1
    assert arms["mined"].agreement_expected == pytest.approx(
        arms["shifted"].agreement_expected, abs=0.05
    )
    assert arms["oracle"].agreement > 0.99 and arms["none"] is None


@pytest.mark.parametrize("name", ["mined_sleep", "mined_reach"])
def test_recorded_time_is_a_nuisance_in_which_random_pairs_differ_as_unrelated_windows_do(name):
    arms, pairs = found(name)
    seconds = np.abs(pairs[0] - pairs[1])
    assert arms["random"].nuisance_distance > 0.9
    assert arms["mined"].distance_s == pytest.approx(seconds.mean(), rel=1e-6)
