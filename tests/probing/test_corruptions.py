"""Corruptions as training doses and as test doses.

What they take of a known code is measured through the study's own path.
"""

from pathlib import Path

import pytest
import torch
from conftest import tiny_study

from invariance_probe.data.sessions import find_sessions, open_recording
from invariance_probe.plan.plan import Plan
from invariance_probe.probing import MEASURES
from invariance_probe.probing.bench.workbench import Workbench
from invariance_probe.probing.measurements.examination import examine
from invariance_probe.study.study import Study

HARSH = {
    "gain_modulation.sigma": 1.0,
    "progressive_unit_loss.rate": 0.9,
    "unit_permutation.rate": 1.0,
    "waveform_drift.mix": 0.5,
    "pepper.rate": 0.3,
    "unit_cutout.fraction": 0.7,
    "cutmix.fraction": 0.7,
    "time_cutout.fraction": 0.6,
}


class OneSession:
    """One session of a tiny study on one corruption, its encoders trained and examined."""

    def __init__(self, path):
        kind, _ = path.split(".")
        extra = {"amplitude": 4} if kind == "pepper" else {}
        study = Study.model_validate(
            tiny_study(
                views={"transforms": [{"kind": kind, **extra}]},
                axes=[{"path": path, "doses": [0, HARSH[path]]}],
                hypotheses=[{**tiny_study()["hypotheses"][0], "axis": path, "dose": HARSH[path]}],
                window={"length_bins": 4 if kind == "time_cutout" else 1},
            )
        )
        self.plan = Plan(study, find_sessions(study, Path()))
        session = self.plan.sessions[0]
        recording = open_recording(session.source, session.name, Path())
        own = [run for run in self.plan.grid if run.session == session.name and run.setting == ""]
        self.grid = [run for run in own if run.method == study.method and run.seed == 0]
        self.bench = Workbench.of(recording, self.grid[0], torch.device("cpu"))
        self.code = [
            run
            for run in self.plan.baselines
            if run.session == session.name and run.method.kind == "code"
        ]
        self.examined = [
            run
            for run in self.plan.examined
            if run.session == session.name
            and run.seed == 0
            and run.examination.kind in ("corruption", "detection")
        ]

    def measure(self, runs):
        return MEASURES[runs[0].method.kind](self.bench, runs, lambda steps: None)


@pytest.mark.parametrize("path", HARSH)
def test_a_harsh_corruption_costs_information_and_its_encoders_can_be_tested_under_it(path):
    world = OneSession(path)
    [found] = world.measure(world.code)
    whole = found.result.figures.whole
    assert (
        whole.c_blind(path, HARSH[path]) > 0
        and whole.corruption(path, HARSH[path]).input_change > 0.05
    )
    trained = world.measure(world.grid)
    assert {m.result.status for m in trained} == {"done"}
    weights = {m.run.train_key(): m.weights for m in trained}
    looked = examine(world.bench, world.examined, weights)
    assert len(looked) == len(world.examined) > 0 and {m.result.status for m in looked} == {"done"}
    seen = [m.result.figures.detection for m in looked if m.run.examination.kind == "detection"]
    if path != "cutmix.fraction":  # blocks of real activity need not be visible
        assert all(0.5 < value <= 1 for value in seen)
    alone = examine(world.bench, world.examined[:1], weights)[
        0
    ].result  # an examination does not depend on its partners
    assert alone == next(m.result for m in looked if m.run == world.examined[0])
