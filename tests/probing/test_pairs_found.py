"""What a run says of the pairs that its method mined."""

from dataclasses import asdict
from pathlib import Path

import pytest
import torch
from conftest import tiny_study

from invariance_probe.data.sessions import find_sessions, open_recording
from invariance_probe.plan.plan import Plan
from invariance_probe.probing import MEASURES
from invariance_probe.probing.bench.workbench import Workbench
from invariance_probe.probing.measurements.mining import found_by_mining
from invariance_probe.study.study import Study

RECURRING = {
    "kind": "simulated",
    "generator": "recurring",
    "session": "bouts",
    "units": 30,
    "bins": 640,
    "behaviours": 3,
}
CLASSES = {
    "recordings": [{**RECURRING, "sessions": 1}],
    "target": {"name": "behaviour", "kind": "categorical"},
}
ENCODER = {"kind": "mlp", "widths": [16, 8]}


def bench_and_runs(**changes):
    study = Study.model_validate(tiny_study(**changes))
    plan = Plan(study, find_sessions(study, Path()))
    session = plan.sessions[0]
    runs = [
        r for r in plan.grid if r.session == session.name and r.method.kind == study.method.kind
    ][:2]
    return Workbench.of(
        open_recording(session.source, session.name, Path()), runs[0], torch.device("cpu")
    ), runs


def test_agreement_and_distance_are_those_of_the_pairs_that_were_found():
    bench, runs = bench_and_runs(**CLASSES)
    anchors, others = (
        torch.tensor([[0, 100, 200, 300], [5, 6, 7, 8]]),
        torch.tensor([[50, -1, 600, 310], [-1, -1, -1, -1]]),
    )
    first, second = found_by_mining(bench, runs, (anchors, others))
    behaviour = bench.target.values
    expected = [
        behaviour[a].item() == behaviour[b].item() for a, b in ((0, 50), (200, 600), (300, 310))
    ]
    partners = [behaviour[b] for b in (50, 600, 310)]
    unrelated = sum((behaviour[a] == b).item() for a in (0, 200, 300) for b in partners) / 9
    figures = {
        "distance_s": (50 + 400 + 10) / 3 * 0.1,
        "agreement": sum(expected) / 3,
        "agreement_expected": unrelated,
    }
    measured = {name: value for name, value in asdict(first).items() if value is not None}
    assert measured == pytest.approx(figures)
    assert second is None and found_by_mining(bench, runs, None) == [None, None]


def test_agreement_about_a_continuous_target_is_1_for_itself_and_near_0_at_random():
    bench, runs = bench_and_runs()
    windows = bench.all_windows.unsqueeze(0)
    shuffled = windows[
        :, torch.randperm(windows.shape[1], generator=torch.Generator().manual_seed(0))
    ]
    assert found_by_mining(bench, runs[:1], (windows, windows))[0].agreement == 1
    [at_random] = found_by_mining(bench, runs[:1], (windows, shuffled))
    assert at_random.agreement == pytest.approx(0, abs=0.15)


@pytest.mark.parametrize("kind", ["myow", "byol"])
def test_a_run_has_mining_diagnostics_where_its_method_mines(kind):
    bench, runs = bench_and_runs(
        **CLASSES, method={"kind": kind, "encoder": ENCODER, "projector": [8, 8], "predictor": [8]}
    )
    for measured in MEASURES[kind](bench, runs, lambda steps: None):
        found = measured.result.figures.mined
        assert (found is not None) == (kind == "myow")
        if kind == "myow":
            assert found.distance_s >= 10 and 0 <= found.agreement <= 1


@pytest.mark.parametrize("partners", ["mined", "random"])
def test_what_a_method_mined_is_held_against_the_nuisance_that_the_pairing_names(partners):
    pairing = {"kind": "mined", "gap_s": 5.0, "nuisance": "time"}
    method = {
        "kind": "myow",
        "encoder": ENCODER,
        "projector": [8, 8],
        "predictor": [8],
        "partners": partners,
        "neighbours": 1,
    }
    bench, runs = bench_and_runs(
        **CLASSES,
        method=method,
        views={"pairing": pairing, "transforms": [{"kind": "unit_dropout"}]},
    )
    for measured in MEASURES["myow"](bench, runs, lambda steps: None):
        found = measured.result.figures.mined
        assert found.nuisance_distance > 0 and found.distance_s >= 10
        if partners == "random":  # at least 10 s of 32 s away, and otherwise at random
            assert abs(found.agreement - found.agreement_expected) < 0.15
