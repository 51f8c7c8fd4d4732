"""Judging seeds as they come makes no more false claims than one look.

Looking without a boundary does make more.
"""

import numpy as np
import pytest

from invariance_probe.calibration.adaptive_seeds import (
    CLAIMS,
    MARGIN,
    World,
    fixed,
    judge,
    simulate,
)
from invariance_probe.inference.rules.interim_analyses import InterimAnalysis

SEEDS, STUDIES = (2, 3, 5), 3000
NULL = {"C_code": MARGIN, "D": MARGIN, "H": 0.0}
FALSE = [name for name in CLAIMS if name.split()[0] != "H"]


def looks(spending):
    return tuple(
        InterimAnalysis(i, seeds, SEEDS, spending) for i, seeds in enumerate(SEEDS, start=1)
    )


def null_studies(sessions):
    """Only seeds vary: nothing that looks share makes them alike."""
    return simulate(World(0.0, 0.08), NULL, sessions, SEEDS[-1], STUDIES, np.random.default_rng(9))


@pytest.mark.parametrize("spending", ["obrien_fleming", "pocock"])
@pytest.mark.parametrize("sessions", [3, 5, 8])
def test_false_claims_are_rare_at_the_stop_and_at_any_look(sessions, spending):
    judged = judge(null_studies(sessions), looks(spending))
    for name in FALSE:
        assert judged.claims[name].mean() <= judged.at_any_look[name].mean() <= 0.07
    assert max(judged.at_any_look[name].mean() for name in FALSE) >= 0.03  # the level is used


def test_more_recipes_make_no_more_false_words():
    """Where D is at the margin, `tolerated` and `sensitive` are both false.

    A panel requires either word to hold under every recipe.
    """
    truth = {"C_code": 0.4, "D": MARGIN, "H": 0.0}
    shares = []
    for recipes in (("declared",), ("declared", "longer", "other")):
        losses = simulate(
            World(0.04, 0.06), truth, 6, SEEDS[-1], STUDIES, np.random.default_rng(4), recipes
        )
        verdicts = judge(losses, looks("obrien_fleming")).verdicts
        shares.append(np.isin(verdicts, ["tolerated", "sensitive"]).mean())
        assert (verdicts == "recipe-dependent").mean() <= 0.05
    assert shares[1] < shares[0] <= 0.1 and shares[1] <= 0.05


def test_what_is_found_of_the_code_is_judged_at_the_full_level_at_every_look():
    losses = simulate(World(0.05, 0.05), NULL, 8, SEEDS[-1], STUDIES, np.random.default_rng(2))
    judged = judge(losses, looks("obrien_fleming"))
    for side in ("<=", ">"):
        name = f"C_code {side} m"
        assert np.array_equal(judged.claims[name], judged.at_any_look[name])
        assert 0.03 <= judged.claims[name].mean() <= 0.07


def test_the_same_looks_at_five_percent_each_make_too_many():
    judged = judge(null_studies(8), looks("pocock"), (0.05,) * 3)
    assert max(judged.at_any_look[name].mean() for name in FALSE) > 0.08


def test_a_clear_truth_is_found_as_often_with_fewer_seeds():
    losses = simulate(
        World(0.03, 0.03, 0.04, 0.02),
        {"C_code": 0.4, "D": 0.0, "H": 0.0},
        6,
        5,
        500,
        np.random.default_rng(1),
    )
    judged, once = judge(losses, looks("obrien_fleming")), fixed(losses, 5)
    found, whole = ((x.verdicts == "tolerated").mean() for x in (judged, once))
    assert found >= whole - 0.02 and whole > 0.95
    assert judged.seeds.mean() < 3.5 and set(once.seeds) == {5}
