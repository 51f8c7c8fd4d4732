"""Probes against scikit-learn, and the nulls against what they must say."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from conftest import tiny_study
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.preprocessing import StandardScaler

from invariance_probe.data.recording import Recording
from invariance_probe.data.sessions import open_recording
from invariance_probe.errors import DataError, TrainingError
from invariance_probe.plan.plan import Plan
from invariance_probe.probing import MEASURES
from invariance_probe.probing.bench.workbench import Workbench
from invariance_probe.probing.decoders.logistic import fit_logistic
from invariance_probe.probing.decoders.ridge import fit_ridge
from invariance_probe.probing.representation.diagnostics import invariance, rank_me
from invariance_probe.study.recordings import CatalogRecording
from invariance_probe.study.session import Session
from invariance_probe.study.study import Study


def data(rows=300, dim=12, columns=2, seed=0):
    gen = np.random.default_rng(seed)
    x = gen.standard_normal((rows, dim)) * gen.uniform(0.1, 5, dim) + 3
    return x, x @ gen.standard_normal((dim, columns)) + 4 * gen.standard_normal((rows, columns))


def best_ridge(x, y, inner, penalties):
    """Choose the penalty by a plain loop over inner folds, standardising in each, and refit."""

    def fitted(rows, penalty):
        scaler = StandardScaler().fit(x[rows])
        return Ridge(alpha=penalty * 0.01 * rows.sum()).fit(
            scaler.transform(x[rows]), y[rows]
        ), scaler

    def error(penalty):
        total = 0.0
        for g in np.unique(inner):
            model, scaler = fitted(inner != g, penalty)
            total += (
                (
                    model.predict(scaler.transform(x[inner == g])).reshape(-1, y.shape[1])
                    - y[inner == g]
                )
                ** 2
            ).sum()
        return total

    return fitted(inner >= 0, min(penalties, key=error))


def test_ridge_equals_scikit_learn_at_every_penalty():
    x, y = data()
    inner = torch.from_numpy(np.where(np.arange(300) < 200, np.arange(300) % 4, -1))[None]
    for penalty in (1e-3, 1.0, 100.0):
        fit = fit_ridge(torch.from_numpy(x)[None], torch.from_numpy(y)[None], inner, (penalty,))
        scaler = StandardScaler().fit(x[:200])
        expected = (
            Ridge(alpha=penalty * 0.01 * 200)
            .fit(scaler.transform(x[:200]), y[:200])
            .predict(scaler.transform(x))
        )
        assert np.allclose(fit.predict(torch.from_numpy(x)[None])[0].numpy(), expected, atol=1e-9)


def test_ridge_chooses_the_penalty_that_does_best_over_its_inner_folds():
    x, y = data(columns=1)
    y = y + 60 * np.random.default_rng(3).standard_normal(y.shape)
    inner = np.arange(300) * 4 // 300
    penalties = (1e-3, 1.0, 100.0, 1000.0)
    fit = fit_ridge(
        torch.from_numpy(x)[None],
        torch.from_numpy(y)[None],
        torch.from_numpy(inner)[None],
        penalties,
    )
    model, _ = best_ridge(x, y, inner, penalties)
    assert fit.penalties[0, 0].item() == pytest.approx(model.alpha / (0.01 * 300))


def test_ridge_drops_a_constant_feature_and_groups_choose_their_own_penalty():
    x, y = data()
    x[:, 3] = 7.0
    inner = torch.from_numpy(np.arange(300) % 4)[None]
    y[:, 1] = np.random.default_rng(0).standard_normal(300)
    fit = fit_ridge(
        torch.from_numpy(x)[None], torch.from_numpy(y)[None], inner, (1e-3, 1e4), groups=2
    )
    assert fit.coefficients[0, 3].abs().max() == 0
    assert fit.penalties[0].tolist() == [1e-3, 1e4]


def test_logistic_equals_scikit_learn():
    gen = np.random.default_rng(0)
    x = gen.standard_normal((400, 5))
    labels = (x @ gen.standard_normal((5, 3)) + gen.gumbel(size=(400, 3))).argmax(1)
    inner = torch.from_numpy(np.arange(400) * 3 // 400)[None]
    fit = fit_logistic(torch.from_numpy(x)[None], torch.from_numpy(labels)[None], inner, (1.0,), 3)
    scaled = StandardScaler().fit_transform(x)
    expected = (
        LogisticRegression(C=1 / (0.01 * 400), tol=1e-10, max_iter=2000)
        .fit(scaled, labels)
        .predict_log_proba(scaled)
    )
    assert np.allclose(fit.predict(torch.from_numpy(x)[None])[0].numpy(), expected, atol=1e-5)


def test_rank_me_counts_directions_and_invariance_is_one_for_no_change():
    gen = torch.Generator().manual_seed(0)
    wide = torch.randn(1, 5000, 4, generator=gen)
    line = wide[..., :1] * torch.ones(4) + 100
    assert rank_me(wide).item() == pytest.approx(4, abs=0.01)
    assert rank_me(line).item() == pytest.approx(1, abs=0.01)
    assert rank_me(torch.ones(1, 10, 4)).item() == 1
    assert invariance(wide, wide).item() == 1
    assert invariance(wide, wide.roll(1, dims=1)).item() == pytest.approx(0, abs=0.05)


def plan_for(recording, **changes):
    study = Study.model_validate(tiny_study(**changes))
    return Plan(
        study, (Session(recording.session, "a", "", recording.fingerprint, study.recordings[0]),)
    )


def white(labels, seed=0):
    gen = np.random.default_rng(seed)
    return Recording(
        "s",
        "a",
        "",
        gen.poisson(3, (len(labels), 10)),
        "counts",
        0.1,
        tuple("abcdefghij"),
        {"label": labels},
        None,
        np.zeros(len(labels), dtype=int),
    )


def test_the_shift_null_is_beaten_by_a_code_and_not_by_a_slow_label_without_one():
    from invariance_probe.data.simulate.latents import ornstein_uhlenbeck

    hits = 0
    for seed in range(40):
        label = ornstein_uhlenbeck(np.random.default_rng(seed), 400, 1, 1.0, 0.1)[:, 0]
        made = white(label, seed)
        plan = plan_for(made)
        bench = Workbench.of(made, plan.baselines[0], torch.device("cpu"))
        result = MEASURES["shift_null"](bench, [plan.baselines[0]], lambda s: None)[0].result
        hits += result.figures.p_value <= 0.05
    assert hits <= 6  # size .05 of 40: more than 6 has probability .003
    study = Study.model_validate(tiny_study())
    coded = open_recording(study.recordings[0], "spread-1", None)
    plan = plan_for(coded)
    bench = Workbench.of(coded, plan.baselines[0], torch.device("cpu"))
    assert (
        MEASURES["shift_null"](bench, [plan.baselines[0]], lambda s: None)[0].result.figures.p_value
        < 0.05
    )


def test_persistence_of_an_ou_label_is_exponential_in_the_lag():
    from invariance_probe.data.simulate.latents import ornstein_uhlenbeck

    label = ornstein_uhlenbeck(np.random.default_rng(0), 60000, 1, 0.8, 0.1)[:, 0]
    jitter = {
        "id": "J",
        "claim": "c",
        "predicts": "tolerated",
        "axis": "time_jitter.window_s",
        "dose": 0.4,
        "margin": tiny_study()["hypotheses"][0]["margin"],
    }
    made = white(label)
    plan = plan_for(
        made,
        views={"pairing": {"kind": "time_jitter", "shape": "annulus"}},
        axes=[{"path": "time_jitter.window_s", "doses": [0, 0.4]}],
        hypotheses=[jitter],
    )
    run = next(r for r in plan.baselines if r.method.kind == "persistence")
    bench = Workbench.of(made, run, torch.device("cpu"))
    uniform = run.views.pairing.shape == "uniform"
    rho = MEASURES["persistence"](bench, [run], lambda s: None)[0].result.figures.rho
    lags = np.arange(-4, 5) if uniform else np.array([4])
    assert rho == pytest.approx(np.exp(-np.abs(lags) * 0.1 / 0.8).mean(), abs=0.03)
    assert not uniform, "persistence must be measured at the pairing's own shape"


def test_the_raw_baseline_of_hand_velocity_equals_a_plain_scikit_learn_ridge():
    """Real reach data, the study's own folds: variance-weighted R2 agrees to 1e-3."""
    source = CatalogRecording(name="m1-reach/chewie-1")
    try:
        recording = open_recording(source, "chewie-1", None)
    except DataError as error:
        pytest.skip(str(error))
    plan = plan_for(
        recording,
        target={"name": "hand_velocity"},
        folds={"scheme": "trials", "count": 5, "embargo_s": 0.5},
    )
    runs = [r for r in plan.baselines if r.method.kind == "raw"]
    bench = Workbench.of(recording, runs[0], torch.device("cpu"))
    ours = [m.result for m in MEASURES["raw"](bench, runs, lambda s: None)]
    x, y = recording.activity.astype(float), recording.targets["hand_velocity"].astype(float)
    for run, result in zip(runs, ours, strict=True):
        fold = bench.folds[run.fold]
        inner = np.arange(len(fold.train)) * run.probe.inner_folds // len(fold.train)
        model, scaler = best_ridge(x[fold.train], y[fold.train], inner, run.probe.penalties)
        error = ((model.predict(scaler.transform(x[fold.test])) - y[fold.test]) ** 2).sum(
            1
        ) / y.var(0).sum()
        expected = np.mean(
            [error[fold.test_blocks == b].mean() for b in np.unique(fold.test_blocks)]
        )
        assert np.mean(result.block_losses) == pytest.approx(expected, abs=1e-3)


def test_the_decoder_of_square_roots_equals_scikit_learn_over_several_bins():
    rng = np.random.default_rng(0)
    made = white(rng.standard_normal(400))
    plan = plan_for(made, window={"length_bins": 2})
    runs = [r for r in plan.baselines if r.method.kind == "square_roots"]
    bench = Workbench.of(made, runs[0], torch.device("cpu"))
    ours = [m.result for m in MEASURES["square_roots"](bench, runs, lambda s: None)]
    roots = np.sqrt(made.activity + 0.25)
    x = np.concatenate([roots[bench.windows.starts], roots[bench.windows.starts + 1]], axis=1)
    y = made.targets["label"][bench.windows.centres][:, None]
    assert len(ours) == 2
    for run, result in zip(runs, ours, strict=True):
        fold = bench.folds[run.fold]
        inner = np.arange(len(fold.train)) * run.probe.inner_folds // len(fold.train)
        model, scaler = best_ridge(x[fold.train], y[fold.train], inner, run.probe.penalties)
        error = (
            (model.predict(scaler.transform(x[fold.test])).reshape(-1, 1) - y[fold.test]) ** 2
        ).sum(1) / y.var()
        expected = [error[fold.test_blocks == b].mean() for b in np.unique(fold.test_blocks)]
        np.testing.assert_allclose(result.block_losses, expected, rtol=1e-3)
        assert result.selection_loss is not None and not result.floor_losses


def test_square_roots_read_more_than_counts_where_rates_grow_exponentially():
    rng = np.random.default_rng(0)
    label = rng.standard_normal(1200)
    made = replace(
        white(label),
        activity=rng.poisson(8 * np.exp(0.5 * label[:, None] * rng.choice([-1, 1], 10))),
    )
    plan = plan_for(made)
    losses = {}
    for kind in ("raw", "square_roots"):
        runs = [r for r in plan.baselines if r.method.kind == kind]
        bench = Workbench.of(made, runs[0], torch.device("cpu"))
        found = [m.result for m in MEASURES[kind](bench, runs, lambda s: None)]
        losses[kind] = (
            np.mean([r.block_losses for r in found]),
            np.mean([r.selection_loss for r in found]),
        )
    assert (
        losses["square_roots"][0] < 0.9 * losses["raw"][0]
        and losses["square_roots"][1] < losses["raw"][1]
    )


def test_no_decoder_of_square_roots_is_planned_for_signals_and_one_is_refused():
    made = white(np.random.default_rng(0).standard_normal(300))
    counts = plan_for(made)
    signal = Plan(counts.study, (replace(counts.sessions[0], activity_kind="signal"),))
    kinds = [{run.method.kind for run in plan.baselines} for plan in (counts, signal)]
    assert kinds[0] - kinds[1] == {"square_roots"} and kinds[1] < kinds[0]
    run = next(run for run in counts.baselines if run.method.kind == "square_roots")
    bench = Workbench.of(
        replace(made, activity=made.activity.astype(np.float32), activity_kind="signal"),
        run,
        torch.device("cpu"),
    )
    with pytest.raises(
        TrainingError, match="square_roots needs spike counts, but activity_kind is 'signal'"
    ):
        MEASURES["square_roots"](bench, [run], lambda s: None)


@pytest.mark.parametrize("dim", [8, 16, 17, 42])
@pytest.mark.parametrize(
    ("kind", "columns"),
    [("ridge", 1), ("ridge", 2), ("ridge", 3), ("logistic", 3), ("logistic", 5)],
)
def test_a_probe_is_the_same_to_the_last_bit_whatever_is_stacked_with_it(kind, columns, dim):
    gen = torch.Generator().manual_seed(dim)
    x = torch.randn(9, 301, dim, generator=gen, dtype=torch.float64)
    y = torch.randn(9, 301, columns, generator=gen, dtype=torch.float64)
    classes = torch.randint(0, columns, (9, 301), generator=gen)
    inner = (torch.arange(301) * 4 // 301).expand(9, -1)

    def predicted(runs):
        if kind == "ridge":
            return fit_ridge(x[runs], y[runs], inner[runs], (0.1, 1.0, 10.0)).predict(x[runs])
        return fit_logistic(x[runs], classes[runs], inner[runs], (0.1, 1.0), columns).predict(
            x[runs]
        )

    together = predicted(list(range(9)))
    for runs in ([3], [5, 3], list(range(1, 9))):
        assert torch.equal(predicted(runs), together[runs])
