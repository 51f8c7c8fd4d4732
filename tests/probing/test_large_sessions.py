"""Sessions whose windows are read in chunks give the numbers of those held as one table."""

from pathlib import Path

import numpy as np
import pytest
import torch
from conftest import tiny_study

from invariance_probe.data.recording import Recording
from invariance_probe.data.sessions import find_sessions, open_recording
from invariance_probe.plan.figures.code import CodeFigures
from invariance_probe.plan.figures.session import LagFigures, LeakFigures, NullFigures
from invariance_probe.plan.plan import Plan
from invariance_probe.probing import MEASURES
from invariance_probe.probing.bench import size
from invariance_probe.probing.bench.workbench import Workbench
from invariance_probe.probing.code import copies
from invariance_probe.probing.decoders import overlapping, readout, ridge
from invariance_probe.probing.decoders.overlapping import SetMoments, WindowInputs, fit_windows
from invariance_probe.probing.decoders.ridge import fit_ridge
from invariance_probe.probing.measurements import supervised
from invariance_probe.probing.representation import encoding
from invariance_probe.study.study import Study

WORLD = {"kind": "simulated", "generator": "redundancy", "units": 12, "carriers": 12,
         "bins": 700, "information": 3, "session": "large"}  # fmt: skip
EXACT = ("raw", "square_roots", "pca", "linear_ssl", "shift_null", "leak", "test_lag", "code")
"""Measurements that chunks change by rounding only."""


@pytest.fixture
def small_tables(monkeypatch):
    """Treat every session as a large one."""
    for module in (size, ridge, encoding, copies, readout):
        monkeypatch.setattr(module, "TABLE_VALUES", 2000)
    monkeypatch.setattr(overlapping, "CHUNK_VALUES", 1500)
    monkeypatch.setattr(encoding, "ENCODED_VALUES", 1500)
    monkeypatch.setattr(ridge, "SOLVED_VALUES", 2000)


def measured(kind, bins):
    declared = tiny_study(recordings=[WORLD], window={"length_bins": bins})
    study = Study.model_validate(declared)
    plan = Plan(study, find_sessions(study, Path()))
    runs = [run for run in (*plan.baselines, *plan.grid) if run.method.kind == kind]
    recording = open_recording(plan.sessions[0].source, plan.sessions[0].name, Path())
    bench = Workbench.of(recording, runs[0], torch.device("cpu"))
    return [found.result for found in MEASURES[kind](bench, runs[:4], lambda steps: None)]


def numbers(result):
    figures = result.figures
    more = []
    if isinstance(figures, NullFigures):
        more = [figures.observed, *figures.draws]
    elif isinstance(figures, LeakFigures):
        more = [*figures.r2, *figures.beyond]
    elif isinstance(figures, LagFigures):
        more = [*figures.r, *figures.rho]
    elif isinstance(figures, CodeFigures):
        more = [*figures.whole.everything, *figures.whole.linear, *figures.whole.floor]
    return np.array([*result.block_losses, result.selection_loss or 0.0, *more])


@pytest.mark.parametrize("bins", [1, 3])
@pytest.mark.parametrize("kind", EXACT)
def test_decoders_of_a_large_session_are_those_of_one_table(kind, bins, request):
    if kind == "linear_ssl" and bins > 1:
        pytest.skip("linear SSL reads windows of one bin")
    whole = measured(kind, bins)
    request.getfixturevalue("small_tables")
    for one, other in zip(whole, measured(kind, bins), strict=True):
        np.testing.assert_allclose(numbers(other), numbers(one), rtol=1e-7, atol=1e-9)


@pytest.mark.parametrize("kind", ["untrained", "supervised", "simclr"])
def test_networks_of_a_large_session_decode_as_those_of_one_table(kind, request):
    whole = measured(kind, 3)
    request.getfixturevalue("small_tables")
    for one, other in zip(whole, measured(kind, 3), strict=True):
        assert other.status == one.status
        # Batch norm is fixed at evenly spaced training windows, not at all of them.
        np.testing.assert_allclose(numbers(other), numbers(one), rtol=0.1, atol=0.02)


@pytest.mark.parametrize("bins, breaks", [(1, 3), (5, 3), (30, 2), (7, 40)])
def test_moments_of_overlapping_windows_are_those_of_their_table(bins, breaks):
    rng = np.random.default_rng(0)
    counts = rng.poisson(2, (600, 5)).astype(np.int32)
    stretch = np.searchsorted(np.sort(rng.choice(600, breaks, False)), np.arange(600))
    starts = np.arange(601 - bins)
    starts = starts[stretch[starts] == stretch[starts + bins - 1]]
    inputs = WindowInputs(counts, counts.mean(0), 1 / counts.std(0), starts, bins)
    count, target = len(starts), rng.standard_normal((len(starts), 4))
    parts = [np.arange(count // 3, count), np.r_[: count // 5, count // 2 : count]]
    x = inputs.rows(np.arange(count))
    moments = SetMoments(inputs, target, parts)
    penalties = (1e-3, 0.1, 1.0, 10.0)
    fits = fit_windows(inputs, target, parts, 4, penalties, 2)
    for number, (part, fit) in enumerate(zip(parts, fits, strict=True)):
        table = np.column_stack([x[part], np.ones(len(part)), target[part]])
        np.testing.assert_allclose(moments.gram(number), table.T @ table, atol=1e-10 * count)
        inner = np.full(count, -1)
        inner[part] = np.arange(len(part)) * 4 // len(part)
        x_all, y_all, folds = (torch.from_numpy(values)[None] for values in (x, target, inner))
        direct = fit_ridge(x_all, y_all, folds, penalties, 2)
        torch.testing.assert_close(fit.coefficients, direct.coefficients)
        assert torch.equal(fit.penalties, direct.penalties)
        assert np.allclose(inputs.predict(fit, part), direct.predict(x_all)[0].numpy()[part])


def test_classes_of_a_large_session_are_decoded_from_evenly_spaced_windows(request):
    rng = np.random.default_rng(1)
    classes = np.repeat(rng.integers(0, 3, 120), 10)
    counts = rng.poisson(1 + 2 * np.eye(12)[classes])
    recording = Recording.from_arrays(counts, bin_s=0.1, targets={"label": classes})
    study = Study.model_validate(
        tiny_study(
            recordings=[recording.declared()], target={"name": "label", "kind": "categorical"}
        )
    )
    plan = Plan(study, find_sessions(study, Path()))
    runs = [run for run in plan.baselines if run.method.kind == "raw"]
    bench = Workbench.of(recording, runs[0], torch.device("cpu"))
    whole = [found.result for found in MEASURES["raw"](bench, runs, lambda steps: None)]
    request.getfixturevalue("small_tables")
    for one, found in zip(whole, MEASURES["raw"](bench, runs, lambda steps: None), strict=True):
        # The decoder is fitted on 166 of some 600 windows.
        assert np.mean(one.block_losses) < np.mean(found.result.block_losses) < 0.8
        assert one.floor_losses == found.result.floor_losses


def test_networks_of_a_large_session_decode_the_windows_that_are_scored(small_tables, monkeypatch):
    lengths = []
    encode = supervised.encode_corrupted
    monkeypatch.setattr(supervised, "CHOOSING_WINDOWS", 16)
    monkeypatch.setattr(
        supervised,
        "encode_corrupted",
        lambda views, frozen, step, windows: (
            lengths.append(windows.shape[1]) or encode(views, frozen, step, windows)
        ),
    )
    results = measured("supervised", 3)
    *choosing, final = lengths
    assert set(choosing) == {16}
    assert 698 / 2 < final < 500  # the test windows of one of two folds, and validation windows
    assert all(np.isfinite(numbers(result)).all() for result in results)


def test_a_gram_matrix_follows_from_that_of_inputs_with_another_scaling():
    rng = np.random.default_rng(0)
    counts = rng.poisson(2, (300, 4)).astype(np.int32)
    counts[:, 3] = 1
    starts = np.arange(298)
    one = WindowInputs(counts, np.zeros(4), np.array([1.0, 2, 3, 0]), starts, 3)
    other = WindowInputs(counts, counts[50:].mean(0), np.array([0.3, 1, 2, 0]), starts, 3)
    part = np.arange(40, 250)
    gram = SetMoments(one, np.zeros((298, 0)), [part]).gram(0)
    x = other.rows(part)
    np.testing.assert_allclose(other.gram_from(one, gram), x.T @ x, atol=1e-9)
