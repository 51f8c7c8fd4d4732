"""Stacked equals one by one, whatever the partners, the slot and the size of the stack."""

from pathlib import Path

import numpy as np
import pytest
import torch
from conftest import tiny_study
from declared_methods import METHODS, STUDIES
from torch.nn import functional

from invariance_probe.data.sessions import find_sessions, open_recording
from invariance_probe.kernels.build import why_unavailable
from invariance_probe.plan.plan import Plan
from invariance_probe.probing import MEASURES
from invariance_probe.probing.bench.workbench import Workbench
from invariance_probe.probing.measurements.trained import train_ssl
from invariance_probe.results.store import Store
from invariance_probe.study.study import Study
from invariance_probe.study.training import Optimisation
from invariance_probe.training.optimizers import make_optimizer
from invariance_probe.worker import measure, stored_encoders


def bench_and_runs(
    method,
    precision="float64",
    arms=("independent", "shared"),
    window=None,
    device="cpu",
    **training,
):
    settings = {"steps": 20, "batch_size": 64, "seeds": 2, "precision": precision, **training}
    changes = {"window": window or {}, **STUDIES.get(method["kind"], {})}
    study = Study.model_validate(
        tiny_study(method=method, training=settings, arms=list(arms), **changes)
    )
    plan = Plan(study, find_sessions(study, Path()))
    session = plan.sessions[0]
    runs = [r for r in plan.grid if r.session == session.name and r.method.kind == method["kind"]]
    recording = open_recording(session.source, session.name, Path())
    return Workbench.of(recording, runs[0], torch.device(device)), runs, plan


def weights_of(bench, runs):
    method, _, _ = train_ssl(bench, runs, lambda steps: None)
    return {name: p.detach() for name, p in method.named_parameters()}


@pytest.mark.parametrize("method", METHODS, ids=lambda m: m["kind"])
def test_stacked_equals_one_by_one_in_double_precision(method):
    bench, runs, _ = bench_and_runs(method)
    chosen = runs[:6]
    stacked = weights_of(bench, chosen)
    for i, run in enumerate(chosen):
        alone = weights_of(bench, [run])
        for name, value in stacked.items():
            assert torch.allclose(value[i], alone[name][0], rtol=0, atol=1e-9), name


@pytest.mark.parametrize("method", METHODS, ids=lambda m: m["kind"])
def test_single_precision_is_bit_identical_whatever_the_partners(method):
    bench, runs, _ = bench_and_runs(method, "float32")
    first = weights_of(bench, runs[:5])
    second = weights_of(bench, [runs[7], runs[3], runs[9]])
    alone = weights_of(bench, [runs[3]])
    for name, value in first.items():
        assert torch.equal(value[3], second[name][1]), name
        assert torch.equal(value[3], alone[name][0]), name


OTHER_ARITHMETIC = {
    "bfloat16": {"precision": "bfloat16"},
    "native": {"precision": "float32", "kernels": "native"},
    "native bfloat16": {"precision": "bfloat16", "kernels": "native"},
}


@pytest.mark.parametrize("method", METHODS[:4], ids=lambda m: m["kind"])
@pytest.mark.parametrize("how", OTHER_ARITHMETIC)
def test_other_arithmetic_is_bit_identical_whatever_the_partners_and_near_single_precision(
    how, method
):
    if "native" in how and (reason := why_unavailable()):
        pytest.skip(f"no native kernels here: {reason}")
    bench, runs, _ = bench_and_runs(method, **OTHER_ARITHMETIC[how])
    together = weights_of(bench, runs[:5])
    alone = weights_of(bench, [runs[3]])
    _, plain, _ = bench_and_runs(method, "float32")
    single = weights_of(bench, plain[:5])
    for name, value in together.items():
        assert torch.equal(value[3], alone[name][0]), name
        if name.endswith("weight"):
            assert (
                functional.cosine_similarity(value.flatten(1), single[name].flatten(1), dim=1).min()
                > 0.98
            ), name
    assert any(not torch.equal(value, single[name]) for name, value in together.items())


@pytest.mark.parametrize("method", METHODS, ids=lambda m: m["kind"])
def test_results_are_the_same_alone_and_together(method):
    bench, runs, _ = bench_and_runs(method, "float32")
    measured = MEASURES[method["kind"]]
    together = measured(bench, runs[:4], lambda steps: None)
    alone = measured(bench, runs[2:3], lambda steps: None)[0]
    assert alone.result.block_losses == together[2].result.block_losses


@pytest.mark.parametrize("method", METHODS, ids=lambda m: m["kind"])
def test_dose_zero_is_training_without_the_transform_in_every_arm(method):
    bench, runs, _ = bench_and_runs(method, "float32")
    clean = next(run for run in runs if run.axis == "")
    bare = clean.model_copy(update={"views": clean.views.model_copy(update={"transforms": ()})})
    expected = weights_of(bench, [bare])
    for arm in ("none", "independent", "shared", "paired"):
        found = weights_of(
            bench, [clean.model_copy(update={"arm": arm, "axis": "unit_dropout.rate"})]
        )
        for name, value in expected.items():
            assert torch.equal(found[name], value), (arm, name)


@pytest.mark.parametrize("method", METHODS, ids=lambda m: m["kind"])
def test_a_stopped_study_goes_on_to_the_same_bits(method, tmp_path):
    """Half of a stack is committed, and a later process trains the other half."""
    bench, runs, _ = bench_and_runs(method, "float32")
    whole = {m.result.key: m for m in measure(bench, runs[:4])}
    store = Store(tmp_path)
    for m in measure(bench, runs[:2]):
        store.commit_encoder(m.run, m.weights, m.result.figures.training)
        store.commit_result(m.run, m.result)
    left = [run for run in runs[:4] if store.result(run) is None]
    assert left == runs[2:4]
    for m in measure(bench, left, stored=stored_encoders(store, left)):
        store.commit_encoder(m.run, m.weights, m.result.figures.training)
        store.commit_result(m.run, m.result)
    for run in runs[:4]:
        kept = store.encoder(run)
        assert all(
            np.array_equal(kept[name], value) for name, value in whole[run.key()].weights.items()
        )
        assert store.result(run).block_losses == whole[run.key()].result.block_losses


def test_a_run_that_diverges_leaves_its_partners_alone():
    bench, runs, _ = bench_and_runs(METHODS[0], "float32")
    good = MEASURES["simclr"](bench, runs[:2], lambda steps: None)
    noise = {
        "transforms": [{"kind": "gaussian_noise", "sigma": 3e38}],
        "base": {"kind": "count_splitting"},
    }
    bad = runs[2].model_copy(update={"views": type(runs[2].views).model_validate(noise)})
    mixed = MEASURES["simclr"](bench, [runs[0], bad, runs[1]], lambda steps: None)
    assert mixed[1].result.status == "failed" and "step" in mixed[1].result.message
    assert mixed[0].result.block_losses == good[0].result.block_losses
    assert mixed[2].result.block_losses == good[1].result.block_losses


@pytest.mark.parametrize(
    "kind",
    ["raw", "square_roots", "pca", "untrained", "linear_ssl", "supervised", "code", "shift_null"],
)
def test_baselines_measure_finite_losses_and_the_same_ones_twice(kind):
    bench, _, plan = bench_and_runs(METHODS[0])
    runs = [r for r in plan.runs if r.session == plan.sessions[0].name and r.method.kind == kind][
        :4
    ]
    first, again = (MEASURES[kind](bench, runs, lambda steps: None) for _ in range(2))
    for a, b in zip(first, again, strict=True):
        assert a.result.status == "done"
        assert a.result == b.result
        assert np.isfinite(a.result.block_losses).all()
    if kind == "raw":
        assert np.mean(first[0].result.block_losses) < np.mean(first[0].result.floor_losses)


def test_a_batch_larger_than_the_data_is_an_error_with_its_remedy():
    from invariance_probe.errors import TrainingError

    bench, runs, _ = bench_and_runs(METHODS[0])
    big = runs[0].model_copy(
        update={"optimisation": runs[0].optimisation.model_copy(update={"batch_size": 5000})}
    )
    with pytest.raises(TrainingError, match="use a batch size of at most"):
        train_ssl(bench, [big], lambda steps: None)


@pytest.mark.parametrize("width", [1, 3, 6, 20])
def test_an_update_does_not_depend_on_the_slot_whatever_the_width(width):
    rng = np.random.default_rng(0)
    weights, gradients = rng.standard_normal((5, 1, width)), rng.standard_normal((40, 5, 1, width))

    def moved(runs):
        model = torch.nn.Module()
        model.weight = torch.nn.Parameter(torch.tensor(weights[runs], dtype=torch.float32))
        optimizer = make_optimizer(model, Optimisation())
        for gradient in gradients:
            model.weight.grad = torch.tensor(gradient[runs], dtype=torch.float32)
            optimizer.step()
        return model.weight.detach()

    assert torch.equal(moved([0, 1, 2, 3, 4])[3], moved([3])[0])


@pytest.mark.parametrize("kind", ["mlp", "temporal_convolution", "gru", "transformer"])
def test_a_network_with_one_output_is_the_same_alone_and_together(kind):
    """The last missing run of a stack is trained alone.

    torch multiplies the single column of a single run by a routine of its own.
    """
    encoder = {"kind": kind, **({"widths": [16, 8]} if kind == "mlp" else {})}
    bench, _, plan = bench_and_runs(
        {"kind": "simclr", "encoder": encoder}, "float32", window={"length_bins": 4}
    )
    runs = [
        r
        for r in plan.baselines
        if r.session == plan.sessions[0].name and r.method.kind == "supervised"
    ][:3]
    assert len(runs) == 3 and bench.target.values.shape[1] == 1
    together = MEASURES["supervised"](bench, runs, lambda steps: None)
    for whole, run in zip(together, runs, strict=True):
        (alone,) = MEASURES["supervised"](bench, [run], lambda steps: None)
        assert alone.result == whole.result
        assert all(
            np.array_equal(alone.weights[name], value) for name, value in whole.weights.items()
        )
