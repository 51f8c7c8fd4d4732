"""Wording never goes beyond the evidence.

Each verdict says what it can and cannot support, and what SSL adds to it.
"""

import re
from dataclasses import replace
from functools import cache

import pytest

from invariance_probe.inference import infer
from invariance_probe.inference.entry import unusable_runs
from invariance_probe.inference.findings import Standing

from .builder import JITTER, REGISTERED, ROWS, make_plan, planted, with_lags

VERDICTS = {**ROWS, "invalid: retention": {"C_code": 0.02, "kept": 0.3}}
BASE = make_plan().study.hypotheses[0].model_dump()


def judged(plan=None, tau=None, standing=REGISTERED, left_out=None, **values):
    plan = plan or make_plan()
    results = planted(plan, **values)
    if tau is not None:
        results = with_lags(plan, results, tau=tau)
    return infer(plan, results, left_out or {}, standing).hypotheses[0]


@cache
def with_verdict(verdict):
    found = judged(**VERDICTS[verdict])
    assert found.verdict.text == verdict
    return found


@pytest.mark.parametrize(
    ("verdict", "claim", "limit"),
    [
        ("invariant", "what remains decodes the target", "larger doses"),
        (
            "tolerated",
            "lost inputs carried information that nothing replaces",
            "several times over",
        ),
        (
            "sensitive",
            "costs more than the margin beyond the same corruption shared",
            "what training costs does not say how many units",
        ),
        ("competition", "the objective discards it", "anything about the code"),
        ("recipe-dependent", "depends on the recipe", "the word changes with the recipe"),
        ("inconclusive", "The estimates with their bounds", "no evidence for its opposite"),
        (
            "invalid: retention",
            "what is found of the code without SSL",
            "a verdict in either direction",
        ),
    ],
)
def test_each_verdict_says_what_it_can_and_cannot_support(verdict, claim, limit):
    found = with_verdict(verdict)
    assert claim in found.supports and limit.lower() in found.cannot_support.lower()


@pytest.mark.parametrize("verdict", [name for name in VERDICTS if name != "recipe-dependent"])
def test_words_about_units_stand_in_the_finding_of_the_code_alone(verdict):
    """The finding of learning has no words about units.

    What training shows never says few, many, spread, distributed or redundant; nothing
    says that anything is recovered.
    """
    found = with_verdict(verdict)
    said = f"{found.sentence} {found.supports} {found.learning.sentence}"
    assert not any(
        word in said
        for word in ("spread", "distributed", "redundant", "many units", "few of", "recover")
    )
    assert "recover" not in found.code.sentence


def test_the_finding_of_the_code_says_its_numbers_first():
    code = judged(C_code=0.4, code={"carriers": (1.4, 9.6)}).code
    assert code.sentence.startswith(
        "2 of the 40 units recorded reach half of what all decode, "
        "and it takes the loss of 10 to bring it below"
    )
    assert "like about 11 [11, 11] equal carriers" in code.sentence
    assert re.search(
        r"a decoder refitted on what survives loses 0.\d\d \[0.\d\d, 0.\d\d\] "
        r"of the range of linear decoders",
        code.sentence,
    )
    assert "An independent code of the same R2 would lose" in code.sentence


def test_a_decoder_that_cannot_see_the_corruption_is_called_so_and_has_no_independent_value():
    plan = make_plan(
        views={"transforms": [{"kind": "gaussian_noise"}]},
        axes=[{"path": "gaussian_noise.sigma", "doses": [0, 0.4]}],
        hypotheses=[{**BASE, "axis": "gaussian_noise.sigma"}],
    )
    code = judged(plan, C_code=0.02, code={"known_masks": False}).code
    assert "a decoder that cannot see the corruption" in code.sentence and code.independent is None
    assert code.C_code == code.C_blind


def test_linear_decoders_are_named_where_they_reach_less_than_others():
    plan = make_plan()
    results = planted(plan, C_code=0.4, code={"R": 0.4})
    code = infer(plan, results, {}, REGISTERED).hypotheses[0].code
    assert code.linear and "this is said for linear decoders" in code.sentence
    assert not judged(C_code=0.4).code.linear


def test_a_method_without_a_licence_claims_nothing_about_learning_in_either_direction():
    found = judged(
        make_plan(method={"kind": "byol", "encoder": {"kind": "mlp", "widths": [16, 8]}}),
        C_code=0.02,
    )
    assert found.verdict.text == "uncalibrated method"
    assert "how often this method's verdicts are wrong is not known" in found.cannot_support
    assert (
        "Nothing is claimed about learning" in found.learning.sentence
        and found.no_ssl.verdict == "information kept"
    )


@pytest.mark.parametrize("verdict", ["invariant", "tolerated", "sensitive"])
def test_a_verdict_on_dropout_names_its_sample_label_decoder_and_recipes(
    verdict,
):
    found = with_verdict(verdict)
    assert "for “label” in the recorded sample, with a ridge decoder" in found.supports
    assert "under the recipes declared, longer, wider, other" in found.supports
    for limit in (
        "unrecorded units",
        "nothing was perturbed",
        "noise of the same variance",
        "other classes of decoders",
    ):
        assert limit in found.cannot_support


@pytest.mark.parametrize(
    ("values", "verdict"),
    [
        ({"delta": 0.0, "third": 0.0}, "tolerated"),
        ({"delta": 0.3, "third": 0.3}, "sensitive"),
        ({"delta": 0.0, "third": 0.3}, "inconclusive"),
    ],
)
def test_a_verdict_on_jitter_holds_under_these_recipes_and_is_no_time_constant(values, verdict):
    found = judged(make_plan(**JITTER), tau=0.8, **values)
    assert found.verdict.text == verdict
    assert (
        verdict == "inconclusive" or "under the recipes declared, longer, wider" in found.supports
    )
    assert "the test-lag curve: tau = 0.8" in found.supports
    assert "information is lost" not in found.cannot_support
    assert ("the target itself changes over the window" in found.cannot_support) == (
        verdict == "tolerated"
    )
    assert "he circuit's time constant" in found.cannot_support and "kappa" in found.cannot_support


def test_a_target_that_does_not_move_supports_nothing_about_the_axis():
    plan = make_plan(**JITTER)
    results = planted(plan, rho=1.0)
    found = infer(plan, results, unusable_runs(plan, results)).hypotheses[0]
    assert (
        found.verdict.text.startswith("untestable")
        and "nothing about time_jitter.window_s" in found.supports
    )


def test_a_dose_is_said_in_plain_words():
    assert "with 40 % of the units dropped" in with_verdict("invariant").sentence
    assert (
        "with windows up to 0.2 s apart made alike"
        in judged(make_plan(**JITTER), third=0.0).sentence
    )


def test_a_failed_gate_is_named_with_what_it_found():
    assert (
        "there is no verdict, since a gate failed: retention (dose 0 keeps"
        in with_verdict("invalid: retention").sentence
    )
    assert "since gates failed: retention (" in judged(C_code=0.02, kept=0.3, aa=0.2).sentence


def test_each_scope_says_where_it_holds_and_where_not():
    one = with_verdict("invariant")
    assert (
        "sessions like these, of one subject" in one.supports
        and "other subjects" in one.cannot_support
    )
    few = judged(make_plan(sessions=3), C_code=0.02)
    assert (
        few.supports.startswith("For these recordings")
        and "other sessions or subjects" in few.cannot_support
    )
    plan = make_plan()
    several = replace(
        plan, sessions=tuple(replace(s, subject=f"animal {i}") for i, s in enumerate(plan.sessions))
    )
    many = judged(several, C_code=0.02)
    assert (
        many.supports.startswith("For subjects like these")
        and "other subjects" not in many.cannot_support
    )


EXPLORATORY = {
    "it was not registered": (Standing(None), {}),
    "it departs from its registration": (
        Standing("0" * 64, (("H1", "its margin was changed"),)),
        {},
    ),
    "a quick study leaves out checks": (REGISTERED, {"quick": True}),
    "it was declared exploratory": (
        REGISTERED,
        {"hypotheses": [{**make_plan().study.hypotheses[0].model_dump(), "role": "exploratory"}]},
    ),
}


@pytest.mark.parametrize("why", EXPLORATORY)
def test_an_exploratory_claim_says_why_it_confirms_nothing(why):
    standing, changes = EXPLORATORY[why]
    found = judged(make_plan(**changes), standing=standing, C_code=0.02)
    assert (
        found.status == "exploratory"
        and f"a confirmed claim, only one to test on new data: {why}" in found.cannot_support
    )


def test_a_registered_claim_has_no_such_limit_and_help_is_named_as_no_invariance():
    assert "confirmed" not in with_verdict("invariant").cannot_support
    helped = judged(C_code=0.7, delta=0.2, H=-0.05, paired=-0.3, kept=0.7)
    assert "regularised" in helped.flags and "corrupting also regularises" in helped.cannot_support
