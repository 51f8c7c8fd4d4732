"""A unit of measurement or an origin in time changes no loss and no memory.

Examples: volts or microvolts, seconds since 1970 or since the start.
"""

import numpy as np
import pytest
import torch

from invariance_probe.augmentations.standardisation import Scaling
from invariance_probe.data.alternatives import columns_of
from invariance_probe.data.recording import Recording
from invariance_probe.plan.roles import DecoderBaseline
from invariance_probe.probing.bench.workbench import Workbench
from invariance_probe.probing.measurements.baselines import measure_raw, measure_untrained
from invariance_probe.probing.measurements.stationarity import stationarity_p
from invariance_probe.study.baselines import Raw, Untrained
from invariance_probe.study.design import Folds, Window
from invariance_probe.study.encoders import MLPEncoder
from invariance_probe.study.probes import RidgeProbe, Target

CPU = torch.device("cpu")


def signals(scale=1.0, offset=0.0, sd=1.0, top=None):
    gen = np.random.default_rng(0)
    y = gen.standard_normal((600, 1))
    x = y + gen.standard_normal((600, 12))
    x = x * scale if top is None else x / np.abs(x).max() * top
    return Recording("s", "a", "", x, "signal", 0.1, tuple(map(str, range(12))),
                     {"y": y * sd + offset}, None, np.zeros(600, dtype=np.int64))  # fmt: skip


def run_of(recording, fold, method):
    return DecoderBaseline(
        fingerprint=recording.fingerprint, session="s", window=Window(), folds=Folds(count=2),
        fold=fold, seed=0, study_seed=0,
        method=method, target=Target(name="y"), probe=RidgeProbe(),
    )  # fmt: skip


def losses(recording, measure=measure_raw, method=None):
    runs = [run_of(recording, fold, method or Raw()) for fold in (0, 1)]
    found = measure(Workbench.of(recording, runs[0], CPU), runs, lambda steps: None)
    return np.array([m.result.block_losses for m in found])


@pytest.mark.parametrize("scale", [1e-6, 1e-13, 1e-20, 1e15])
def test_the_unit_of_a_signal_changes_no_loss(scale):
    untrained = Untrained(encoder=MLPEncoder(widths=(16, 8)))
    for measure, method in ((measure_raw, Raw()), (measure_untrained, untrained)):
        plain = losses(signals(), measure, method)
        np.testing.assert_allclose(losses(signals(scale), measure, method), plain, rtol=1e-4)
        assert plain.mean() < 0.9


@pytest.mark.parametrize("sd", [1.0, 100.0])
@pytest.mark.parametrize("offset", [1e5, 1.7e9, 1e10])
def test_the_origin_of_a_target_changes_no_loss(offset, sd):
    np.testing.assert_allclose(
        losses(signals(offset=offset, sd=sd)), losses(signals()), rtol=1e-5
    )  # 1e10 leaves ten digits of the target itself


def test_courses_of_nulls_lose_a_far_offset_and_no_other():
    gen = np.random.default_rng(0)
    near, far = gen.standard_normal((50, 2)), gen.standard_normal((50, 2)) + 1e8
    kept, centred = columns_of("continuous", [near, far])
    assert (kept == near).all() and np.abs(centred).max() < 5


def test_a_unit_that_is_constant_but_for_rounding_reads_as_zero_and_a_tiny_one_does_not():
    gen = np.random.default_rng(0)
    activity = np.column_stack([np.full(100_000, np.sqrt(2.25 + 0.1)), 1e-13 * gen.random(100_000)])
    scaling = Scaling.of(activity, [np.arange(100_000)], torch.float64, CPU)
    assert scaling.inverse_sd.flatten()[0] == 0 < scaling.inverse_sd.flatten()[1]


@pytest.mark.parametrize("top", [1.0, 65535.0])
def test_signals_are_never_split_however_large_their_values(top):
    recording = signals(top=top)
    run = run_of(recording, 0, Untrained(encoder=MLPEncoder(widths=(16, 8))))
    bench = Workbench.of(recording, run, CPU)
    views = bench.views([run], [bench.train_windows(run)], torch.float64)
    assert views.clean(bench.all_windows).shape == (1, 600, 1, 12)
    assert "base" not in vars(views)  # nothing is packed where no pair is asked for


def test_a_drift_is_seen_whatever_the_unit():
    gen = np.random.default_rng(0)
    drifting = (np.linspace(0, 3, 4000) + gen.standard_normal(4000))[:, None]
    assert stationarity_p(drifting) == stationarity_p(drifting * 2.0**-50) < 0.05
