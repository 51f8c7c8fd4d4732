"""Estimated spreads against those that the losses were made with.

They are stated ones, those of a pilot, and those of recipes that no pilot trained.
"""

import math
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from conftest import tiny_study
from statsmodels.formula.api import ols
from statsmodels.stats.anova import anova_lm

from invariance_probe.errors import InferenceError
from invariance_probe.inference.power.pilot import components, nonnegative, pilot_spreads
from invariance_probe.inference.power.simulated import Design, simulate, streams
from invariance_probe.inference.power.spreads import (
    CORRELATION,
    LEVELS,
    Spread,
    read_numbers,
    stated_spread,
    with_recipes,
)

from .builder import JITTER, make_plan, planted


def test_stated_spreads_have_their_sd_and_obey_delta_is_d_plus_h():
    spread = stated_spread({"session": 0.1, "seed": 0.05}, jitter=False)
    assert spread.sd("session", "D") == pytest.approx(0.1) == spread.sd("session", "C_code")
    assert (
        spread.sd("seed", "C_code") == 0
        and spread.sd("seed", "noise") == pytest.approx(0.05)
        and spread.sd("session", "noise") == 0
    )
    drawn = simulate(
        spread, {"D": 0.2, "delta": 0.2}, Design(("a",) * 3, 2, 8), 500, streams(1, "test")
    )
    of = {name: i for i, name in enumerate(spread.names)}
    for means in (drawn.mean, drawn.by_seed, drawn.by_block):
        assert np.allclose(means[..., of["delta"]], means[..., of["D"]] + means[..., of["H"]])
    assert np.all(drawn.mean[..., of["range"]] == 1)
    assert "usual values" in spread.source and "rest" in spread.source


def cells_with_truth(gen, sessions, seeds, blocks, subjects):
    """Two correlated estimands of known components."""
    root = {
        level: gen.standard_normal((2, 2)) * size
        for level, size in zip(LEVELS, (0.6, 0.8, 1.0, 1.2, 1.5), strict=True)
    }

    def draw(level, *shape):
        return gen.standard_normal((*shape, 2)) @ root[level].T

    each = sessions // subjects
    values = (
        np.repeat(draw("subject", subjects), each, axis=0)[:, None, None]
        + draw("session", sessions)[:, None, None]
    )
    values = (
        values
        + draw("seed", sessions, seeds)[:, :, None]
        + draw("block", sessions, blocks)[:, None]
    )
    return (
        values + draw("rest", sessions, seeds, blocks),
        {level: r @ r.T for level, r in root.items()},
        np.repeat(np.arange(subjects), each),
    )


def test_variance_components_are_recovered():
    values, truth, subjects = cells_with_truth(np.random.default_rng(3), 3000, 4, 8, 1500)
    found, unresolved = components(values, [f"{s}" for s in subjects])
    assert not unresolved
    for level in LEVELS:
        assert found[level] == pytest.approx(truth[level], abs=0.12 * np.trace(truth[level])), level


def test_variance_components_are_those_of_an_analysis_of_variance():
    values, _, _ = cells_with_truth(np.random.default_rng(5), 5, 3, 8, 1)
    s, k, b = np.indices(values.shape[:3])
    table = pd.DataFrame(
        {"s": s.ravel(), "k": k.ravel(), "b": b.ravel(), "y": values[..., 0].ravel()}
    )
    ms = anova_lm(ols("y ~ C(s) + C(s):C(k) + C(s):C(b)", table).fit())
    ms = (ms["sum_sq"] / ms["df"]).to_dict()
    found, _ = components(values, ["a"] * 5)
    rest, seed, block, session = ms["Residual"], ms["C(s):C(k)"], ms["C(s):C(b)"], ms["C(s)"]
    expected = {
        "rest": rest,
        "seed": (seed - rest) / 8,
        "block": (block - rest) / 3,
        "session": (session - seed - block + rest) / 24,
        "subject": 0,
    }
    assert {level: found[level][0, 0] for level in LEVELS} == pytest.approx(expected)


def test_what_a_pilot_cannot_tell_apart_is_said():
    gen = np.random.default_rng(0)
    values, _, _ = cells_with_truth(gen, 4, 1, 8, 1)
    found, said = components(values, ["a", "b", "c", "d"])
    assert not found["seed"].any() and not found["subject"].any() and len(said) == 2
    assert found["session"] + found["block"] / 8 == pytest.approx(
        np.cov(values.mean(axis=(1, 2)), rowvar=False)
    )


def test_negative_parts_are_set_to_nothing_and_relations_between_estimands_stay():
    gen = np.random.default_rng(1)
    relation = np.array([[1, 0], [0, 1], [1, 1.0]])  # delta = D + H
    base = gen.standard_normal((2, 2))
    matrix = relation @ (base + base.T) @ relation.T
    assert np.linalg.eigvalsh(matrix)[0] < -0.1
    mended = nonnegative(matrix)
    assert np.linalg.eigvalsh(mended)[0] > -1e-12 and np.linalg.norm(mended @ [1, 1, -1]) < 1e-12
    whole = relation @ (base @ base.T) @ relation.T
    assert nonnegative(whole) == pytest.approx(whole)


def pilots(plan, results=None, planned=None, **losses):
    return pilot_spreads(plan, results or planted(plan, **losses), planned or plan)["H1"]


def test_a_pilots_means_and_spreads_are_in_units_of_its_range():
    plan = make_plan(40, training={"steps": 400, "batch_size": 64, "seeds": 4})
    found = pilots(plan, delta=0.3, H=0.1, C_code=0.5, spread=0.05, R=0.4)
    means = dict(zip(found.names, found.mean, strict=True))
    own = {
        "C_code": 0.5,
        "D": 0.2,
        "H": 0.1,
        "delta": 0.3,
        "noise": 0.0,
        "range": 1.0,
        "R_code": 1.0,
    }
    of_panel = {
        f"{name} [{recipe}]": own[name]
        for recipe in ("longer", "wider", "other")
        for name in ("D", "H", "delta")
    }
    assert means == pytest.approx(own | of_panel, abs=0.015)
    # Every run's loss has a spread of its own, shared by the blocks of its fold; there are two
    # folds of four blocks.
    within = found.within(4, 8)
    i = found.names.index("D")
    assert math.sqrt(within[i, i] + found.covariance["session"][i, i]) == pytest.approx(
        math.sqrt(2) * 0.05 / math.sqrt(4 * 2), rel=0.25
    )
    assert found.pilot == (40, 4, 8) and any("not a pilot" in note for note in found.notes)
    assert any(
        "estimated below 0" in note for note in found.notes
    )  # nothing varies over sessions here


def test_sessions_marked_pilot_are_used_alone_and_undecodable_ones_left_out():
    plan = make_plan(6)
    marked = tuple(
        replace(session, source=session.source.model_copy(update={"pilot": i < 3}))
        for i, session in enumerate(plan.sessions)
    )
    found = pilots(replace(plan, sessions=marked))
    assert found.pilot[0] == 3 and not any("not a pilot" in note for note in found.notes)
    with pytest.raises(InferenceError, match=r"0 usable sessions.*does not beat"):
        pilots(plan, null=0.5)


def test_a_pilot_that_cannot_tell_is_refused():
    one, plan = make_plan(1), make_plan(4)
    with pytest.raises(InferenceError, match=r"1 usable session, but at least 2 are needed.*--sd"):
        pilots(one)
    with pytest.raises(InferenceError, match="runs are missing or failed"):
        pilots(plan, results={k: r for i, (k, r) in enumerate(planted(plan).items()) if i % 7})
    other = make_plan(
        4,
        axes=[{"path": "unit_dropout.rate", "doses": [0, 0.2]}],
        hypotheses=[{**tiny_study()["hypotheses"][0], "dose": 0.2}],
    )
    with pytest.raises(
        InferenceError,
        match=r"did not measure unit_dropout.rate = 0.2; measured: unit_dropout.rate at 0, 0.4",
    ):
        pilots(plan, planned=other)


def test_a_jitters_pilot_has_the_third_of_the_data():
    plan = make_plan(5, **JITTER)
    found = pilot_spreads(plan, planted(plan, delta=0.2, third=0.3), plan)["J"]
    own = {"delta": 0.2, "delta(n/3)": 0.3}
    of_panel = {
        f"{name} [{recipe}]": own[name] for recipe in ("longer", "wider") for name in own
    }  # one method for a jitter
    assert dict(zip(found.names, found.mean, strict=True)) == pytest.approx(
        {**own, "noise": 0.0, "range": 1.0, **of_panel}, abs=0.02
    )


def test_recipes_that_no_pilot_trained_vary_as_the_declared_one_and_correlate_as_is_said():
    gen = np.random.default_rng(4)
    names = ("C_code", "D", "H", "delta", "noise", "range", "R_code")
    roots = {level: gen.standard_normal((7, 7)) for level in LEVELS}
    own = Spread(
        names, np.arange(7.0), {level: root @ root.T for level, root in roots.items()}, "test"
    )
    found = with_recipes(own, ["longer", "wider"], jitter=False)
    longer, wider = (found.names.index(f"D [{recipe}]") for recipe in ("longer", "wider"))
    for level, r in zip(LEVELS, (CORRELATION, CORRELATION, 0, CORRELATION, 0), strict=True):
        matrix, variance = found.covariance[level], own.covariance[level][1, 1]
        assert matrix[:7, :7] == pytest.approx(own.covariance[level])
        assert matrix[longer, longer] == pytest.approx(variance)
        assert matrix[1, longer] == pytest.approx(r * variance) == matrix[wider, longer]
        assert matrix[0, longer] == pytest.approx(r * own.covariance[level][0, 1])
        assert np.linalg.eigvalsh(matrix)[0] > -1e-9  # a possible covariance
    assert (
        found.mean[longer] == 1
        and found.assumed == ("longer", "wider")
        and "correlate with it by 0.5" in found.notes[-1]
    )


def test_what_a_pilot_trained_of_the_panel_is_read_and_only_the_rest_is_assumed():
    plan, without = make_plan(6), make_plan(6, quick=True)
    other = {
        "name": "other",
        "method": {"kind": "moco", "encoder": {"kind": "mlp", "widths": [16, 8]}},
    }
    own = {
        "recipes": [{"name": "longer", "training": {"steps": 900}}, other],
        "because": "these and no others here",
    }
    part = make_plan(6, panel=own)
    assert pilots(plan, spread=0.03).assumed == ()
    assert pilots(without, planned=plan).assumed == ("longer", "wider", "other")
    assert pilots(part, planned=plan).assumed == (
        "longer",
        "wider",
    )  # its longer recipe makes other steps


def test_without_blocks_variation_counts_as_the_blocks_own():
    found = pilots(make_plan(12), C_code=0.4, code={"spread": 0.05})
    i = found.names.index("C_code")
    assert found.covariance["session"][i, i] == pytest.approx(0, abs=1e-9)
    assert math.sqrt(found.covariance["block"][i, i] / 8) == pytest.approx(0.05, rel=0.5)


WRONG = {
    "sesion=.1": "unknown name 'sesion'. Did you mean 'session'?",
    "session=-.1": "in units of the decodable range; got '-.1'",
    "session=nan": "must be a number of at least 0",
    "session=big": "must be a number of at least 0",
    "session": "must have the form NAME=NUMBER",
    "": "must have the form NAME=NUMBER",
    "seed=.1,seed=.2": "is given twice",
}


@pytest.mark.parametrize("text", WRONG)
def test_wrong_numbers_are_named(text):
    with pytest.raises(InferenceError) as error:
        read_numbers("--sd", text, LEVELS, lowest=0)
    assert WRONG[text] in str(error.value) and "\n" not in str(error.value)
