"""Pairs across states are beneficial only where all four controls are beaten.

They never count as confirmatory.
"""

import numpy as np
import pytest
from pydantic import ValidationError

from invariance_probe.inference import infer
from invariance_probe.inference.evidence.estimands import Effect
from invariance_probe.inference.findings import Standing
from invariance_probe.inference.hypotheses.contrast.judging import (
    AGAINST,
    contrast_claims,
    decide_contrast,
)
from invariance_probe.inference.rules.intervals import Sample
from invariance_probe.reporting import render
from invariance_probe.results.tables import tidy
from invariance_probe.study.hypotheses import CONTROLS

from .builder import make_plan, planted

CONTRAST = {
    "kind": "contrast",
    "id": "S",
    "claim": "sleep replays",
    "axis": "state.share",
    "dose": 0.5,
}
STATES = {
    "target": {"name": "label"},
    "window": {"within": {"array": "state", "values": [0]}},
    "views": {"pairing": {"kind": "state", "partners": [1], "others": [2]}},
    "axes": [{"path": "state.share", "doses": [0, 0.5, 0.9]}],
    "hypotheses": [CONTRAST],
    "arms": ["independent"],
}
HELPS = {"mined": -0.2, "other_state": 0.02, "time_shuffled": 0.0, "unit_permuted": 0.05}
FOUR = CONTROLS["state.share"]


def judged(arms=HELPS, plan=None, **values):
    plan = plan or make_plan(**STATES)
    return plan, infer(
        plan, planted(plan, arms={**HELPS, **arms}, **values), {}, Standing("0" * 64)
    )


def test_four_beaten_controls_are_beneficial_experimental_and_exploratory_although_registered():
    _, found = judged()
    (finding,) = found.hypotheses
    assert (finding.verdict.text, finding.status, finding.outcome) == (
        "experimental: beneficial",
        "exploratory",
        "supported",
    )
    assert {claim.name for claim in finding.claims} == {
        "M_loc > m",
        "M_other > m",
        "M_shuffled > m",
        "M_permuted > m",
        "M_loc < -m",
    }
    assert {e.name for e in finding.estimands} == {
        "M_loc",
        "M_other",
        "M_shuffled",
        "M_permuted",
        "A/A",
    }
    by_name = {e.name: e.estimate for e in finding.estimands if e.dose == 0.5}
    assert by_name["M_other"] == pytest.approx(0.22, abs=0.03) and by_name[
        "M_permuted"
    ] == pytest.approx(0.25, abs=0.03)
    assert "experimental" in finding.cannot_support


@pytest.mark.parametrize("control", FOUR)
def test_one_control_that_is_not_beaten_leaves_no_benefit(control):
    arms = {"mined": 0.0} if control == "local" else {control: -0.2}
    _, found = judged(arms)
    assert (
        found.hypotheses[0].verdict.text == "experimental: not shown"
        and found.hypotheses[0].outcome == "open"
    )
    assert "no benefit of sleep is shown" in found.hypotheses[0].sentence


def test_the_report_shows_every_control_and_says_experimental(tmp_path):
    plan = make_plan(**STATES)
    results = planted(plan, arms=HELPS)
    provenance = {"versions": {"invariance-probe": "0.1.0"}, "seconds": 1.0, "failures": []}
    page = render(
        plan,
        infer(plan, results, {}, Standing("0" * 64)),
        tidy(plan.runs, results),
        provenance,
        tmp_path / "report",
    )
    text = page.read_text()
    assert "experimental: beneficial" in text and "M_permuted" in text and "M_shift" not in text
    assert "components were fitted on one half" in text


@pytest.mark.parametrize("missing", FOUR)
def test_a_benefit_needs_all_four_controls(missing):
    kept = [control for control in FOUR if control != missing]
    with pytest.raises(ValidationError, match="add them"):
        make_plan(**{**STATES, "hypotheses": [{**CONTRAST, "controls": kept}]})


def test_controls_of_another_axis_are_refused():
    with pytest.raises(ValidationError, match="cannot be used as a control on state"):
        make_plan(**{**STATES, "hypotheses": [{**CONTRAST, "controls": [*FOUR, "shifted"]}]})


@pytest.mark.parametrize("tied", FOUR)
def test_a_verdict_is_rarely_wrong_while_one_control_is_as_good(tied):
    """The least favourable null: one contrast at 0 exactly, and the others far above."""
    rng, studies = np.random.default_rng(3), 1500
    wrong = 0
    for _ in range(studies):
        samples = {
            AGAINST[control]: Sample(
                tuple(
                    Effect(np.full((1, 8), value), np.ones((1, 8)))
                    for value in rng.normal(0.0 if control == tied else 1.0, 0.1, 6)
                ),
                tuple(f"s{i}" for i in range(6)),
            )
            for control in FOUR
        }
        wrong += decide_contrast(contrast_claims(samples, 0.0, {})) == "beneficial"
    assert wrong / studies <= 0.05 + 3 * (0.05 * 0.95 / studies) ** 0.5
