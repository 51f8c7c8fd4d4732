"""Three targets of removal are kept apart: what the views share, what a decoder needs, and what it relies on."""

from pathlib import Path

import numpy as np
import pytest
import torch

from invariance_probe.data.sessions import find_sessions, open_recording
from invariance_probe.errors import TrainingError
from invariance_probe.probing import MEASURES
from invariance_probe.probing.workbench import Workbench
from invariance_probe.study.plan import Plan
from invariance_probe.study.study import Study

BINS, UNITS = 1500, 24
OF = {"kind": "simclr", "encoder": {"kind": "mlp", "widths": [32, 16]}}
SHARED, CARRIERS = {0, 1, 2, 3}, {10, 11, 12, 13}


@pytest.fixture(scope="module")
def apart(tmp_path_factory):
    """Slow activity of units 0 to 3, which two views a little apart in time share; a target that is new in every bin, of units 10 to 13."""
    rng = np.random.default_rng(3)
    slow = np.convolve(rng.standard_normal(BINS + 60), np.hanning(60), "valid")[:BINS]
    target = rng.standard_normal(BINS)
    rates = np.full((BINS, UNITS), 4.0)
    rates[:, sorted(SHARED)] *= np.exp(0.6 * slow / slow.std())[:, None]
    rates[:, sorted(CARRIERS)] *= np.exp(0.6 * target)[:, None]
    path = tmp_path_factory.mktemp("apart") / "apart.npz"
    np.savez(path, spikes=rng.poisson(rates), velocity=target[:, None], bin_s=0.1)
    return path


def bench_and_runs(path, **changes):
    study = Study.model_validate({
        "name": "apart", "question": "What rests on which units?", "target": {"name": "velocity", "kind": "continuous"},
        "recordings": [{"kind": "npz", "path": str(path), "session": "a", "activity": "spikes", "bin_s": "bin_s"}],
        "folds": {"scheme": "blocks", "count": 3, "embargo_s": 1.0}, "method": {"kind": "linear_ssl", "dimensions": 8},
        "training": {"steps": 150, "batch_size": 64, "seeds": 2, "learning_rate": 3e-3},
        "views": {"pairing": {"kind": "time_jitter", "window_s": 0.5}, "transforms": [{"kind": "unit_dropout", "value": "silent"}]},
        "axes": [{"path": "unit_dropout.rate", "doses": [0, 0.4]}], "quick": True,
        "hypotheses": [{"id": "H", "claim": "never judged", "predicts": "distributed", "axis": "unit_dropout.rate", "dose": 0.4,
                        "margin": {"fraction_of_range": 0.1, "because": "nothing is judged here"}, "role": "exploratory"}],
        "measurements": [{"kind": "reliance", "of": OF, "budgets": [1, 4], **changes}],
    })  # fmt: skip
    plan = Plan(study, find_sessions(study, Path()))
    runs = [run for run in plan.baselines if run.method.kind == "reliance"]
    session = plan.sessions[0]
    return Workbench.of(open_recording(session.source, session.name, Path()), runs[0], torch.device("cpu")), runs


@pytest.fixture(scope="module")
def measured(apart):
    bench, runs = bench_and_runs(apart)
    return bench, runs, MEASURES["reliance"](bench, runs, lambda steps: None)


def test_a_run_is_planned_for_every_fold_and_seed(measured):
    _, runs, _ = measured
    assert [(run.fold, run.seed) for run in runs] == [(fold, seed) for fold in range(3) for seed in range(2)]
    assert all(run.steps == 150 and run.method.of.training is None for run in runs)


def test_the_objective_rests_on_what_views_share_and_decoders_on_what_carries_the_target(measured):
    for m in measured[2]:
        found = m.result.diagnostics
        chosen = {
            target: {int(found[f"b4_{target}_unit@{i}"]) for i in range(1, 5)} for target in ("objective", "refit", "fixed")
        }
        assert chosen["refit"] == chosen["fixed"] == CARRIERS
        assert len(chosen["objective"] & SHARED) >= 3 and not chosen["objective"] & CARRIERS
        whole, decoded = found["range_objective"], found["range_decoder"]
        assert whole > 0 and decoded > 0.3
        assert found["b4_objective_objective_chosen"] > 0.5 * whole > found["b4_objective_objective_high"]
        assert abs(found["b4_objective_refit_chosen"]) < 0.05 * decoded
        assert found["b4_refit_refit_chosen"] == pytest.approx(decoded, rel=0.1)
        assert found["b4_refit_objective_chosen"] < found["b4_objective_objective_chosen"] / 3
        assert not m.weights, "the models are not stored"


def test_what_a_run_measures_does_not_depend_on_its_partners(measured):
    bench, runs, together = measured
    again = MEASURES["reliance"](bench, [runs[4], runs[1]], lambda steps: None)
    assert [m.result for m in again] == [together[4].result, together[1].result]


def test_windows_of_several_bins_and_budgets_beyond_the_others_are_refused(apart):
    bench, runs = bench_and_runs(apart)
    longer = bench.of(bench.recording, runs[0].model_copy(update={"window": type(runs[0].window)(length_bins=2)}), bench.device)
    with pytest.raises(TrainingError, match="windows of one bin"):
        MEASURES["reliance"](longer, runs[:1], lambda steps: None)
    _, above = bench_and_runs(apart, budgets=[9])
    with pytest.raises(TrainingError, match="at most 8 leave enough others"):
        MEASURES["reliance"](bench, above[:1], lambda steps: None)
