"""Random walks are decoded from shuffled windows of slow activity.

They are not decoded from folds that keep time whole.
"""

import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from conftest import tiny_study

sys.path.insert(0, str(Path(__file__).parent))
from nothing import measured, plan_of

from invariance_probe.data.sessions import find_sessions, open_recording
from invariance_probe.errors import DataError
from invariance_probe.inference.hypotheses.gates import leak
from invariance_probe.plan.plan import Plan
from invariance_probe.plan.run import RunResult
from invariance_probe.probing import MEASURES
from invariance_probe.probing.bench.workbench import Workbench
from invariance_probe.study.study import Study

SLOW = {
    "generator": "nothing",
    "case": "independent",
    "label_tau_s": 20.0,
    "bins": 1000,
    "units": 30,
}
BLOCKED = {"scheme": "blocks", "count": 5, "embargo_s": 0.5}
SHUFFLED = {"scheme": "shuffled", "count": 5}


def r2(session):
    return np.array(session.r2)


def gate(plan, found):
    runs = [run for run in plan.baselines if run.method.kind == "leak"]
    results = {
        run.key(): RunResult(run.key(), "done", figures=f)
        for run, f in zip(runs, found, strict=True)
    }
    return leak(plan, results, [session.name for session in plan.sessions])


def test_slow_activity_leaks_through_shuffled_windows_only():
    for folds, leaks in ((SHUFFLED, True), (BLOCKED, False)):
        plan = plan_of(SLOW, 3, folds=folds)
        found = measured(plan, "leak")
        assert all(len(r2(session)) == 20 for session in found)
        decoded = [(r2(session) > 0).sum() for session in found]
        assert min(decoded) == 20 if leaks else max(decoded) < 10
        assert gate(plan, found).passed is not leaks


def test_the_walks_know_nothing_of_the_target_and_are_the_same_in_all_folds_of_a_study():
    plan = plan_of(SLOW, 1, folds=BLOCKED)
    [found] = measured(plan, "leak")
    session = plan.sessions[0]
    run = next(run for run in plan.baselines if run.method.kind == "leak")
    recording = open_recording(session.source, session.name, None)
    flipped = type(recording)(
        **{**vars(recording), "targets": {"label": -recording.targets["label"][::-1].copy()}}
    )
    bench = Workbench.of(flipped, run, torch.device("cpu"))
    assert MEASURES["leak"](bench, [run], lambda steps: None)[0].result.figures == found


def real(name, target, folds):
    study = Study.model_validate(
        tiny_study(recordings=[{"kind": "catalog", "name": name}], target=target, folds=folds)
    )
    try:
        plan = Plan(study, find_sessions(study, Path()))
    except DataError as error:
        pytest.skip(str(error))
    return plan, measured(plan, "leak")


REAL = {
    "m1-reach/chewie-1-whole": (
        {"name": "hand_velocity"},
        {"scheme": "trials", "count": 5, "embargo_s": 0.5},
    ),
    "sleep-ca1/xyf06": (
        {"name": "state", "kind": "categorical"},
        {"scheme": "blocks", "count": 5, "embargo_s": 120},
    ),
}


@pytest.mark.parametrize("name", REAL)
def test_shuffled_windows_of_real_recordings_leak_in_twenty_of_twenty_walks(name):
    target, folds = REAL[name]
    plan, [found] = real(name, target, SHUFFLED)
    assert (r2(found) > 0).sum() == 20 and np.median(r2(found)) > 0.05
    assert gate(plan, [found]).passed is False
    plan, [found] = real(name, target, folds)
    assert (r2(found) > 0).sum() < 10 and np.median(r2(found)) < 0
    assert gate(plan, [found]).passed is True
