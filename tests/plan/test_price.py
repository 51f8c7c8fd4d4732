"""A plan's price follows the size of its networks."""

from pathlib import Path

import pytest
from conftest import tiny_study

from invariance_probe.data.catalog import CATALOG
from invariance_probe.data.sessions import find_sessions
from invariance_probe.plan.plan import Plan
from invariance_probe.plan.price import (
    code_seconds,
    core_seconds,
    encoder_products,
    measuring_seconds,
    step_seconds,
    updates,
)
from invariance_probe.planning import make_plan
from invariance_probe.study.baselines import Code, CodeCorruption
from invariance_probe.study.load import open_study
from invariance_probe.study.study import Study
from invariance_probe.study.views import Views

STUDIES = Path(__file__).parents[2] / "studies"
REACH = CATALOG["m1-reach/chewie-1"].files[0].path
ENCODER = {"kind": "mlp", "widths": [64, 64, 16]}
SIMCLR = {"kind": "simclr", "encoder": ENCODER, "projector": [64, 32]}


def a_step(method=SIMCLR, units=60, bins=1, **changes):
    training = {"steps": 20, "batch_size": 128, "seeds": 1, **changes.pop("training", {})}
    study = Study.model_validate(
        tiny_study(method=method, window={"length_bins": bins}, training=training, **changes)
    )
    plan = Plan(study, find_sessions(study, Path()))
    run = next(r for r in plan.grid if r.method.kind == method["kind"] and r.arm == "independent")
    return step_seconds(run, units)


def test_a_step_of_the_quickstart_costs_what_was_measured():
    assert a_step() == pytest.approx(
        1.3e-3, rel=0.1
    )  # reports/speed/training.md: 751 model-steps a second


@pytest.mark.parametrize(
    ("measured", "changes"),
    [
        (2.1, {"bins": 8}),
        (
            4.4,
            {
                "bins": 8,
                "method": {**SIMCLR, "encoder": {"kind": "gru", "width": 32, "dimensions": 16}},
            },
        ),
        (
            13.3,
            {
                "bins": 8,
                "method": {
                    **SIMCLR,
                    "encoder": {"kind": "transformer", "width": 32, "layers": 2, "dimensions": 16},
                },
            },
        ),
        (
            3.3,
            {
                "bins": 8,
                "method": {
                    **SIMCLR,
                    "encoder": {
                        "kind": "temporal_convolution",
                        "channels": [32, 32],
                        "dimensions": 16,
                    },
                },
            },
        ),
        (5.6, {"training": {"batch_size": 512}}),
        (2.2, {"units": 400}),
        (1.8, {"method": {"kind": "myow", "encoder": ENCODER}}),
    ],
)
def test_other_sizes_cost_as_much_more_as_was_measured_within_a_factor_of_two(measured, changes):
    assert measured / 2 < a_step(**changes) / a_step() < 2 * measured


def test_an_adversary_costs_its_passes():
    views = {
        "adversary": {"kind": "ascended_mask", "ascents": 3, "budget": 4},
        "transforms": [{"kind": "unit_dropout"}],
    }
    assert a_step(views=views) == pytest.approx(4 * a_step())


def test_a_plan_costs_the_sum_of_its_steps():
    study = Study.model_validate(tiny_study())
    plan = Plan(study, find_sessions(study, Path()))
    assert measuring_seconds(plan) > 0 and core_seconds(plan) == pytest.approx(
        sum(run.steps * step_seconds(run, 30) for run in plan.runs if run.steps)
    )
    assert encoder_products(study.method.encoder, 1, 30) == 30 * 16 + 16 * 8


def test_an_attack_on_trained_models_is_in_the_price():
    asked = {"kind": "reliance", "of": SIMCLR, "budgets": [1, 4]}
    study = Study.model_validate(tiny_study(method=SIMCLR, measurements=[asked]))
    plan = Plan(study, find_sessions(study, Path()))
    run = next(r for r in plan.examined if r.method.kind == "reliance")
    passes = (
        4 * (60 * 2 + 16 * 8) + 2 * 3 * 8 + 4 * 8 + 2 * 3 * 201 * 2
    )  # path, candidates, scales, sets and bands
    assert updates(run, 60) == run.steps + passes / 3
    assert step_seconds(run, 60) == step_seconds(
        next(r for r in plan.grid if r.method == study.method), 60
    )


@pytest.mark.parametrize(
    ("measured", "size", "changes"),
    [
        (0.38, (160, 3000), {}),
        (1.0, (160, 3000), {"jackknife": True}),
        (0.31, (60, 1600), {"jackknife": True}),
        (3.9, (500, 10_000), {}),
        (21.6, (1000, 20_000), {}),
        (4.2, (60, 1600, 10), {}),
    ],
)
def test_the_code_costs_what_was_measured_within_a_factor_of_two(measured, size, changes):
    """Seconds of one core under load, by benchmarks/dropping_curves.py."""
    asked = Code(
        corruptions=(CodeCorruption(axis="unit_dropout.rate", dose=0.4, views=Views()),), **changes
    )
    assert measured / 2 < code_seconds(asked, *size) < 2 * measured


@pytest.mark.parametrize(
    ("name", "core_minutes"), [("quickstart", 4.1), ("reach_redundancy", 30.0)]
)
def test_a_shipped_study_costs_what_its_whole_run_took_within_a_factor_of_a_half(
    name, core_minutes
):
    """User and system time of `run` with two workers."""
    plan = make_plan(open_study(STUDIES / f"{name}.yaml"))
    told = (core_seconds(plan) + measuring_seconds(plan)) / 60
    assert core_minutes / 1.5 < told < 1.5 * core_minutes
