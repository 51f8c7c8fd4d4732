"""Windows without a target train SSL models, and no decoder and no null sees them."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from conftest import tiny_study

from invariance_probe.data.labels import labelled_windows
from invariance_probe.data.recording import Recording
from invariance_probe.data.sessions import find_sessions
from invariance_probe.errors import DataError
from invariance_probe.plan.plan import Plan
from invariance_probe.probing import MEASURES
from invariance_probe.probing.bench.training import training_bench
from invariance_probe.probing.bench.workbench import Workbench
from invariance_probe.probing.measurements.trained import probe_stored
from invariance_probe.study.design import Window
from invariance_probe.study.probes import Target
from invariance_probe.study.study import Study

BINS, EMBARGO = 900, 5
FOLDS = {"scheme": "blocks", "count": 3, "embargo_s": EMBARGO * 0.1}
KNOWN = np.zeros(BINS, dtype=bool)
KNOWN[60:260] = KNOWN[300:520] = KNOWN[600:870] = True
KNOWN[410:413] = False


def recording(known=KNOWN, kind="continuous"):
    rng = np.random.default_rng(0)
    label = np.convolve(rng.standard_normal(BINS + 20), np.ones(21) / 4, mode="valid")
    made = Recording.from_arrays(
        rng.poisson(np.exp(0.4 * label)[:, None] * np.ones(12)),
        bin_s=0.1,
        targets={"label": label if kind == "continuous" else (label > 0).astype(int)},
        segments=np.repeat([0, 1], [560, BINS - 560]),
        session="s",
    )
    return made if known is None else replace(made, known={"label": known})


def plan_of(made, kind="continuous", **changes):
    study = Study.model_validate(
        tiny_study(
            recordings=[made.declared()],
            target={"name": "label", "kind": kind},
            **{"folds": FOLDS, **changes},
        )
    )
    return Plan(study, find_sessions(study, Path()))


def bench_of(made, run):
    return Workbench.of(made, run, torch.device("cpu"))


def measured(made, kind, **changes):
    """Results of all runs of a kind of method, at dose 0 where it has doses."""
    plan = plan_of(made, **changes)
    runs = [run for run in plan.runs if run.method.kind == kind and run.setting == ""][:3]
    bench = bench_of(made, runs[0])
    return runs, MEASURES[kind](bench, runs, lambda steps: None)


def content(measurements):
    return [(one.result.block_losses, one.result.figures) for one in measurements]


@pytest.mark.parametrize("length", [1, 4])
@pytest.mark.parametrize("stride", [1, 2])
def test_training_parts_by_brute_force(length, stride):
    made = recording()
    run = next(
        run
        for run in plan_of(made, window={"length_bins": length, "stride_bins": stride}).grid
        if run.method.kind == "simclr"
    )
    bench = bench_of(made, run)
    training = training_bench(bench, run)
    assert KNOWN[bench.windows.centres].all() and len(training.windows.starts) > len(
        bench.windows.starts
    )
    assert set(training.windows.starts[training.decoded_windows.numpy()]) == set(
        bench.windows.starts
    )
    for number, fold in enumerate(training.folds):
        tested = training.windows.starts[fold.test]
        assert (tested == bench.windows.starts[bench.folds[number].test]).all()
        bins = {int(b) + i for b in tested for i in range(length)}
        for window, start in enumerate(training.windows.starts):
            own = range(start, start + length)
            near = {b for bin_ in own for b in range(bin_ - EMBARGO, bin_ + EMBARGO + 1)}
            touches = {b for b in near & bins if made.segments[b] == made.segments[start]}
            among = tested[0] < start < tested[-1]
            assert (window in fold.train) == (not touches and not among)


def test_bins_and_windows_without_a_target_do_not_break_pairs_of_training():
    """Two windows that are near in time are a pair, with a target or without."""
    made = recording()
    views = {
        "pairing": {"kind": "time_jitter", "window_s": 0.3},
        "transforms": [{"kind": "unit_dropout"}],
    }
    run = next(run for run in plan_of(made, views=views).grid if run.method.kind == "simclr")
    training = training_bench(bench_of(made, run), run)
    partners = training.partners(run, training.train_windows(run))
    assert (~KNOWN[training.windows.starts[partners.anchors]]).sum() > 50


@pytest.mark.parametrize("kind", ["raw", "shift_null", "code", "test_lag", "supervised", "simclr"])
def test_values_in_bins_without_a_target_change_nothing(kind):
    made = recording()
    other = replace(
        made, targets={"label": np.where(KNOWN, made.targets["label"], 1e3 * np.arange(BINS))}
    )
    (_, one), (_, same) = measured(made, kind), measured(other, kind)
    assert content(one) == content(same)


@pytest.mark.parametrize("kind", ["raw", "untrained", "shift_null", "code"])
def test_measurements_are_those_of_a_recording_without_these_bins(kind):
    """Without an embargo, which counts bins, both cut the same folds from the same windows."""
    made, cut = recording(), recording(None)
    border = np.concatenate([[0], np.cumsum(np.diff(KNOWN.astype(int)) != 0)])
    cut = replace(
        cut,
        activity=cut.activity[KNOWN],
        targets={"label": cut.targets["label"][KNOWN]},
        segments=cut.segments[KNOWN],
        pieces=border[KNOWN],
    )
    found = [
        content(measured(one, kind, folds={**FOLDS, "embargo_s": 0})[1]) for one in (made, cut)
    ]
    if kind != "code":
        assert found[0] == found[1]
    else:
        one, other = (figures for ((_, figures),) in found)
        assert one.whole == other.whole and one.autocorrelation_s == other.autocorrelation_s


def test_windows_without_a_target_change_what_is_learned_and_how_runs_are_keyed():
    made, other = recording(), recording(np.roll(KNOWN, 15))
    known = measured(made, "simclr")
    assert content(known[1]) != content(measured(recording(None), "simclr")[1])
    keys = [
        {run.train_key() for run in plan_of(one).grid} for one in (made, other, recording(None))
    ]
    assert not (keys[0] & keys[1] or keys[0] & keys[2])


def test_stored_encoders_are_decoded_as_when_they_were_trained():
    from invariance_probe.probing.bench.stored import Stored

    made = recording()
    runs, trained = measured(made, "simclr")
    stored = Stored(
        {run.train_key(): one.weights for run, one in zip(runs, trained, strict=True)},
        {
            run.train_key(): one.result.figures.training
            for run, one in zip(runs, trained, strict=True)
        },
    )
    again = probe_stored(bench_of(made, runs[0]), runs, stored)
    assert [one.result.block_losses for one in again] == [
        one.result.block_losses for one in trained
    ]


def test_a_method_that_reads_the_target_trains_where_it_is_known():
    made = recording(kind="categorical")
    plan = plan_of(made, kind="categorical", method={"kind": "supcon"})
    run = next(run for run in plan.grid if run.method.kind == "supcon")
    bench = bench_of(made, run)
    assert training_bench(bench, run) is bench


def test_a_label_that_covers_too_little_of_a_window_or_no_more_than_another_is_none():
    labels = np.array(["a", "a", "b", "a", "b", "b", "c", "c", "c", "a", "b", "c"])
    known = np.array([1, 1, 1, 1, 1, 1, 0, 1, 1, 1, 1, 1], dtype=bool)
    made = Recording.from_arrays(
        np.ones((12, 1), dtype=int), bin_s=0.1, targets={"x": labels}, session="s"
    )
    made = replace(made, known={"x": known})
    window = Window(length_bins=3, stride_bins=3, cover=0.6)
    target = Target(name="x", kind="categorical")
    found = labelled_windows(made, window, labels, target)
    assert found.labelled.tolist() == [True, True, True, False]
    assert found.values.tolist() == ["a", "b", "c"]
    with pytest.raises(DataError, match="none of 4 windows has a value of the target 'x'"):
        labelled_windows(made, window.model_copy(update={"cover": 0.7}), labels, target)
