"""Pairs that are chosen by a guide.

They are alike in the guide and in nothing else. They are made only where it is known,
and across sessions where that is asked.
"""

from pathlib import Path

import numpy as np
import pytest
import torch
from conftest import tiny_study
from helpers.program import invoke, write

from invariance_probe.data.sessions import find_sessions, open_recording
from invariance_probe.plan.plan import Plan
from invariance_probe.probing import MEASURES
from invariance_probe.probing.bench.training import training_bench
from invariance_probe.probing.bench.workbench import Elsewhere, Workbench
from invariance_probe.study.pairing import SOURCES
from invariance_probe.study.study import Study

WORLD = {
    "kind": "simulated",
    "generator": "recurring",
    "session": "bouts",
    "units": 20,
    "bins": 700,
    "behaviours": 3,
    "bout_s": 2.0,
}
CONTRAST = {
    "kind": "contrast",
    "id": "M",
    "claim": "a shared code",
    "axis": "mined.share",
    "dose": 0.5,
}
BEHAVIOUR = {"name": "behaviour", "kind": "categorical"}


def study_of(guide=BEHAVIOUR, pool=None, target=None, **pairing):
    views = {
        "pairing": {"kind": "mined", "window_s": 0.3, "gap_s": 5.0, "guide": guide, **pairing},
        "pool": pool,
    }
    return tiny_study(
        recordings=[{**WORLD, "sessions": 2}], target=target or {"name": "drift"}, views=views,
        axes=[{"path": "mined.share", "doses": [0, 0.5]}], hypotheses=[CONTRAST],
    )  # fmt: skip


def opened(**changes):
    study = Study.model_validate(study_of(**changes))
    plan = Plan(study, find_sessions(study, Path()))
    session = plan.sessions[0]
    runs = [
        r
        for r in plan.grid
        if r.session == session.name
        and r.method.kind == "simclr"
        and (r.fold, r.seed, r.fraction) == (0, 0, 1)
    ]
    bench = Workbench.of(
        open_recording(session.source, session.name, Path()),
        runs[0],
        torch.device("cpu"),
        Elsewhere.of(plan.sessions),
    )
    return training_bench(bench, runs[0]), {
        run.arm: run for run in runs if run.setting == "" and run.dose == 0.5
    }


def pairs_of(bench, run):
    train = bench.train_windows(run)
    return train, *bench.distant(run, train).pairs(train)


@pytest.mark.parametrize("source", SOURCES)
def test_partners_share_the_guides_class_and_controls_do_not(source):
    bench, runs = opened()
    train, first, second = pairs_of(bench, runs[source])
    behaviour = bench.recording.targets["behaviour"]
    same = (behaviour[first] == behaviour[second]).mean()
    assert same == 1 if source == "mined" else same < 0.6
    assert (
        (np.abs(first - second) >= 50).all()
        and np.isin(second, train).all()
        and len(first) > 1.9 * len(train)
    )


def test_partners_of_a_continuous_guide_are_the_nearest_in_it():
    bench, runs = opened(guide={"name": "drift"}, target=BEHAVIOUR)
    train, first, second = pairs_of(bench, runs["mined"])
    drift = bench.recording.targets["drift"][train] / bench.recording.targets["drift"][train].std(
        axis=0
    )
    distances = ((drift[:, None] - drift) ** 2).sum(axis=2)
    distances[np.abs(train[:, None] - train) < 50] = np.inf
    farthest = np.sort(distances, axis=1)[:, 2]
    at = np.searchsorted(train, first), np.searchsorted(train, second)
    assert len(first) == 3 * len(train) and (distances[at] <= farthest[at[0]] + 1e-12).all()


def test_windows_whose_guide_is_unknown_pair_locally_and_are_nobodys_partner():
    bench, runs = opened(labelled=0.5)
    for source in ("mined", "random", "shifted"):
        train, first, second = pairs_of(bench, runs[source])
        known = train[: round(len(train) / 2)]
        assert len(first) and np.isin(first, known).all() and np.isin(second, known).all()


@pytest.mark.parametrize("source", SOURCES)
def test_partners_elsewhere_are_of_other_sessions(source):
    bench, runs = opened(pool="group", elsewhere=True)
    train, first, second = pairs_of(bench, runs[source])
    assert (bench.session_of[first] != bench.session_of[second]).all() and len(first) > 1.3 * len(
        train
    )
    behaviour = bench.recording.targets["behaviour"]
    assert source != "mined" or (behaviour[first] == behaviour[second]).all()


def test_a_guided_run_across_sessions_counts_pairs_elsewhere_and_needs_no_partner():
    study = Study.model_validate(study_of(pool="group", elsewhere=True))
    plan = Plan(study, find_sessions(study, Path()))
    session = plan.sessions[0]
    runs = [
        r
        for r in plan.grid
        if r.session == session.name and r.arm in ("mined", "random") and r.setting == ""
    ][:3]
    bench = Workbench.of(
        open_recording(session.source, session.name, Path()),
        runs[0],
        torch.device("cpu"),
        Elsewhere.of(plan.sessions),
    )
    together = MEASURES["simclr"](bench, runs, lambda steps: None)
    (alone,) = MEASURES["simclr"](bench, runs[1:2], lambda steps: None)
    assert together[1].result.block_losses == alone.result.block_losses
    assert (
        alone.result.figures.distant.elsewhere == 1
        and alone.result.figures.distant.agreement is not None
    )


REFUSED = {
    "the target as the guide of a claim": (
        {"guide": {"name": "drift"}},
        "show what its labels are worth",
    ),
    "a guide that is not there": (
        {"guide": {"name": "behavior"}},
        "guide 'behavior' is not in the recording",
    ),
    "partners elsewhere without a pool": ({"elsewhere": True}, "set views.pool"),
    "few labels of nothing": (
        {"guide": None, "labelled": 0.5},
        "labelled can only be used with a guide",
    ),
    "activity compared across sessions": (
        {"guide": None, "pool": "group"},
        "as if all came from one session",
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_cannot_guide_is_refused_with_its_remedy(tmp_path, case):
    changes, said = REFUSED[case]
    assert (
        said
        in invoke("validate", write(tmp_path, study_of(**changes)), cwd=tmp_path, check=2).stderr
    )
