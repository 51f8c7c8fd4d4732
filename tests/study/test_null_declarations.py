"""What a study may say about its null, and that saying nothing changes nothing."""

import json

import pytest
from conftest import tiny_study
from pydantic import ValidationError
from ruamel.yaml import YAML

from invariance_probe.errors import StudyError
from invariance_probe.plan.cautions import cautions
from invariance_probe.plan.plan import Plan
from invariance_probe.plan.registration import deviations, new_registration
from invariance_probe.study.baselines import CircularNull, Leak, PseudoNull, ShiftNull
from invariance_probe.study.load import load_study
from invariance_probe.study.nulls import (
    CircularShift,
    LinearShift,
    OtherSessions,
    PseudoSession,
    cuts_of,
)
from invariance_probe.study.session import Session
from invariance_probe.study.study import Study


def plan_of(sessions=7, prints="f", alternatives="", **changes):
    study = Study.model_validate(tiny_study(**changes))
    made = (
        Session(f"s{i}", "a", "", f"{prints}{i}", study.recordings[0], alternatives)
        for i in range(sessions)
    )
    return Plan(study, tuple(made))


def null_run(plan):
    return plan.baselines[0]


def test_the_default_null_keeps_its_key():
    """Stored nulls are found by this hash; it was taken before a study could choose its null."""
    for plan in (plan_of(3), plan_of(3, null={"kind": "linear_shift"})):
        assert null_run(plan).method == ShiftNull(shifts=40)
        assert (
            null_run(plan).key()
            == "7e54c7abc926ae85d808f9f5cd1e70857e1a056d9e1b2c645a270e3c1244de1c"
        )


def test_each_null_is_measured_as_it_is_declared():
    assert null_run(plan_of(null={"kind": "linear_shift", "shifts": 60})).method == ShiftNull(
        shifts=60
    )
    assert null_run(plan_of(null={"kind": "circular_shift"})).method == CircularNull(shifts=99)
    by_array = plan_of(
        alternatives="hash", null={"kind": "pseudo_session", "array": "other", "draws": 50}
    )
    assert null_run(by_array).method == PseudoNull(array="other", fingerprint="hash", draws=50)
    found = null_run(plan_of(null={"kind": "other_sessions"})).method
    assert [other.name for other in found.others] == [
        "s1",
        "s2",
        "s3",
        "s4",
        "s5",
        "s6",
    ] and found.cuts == 7


def test_other_sessions_are_those_of_the_group():
    study = Study.model_validate(tiny_study(null={"kind": "other_sessions"}))
    sessions = tuple(
        Session(f"s{i}", "a", "ab"[i % 2], f"f{i}", study.recordings[0]) for i in range(12)
    )
    run = next(
        run
        for run in Plan(study, sessions).baselines
        if run.session == "s3" and run.method.kind == "session_null"
    )
    assert [other.name for other in run.method.others] == ["s1", "s5", "s7", "s9", "s11"]


def test_the_key_follows_the_data_that_the_null_reads():
    others = {"null": {"kind": "other_sessions"}}
    plan, changed = plan_of(**others), plan_of(**others)
    sessions = (
        *changed.sessions[:-1],
        Session("s6", "a", "", "other data", changed.sessions[-1].source),
    )
    assert null_run(Plan(changed.study, sessions)).key() != null_run(plan).key()
    array = {"null": {"kind": "pseudo_session", "array": "other"}}
    assert (
        null_run(plan_of(alternatives="a", **array)).key()
        != null_run(plan_of(alternatives="b", **array)).key()
    )


def test_so_many_cuts_are_drawn_that_p_can_fall_below_a_twentieth():
    for others in range(5, 40):
        assert others * cuts_of(others) >= (39 if others < 19 else 19)
        assert cuts_of(others) == 1 or others * (cuts_of(others) - 1) < 39


def test_the_leak_is_tested_in_every_session_but_not_in_quick_studies():
    leaks = [run for run in plan_of(3).baselines if run.method.kind == "leak"]
    assert [run.session for run in leaks] == ["s0", "s1", "s2"] and leaks[0].method == Leak(
        draws=20
    )
    assert not [run for run in plan_of(quick=True).runs if run.method.kind == "leak"]


@pytest.mark.parametrize("kind", ["shuffle", "shuffled", "iid", "permutation", "random"])
def test_shuffles_are_refused_with_the_reason(kind):
    with pytest.raises(ValidationError, match="shuffled bins make no valid null"):
        Study.model_validate(tiny_study(null={"kind": kind}))


WRONG = {
    "{kind: shuffle}": (
        ":1: null: kind 'shuffle' is not allowed, because shuffled bins make no valid null",
        "Use 'pseudo_session'",
    ),
    "{kind: circular_shit}": (
        ": null.kind: unknown kind 'circular_shit'. Did you mean 'circular_shift'?",
    ),
    "{kind: circular_shift, shfts: 50}": (
        ": null.shfts: unknown key 'shfts'. Did you mean 'shifts'?",
    ),
    "{kind: circular_shift, shifts: 20}": (": null.shifts: ", "greater than or equal to 39"),
    "{kind: pseudo_session}": (": null: a pseudo_session needs either `array: NAME`",),
    "{kind: pseudo_session, by: trial, array: x}": (
        ": null: a pseudo_session needs either `array: NAME`",
    ),
}


@pytest.mark.parametrize("text", WRONG)
def test_a_wrong_null_is_an_error_with_its_line(tmp_path, text):
    path = tmp_path / "study.yaml"
    YAML(typ="safe").dump(tiny_study(), path)
    path.write_text(path.read_text() + f"null: {text}\n")
    line = len(path.read_text().splitlines())
    with pytest.raises(StudyError) as caught:
        load_study(path)
    assert (
        str(caught.value).startswith(f"{path}:{line}:") and len(str(caught.value).splitlines()) == 1
    )
    assert all(said in str(caught.value) for said in WRONG[text])


def test_null_is_a_key_though_yaml_reads_the_word_as_no_value(tmp_path):
    path = tmp_path / "study.yaml"
    for text, expected in {
        "null: {kind: circular_shift}": CircularShift(),
        '"null": {kind: other_sessions}': OtherSessions(), "": LinearShift(),
        "null: {kind: pseudo_session, by: trial}": PseudoSession(by="trial"),
    }.items():  # fmt: skip
        YAML(typ="safe").dump(tiny_study(), path)
        path.write_text(f"{text}\n" + path.read_text())
        assert load_study(path).null == expected
    YAML(typ="safe").dump(tiny_study(), path)
    assert load_study(path, ["null.kind=circular_shift", "null.shifts=50"]).null == CircularShift(
        shifts=50
    )


def test_a_registration_from_before_nulls_could_be_chosen_means_the_linear_shift():
    registration = json.loads(json.dumps(new_registration(plan_of(), {})))
    del registration["study"]["null"]
    said = [text for _, text in deviations(registration, plan_of()) if "null" in text]
    assert said == []
    said = [
        text
        for _, text in deviations(registration, plan_of(null={"kind": "circular_shift"}))
        if "null" in text
    ]
    assert any(
        'null.kind was registered as "linear_shift", now "circular_shift"' in text for text in said
    )


def about_decoding(plan):
    return [caution for caution in cautions(plan) if caution[0][0] in ("folds", "null")]


def test_shuffled_folds_are_cautioned_against_and_take_no_embargo():
    plan = plan_of(folds={"scheme": "shuffled", "count": 5})
    [(place, got, reason)] = about_decoding(plan)
    assert (place, got) == (("folds", "scheme"), "shuffled") and "read the time" in reason
    assert not about_decoding(plan_of())
    assert Study.model_validate(tiny_study(folds={})).folds.scheme == "blocks"
    with pytest.raises(ValidationError, match="an embargo leaves nothing to train on"):
        plan_of(folds={"scheme": "shuffled", "count": 5, "embargo_s": 0.5})


def test_too_few_other_sessions_for_an_exact_p_are_cautioned_against():
    [(place, _, reason)] = about_decoding(plan_of(7, null={"kind": "other_sessions"}))
    assert (
        place == ("null", "kind")
        and "is therefore cut at 7 shifted places, which makes 42 draws" in reason
    )
    assert not about_decoding(plan_of(20, null={"kind": "other_sessions"}))
