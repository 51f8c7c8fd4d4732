"""A budget that a session's units cannot hold is refused.

It is refused once, with its place, before anything is run.
"""

from pathlib import Path

import pytest
from conftest import tiny_study

from invariance_probe.data.problems import recording_problems
from invariance_probe.errors import StudyError
from invariance_probe.planning import make_plan
from invariance_probe.study.budgets import budget_problems, most_messengers
from invariance_probe.study.load import open_study
from invariance_probe.study.study import Study

UNITS = {"many": 90, "few": 20}
MASKED = {"path": "ascended_mask.budget", "doses": [0, 4, 20, 64]}


def study(**changes):
    return Study.model_validate(tiny_study(**changes))


def against(adversary, *axes, **changes):
    return study(
        views={"transforms": [{"kind": "unit_dropout"}], "adversary": adversary},
        axes=[{"path": "unit_dropout.rate", "doses": [0, 0.4]}, *axes],
        **changes,
    )


@pytest.mark.parametrize(
    ("asked", "place", "got", "said"),
    [
        (
            study(measurements=[{"kind": "messengers", "budgets": [1, 6, 7, 30]}]),
            ("measurements", 0, "budgets"),
            [7, 30],
            "session 'few' has only 20 units, and each chosen unit needs 2 others to be compared "
            "with; use budgets of at most 6",
        ),
        (
            against({"kind": "ascended_mask"}, MASKED),
            ("axes", 1, "doses"),
            [20.0, 64.0],
            "session 'few' has only 20 units, and at least one unit must stay visible; "
            "use budgets of at most 19",
        ),
        (
            against(
                {"kind": "learned_mask"},
                sweeps=[{"path": "learned_mask.budget", "values": [2, 21]}],
            ),
            ("sweeps", 0, "values"),
            [21],
            "use budgets of at most 19",
        ),
        (
            against({"kind": "worst_of_masks", "budget": 20}),
            ("views", "adversary", "budget"),
            20,
            "at most 19",
        ),
        (
            against({"kind": "adversarial_noise", "modes": 21}),
            ("views", "adversary", "modes"),
            21,
            "use at most 20",
        ),
    ],
)
def test_a_budget_is_held_against_the_session_with_the_fewest_units(asked, place, got, said):
    ((where, value, reason),) = budget_problems(asked, UNITS)
    assert (where, value) == (place, got) and said in reason


def test_budgets_that_every_session_can_hold_are_allowed():
    fine = [
        study(measurements=[{"kind": "messengers", "budgets": [1, 6]}]),
        against(
            {"kind": "ascended_mask", "budget": 19},
            {"path": "ascended_mask.budget", "doses": [0, 19]},
        ),
        against({"kind": "adversarial_noise", "modes": 20}),
        study(),
    ]
    assert not [problem for one in fine for problem in budget_problems(one, UNITS)]
    assert not list(budget_problems(fine[0], {})) and (most_messengers(20), most_messengers(2)) == (
        6,
        0,
    )


def test_a_population_too_small_for_any_comparison_is_told_so():
    asked = study(measurements=[{"kind": "messengers", "budgets": [1]}])
    ((place, _, reason),) = budget_problems(asked, {"tiny": 2})
    assert (
        place == ("measurements", 0, "kind")
        and "too few: each chosen unit needs 2 others" in reason
    )


def test_planning_says_it_in_one_line_where_every_run_would_have_failed(tmp_path):
    asked = study(measurements=[{"kind": "messengers", "budgets": [1, 30]}])
    assert [problem[0] for problem in recording_problems(asked, Path())] == [
        ("measurements", 0, "budgets")
    ]
    file = tmp_path / "study.yaml"
    file.write_text(asked.model_dump_json(), encoding="utf-8")
    with pytest.raises(
        StudyError, match=r"measurements\[0\].budgets.*has only 30 units.*at most 10"
    ) as told:
        make_plan(open_study(file))
    assert len(str(told.value).splitlines()) == 1
