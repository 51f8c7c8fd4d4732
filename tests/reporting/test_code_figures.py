"""The plane of units and the dropping curves show what was measured."""

import copy
import re
from dataclasses import replace
from functools import cache

import numpy as np
import pytest
from inference.builder import make_plan, planted

from invariance_probe.inference import infer
from invariance_probe.reporting.figures.dropping import (
    Curve,
    curves_of,
    dropping_curves,
    mean_curve,
)
from invariance_probe.reporting.figures.plane import carriers_plane
from invariance_probe.reporting.figures.worlds import WORLDS
from invariance_probe.reporting.model import report_model


@cache
def report_of(**code):
    plan = make_plan()
    return report_model(plan, infer(plan, planted(plan, C_code=0.4, code=code), {}), {})


@pytest.fixture
def report():
    return copy.deepcopy(report_of())


def plane(report):
    return carriers_plane(report["hypotheses"][0], report["code"])


def test_the_plane_has_every_session_and_every_known_code_as_parts_of_its_units(report):
    rows = {row[0]: row for row in plane(report).rows}
    assert len(rows) == 6 + len(WORLDS)
    of_session = {p["session"]: p for p in report["code"]}
    for name, own in of_session.items():
        assert rows[name][1:] == (40, own["K_s"], own["K_n"], own["K_s"] / 40, own["K_n"] / 40)


def test_the_plane_says_the_word_the_numbers_and_where_the_words_lie(report):
    alt = plane(report).alt
    code = report["hypotheses"][0]["code"]
    assert code["carriers_word"] == "between" and "The finding is “between”" in alt
    assert f"K_s = {code['K_s']['estimate']:.1f} and K_n = {code['K_n']['estimate']:.1f}" in alt
    assert "few (K_s + K_n below 0.25 N / 1.1), spread (K_n above 1.1 x 0.25 N)" in alt


def test_a_declared_share_moves_the_borders_of_the_plane(report):
    before = plane(report)
    report["hypotheses"][0]["code"]["share"] = 0.1
    assert "below 0.1 N" in plane(report).alt and plane(report).svg != before.svg


def test_the_known_codes_lie_in_the_regions_of_their_words():
    """At six sessions, the known codes get their word in every study.

    Few was shown for up to 10 carriers, and spread for 60 carriers and for common
    noise.
    """
    share = {w.name: (w.K_s / w.units, w.K_n / w.units) for w in WORLDS}
    for carriers in (1, 3, 6, 10):
        assert sum(share[f"{carriers} carrier{'s' * (carriers > 1)}, J = 8"]) < 0.25 / 1.1
    for name in ("60 carriers, J = 8", "60 carriers, J = 2", "common noise limits the information"):
        assert share[name][1] > 0.25 * 1.1


def test_an_interval_without_an_end_reaches_the_edge_of_the_plane(report):
    closed = plane(report)
    report["hypotheses"][0]["code"]["K_n"]["ci_high"] = None
    assert plane(report).svg != closed.svg


def test_without_a_k_there_is_no_plane_and_without_curves_no_figure_of_them(report):
    for point in report["code"]:
        point["K_s"] = None
    assert plane(report) is None
    assert dropping_curves(report["hypotheses"][0], []) is None


@pytest.mark.parametrize(("name", "k"), [("gained", "K_s"), ("lost", "K_n")])
def test_the_mean_curve_reaches_half_at_the_pooled_number_of_units(report, name, k):
    """Sessions are averaged as K is: on the logarithm of the number of units."""
    units, levels = mean_curve(curves_of(report["dropping"], name))
    order = np.argsort(levels)
    crossing = np.interp(0.5, levels[order], units[order])
    assert crossing == pytest.approx(report["hypotheses"][0]["code"][k]["estimate"], rel=0.01)


def test_every_curve_reaches_half_where_the_session_has_its_k(report):
    for name, k in (("gained", "K_s"), ("lost", "K_n")):
        own = [curve.reached(0.5) for curve in curves_of(report["dropping"], name)]
        assert own == pytest.approx([p[k] for p in report["code"]])


def test_the_mean_curve_ends_where_the_shortest_ends():
    """With R2 of all .8, J of all is 4; half of R2 is J = 2 / 3."""
    long, short = Curve((0.0, 2 / 3, 4.0), 0.8), Curve((0.0, 1 / 3, 2 / 3), 0.8)
    units, levels = mean_curve([long, short])
    assert (units[0], levels[0]) == (0, 0) and levels[-1] == pytest.approx(0.5)
    assert units[-1] == pytest.approx((1 * 2) ** 0.5)
    falling, at = mean_curve([Curve((4.0, 2 / 3), 0.8), Curve((4.0, 2.0, 0.25), 0.8)])
    assert (falling[0], at[0]) == (0, 1) and at[-1] == pytest.approx(0.5)
    assert falling[-1] == pytest.approx((1 + (2 - 2 / 3) / (2 - 0.25)) ** 0.5)


def test_the_dropping_figure_has_every_point_of_the_three_curves(report):
    chart = dropping_curves(report["hypotheses"][0], report["dropping"])
    assert len(chart.rows) == len(report["dropping"])
    assert {row[1] for row in chart.rows} == {
        "kept, most useful first",
        "lost, most damaging first",
        "lost at random",
    }
    assert not re.search(r"\bnan\b", chart.svg)


def test_a_session_that_is_not_decodable_has_no_k_and_no_curves():
    plan = make_plan()
    results = planted(plan, C_code=0.4)
    key = next(
        run.key() for run in plan.baselines if run.method.kind == "code" and run.session == "s0"
    )
    figures = results[key].figures
    noisy = tuple(
        100.0 + (60 if fold % 2 else -60) for fold in range(8)
    )  # as good as the best constant, on average
    whole = replace(figures.whole, everything=noisy)
    results[key] = replace(results[key], figures=replace(figures, whole=whole))
    report = report_model(plan, infer(plan, results, {}), {})
    point = next(p for p in report["code"] if p["session"] == "s0")
    assert (
        not point["decodable"]
        and point["K_s"] is point["K_n"] is point["carriers"] is point["redundancy"] is None
    )
    assert "s0" not in {p["session"] for p in report["dropping"]} and "s1" in {
        p["session"] for p in report["dropping"]
    }
