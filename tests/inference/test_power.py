"""Power against the noncentral t, against brute force over cells, and at its limits."""

import math
import re
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from conftest import MARGIN, tiny_study
from scipy import stats

from invariance_probe.inference.evidence.estimands import Effect
from invariance_probe.inference.power.pilot import pilot_spreads
from invariance_probe.inference.power.power import (
    SEEDS,
    SESSIONS,
    assumed_truth,
    may_assume,
    study_power,
)
from invariance_probe.inference.power.simulated import (
    Design,
    claims,
    simulate,
    streams,
    unit_words,
    verdict_p_values,
)
from invariance_probe.inference.power.spreads import (
    LEVELS,
    UNITS,
    Spread,
    stated_spread,
    stated_spreads,
    stated_unit_spread,
    with_recipes,
)
from invariance_probe.inference.rules.intervals import Sample
from invariance_probe.inference.rules.verdicts import decide_many
from invariance_probe.reporting.power_text import power_text

from .builder import JITTER, make_plan, planted

NONE = dict.fromkeys(LEVELS, 0.0)


def one_estimand(**sd):
    """D alone, with a known range and no noise gate."""
    covariance = {level: np.diag([sd.get(level, 0.0) ** 2, 0.0]) for level in LEVELS}
    return Spread(("D", "range"), np.array([0.0, 1.0]), covariance, "test")


def power_of_d(
    spread, sessions, seeds=1, truth=0.0, margin=0.1, studies=4000, subjects=None, plain=False
):
    """Power of D <= margin by the rule, or by scipy's t test over the units of the same studies."""
    subjects = subjects or ("a",) * sessions
    drawn = simulate(spread, {"D": truth}, Design(subjects, seeds, 8), studies, streams(1, "test"))
    if not plain:
        return float((claims(drawn, spread.names, subjects, margin)[0]["D <= m"] <= 0.05).mean())
    q = drawn.mean[..., 0] - margin * drawn.mean[..., 1]
    of = np.array(subjects)
    units = (
        np.stack([q[:, of == s].mean(axis=1) for s in set(subjects)], axis=1)
        if len(set(subjects)) > 1
        else q
    )
    return float((stats.ttest_1samp(units, 0, axis=1, alternative="less").pvalue <= 0.05).mean())


def close_to(expected, studies=4000):
    return pytest.approx(expected, abs=3 * math.sqrt(expected * (1 - expected) / studies))


def nearly(plain):
    """What the rule's guard against skew may take from a plain t test on normal sessions."""
    return plain - 0.1, plain


def noncentral(sd, sessions, truth=0.0, margin=0.1):
    df = sessions - 1
    return float(
        stats.nct.cdf(stats.t.ppf(0.05, df), df, (truth - margin) / sd * math.sqrt(sessions))
    )


@pytest.mark.parametrize(
    ("sessions", "seeds", "truth"),
    [(4, 1, 0.0), (6, 3, 0.02), (8, 5, 0.0), (16, 2, 0.06), (20, 1, 0.1)],
)
def test_one_claim_over_sessions_has_the_power_of_the_noncentral_t(sessions, seeds, truth):
    spread = one_estimand(session=0.06, seed=0.05, block=0.08, rest=0.1)
    sd = math.sqrt(0.06**2 + 0.05**2 / seeds + 0.08**2 / 8 + 0.1**2 / (8 * seeds))
    expected = noncentral(sd, sessions, truth)
    plain = power_of_d(spread, sessions, seeds, truth, plain=True)
    assert plain == close_to(expected)
    low, high = nearly(plain)
    assert low <= power_of_d(spread, sessions, seeds, truth) <= high


def test_several_subjects_are_the_units():
    subjects, spread = tuple("abcde" * 2), one_estimand(subject=0.05, session=0.06)
    plain = power_of_d(spread, 10, subjects=subjects, plain=True)
    assert plain == close_to(noncentral(math.sqrt(0.05**2 + 0.06**2 / 2), 5))
    low, high = nearly(plain)
    assert low <= power_of_d(spread, 10, subjects=subjects) <= high


def cell_by_cell(sd, sessions, seeds, truth, studies, gen):
    hits = 0
    for _ in range(studies):
        effects = []
        for _ in range(sessions):
            level = truth + sd["session"] * gen.standard_normal()
            rows, columns = (
                sd["seed"] * gen.standard_normal((seeds, 1)),
                sd["block"] * gen.standard_normal((1, 8)),
            )
            effects.append(
                Effect(
                    level + rows + columns + sd["rest"] * gen.standard_normal((seeds, 8)),
                    np.ones((1, 8)),
                )
            )
        hits += Sample(tuple(effects), ("a",) * sessions).p_at_most(0.1) <= 0.05
    return hits / studies


@pytest.mark.parametrize(("sessions", "seeds"), [(1, 2), (2, 4), (3, 1), (3, 3)])
def test_studies_of_these_recordings_have_the_power_that_drawing_every_cell_gives(sessions, seeds):
    sd = {"session": 0.03, "seed": 0.06, "block": 0.12, "rest": 0.1}
    slow = cell_by_cell(sd, sessions, seeds, 0.02, 2000, np.random.default_rng(sessions))
    fast = power_of_d(one_estimand(**sd), sessions, seeds, truth=0.02)
    assert 0.1 < slow < 0.95
    assert fast == pytest.approx(slow, abs=3 * math.sqrt(0.25 / 2000 + 0.25 / 4000))


@pytest.mark.parametrize(("sd", "needed"), [(0.05, 4), (0.08, 6), (0.1, 8), (0.15, 16)])
def test_sessions_for_a_power_of_80_percent_are_those_of_the_design_simulations(sd, needed):
    """One estimand, true effect 0, margin .1, spread over sessions only."""
    spread = one_estimand(session=sd)

    def fewest(plain):
        return next(
            s for s in range(4, 20) if power_of_d(spread, s, studies=20000, plain=plain) >= 0.8
        )

    assert fewest(plain=True) == needed
    assert needed <= fewest(plain=False) <= needed + 1  # the guard against skew costs one at most


@pytest.mark.parametrize("sessions", [3, 6])
@pytest.mark.parametrize(("truth", "power"), [(0.0, 1.0), (0.09, 1.0), (0.11, 0.0)])
def test_without_spread_power_is_one_or_nothing(sessions, truth, power):
    assert power_of_d(one_estimand(), sessions, 2, truth, studies=50) == power


def test_at_the_margin_the_claim_is_made_five_times_in_a_hundred():
    assert power_of_d(one_estimand(session=0.08, seed=0.04), 6, 3, truth=0.1) == pytest.approx(
        0.05, abs=0.011
    )


def test_power_grows_with_sessions_with_seeds_and_with_the_margin():
    spread = one_estimand(session=0.08, seed=0.15)
    over_sessions = [power_of_d(spread, sessions, 3) for sessions in SESSIONS if sessions >= 4]
    over_seeds = [power_of_d(spread, 6, seeds) for seeds in SEEDS]
    over_margins = [power_of_d(spread, 6, 3, margin=margin) for margin in (0.05, 0.1, 0.2)]
    for found in (over_sessions, over_seeds, over_margins):
        assert all(a < b for a, b in pairwise(found)), found


def hypothesis(plan, predicts):
    return plan.study.hypotheses[0].model_copy(update={"predicts": predicts})


def test_the_assumed_truth_is_what_a_hypothesis_predicts():
    plan = make_plan(6)
    stated, pilot = (
        stated_spread({}, False),
        pilot_spreads(plan, planted(plan, delta=0.3, H=0.1, C_code=0.5, spread=0.001), plan)["H1"],
    )

    def effects(predicts, spread, **given):
        return assumed_truth(hypothesis(plan, predicts), spread, False, given).effects

    assert effects("invariant", stated) == {"C_code": 0, "D": 0, "H": 0, "delta": 0}
    assert effects("tolerated", stated) == {"C_code": 0.2, "D": 0, "H": 0, "delta": 0}
    for predicts in ("invariant", "tolerated"):
        assert effects(predicts, pilot) == pytest.approx(
            {"C_code": 0.5, "D": 0, "H": 0, "delta": 0}, abs=0.01
        )
    assert effects("sensitive", stated) == {"C_code": 0.2, "D": 0.2, "H": 0, "delta": 0.2}
    seen = {"D": 0.2, "H": 0.1, "delta": 0.3}
    of_panel = {
        f"{name} [{recipe}]": value
        for recipe in ("longer", "wider", "other")
        for name, value in seen.items()
    }
    assert effects("sensitive", pilot) == pytest.approx(
        {"C_code": 0.5, **seen, **of_panel}, abs=0.01
    )
    given = {"C_code": 0.2, "D": 0.03, "H": -0.01, "delta": 0.02}
    assert effects("tolerated", stated, D=0.03, H=-0.01) == pytest.approx(given)
    assert effects("sensitive", pilot, D=0.4)["delta"] == pytest.approx(0.5, abs=0.01)
    assert not any(
        "[" in name for name in effects("sensitive", pilot, D=0.4)
    )  # what is given holds under every recipe
    jitter = assumed_truth(
        hypothesis(plan, "tolerated"), stated_spread({}, True), True, {"delta": 0.05}
    )
    assert jitter.effects == {"delta": 0.05, "delta(n/3)": 0.05} and may_assume(
        make_plan(4, **JITTER)
    ) == ("delta",)


UNIT_CLAIM = {**tiny_study()["hypotheses"][0], "predicts": "few"}


def test_a_prediction_about_units_has_the_power_of_the_noncentral_t_on_logarithms():
    spread = stated_unit_spread({"subject": 0, "session": 0.3, "block": 0})
    at = math.log(0.25 / 1.1)
    drawn = simulate(
        spread, dict.fromkeys(UNITS, at - 0.4), Design(("a",) * 6, 1, 8), 4000, streams(1, "test")
    )
    shown = float((unit_words(drawn, spread.names, ("a",) * 6, 0.25)["few"] <= 0.05).mean())
    expected = noncentral(0.3, 6, truth=-0.4, margin=0.0)
    assert expected - 0.1 <= shown <= expected + 0.02


def test_a_prediction_about_units_needs_no_panel_and_reads_the_pilots_numbers_of_units():
    plan = make_plan(6, hypotheses=[UNIT_CLAIM])
    (stated,) = study_power(plan, stated_spreads(plan, {"session": 0.1}))
    assert stated.recipes == () and stated.alone is None and stated.supporting == ("few",)
    assert stated.planned.power > 0.9 and {one.word for one in stated.words} == {"few", "spread"}
    assert any("a pilot would show it" in note for note in stated.spread.notes)
    few, spread = (
        study_power(plan, pilot_spreads(plan, planted(plan, code={"carriers": carriers}), plan))[0]
        for carriers in ((2, 4), (10, 20))
    )
    assert few.planned.power == 1 and few.truth.why == "as in the pilot"
    assert few.truth.effects == pytest.approx(
        {"carriers": math.log(6 / 40), "K_n": math.log(4 / 40)}, abs=0.02
    )
    assert spread.planned.power == 0 and spread.verdicts == {"spread": 1.0}


def small(plan, sd=NONE, **changes):
    return study_power(plan, stated_spreads(plan, {**NONE, **sd}), studies=400, **changes)


def test_studies_without_spread_show_what_is_true():
    plan = make_plan(6)
    (found,) = small(plan)
    assert all(power.power == 1 for power in found.table) and found.verdicts == {"tolerated": 1.0}
    assert found.recipes == ("declared", "longer", "wider", "other") and found.supporting == (
        "invariant",
        "tolerated",
    )
    assert {(one.word, one.panel, one.alone) for one in found.words} == {
        (w, 1, 1) for w in ("invariant", "tolerated", "sensitive")
    }
    assert (found.fewest.sessions, found.fewest.seeds) == (
        4,
        1,
    )  # three sessions would be about themselves
    assert found.planned.power == 1 and found.planned in found.table and not found.warnings
    (lost,) = small(plan, effects={"C_code": 0.5, "D": 0.3})
    assert lost.planned.power == 0 and lost.verdicts == {"sensitive": 1.0} and lost.fewest is None
    assert lost.warnings == ("the planned study has a power of 0.00 only; 0.8 is usual",)


def test_the_joint_rule_asks_more_than_its_hardest_claim_and_the_panel_more_than_one_recipe():
    plan = make_plan(6)
    (found,) = study_power(plan, stated_spreads(plan, {**NONE, "session": 0.08}))
    alone = power_of_d(one_estimand(session=0.08), 6)
    assert found.planned.power < found.alone.power - 0.05 and found.alone.power < alone - 0.1
    for one in found.words:
        assert one.panel < one.alone
    assert any("sensitive 0." in said for said in found.warnings)  # below .8 where it is true


def test_opposite_recipes_are_called_recipe_dependent():
    spread = with_recipes(stated_spread(NONE, False), ["longer"], False)
    truth = {"C_code": 0.2, "D": 0.0, "delta": 0.0, "D [longer]": 0.3, "delta [longer]": 0.3}
    drawn = simulate(spread, truth, Design(("a",) * 6, 2, 8), 50, streams(1, "test"))
    found, _ = claims(drawn, spread.names, ("a",) * 6, 0.1)
    assert set(decide_many(verdict_p_values(found, ("declared", "longer"), False))) == {
        "recipe-dependent"
    }
    assert set(decide_many(verdict_p_values(found, ("declared",), False))) == {"tolerated"}


def test_noise_that_is_not_equivalent_takes_all_at_most_claims():
    plan = make_plan(6)
    (found,) = small(plan, sd={"seed": 0.6})
    assert found.planned.power < 0.1
    linear = make_plan(6, method={"kind": "linear_ssl", "dimensions": 4})
    (closed,) = small(linear, sd={"seed": 0.6})
    assert closed.planned.power == 1 and {power.seeds for power in closed.table} == {
        1
    }  # no seeds, so no noise


@pytest.mark.parametrize(("sessions", "seeds"), [(4, 3), (8, 1), (10, 5)])
def test_the_price_of_a_design_is_what_its_own_plan_would_cost(sessions, seeds):
    (found,) = small(make_plan(6))
    (of,) = [power for power in found.table if (power.sessions, power.seeds) == (sessions, seeds)]
    own = make_plan(sessions, training={"steps": 400, "batch_size": 64, "seeds": seeds})
    assert of.model_steps == own.model_steps()


def test_few_sessions_are_warned_about():
    (three,) = small(make_plan(3))
    assert three.planned.scope == "these recordings" and three.planned.power == 1
    assert any("these recordings only" in said for said in three.warnings)
    assert any("2^-3 = 0.125" in said for said in three.warnings)
    (four,) = small(make_plan(4))
    assert four.planned.scope == "population of sessions" and any(
        "2^-4 = 0.0625" in said for said in four.warnings
    )
    assert not small(make_plan(5))[0].warnings
    assert four.recipes == (
        "declared",
        "longer",
        "wider",
    )  # no second method is licensed for four sessions


def test_two_subjects_never_make_a_population():
    plan = make_plan(6)
    of_two = replace(
        plan, sessions=tuple(replace(s, subject="ab"[i % 2]) for i, s in enumerate(plan.sessions))
    )
    (found,) = small(of_two)
    assert {power.scope for power in found.table} == {
        "these recordings"
    } and found.fewest.sessions == 3
    assert any("with 2 subjects" in said for said in found.warnings)
    of_six = replace(
        plan, sessions=tuple(replace(s, subject=f"{i}") for i, s in enumerate(plan.sessions))
    )
    assert {power.scope for power in small(of_six)[0].table} == {
        "these recordings",
        "population of subjects",
    }


def test_pilot_sessions_of_the_study_itself_are_not_counted():
    plan = make_plan(6)
    marked = replace(
        plan.sessions[0], source=plan.sessions[0].source.model_copy(update={"pilot": True})
    )
    (found,) = small(replace(plan, sessions=(marked, *plan.sessions[1:])))
    assert found.planned.sessions == 5
    (none,) = small(replace(plan, sessions=(marked,)))
    assert none.planned is None and none.warnings == ("no session is planned for this hypothesis",)


def test_a_family_of_hypotheses_and_a_small_pilot_lower_the_power():
    one = tiny_study()["hypotheses"][0]
    plan = make_plan(
        6, hypotheses=[one, {**one, "id": "H2", "predicts": "sensitive", "margin": MARGIN}]
    )
    results = planted(plan, delta=0.3, H=0.02, C_code=0.4, spread=0.07)
    first, second = study_power(plan, pilot_spreads(plan, results, plan))
    holm, seen, wider = first.variations
    assert holm.power.power < first.planned.power and "0.05 / 2" in holm.when
    assert seen.power.power < 0.05 and "pilot's means" in seen.when  # delta is .3, predicted 0
    assert wider.power.power <= first.planned.power and "1.46 times" in wider.when
    assert len(second.variations) == 2  # its assumed truth is the pilot's
    assert "as in the pilot" in second.truth.why


def test_power_is_reproducible_and_leaves_the_global_generator_alone():
    plan = make_plan(6)
    before = np.random.get_state()[1].copy()  # noqa: NPY002
    first, again = (small(plan, sd={"session": 0.08}) for _ in range(2))
    assert first[0].table == again[0].table
    assert np.array_equal(np.random.get_state()[1], before)  # noqa: NPY002
    other = make_plan(6, training={"steps": 400, "batch_size": 64, "seeds": 2, "study_seed": 2})
    assert small(other, sd={"session": 0.08})[0].table != first[0].table


def test_the_text_says_truth_table_price_and_warnings():
    plan = make_plan(4)
    said = power_text(
        study_power(plan, stated_spreads(plan, {"session": 0.13}), sessions=(3, 4, 6)), 400
    )
    assert re.search(
        r"no design in the table has a power of 0\.8; "
        r"the most, with 6 sessions x \d+ seeds?, is 0\.\d\d\n",
        said,
    )
    said = power_text(study_power(plan, stated_spreads(plan, {"session": 0.1})), 400)
    truth = (
        "twice the margin is lost with the inputs, and nothing by training "
        "(C_code = 0.2, D = 0, H = 0, delta = 0)"
    )
    assert (
        f"assumed truth: {truth}" in said
        and "under every recipe of the panel: declared, longer, wider" in said
    )
    assert re.search(r"sensitive +0\.\d\d \(declared recipe alone 0\.\d\d\)", said)
    assert re.search(r"under the declared recipe alone: power 0\.\d\d", said)
    assert "these recordings only" in said and "model-steps, about" in said and "core-hours" in said
    assert "warning: the planned study has a power of" in said and "2^-4" in said
    assert "0.100" in said and "stated (subject, seed, block, rest: the usual values)" in said
