"""A registration freezes what is claimed and on which data; every departure is found and named."""

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from conftest import tiny_study

from invariance_probe.errors import StudyError
from invariance_probe.plan.plan import Plan
from invariance_probe.plan.registration import (
    deviations,
    new_registration,
    read_registration,
    seen_before,
    write_registration,
)
from invariance_probe.plan.run import RunResult
from invariance_probe.study.session import Session
from invariance_probe.study.study import Study

VERSIONS = {"python": "3.11"}


def plan_of(fingerprint="f", count=4, **changes):
    study = Study.model_validate(tiny_study(**changes))
    sessions = tuple(
        Session(f"s{i}", "a", "", f"{fingerprint}{i}", study.recordings[0]) for i in range(count)
    )
    return Plan(study, sessions)


WIDER = {"fraction_of_range": 0.2, "because": "smaller losses would not matter to a decoder"}


def hypothesis(**changes):
    return [{**tiny_study()["hypotheses"][0], **changes}]


def found(registered, now):
    return deviations(json.loads(json.dumps(new_registration(registered, VERSIONS))), now)


def test_the_same_study_on_the_same_data_does_not_depart():
    assert found(plan_of(), plan_of()) == ()
    assert found(plan_of(), plan_of(name="renamed", question="Asked in other words?")) == ()


@pytest.mark.parametrize(
    ("changes", "about", "said"),
    [
        (
            {"hypotheses": hypothesis(margin=WIDER)},
            "H1",
            "margin.fraction_of_range was registered as 0.1, now 0.2",
        ),
        ({"hypotheses": hypothesis(predicts="invariant")}, "H1", "predicts was registered"),
        ({"hypotheses": hypothesis(id="H9")}, "H9", "was not registered"),
        (
            {"axes": [{"path": "unit_dropout.rate", "doses": [0, 0.2, 0.4]}]},
            "H1",
            "the doses of unit_dropout.rate were registered as [0, 0.4]",
        ),
        (
            {"training": {"steps": 40, "batch_size": 64, "seeds": 2}},
            "",
            "training.steps was registered as 20, now 40",
        ),
        ({"fingerprint": "other"}, "H1", "the data of session s0 have changed"),
        ({"count": 3}, "H1", "session s3 was registered, but is left out"),
        ({"count": 5}, "H1", "session s4 was not registered"),
    ],
)
def test_every_departure_is_named_with_the_claim_it_concerns(changes, about, said):
    assert any(a == about and said in text for a, text in found(plan_of(), plan_of(**changes)))


def test_a_registered_hypothesis_that_is_dropped_concerns_all_claims():
    two = plan_of(hypotheses=hypothesis() + hypothesis(id="H2"))
    assert ("", "the registered hypothesis H2 was left out") in found(two, plan_of())


def test_a_registration_that_was_edited_does_not_count(tmp_path):
    path = tmp_path / "s.registration.json"
    write_registration(path, new_registration(plan_of(), VERSIONS))
    assert deviations(read_registration(path), plan_of()) == ()
    path.write_text(path.read_text().replace('"fraction_of_range":0.1', '"fraction_of_range":0.2'))
    assert any(
        "its hash does not fit" in text
        for _, text in deviations(read_registration(path), plan_of())
    )


def test_a_registration_is_never_written_over_and_a_broken_one_is_refused(tmp_path):
    path = tmp_path / "s.registration.json"
    assert read_registration(path) is None
    write_registration(path, new_registration(plan_of(), VERSIONS))
    with pytest.raises(StudyError, match="already registered"):
        write_registration(path, new_registration(plan_of(), VERSIONS))
    path.write_text("{}")
    with pytest.raises(StudyError, match="is not a valid registration"):
        read_registration(path)


def test_changed_alternative_targets_concern_the_claims_on_their_session():
    plan = plan_of()
    registered = Plan(
        plan.study, tuple(replace(session, alternatives="a") for session in plan.sessions)
    )
    now = Plan(plan.study, tuple(replace(session, alternatives="b") for session in plan.sessions))
    assert ("H1", "the alternative targets of session s0 have changed since registration") in found(
        registered, now
    )
    assert found(registered, registered) == ()


@pytest.mark.parametrize(
    ("measured_under", "hours", "seen"),
    [
        ("own", -1, False),
        ("", 1, False),
        ("another", 1, False),
        ("", -1, True),
        ("another", -1, True),
        ("another", None, True),
    ],
)
def test_a_result_is_seen_before_when_it_is_older_than_the_registration_and_not_measured_under_it(
    measured_under, hours, seen
):
    registration = new_registration(plan_of(), VERSIONS)
    at = "" if hours is None else (datetime.now(UTC) + timedelta(hours=hours)).isoformat()
    own = registration["sha256"] if measured_under == "own" else measured_under
    assert (
        seen_before(registration, RunResult("key", "done", registration=own, measured_at=at))
        is seen
    )


def test_results_of_a_registration_without_a_time_must_carry_its_hash():
    registration = {"sha256": "h"}
    assert seen_before(
        registration, RunResult("key", "done", measured_at=datetime.now(UTC).isoformat())
    )
    assert not seen_before(registration, RunResult("key", "done", registration="h"))
