"""What a study will find in a recording is told before anything is trained."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from conftest import tiny_study

from invariance_probe.data.arrays import constant_columns, varies, without_offset
from invariance_probe.data.inspection import CHECKS, Inspected, inspect
from invariance_probe.data.problems import recording_problems
from invariance_probe.data.sessions import find_sessions, open_recording
from invariance_probe.errors import DataError
from invariance_probe.plan.cautions import cautions
from invariance_probe.plan.plan import Plan
from invariance_probe.study.study import Study


@pytest.fixture(scope="module")
def study():
    return Study.model_validate(tiny_study(folds={"scheme": "blocks", "count": 2}))


@pytest.fixture(scope="module")
def recording(study):
    session = find_sessions(study, Path())[0]
    return open_recording(session.source, session.name, Path())


def remarks(study, recording, severity):
    return [said for _, _, said in inspect(Inspected.of(study, recording), severity)]


def changed(recording, columns=slice(None), bins=slice(None), value=0.0, **more):
    activity = recording.activity.copy()
    activity[bins, columns] = value
    return replace(recording, activity=activity, **more)


def circular(recording, angle):
    declared = Study.model_validate(tiny_study(target={"name": "angle", "kind": "circular"}))
    return declared, replace(recording, targets={"angle": angle})


def test_a_plain_recording_gets_no_remark(study, recording):
    assert find_sessions(study, Path())[0].cautions == ()
    assert not remarks(study, recording, "caution") + remarks(study, recording, "refusal")
    assert set(CHECKS.values()) == {"refusal", "caution"}


BROKEN = {
    "silent throughout": (lambda r: changed(r), "no unit varies in the training part of fold 0"),
    "silent in one half": (
        lambda r: changed(r, bins=slice(0, 320)),
        "no unit varies in the training part of fold 1",
    ),
    "rates for counts": (
        lambda r: replace(r, activity=r.activity * 20),
        "multiples of 20, so they seem to be rates",
    ),
    "an artefact": (
        lambda r: changed(r, bins=17, columns=3, value=30000),
        "unit '3' has 30000 spikes in bin 17",
    ),
    "a target that rests where a fold trains": (
        lambda r: replace(
            r, targets={"label": np.where(np.arange(640) < 300, r.targets["label"], 7.1)}
        ),
        "is constant in the training part of fold 0",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", BROKEN)
def test_what_would_end_a_worker_or_be_wrong_is_refused(study, recording, name):
    change, said = BROKEN[name]
    found = remarks(study, change(recording), "refusal")
    assert len(found) == 1 and said in found[0], found


def copied(recording):
    activity = recording.activity.copy()
    activity[:, 9] = activity[:, 4]
    return replace(recording, activity=activity)


def awake_late(recording):
    activity = recording.activity.copy()
    activity[:, 7] = 0
    activity[500, 7] = 1  # one spike where fold 0 trains
    activity[100, 7] = 9  # and a burst where it tests
    return replace(recording, activity=activity)


DOUBTFUL = {
    "one silent unit": (
        lambda r: changed(r, columns=5),
        "1 of 30 units are constant in the training part of at least one fold, "
        "1 of them in every fold ('5')",
    ),
    "a unit silent in one half": (
        lambda r: changed(r, bins=slice(0, 320), columns=5),
        "in the training part of at least one fold, 0 of them in every fold ('5')",
    ),
    "bins in milliseconds": (lambda r: replace(r, bin_s=200.0), "would last 1.5 days"),
    "bins in hours": (lambda r: replace(r, bin_s=1e-4), "spikes per second on average"),
    "a copied unit": (copied, "1 of 30 units ('9') have exactly the activity of an earlier unit"),
    "a name twice": (
        lambda r: replace(r, unit_ids=("0", *r.unit_ids[:-1])),
        "('0') have the name of an earlier unit",
    ),
    "a code for missing values": (
        lambda r: replace(
            r, targets={"label": np.where(np.arange(640) % 90 < 2, -999.0, r.targets["label"])}
        ),
        "target 'label' is -999 in 16 bins",
    ),
    "a unit that wakes up": (awake_late, "is nearly silent in the training part of fold 0"),
}


@pytest.mark.parametrize("name", DOUBTFUL)
def test_what_may_be_a_mistake_is_told(study, recording, name):
    change, said = DOUBTFUL[name]
    found = remarks(study, change(recording), "caution")
    assert any(said in one for one in found), found
    assert not remarks(study, change(recording), "refusal")


def test_cautions_reach_the_study(study, recording):
    session = find_sessions(study, Path())[0]
    found = tuple(inspect(Inspected.of(study, awake_late(recording)), "caution"))
    told = list(cautions(Plan(study, (replace(session, cautions=found),))))
    assert any("Remove such units, or use fewer" in said for _, _, said in told)
    assert ("recordings", 0) in [place for place, _, _ in told]


def test_a_unit_that_is_constant_where_it_trains_is_silent_there_and_not_extreme(study, recording):
    activity = recording.activity.copy()
    activity[:, 7], activity[100, 7] = 501, 507
    found = remarks(study, replace(recording, activity=activity), "caution")
    assert len(found) == 1 and "constant in the training part of at least one fold" in found[0]


TURNS = np.linspace(0, 1, 640) * 3 % 1
ANGLES = {
    "degrees": (360 * TURNS, "'angle' runs from 0 to 35"),
    "eight directions in degrees": (np.round(TURNS * 7) * 45, "np.radians"),
    "hours": (24 * TURNS, "a circular target must be in radians"),
    "unwrapped": (np.linspace(0, 40, 640), "np.angle(np.exp(1j * x))"),
}


@pytest.mark.parametrize("name", ANGLES)
def test_angles_that_span_more_than_a_turn_are_refused(recording, name):
    angle, said = ANGLES[name]
    declared, broken = circular(recording, angle)
    with pytest.raises(DataError) as error:
        broken.target(declared.target)
    assert said in str(error.value)


@pytest.mark.parametrize("low", [0, -np.pi])
def test_angles_in_radians_pass_and_turns_are_told(recording, low):
    declared, sound = circular(recording, low + 2 * np.pi * TURNS)
    assert not remarks(declared, sound, "caution")
    declared, doubtful = circular(recording, TURNS)
    assert "multiply turns by 2 pi" in remarks(declared, doubtful, "caution")[0]


def test_variation_is_relative_to_size_and_offsets_are_taken_off_only_where_they_are_far():
    gen = np.random.default_rng(0)
    for scale in (1e-13, 1e-6, 1.0, 1e9):
        x = scale * (3 + gen.standard_normal((500, 2)))
        assert varies(x.mean(0), x.std(0)).all() and not constant_columns(x).any()
    for value, bins in ((0.3, 5000), (0.3, 1000), (14.62, 1000), (0.0, 50)):
        flat = np.full((bins, 2), value)
        assert constant_columns(flat).all()
        assert not varies(flat.mean(0), flat.std(0)).any()
    near, far = gen.standard_normal((500, 1)) + 500, gen.standard_normal((500, 1)) + 1.7e9
    assert without_offset(near) is near
    np.testing.assert_allclose(without_offset(far), far - far.mean(), atol=1e-6)


def test_all_problems_of_a_file_come_at_their_place(tmp_path):
    gen = np.random.default_rng(0)
    counts, y = gen.poisson(2, (400, 8)), gen.standard_normal(400)
    source = {"kind": "npz", "path": "a.npz", "session": "a", "activity": "x", "bin_s": 0.1}

    def problems(arrays, **changes):
        np.savez(tmp_path / "a.npz", **{"x": counts, "label": y, **arrays})
        declared = tiny_study(recordings=[source], **changes)
        return recording_problems(Study.model_validate(declared), tmp_path)

    assert problems({}) == []
    [(place, _, said)] = problems({"x": np.zeros((400, 8), int)})
    assert place == ("recordings", 0) and "no unit varies" in said
    [(place, _, said)] = problems(
        {"label": np.degrees(y) * 9}, target={"name": "label", "kind": "circular"}
    )
    assert place == ("target", "name") and "radians" in said


@pytest.mark.parametrize(
    ("drift", "said"),
    [
        (np.where(np.arange(640) == 100, np.nan, 1.0), "in 1 of 640 bins (first: bin 100)"),
        (np.repeat(["early", "late"], 320), "holds text, such as 'early'"),
        (
            None,
            "is not in the recording; its arrays are 'label'. To use the recorded time as the "
            "nuisance, write 'time'",
        ),
    ],
)
def test_a_nuisance_is_of_complete_numbers(recording, drift, said):
    declared = Study.model_validate(
        tiny_study(
            views={"pairing": {"kind": "mined", "gap_s": 4, "nuisance": "drift"}},
            axes=[{"path": "mined.share", "doses": [0, 0.5]}],
            hypotheses=[
                {"kind": "contrast", "id": "C", "claim": "c", "axis": "mined.share", "dose": 0.5}
            ],
            quick=True,
        )
    )
    more = {} if drift is None else {"drift": drift}
    broken = replace(recording, targets={"label": recording.targets["label"], **more})
    [found] = remarks(declared, broken, "refusal")
    assert said in found


def test_an_embargo_as_long_as_the_training_part_is_told_where_it_parts_nothing(study, recording):
    """640 bins of .1 s in two blocks: of 320 training bins, 64 validate."""
    folds = {"scheme": "blocks", "count": 2, "embargo_s": 18.0}
    declared = Study.model_validate(tiny_study(folds=folds))
    [said] = remarks(declared, recording, "caution")
    assert "in 2 of 2 folds, the training part is too short" in said and "shorter embargo" in said
    assert not remarks(study, recording, "caution")
