"""A unit that is nearly silent where a fold trains and fires where it tests is told before anything is trained."""

from dataclasses import replace
from pathlib import Path

from conftest import tiny_study

from invariance_probe.data.extremes import extreme_units
from invariance_probe.data.sessions import find_sessions, open_recording
from invariance_probe.plan.cautions import cautions
from invariance_probe.plan.plan import Plan
from invariance_probe.study.study import Study


def study_and_recording():
    study = Study.model_validate(tiny_study())
    session = find_sessions(study, Path())[0]
    return study, session, open_recording(session.source, session.name, Path())


def test_plain_recordings_have_no_extreme_units():
    study, session, recording = study_and_recording()
    assert session.extremes == () == extreme_units(recording, study)


def test_a_unit_that_wakes_up_in_the_test_part_is_named_with_its_fold():
    study, session, recording = study_and_recording()
    activity = recording.activity.copy()
    activity[:, 7] = 0
    activity[500, 7] = 1  # one spike where fold 0 trains
    activity[100, 7] = 9  # and a burst where it tests
    (extreme,) = extreme_units(replace(recording, activity=activity), study)
    assert (extreme.fold, extreme.unit) == (0, recording.unit_ids[7]) and extreme.sds > 100
    plan = Plan(study, (replace(session, extremes=(extreme,)),))
    (said,) = [reason for _, got, reason in cautions(plan) if got == session.name]
    assert "nearly silent where fold 0 trains" in said and "Leave such units out" in said


def test_a_unit_that_is_constant_where_it_trains_is_not_told_as_networks_read_it_as_0():
    study, _, recording = study_and_recording()
    activity = recording.activity.copy()
    activity[:, 7], activity[100, 7] = 3001, 3007
    assert extreme_units(replace(recording, activity=activity), study) == ()
