"""Wording never outruns evidence: what each verdict says it can and cannot support, and what SSL adds to it."""

from dataclasses import replace
from functools import cache

import pytest

from invariance_probe.inference import infer
from invariance_probe.inference.entry import pointless
from invariance_probe.inference.findings import Standing

from .builder import JITTER, make_plan, planted, with_code

REGISTERED = Standing("0" * 64)
VERDICTS = {
    "invariant": {"C_info": 0.02},
    "recoverable": {"C_info": 0.4},
    "sensitive": {"C_info": 0.5, "delta": 0.3},
    "competition": {"C_info": 0.02, "delta": 0.3},
    "inconclusive": {"C_info": 0.4, "delta": 0.1},
    "invalid: retention": {"C_info": 0.02, "kept": 0.3},
}
CLAIM_WORDS = ("redundant against", "distributed over", "is lost at this dose", "discards")


def judged(plan=None, code=None, standing=REGISTERED, left_out=None, **values):
    plan = plan or make_plan()
    results = planted(plan, **values)
    if code is not None:
        results = with_code(plan, results, **code)
    return infer(plan, results, left_out or {}, standing).hypotheses[0]


@cache
def with_verdict(verdict):
    found = judged(**VERDICTS[verdict])
    assert found.verdict == verdict
    return found


@pytest.mark.parametrize(("verdict", "claim", "limit"), [
    ("invariant", "redundant against the loss of units", "larger doses"),
    ("recoverable", "distributed over the recorded units", "several times over"),
    ("sensitive", "is lost at this dose", "few units carry it"),
    ("competition", "objective at these settings discards", "anything about the code"),
    ("inconclusive", "The estimates with their bounds", "no evidence for its opposite"),
    ("invalid: retention", "The estimates as a description", "a verdict in either direction"),
])  # fmt: skip
def test_each_verdict_says_what_it_can_and_cannot_support(verdict, claim, limit):
    found = with_verdict(verdict)
    assert claim in found.supports and limit.lower() in found.cannot_support.lower()


@pytest.mark.parametrize("verdict", ["inconclusive", "invalid: retention"])
def test_without_a_verdict_nothing_is_claimed_of_the_code(verdict):
    assert not any(word in with_verdict(verdict).supports for word in CLAIM_WORDS)


def test_a_method_without_a_licence_claims_nothing_in_either_direction():
    found = judged(make_plan(method={"kind": "byol", "encoder": {"kind": "mlp", "widths": [16, 8]}}), C_info=0.02)
    assert found.verdict == "uncalibrated method" and not any(word in found.supports for word in CLAIM_WORDS)
    assert "how often this method's verdicts are wrong is not known" in found.cannot_support
    assert found.ssl_adds.relation == "nothing" and "information kept" in found.ssl_adds.sentence


@pytest.mark.parametrize("verdict", ["invariant", "recoverable", "sensitive"])
def test_a_verdict_on_dropout_is_about_the_recorded_sample_this_label_and_this_decoder(verdict):
    found = with_verdict(verdict)
    assert "in the recorded sample, with a ridge decoder" in found.supports and "“label”" in found.supports
    for limit in ("unrecorded units", "nothing was perturbed", "noise of the same variance", "other classes of decoders"):
        assert limit in found.cannot_support


@pytest.mark.parametrize(("n_eff", "few"), [(2.0, True), (7.0, True), (7.4, False), (None, False)])
def test_few_units_carry_it_only_where_the_upper_bound_of_n_eff_is_below_a_quarter_of_the_units(n_eff, few):
    """A quarter of 30 units is 7.5; the bound lies about 3 % above the smallest session."""
    found = judged(code=None if n_eff is None else {"n_eff": n_eff}, **VERDICTS["sensitive"])
    assert ("few units carry it" in found.sentence) == few == ("Few units carry it" in found.supports)
    assert ("few units carry it" in found.cannot_support) != few


@pytest.mark.parametrize(("axis", "words"), [
    ("spike_thinning", "robust to the loss of spikes"), ("gaussian_noise", "robust to added noise"),
])  # fmt: skip
def test_other_corruptions_have_words_of_their_own(axis, words):
    path = {"spike_thinning": "spike_thinning.rate", "gaussian_noise": "gaussian_noise.sigma"}[axis]
    hypothesis = {**make_plan().study.hypotheses[0].model_dump(), "axis": path}
    plan = make_plan(views={"transforms": [{"kind": axis}]}, axes=[{"path": path, "doses": [0, 0.4]}], hypotheses=[hypothesis])
    found = judged(plan, C_info=0.02)
    assert words in found.supports and "unrecorded units" not in found.cannot_support


@pytest.mark.parametrize(("values", "verdict"), [
    ({"delta": 0.0, "third": 0.0}, "invariant"), ({"delta": 0.3, "third": 0.3}, "sensitive"), ({"delta": 0.0, "third": 0.3}, "inconclusive"),
])  # fmt: skip
def test_a_verdict_on_jitter_holds_under_this_recipe_and_is_no_time_constant(values, verdict):
    found = judged(make_plan(**JITTER), code={"tau": 0.8}, **values)
    assert found.verdict == verdict
    assert verdict == "inconclusive" or "under this recipe" in found.supports
    assert "the test-lag curve: tau = 0.8" in found.supports
    assert "he circuit's time constant" in found.cannot_support and "kappa" in found.cannot_support


def test_a_target_that_does_not_move_supports_nothing_about_the_axis():
    plan = make_plan(**JITTER)
    results = planted(plan, rho=1.0)
    found = infer(plan, results, pointless(plan, results)).hypotheses[0]
    assert found.verdict.startswith("untestable") and "nothing about time_jitter.window_s" in found.supports


def test_a_dose_is_said_in_plain_words():
    assert "with 40 % of the units dropped" in with_verdict("invariant").sentence
    assert "with windows up to 0.2 s apart made alike" in judged(make_plan(**JITTER), third=0.0).sentence


def test_a_failed_gate_is_named_with_what_it_found():
    assert "no verdict: the gate retention (dose 0 keeps" in with_verdict("invalid: retention").sentence
    assert "the gates retention (" in judged(C_info=0.02, kept=0.3, aa=0.2).sentence


def test_each_scope_says_where_it_holds_and_where_not():
    one = with_verdict("invariant")
    assert "sessions like these, of one subject" in one.supports and "other subjects" in one.cannot_support
    few = judged(make_plan(sessions=3), C_info=0.02)
    assert few.supports.startswith("For these recordings") and "other sessions or subjects" in few.cannot_support
    plan = make_plan()
    several = replace(plan, sessions=tuple(replace(s, subject=f"animal {i}") for i, s in enumerate(plan.sessions)))
    many = judged(several, C_info=0.02)
    assert many.supports.startswith("For subjects like these") and "other subjects" not in many.cannot_support


EXPLORATORY = {
    "it was not registered": (Standing(None), {}),
    "it departs from its registration": (Standing("0" * 64, (("H1", "its margin was changed"),)), {}),
    "a quick study leaves out checks": (REGISTERED, {"quick": True}),
    "it was declared exploratory": (
        REGISTERED,
        {"hypotheses": [{**make_plan().study.hypotheses[0].model_dump(), "role": "exploratory"}]},
    ),
}


@pytest.mark.parametrize("why", EXPLORATORY)
def test_an_exploratory_claim_says_why_it_confirms_nothing(why):
    standing, changes = EXPLORATORY[why]
    found = judged(make_plan(**changes), standing=standing, C_info=0.02)
    assert found.status == "exploratory" and f"a confirmed claim, only one to test on new data: {why}" in found.cannot_support


def test_a_registered_claim_has_no_such_limit_and_help_is_named_as_no_invariance():
    assert "confirmed" not in with_verdict("invariant").cannot_support
    helped = judged(C_info=0.7, delta=0.2, H=-0.05, paired=-0.3, kept=0.7)
    assert "regularised" in helped.flags and "corrupting also regularises" in helped.cannot_support


@pytest.mark.parametrize(("values", "code", "relation", "said"), [
    (VERDICTS["invariant"], {"n_eff": 20, "red_idx": 0.4}, "repeats", "carry as much, and redundantly (RedIdx = 0.40"),
    (VERDICTS["recoverable"], {"n_eff": 20}, "refines", "many units carry “label” (N_eff = 20"),
    (VERDICTS["recoverable"], None, "refines", "SSL adds that the representation recovers it"),
    (VERDICTS["sensitive"], {"n_eff": 1}, "repeats", "SSL agrees with what is known without it"),
    (VERDICTS["sensitive"], {"n_eff": 20}, "changes", "SSL says that the representation does not recover it"),
    (VERDICTS["sensitive"], None, "refines", "not how many units carry “label”"),
    (VERDICTS["competition"], None, "changes", "about the method"),
    (VERDICTS["inconclusive"], None, "nothing", "what stands is what is known without it: information lost"),
    ({"C_info": 0.1}, None, "refines", "it is open whether corrupted inputs carry less"),
])  # fmt: skip
def test_what_ssl_adds_to_the_verdict_without_it(values, code, relation, said):
    found = judged(code=code, **values)
    assert found.ssl_adds.relation == relation and said in found.ssl_adds.sentence


@pytest.mark.parametrize(
    ("values", "relation"), [({"delta": 0.3, "third": 0.3}, "repeats"), ({"delta": 0.0, "third": 0.0}, "refines")]
)
def test_what_ssl_adds_to_the_labels_own_persistence(values, relation):
    assert judged(make_plan(**JITTER), **values).ssl_adds.relation == relation


def test_a_prediction_is_open_where_a_third_of_the_data_reverses_the_verdict():
    found = judged(C_info=0.5, delta=0.0, third=0.4)
    assert (found.predicts, found.verdict, found.outcome, found.p_value) == ("distributed", "inconclusive", "open", None)
