"""A study that sweeps the method says whether what training costs depends on the objective."""

import pytest

from invariance_probe.inference import infer

from .builder import make_plan, planted

ENCODER = {"kind": "mlp", "widths": [16, 8]}
SWEPT = [
    {
        "path": "method",
        "values": [
            {"kind": "vicreg", "encoder": ENCODER},
            {"kind": "byol", "encoder": ENCODER},
            {"kind": "vicreg", "covariance": 50, "encoder": ENCODER},
        ],
    }
]
COVARIANCE = "vicreg(covariance=50, encoder=mlp(widths=[16, 8]))"


def judged(**by_kind):
    """Judge a plan whose swept methods have losses of their own, by kind.

    Training by the study's own method is free.
    """
    plan = make_plan(sweeps=SWEPT)
    results = planted(plan, C_code=0.4)
    for kind, changes in by_kind.items():
        other = planted(plan, **{"C_code": 0.4, "seed": 2, **changes})
        again = {
            run.key()
            for run in plan.grid
            if run.setting.startswith("method=") and run.method.kind == kind
        }
        results = {key: other[key] if key in again else result for key, result in results.items()}
    return infer(plan, results, {}).hypotheses[0]


def test_objectives_that_agree_are_said_to():
    found = judged().objectives
    assert [row.word for row in found.methods] == ["free"] * 4
    assert [row.licensed for row in found.methods] == [True, False, False, False]
    assert found.methods[3].method == COVARIANCE
    assert (
        "does not depend on the objective" in found.sentence
        and "Not licensed by the calibration" in found.sentence
    )


def test_a_contradiction_is_named_and_forbids_claims_about_learning():
    finding = judged(byol={"delta": 0.4})
    words = {
        row.method.partition("(")[0]: row.word
        for row in finding.objectives.methods
        if row.method != COVARIANCE
    }
    assert words == {"simclr": "free", "vicreg": "free", "byol": "costly"}
    assert (
        "depends on the objective" in finding.objectives.sentence
        and "No claim about learning" in finding.objectives.sentence
    )
    assert finding.verdict.text == "tolerated"  # objectives stand beside; gates change verdicts


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"delta": 0.1, "H": 0.1}, "No objective contradicts another"),
        (
            {"delta": 0.4, "kept": 0.2},
            "Without a say, since they keep less than half of the range or lack runs: byol",
        ),
    ],
)
def test_what_cannot_tell_is_no_contradiction(changes, said):
    assert said in judged(byol=changes).objectives.sentence


def test_without_a_swept_method_nothing_is_said():
    plan = make_plan()
    assert infer(plan, planted(plan, C_code=0.4), {}).hypotheses[0].objectives is None


def test_an_objective_whose_runs_are_missing_has_no_word():
    plan = make_plan(sweeps=SWEPT[:1])
    results = planted(plan, C_code=0.4)
    gone = {run.key() for run in plan.grid if run.method.kind == "byol" and run.arm == "shared"}
    found = (
        infer(plan, {key: result for key, result in results.items() if key not in gone}, {})
        .hypotheses[0]
        .objectives
    )
    assert [row.word for row in found.methods if row.method.startswith("byol")] == [None]
    assert "byol" in found.sentence.partition("lack runs:")[2]
