"""Every kind of encoder on windows of several bins.

Encoders are trained, read by the probe, and examined as they were stored.
"""

import numpy as np
import pytest
from test_ensemble import bench_and_runs

from invariance_probe.plan.roles import EncoderExamination
from invariance_probe.probing.measurements.examination import examine
from invariance_probe.probing.measurements.trained import measure_ssl, train_ssl
from invariance_probe.study.examinations import Comparison, Corruption, Detection
from invariance_probe.study.transforms import UnitDropout
from invariance_probe.study.views import NoSplitting, Views

ENCODERS = [
    {"kind": "mlp", "widths": [16, 8]},
    {"kind": "temporal_convolution", "channels": [16, 16], "dimensions": 8},
    {"kind": "gru", "width": 16, "dimensions": 8},
    {"kind": "transformer", "width": 16, "heads": 2, "layers": 1, "dimensions": 8},
]


def opened(encoder, precision="float32", **training):
    method = {"kind": "simclr", "encoder": encoder, "projector": [8, 8]}
    return bench_and_runs(method, precision, window={"length_bins": 5}, **training)


def weights_of(bench, runs):
    method, _, _ = train_ssl(bench, runs, lambda steps: None)
    return {name: p.detach().numpy() for name, p in method.named_parameters()}


@pytest.mark.parametrize("encoder", ENCODERS, ids=lambda e: e["kind"])
def test_training_is_that_of_one_by_one_and_bit_identical_whatever_the_partners(encoder):
    bench, runs, _ = opened(encoder, "float64", steps=8)
    stacked, alone = weights_of(bench, runs[:3]), weights_of(bench, runs[2:3])
    assert all(np.allclose(stacked[name][2], alone[name][0], rtol=0, atol=1e-9) for name in stacked)
    bench, runs, _ = opened(encoder, steps=8)
    stacked, others, alone = (
        weights_of(bench, runs[:5]),
        weights_of(bench, [runs[7], runs[3]]),
        weights_of(bench, [runs[3]]),
    )
    for name in stacked:
        assert np.array_equal(stacked[name][3], others[name][1]) and np.array_equal(
            stacked[name][3], alone[name][0]
        ), name


@pytest.mark.parametrize("encoder", ENCODERS, ids=lambda e: e["kind"])
def test_stored_encoders_are_examined_as_they_were_measured(encoder):
    bench, runs, _ = opened(encoder, steps=60)
    clean = next(run for run in runs if not run.axis and run.fold == 0 and run.seed == 0)
    dosed = next(
        run
        for run in runs
        if run.axis and run.arm == "independent" and (run.fold, run.seed) == (0, 0)
    )
    measured = measure_ssl(bench, [clean, dosed], lambda steps: None)
    assert all(
        m.result.status == "done" and m.result.figures.representation.rank_me > 1.5
        for m in measured
    )
    assert np.isfinite([m.result.block_losses for m in measured]).all()
    weights = {m.run.train_key(): m.weights for m in measured}
    untouched, dropped = (
        Views(base=NoSplitting(), transforms=(UnitDropout(rate=rate),)) for rate in (0.0, 0.4)
    )
    of = {"axis": dosed.axis}
    examinations = (
        Corruption(inputs=untouched, dose=0.0, **of),
        Corruption(inputs=dropped, dose=0.4, **of),
        Comparison(seed=0),
        Detection(inputs=dropped, dose=0.4, **of),
    )
    asked = [EncoderExamination.of(dosed, examination) for examination in examinations]
    whole, corrupted, compared, detected = (m.result for m in examine(bench, asked, weights))
    assert {whole.status, corrupted.status, compared.status, detected.status} == {"done"}
    assert whole.block_losses == pytest.approx(
        measured[1].result.block_losses, rel=1e-5
    )  # uncorrupted: the probe of the training
    assert corrupted.block_losses != whole.block_losses
    assert 0 < compared.figures.cka <= 1 and 0 < detected.figures.detection <= 1
