"""The example of docs/adding works as it stands.

It is a declaration and a class in one file, a line in each table, and the contract.
"""

import importlib.util
from pathlib import Path

import numpy as np
import pytest
import torch
from conftest import tiny_study

from invariance_probe.data.sessions import find_sessions, open_recording
from invariance_probe.methods import METHODS
from invariance_probe.plan.plan import Plan
from invariance_probe.probing.bench.workbench import Workbench
from invariance_probe.probing.measurements.baselines import measure_raw
from invariance_probe.probing.measurements.trained import measure_ssl
from invariance_probe.study.encoders import MLPEncoder
from invariance_probe.study.study import Study

pytestmark = pytest.mark.filterwarnings(
    "ignore:Pydantic serializer warnings"
)  # the union does not know the example's kind
FILE = Path(__file__).parents[2] / "docs" / "examples" / "agreeing_pairs.py"


@pytest.fixture
def example(monkeypatch):
    spec = importlib.util.spec_from_file_location("agreeing_pairs", FILE)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    monkeypatch.setitem(METHODS, "whitened_mse", module.StackedWhitenedMSE)  # the line
    return module


@pytest.fixture
def runs_of():
    world = {
        "kind": "simulated",
        "generator": "redundancy",
        "session": "x",
        "units": 40,
        "carriers": 40,
        "information": 2.0,
        "bins": 1600,
    }
    study = Study.model_validate(
        tiny_study(recordings=[world], training={"steps": 200, "batch_size": 64, "seeds": 2})
    )
    plan = Plan(study, find_sessions(study, Path()))
    session = plan.sessions[0]
    bench = Workbench.of(
        open_recording(session.source, session.name, Path()), plan.grid[0], torch.device("cpu")
    )
    return bench, plan


def test_whitened_embeddings_have_the_covariance_one(example):
    z = torch.randn(
        2, 500, 4, generator=torch.Generator().manual_seed(0), dtype=torch.float64
    ) * torch.tensor([1.0, 2.0, 3.0, 4.0])
    for run in example.whitened(z):
        np.testing.assert_allclose(np.cov(run.numpy().T), np.eye(4), atol=2e-3)


def test_it_learns_stacked_as_alone_and_keeps_most_of_the_range(example, runs_of):
    bench, plan = runs_of
    declared = example.WhitenedMSE(encoder=MLPEncoder(widths=(32, 16)), projector=(16, 8))
    runs = [
        run.model_copy(update={"method": declared})
        for run in plan.grid
        if run.method.kind == "simclr" and run.axis == ""
    ][:4]
    stacked = measure_ssl(bench, runs, lambda steps: None)
    alone = measure_ssl(bench, runs[1:2], lambda steps: None)[0]
    assert alone.result.block_losses == pytest.approx(stacked[1].result.block_losses, rel=1e-6)
    raw = measure_raw(
        bench, [run for run in plan.baselines if run.method.kind == "raw"], lambda steps: None
    )
    floor, ceiling = (
        np.mean([m.result.floor_losses for m in raw]),
        np.mean([m.result.block_losses for m in raw]),
    )
    kept = (floor - np.mean([m.result.block_losses for m in stacked])) / (floor - ceiling)
    assert kept > 0.5, kept
