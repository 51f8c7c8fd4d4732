"""Every figure is the same twice, has alt text and its numbers, and says on how much it rests."""

import re
from functools import cache

import numpy as np
import pytest
from inference.builder import JITTER, make_plan, planted, with_lags

from invariance_probe.inference import infer
from invariance_probe.inference.entry import unusable_runs
from invariance_probe.inference.findings import Standing
from invariance_probe.reporting.figures import charts_of
from invariance_probe.reporting.figures.doses import beside
from invariance_probe.reporting.model import report_model

REGISTERED = Standing("0123456789abcdef" * 4)
KINDS = {"dropout": {"C_code": 0.4}, "jitter": {"third": 0.0}}
NO_PLANTS = {"no plants": {"C_code": 0.4}}
OWN = {
    "how many units suffice, and how many it takes to lose the target": "code",
    "dropping curves": "code",
    "how long the code holds": "code",
    "what training costs under every recipe": "learning",
    "what the dose costs": "",
    "every session at the primary dose": "",
    "every seed": "",
    "trained at one dose, tested at another": "",
}
"""The figures of a corruption, in their order, and what each is about."""


@cache
def report_of(kind, tau=0.8, registered=False):
    plan = make_plan(plants=kind != "no plants", **(JITTER if kind == "jitter" else {}))
    results = with_lags(plan, planted(plan, **{**KINDS, **NO_PLANTS}[kind]), tau=tau)
    return report_model(
        plan, infer(plan, results, {}, REGISTERED if registered else Standing(None)), {}
    )


@cache
def figures(kind, **values):
    return drawn(kind, **values)


def drawn(kind, **values):
    report = report_of(kind, **values)
    return {
        chart.title.partition(": ")[2]: chart
        for chart in charts_of(report["hypotheses"][0], report)
    }


@pytest.mark.parametrize("kind", KINDS)
def test_figures_are_the_same_twice_with_alt_text_and_numbers(kind):
    first, second = figures(kind), drawn(kind)
    assert first == second and len(first) == {"dropout": 8, "jitter": 5}[kind]
    for chart in first.values():
        assert (
            chart.alt and chart.rows and all(len(row) == len(chart.columns) for row in chart.rows)
        )
        assert chart.svg.startswith("<?xml") and not re.search(
            r"<dc:date>|20\d\d-\d\d-\d\d", chart.svg
        )


def test_every_caption_says_on_how_much_it_rests_and_how_it_stands():
    unregistered = {chart.rests_on for chart in figures("dropout").values()}
    assert unregistered == {
        "6 sessions, 2 seeds, 8 test blocks per session; exploratory, not registered"
    }
    registered = {chart.rests_on for chart in figures("jitter", registered=True).values()}
    assert registered == {
        "6 sessions, 2 seeds, 8 test blocks per session; confirmatory, registered as 0123456789ab"
    }
    open_gate = {
        chart.rests_on for chart in figures("no plants", registered=True).values()
    }  # planted targets not computed
    standing = "exploratory (the study is registered as 0123456789ab)"
    assert open_gate == {f"6 sessions, 2 seeds, 8 test blocks per session; {standing}"}


def test_figures_of_the_code_come_first_then_those_of_learning_then_those_of_both():
    assert {name: chart.about for name, chart in figures("dropout").items()} == OWN
    assert list(figures("dropout")) == list(OWN)
    assert list(figures("jitter"))[:2] == [
        "how long the code holds",
        "what training costs under every recipe",
    ]


def test_what_decoders_without_ssl_lose_has_a_panel_and_a_unit_of_its_own():
    shown = {row[0] for row in figures("dropout")["what the dose costs"].rows}
    assert {"C_code", "C_blind", "D", "H", "delta"} <= shown
    assert (
        "R_code" in figures("dropout")["what the dose costs"].alt
        and "R_code" not in figures("jitter")["what the dose costs"].alt
    )


def test_the_test_lag_figure_shows_the_curves_of_the_sessions_and_their_time_constant():
    chart = figures("jitter")["how long the code holds"]
    lags, r, rho, kappa = (
        np.array(column, dtype=float) for column in zip(*chart.rows, strict=True)
    )
    assert list(lags) == [0.1, 0.2, 0.4, 0.8, 1.6, 3.2]  # lag 0 is 1 by definition
    assert r == pytest.approx(np.exp(-lags / 0.8)) and rho == pytest.approx(r)
    assert kappa[:4] == pytest.approx(1) and np.isnan(
        kappa[-1]
    )  # no ratio where rho is near nothing
    assert "tau = 0.8" in chart.alt


def test_the_training_dose_stands_beside_the_test_lag_curve_with_its_warning():
    assert (
        "The training dose does not give the time constant"
        in figures("jitter")["how long the code holds"].alt
    )
    assert "training" not in figures("dropout")["how long the code holds"].alt


def test_the_mean_curve_is_on_the_lags_that_every_session_reaches():
    report = report_of("jitter")
    short = [p for p in report["lags"] if p["session"] != "s0" or p["lag_s"] <= 0.8]
    cut = {**report, "lags": short}
    chart = next(c for c in charts_of(cut["hypotheses"][0], cut) if "holds" in c.title)
    assert max(row[0] for row in chart.rows) == 0.8


def test_a_code_that_never_falls_to_1_over_e_gets_no_time_constant():
    chart = figures("jitter", tau=float("inf"))["how long the code holds"]
    assert "tau is not given" in chart.alt


def test_without_test_lag_curves_there_is_no_such_figure():
    report = {**report_of("jitter"), "lags": []}
    assert all("holds" not in chart.title for chart in charts_of(report["hypotheses"][0], report))


def test_an_untestable_jitter_still_shows_how_long_the_code_holds():
    plan = make_plan(**JITTER)
    results = with_lags(plan, planted(plan, rho=1.0))
    reasons = unusable_runs(plan, results)
    only = {run.key(): results[run.key()] for run in plan.baselines}
    report = report_model(plan, infer(plan, only, reasons), {})
    assert report["hypotheses"][0]["verdict"].startswith("untestable")
    assert [chart.title for chart in charts_of(report["hypotheses"][0], report)] == [
        "J: how long the code holds"
    ]


def test_the_forest_has_the_verdict_and_the_gates_that_did_not_pass():
    chart = figures("no plants")["every session at the primary dose"]
    assert "Verdict: H1: tolerated (predicted tolerated: supported)" in chart.alt
    assert (
        "Gates not computed: planted targets: one unit" in chart.alt and "failed" not in chart.alt
    )
    report = report_of("dropout")
    hypothesis = report["hypotheses"][0]
    outcomes = {"noise": "failed", "trained": "not shown"}
    gates = [
        {**gate, "outcome": outcomes.get(gate["name"], "passed")} for gate in hypothesis["gates"]
    ]
    failed = next(
        c
        for c in charts_of({**hypothesis, "gates": gates}, report)
        if c.title.endswith("at the primary dose")
    )
    assert "Gates failed: noise; not shown: trained." in failed.alt and failed.svg != chart.svg


def test_decoders_without_ssl_stand_against_ssl_at_dose_0():
    """A decoder that keeps .3 of the range more than SSL loses .3 R less.

    Sessions of other hypotheses do not count.
    """
    kept = {"ssl at dose 0": (0.6, 0.8), "raw": (0.9, 1.0), "floor": (0.0, 0.0), "pca": (0.5, 0.5)}
    baselines = [
        {"name": n, "session": f"s{i}", "retention": v}
        for n, values in kept.items()
        for i, v in enumerate(values)
    ]
    baselines.append({"name": "raw", "session": "other", "retention": -5.0})
    found = beside({"sessions": ["s0", "s1"]}, baselines)
    assert found == pytest.approx({"floor": 0.7, "pca": 0.2, "raw": -0.25})
    assert beside({"sessions": ["s0"]}, []) == {}
