"""Training against an adversary is described and never judged.

No adversary has been through the calibration.
"""

import pytest
from conftest import MARGIN
from pydantic import ValidationError

from invariance_probe.inference import infer

from .builder import make_plan, planted

ATTACKED = {
    "views": {"adversary": {"kind": "worst_of_masks"}},
    "axes": [{"path": "worst_of_masks.budget", "doses": [0, 6]}],
    "hypotheses": [
        {
            "id": "H1",
            "claim": "no conduit",
            "predicts": "tolerated",
            "axis": "worst_of_masks.budget",
            "dose": 6,
            "margin": MARGIN,
        }
    ],
}


def test_a_dose_of_an_adversary_has_estimates_and_no_verdict():
    plan = make_plan(**ATTACKED)
    finding = infer(plan, planted(plan, C_code=0.4), {}).hypotheses[0]
    assert finding.verdict.text == "uncalibrated method"
    assert "worst_of_masks has not been calibrated" in next(
        gate.detail for gate in finding.gates if gate.name == "licence"
    )
    assert {"delta", "H", "D", "C_code"} <= {estimand.name for estimand in finding.estimands}


def test_a_dropout_hypothesis_under_an_adversary_that_is_always_there_has_none_either():
    plan = make_plan(
        views={
            "transforms": [{"kind": "unit_dropout"}],
            "adversary": {"kind": "adversarial_noise", "epsilon": 0.1},
        }
    )
    assert (
        infer(plan, planted(plan, C_code=0.4), {}).hypotheses[0].verdict.text
        == "uncalibrated method"
    )
    asleep = make_plan(
        views={"transforms": [{"kind": "unit_dropout"}], "adversary": {"kind": "adversarial_noise"}}
    )
    assert infer(asleep, planted(asleep, C_code=0.4), {}).hypotheses[0].verdict.text == "tolerated"


def test_a_closed_form_cannot_train_against_an_adversary():
    with pytest.raises(ValidationError, match="closed-form solution with worst_of_masks"):
        make_plan(**ATTACKED, method={"kind": "linear_ssl"})
