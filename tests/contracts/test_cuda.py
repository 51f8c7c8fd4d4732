"""The same models on a GPU; run these tests with `-m gpu`.

Draws are the same to the bit, trainings to rounding, and the words of a report are
equal.
"""

import json

import pytest
import torch
from conftest import tiny_study
from declared_methods import METHODS
from helpers.program import call, write
from test_ensemble import bench_and_runs, weights_of

from invariance_probe.augmentations.random_bits import key_tensor, normal, uniform, uniform16
from invariance_probe.training.batch_order import ShuffledBatches

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device"),
]
CUDA = torch.device("cuda")


def test_random_numbers_are_the_same_bits():
    keys, rows = key_tensor([3, 2**64 - 5], torch.device("cpu")), torch.arange(50).expand(2, -1)
    for draw in (uniform16, uniform):
        assert torch.equal(draw(keys, rows, 33), draw(keys.to(CUDA), rows.to(CUDA), 33).cpu())
    assert torch.allclose(
        normal(keys, rows, 33), normal(keys.to(CUDA), rows.to(CUDA), 33).cpu(), rtol=0, atol=1e-5
    )


def test_batches_are_the_same_windows():
    keys, counts = key_tensor([3, 9, 12], torch.device("cpu")), torch.tensor([90, 64, 77])
    here, there = (
        ShuffledBatches(keys, counts, 16),
        ShuffledBatches(keys.to(CUDA), counts.to(CUDA), 16),
    )
    assert all(torch.equal(here.batch(step), there.batch(step).cpu()) for step in range(12))


@pytest.mark.parametrize("method", METHODS, ids=lambda m: m["kind"])
def test_training_in_double_precision_is_that_of_the_cpu(method):
    bench, runs, _ = bench_and_runs(method)
    there, _, _ = bench_and_runs(method, device="cuda")
    expected, found = weights_of(bench, runs[:6]), weights_of(there, runs[:6])
    for name, value in expected.items():
        assert torch.allclose(value, found[name].cpu(), rtol=0, atol=1e-8), name


@pytest.mark.parametrize("method", METHODS, ids=lambda m: m["kind"])
def test_partners_and_slots_change_nothing_but_rounding(method):
    bench, runs, _ = bench_and_runs(method, device="cuda")
    first, second = weights_of(bench, runs[:5]), weights_of(bench, [runs[7], runs[3], runs[9]])
    for name, value in first.items():
        assert torch.allclose(value[3], second[name][1], rtol=0, atol=1e-8), name


def test_a_study_on_the_gpu_ends_with_the_words_of_the_cpu(tmp_path):
    study = write(tmp_path, tiny_study(quick=True))
    said = {}
    for device in ("cpu", "cuda"):
        out = tmp_path / device
        call(
            "run",
            study,
            "--device",
            device,
            "--runs",
            tmp_path / f"runs-{device}",
            "--out",
            out,
            "--workers",
            1,
            cwd=tmp_path,
            check=0,
        )
        said[device] = [
            (h["verdict"], h["flags"])
            for h in json.loads((out / "report.json").read_text())["hypotheses"]
        ]
    assert said["cpu"] == said["cuda"]
