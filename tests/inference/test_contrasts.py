"""Mined pairs are called beneficial only where every control is beaten.

The pairs must also be pure, and far apart in the nuisance.
"""

import json
from dataclasses import replace

import numpy as np
import pytest

from invariance_probe.inference import infer
from invariance_probe.inference.evidence.estimands import Effect
from invariance_probe.inference.hypotheses.contrast.judging import (
    NUISANCE,
    NUISANCE_SHIFTED,
    PURITY,
    PURITY_SHIFTED,
    UNRELATED,
    contrast_claims,
    decide_contrast,
)
from invariance_probe.inference.rules.intervals import Sample
from invariance_probe.plan.settings import A_THIRD
from invariance_probe.reporting import render
from invariance_probe.results.tables import tidy

from .builder import LICENSED, REGISTERED, make_plan, planted

CONTRAST = {
    "kind": "contrast",
    "id": "M",
    "claim": "states recur",
    "axis": "mined.share",
    "dose": 0.5,
}
MINED = {
    "target": {"name": "behaviour", "kind": "categorical"},
    "views": {"pairing": {"kind": "mined", "gap_s": 5.0, "nuisance": "drift"}},
    "axes": [{"path": "mined.share", "doses": [0, 0.5, 0.9]}],
    "hypotheses": [CONTRAST],
    "arms": ["independent"],
}
HELPS = {"mined": -0.2, "random": 0.05, "shifted": 0.02, "oracle": -0.25}
PURE = {
    "mined": {
        "agreement": 0.6,
        "nuisance_distance": 1.0,
        "share": 0.5,
        "distance_s": 20.0,
    },
    "random": {
        "agreement": 0.3,
        "nuisance_distance": 1.0,
        "share": 0.5,
        "distance_s": 20.0,
    },
    "shifted": {
        "agreement": 0.35,
        "nuisance_distance": 1.0,
        "share": 0.5,
        "distance_s": 20.0,
    },
}


def mined_plan(**changes):
    return make_plan(**{**MINED, **changes})


def judged(plan=None, arms=HELPS, pairs=PURE, standing=REGISTERED, drop=(), **values):
    plan = plan or mined_plan()
    results = planted(plan, arms={**HELPS, **arms}, pairs=pairs, **values)
    results = {key: result for key, result in results.items() if key not in drop}
    return infer(plan, results, {}, standing).hypotheses[0]


def with_pairs(**mined):
    return {**PURE, "mined": {**PURE["mined"], **mined}}


def test_every_control_beaten_by_pure_pairs_across_the_nuisance_is_beneficial():
    found = judged()
    assert (found.kind, found.verdict.text, found.outcome, found.status) == (
        "contrast",
        "beneficial",
        "supported",
        "confirmatory",
    )
    by_name = {e.name: e.estimate for e in found.estimands if e.dose == 0.5}
    assert by_name["M_loc"] == pytest.approx(0.2, abs=0.02) and by_name["M_rand"] == pytest.approx(
        0.25, abs=0.02
    )
    assert by_name["M_shift"] == pytest.approx(0.22, abs=0.02) and by_name[
        "M_oracle"
    ] == pytest.approx(0.25, abs=0.02)
    assert by_name["A/A"] == pytest.approx(0, abs=0.02)
    assert {claim.name for claim in found.claims} == {
        "M_loc > m",
        "M_rand > m",
        "M_shift > m",
        PURITY,
        PURITY_SHIFTED,
        NUISANCE,
        NUISANCE_SHIFTED,
        "M_loc < -m",
    }
    assert found.p_value == max(
        claim.p_value for claim in found.claims if claim.name != "M_loc < -m"
    )
    assert (
        "mined pairs are beneficial" in found.sentence
        and "drift" in found.sentence
        and "50 % of the pairs" in found.sentence
    )


NOT_SHOWN = {
    "no better than local": ({"mined": 0.0}, PURE),
    "no better than random": ({"random": -0.2}, PURE),
    "no better than shifted": ({"shifted": -0.2}, PURE),
    "no purer than random": ({}, with_pairs(agreement=0.3)),
    "no purer than partners that are everybody's neighbour": (
        {},
        {**PURE, "shifted": {**PURE["shifted"], "agreement": 0.6}},
    ),
    "near in the nuisance": ({}, with_pairs(nuisance_distance=0.7)),
    "nearer in the nuisance than their partners are to other anchors": (
        {},
        {**PURE, "shifted": {**PURE["shifted"], "nuisance_distance": 1.6}},
    ),
    "purity not measured": ({}, {}),
}


@pytest.mark.parametrize("case", NOT_SHOWN)
def test_one_control_or_measure_that_fails_leaves_no_benefit(case):
    arms, pairs = NOT_SHOWN[case]
    found = judged(arms=arms, pairs=pairs)
    assert found.verdict.text == "not shown" and found.outcome == "open"


def test_better_than_random_alone_is_said_to_be_no_benefit():
    found = judged(arms={"mined": 0.0})
    assert "better than random ones, which is not a benefit" in found.sentence


def test_beaten_controls_without_recurring_pairs_are_said_to_be_so():
    found = judged(pairs=with_pairs(nuisance_distance=0.2))
    assert (
        "every control is beaten, but not by pairs that are shown to recur" in found.sentence
        and NUISANCE in found.sentence
    )


def test_worse_than_local_is_harmful_and_contradicts_the_prediction():
    found = judged(arms={"mined": 0.2, "random": 0.4})
    assert (found.verdict.text, found.outcome) == ("harmful", "contradicted")
    assert "though below that of random pairs, which is not a benefit" in found.sentence


def test_the_oracle_changes_no_verdict():
    for verdict, mined in (("beneficial", -0.2), ("not shown", 0.0)):
        assert {
            judged(arms={"mined": mined, "oracle": own}).verdict.text for own in (-0.6, 0.0, 0.6)
        } == {verdict}


def test_without_a_named_nuisance_its_distance_is_no_condition_and_the_report_says_so():
    plan = mined_plan(views={"pairing": {"kind": "mined", "gap_s": 5.0}})
    found = judged(plan, pairs=with_pairs(nuisance_distance=0.2))
    assert found.verdict.text == "beneficial" and NUISANCE not in {
        claim.name for claim in found.claims
    }
    assert "none is named" in found.cannot_support


def test_a_margin_has_to_be_exceeded():
    margin = {"fraction_of_range": 0.3, "because": "a smaller gain would not be worth the miner"}
    assert (
        judged(mined_plan(hypotheses=[{**CONTRAST, "margin": margin}])).verdict.text == "not shown"
    )


def test_a_control_that_is_not_named_is_no_condition():
    plan = mined_plan(hypotheses=[{**CONTRAST, "controls": ["local", "random"]}])
    assert judged(plan, arms={"shifted": -0.4}).verdict.text == "beneficial"


@pytest.mark.parametrize(("values", "verdict"), [
    ({"kept": 0.3}, "invalid: retention"),
    ({"null": 0.5}, "untestable: too few sessions can be decoded"),
    ({"leak": (0.5,) * 20}, "invalid: leak"),
    ({"leak": ()}, "invalid: leak"),
    ({"aa": 0.2}, "invalid: noise"),
])  # fmt: skip
def test_gates_apply_to_contrasts(values, verdict):
    found = judged(**values)
    assert found.verdict.text == verdict and found.p_value is None


TURNED = {
    "benefit": (HELPS, {"random": -0.4}, "M_rand < -m is shown"),
    "harm": ({"mined": 0.2}, {"mined": -0.2}, "M_loc > m is shown"),
}


@pytest.mark.parametrize("case", TURNED)
def test_a_verdict_that_a_third_of_the_data_turns_is_not_shown(case):
    arms, again, said = TURNED[case]
    found = judged(mined_plan(), arms=arms, checked={A_THIRD: again})
    assert found.verdict.text == "not shown" and found.p_value is None and found.outcome == "open"
    assert said in found.sentence and "is turned by" in found.sentence
    assert judged(mined_plan(), arms=arms).verdict.text in ("beneficial", "harmful")


def test_a_check_that_shows_less_turns_nothing_and_stands_in_the_report():
    found = judged(mined_plan(), checked={A_THIRD: {"mined": -0.02, "random": 0.0, "shifted": 0.0}})
    assert found.verdict.text == "beneficial" and {e.setting for e in found.swept} == {A_THIRD}
    assert {gate.name for gate in found.gates if gate.passed} >= {"noise", "a third of the data"}


def test_a_contrast_is_trained_again_with_a_third_of_the_data_and_under_no_other_recipe():
    plan = mined_plan()
    trained = {(run.setting, run.arm, run.dose) for run in plan.grid if run.setting}
    arms = {("none", 0.0), *((arm, 0.5) for arm in ("mined", "random", "shifted"))}
    assert trained == {(A_THIRD, *own) for own in arms}
    assert not any(run.setting for run in mined_plan(quick=True).grid)


def test_collapse_at_share_0_fails_its_gate():
    plan = mined_plan()
    results = planted(plan, arms=HELPS, pairs=PURE)
    clean = [run for run in plan.grid if run.method.kind == "simclr" and run.axis == ""]
    for run in clean[: len(clean) // 5]:
        results[run.key()] = replace(results[run.key()], status="collapsed")
    assert infer(plan, results, {}, REGISTERED).hypotheses[0].verdict.text == "invalid: collapse"


def test_a_method_without_licence_gets_estimates_and_no_verdict():
    plan = mined_plan(training={**LICENSED, "steps": 20})
    found = judged(plan)
    assert found.verdict.text == "uncalibrated method" and found.estimands and found.p_value is None


def test_missing_runs_of_a_control_leave_no_verdict():
    plan = mined_plan()
    gone = next(run.key() for run in plan.grid if run.arm == "random" and run.dose == 0.5)
    found = judged(plan, drop={gone})
    assert (
        found.verdict.text == "not shown" and found.p_value is None and "M_rand" in found.sentence
    )


def test_a_quick_study_trains_no_oracle_and_confirms_nothing():
    plan = mined_plan(quick=True)
    found = judged(plan)
    assert {run.arm for run in plan.grid} == {"none", "mined", "random", "shifted"}
    assert (
        found.verdict.text == "beneficial"
        and found.status == "exploratory"
        and "M_oracle" not in {e.name for e in found.estimands}
    )


def test_with_looks_at_the_seeds_a_clear_benefit_stops_early():
    training = {**LICENSED, "seeds": 4, "adaptive": {"looks": [2, 4]}}
    found = judged(mined_plan(training=training))
    assert found.verdict.text == "beneficial" and found.look is not None and found.look.seeds == 2


def test_a_contrast_stands_beside_a_claim_about_a_dose_in_one_study():
    jitter = {
        **MINED,
        "views": {"pairing": MINED["views"]["pairing"], "transforms": [{"kind": "unit_dropout"}]},
    }
    dropout = {
        "id": "D",
        "claim": "spread",
        "predicts": "distributed",
        "axis": "unit_dropout.rate",
        "dose": 0.4,
        "margin": {"fraction_of_range": 0.1, "because": "smaller losses would not matter"},
    }
    plan = make_plan(
        **{
            **jitter,
            "axes": [*MINED["axes"], {"path": "unit_dropout.rate", "doses": [0, 0.4]}],
            "hypotheses": [CONTRAST, dropout],
            "arms": ["independent", "shared"],
        }
    )
    found = infer(
        plan, planted(plan, arms=HELPS, pairs=PURE, C_code=0.02), {}, REGISTERED
    ).hypotheses
    assert [(f.kind, f.verdict.text) for f in found] == [
        ("contrast", "beneficial"),
        ("invariance", "between"),
    ]


def test_the_report_shows_contrasts_and_what_the_pairs_are(tmp_path):
    plan = mined_plan()
    results = planted(plan, arms=HELPS, pairs=PURE)
    provenance = {"versions": {"invariance-probe": "0.1.0"}, "seconds": 1.0, "failures": []}
    page = render(
        plan,
        infer(plan, results, {}, REGISTERED),
        tidy(plan.runs, results),
        provenance,
        tmp_path / "report",
    )
    report = json.loads((page.parent / "report.json").read_text())
    rows = {(row["name"], row["arm"]): row for row in report["hypotheses"][0]["pairs"]}
    assert rows["purity", "mined"]["estimate"] == pytest.approx(0.6, abs=0.02)
    assert (
        rows["purity above random", "mined"]["ci_low"] > 0.2
        and rows["nuisance distance", "mined"]["n_sessions"] == 6
    )
    for name in ("index.html", "report.md"):
        text = (page.parent / name).read_text()
        assert (
            "What the distant pairs are" in text
            and "M_shift" in text
            and "nearest neighbours" in text
        )
    assert {p["estimand"] for p in report["curve"]} == {"M_loc", "M_rand", "M_shift", "M_oracle"}
    assert (page.parent / "pairs.csv").is_file() and len(
        list((page.parent / "figures").glob("M-*.svg"))
    ) >= 2


STUDIES, SEEDS, BLOCKS = 1500, 3, 8


def simulated(truth, sessions, rng):
    """Contrasts of simulated losses.

    Sessions, seeds and blocks vary, and the local condition is common to the contrasts
    that share an arm.
    """
    arms = ("local", "random", "shifted", "mined")
    own = 0.06 * rng.standard_normal((4, sessions, 1, 1)) + 0.04 * rng.standard_normal(
        (4, sessions, SEEDS, 1)
    )
    own = own + 0.03 * rng.standard_normal((4, sessions, SEEDS, BLOCKS))
    losses = {arm: own[i] + truth[arm] for i, arm in enumerate(arms)}
    ranges = 0.6 + 0.05 * rng.random((sessions, SEEDS, BLOCKS))

    def contrast(control):
        difference = losses[control] - losses["mined"]
        return Sample(
            tuple(Effect(difference[s], ranges[s]) for s in range(sessions)), ("a",) * sessions
        )

    return {
        "M_loc": contrast("local"),
        "M_rand": contrast("random"),
        "M_shift": contrast("shifted"),
    }


def test_three_sessions_can_say_nothing_of_what_their_pairs_share():
    """Values of one session hardly vary, and cannot give the error.

    Folds share training windows, and seeds share one table.
    """
    found = judged(mined_plan(sessions=3))
    shown = {claim.name: claim.shown for claim in found.claims}
    assert shown["M_loc > m"] and shown["M_rand > m"] and not shown[PURITY] and not shown[NUISANCE]
    assert (
        found.verdict.text == "not shown"
        and "not by pairs that are shown to share the target" in found.sentence
    )
    assert (
        "four sessions or more" in found.sentence
        and PURITY not in found.sentence
        and "are a description" in found.cannot_support
    )


def test_the_table_of_few_sessions_says_that_its_pairs_are_not_claimed(tmp_path):
    plan = mined_plan(sessions=3)
    results = planted(plan, arms=HELPS, pairs=PURE)
    page = render(
        plan,
        infer(plan, results, {}, REGISTERED),
        tidy(plan.runs, results),
        {"versions": {}, "seconds": 1.0, "failures": []},
        tmp_path / "report",
    )
    assert (
        f"{PURITY}: not claimed of fewer than 4 sessions" in (page.parent / "report.md").read_text()
    )


def certain(value, sessions):
    one = np.ones((SEEDS, 2))
    return Sample((Effect(value * one, one),) * sessions, ("a",) * sessions)


def pairs_of(sessions, **others):
    """What is claimed of pairs, all of it certain but for what is given."""
    measures = {
        PURITY: certain(0.3, sessions),
        PURITY_SHIFTED: certain(0.3, sessions),
        NUISANCE: certain(1.0, sessions),
    }
    measures |= {NUISANCE_SHIFTED: certain(1.0, sessions), **others}
    return {
        name: (sample, 0.0 if name.startswith("purity") else UNRELATED)
        for name, sample in measures.items()
    }


@pytest.mark.parametrize("claim", [PURITY, PURITY_SHIFTED, NUISANCE, NUISANCE_SHIFTED])
def test_pairs_at_the_bound_of_one_claim_are_called_beneficial_in_a_twentieth_of_studies(claim):
    """Sessions differ in what their pairs share; seeds and folds hardly do.

    Seeds and folds of a session are therefore no measure of the error.
    """
    rng, sessions, words = np.random.default_rng(11), 6, []
    sure = {name: certain(0.5, sessions) for name in ("M_loc", "M_rand", "M_shift")}
    bound = 0.0 if claim.startswith("purity") else UNRELATED
    for _ in range(STUDIES):
        shifted = (
            1.1 + 0.1 * rng.standard_normal((sessions, 1, 1))
            if claim == NUISANCE_SHIFTED
            else np.ones((sessions, 1, 1))
        )
        own = (
            bound * shifted
            + 0.05 * rng.standard_normal((sessions, 1, 1))
            + 0.003 * rng.standard_normal((sessions, SEEDS, 2))
        )
        measure = Sample(
            tuple(Effect(own[s], shifted[s] * np.ones((SEEDS, 2))) for s in range(sessions)),
            ("a",) * sessions,
        )
        words.append(
            decide_contrast(contrast_claims(sure, 0.0, pairs_of(sessions, **{claim: measure})))
        )
    assert 0.02 < words.count("beneficial") / STUDIES <= 0.07


@pytest.mark.parametrize(("level", "word"), [
    ({"local": 0.0, "random": 0.5, "shifted": 0.5}, "beneficial"),
    ({"local": 0.5, "random": 0.0, "shifted": 0.5}, "beneficial"),
    ({"local": 0.5, "random": 0.5, "shifted": 0.0}, "beneficial"),
    ({"local": 0.0, "random": 0.5, "shifted": 0.5}, "harmful"),
])  # fmt: skip
def test_a_contrast_that_is_nothing_is_called_something_in_a_twentieth_of_studies(level, word):
    """Only one contrast is at its null, and all else is certain.

    This is the least favourable case of an intersection-union test.
    """
    rng, sessions, words = np.random.default_rng(7), 6, []
    for _ in range(STUDIES):
        samples = simulated({**level, "mined": 0.0}, sessions, rng)
        claims = contrast_claims(samples, 0.0, pairs_of(sessions))
        words.append(decide_contrast(claims))
    assert words.count(word) / STUDIES <= 0.07
