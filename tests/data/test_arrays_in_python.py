"""Recordings made of arrays in Python are those of a file that holds the same arrays."""

import pickle

import numpy as np
import pandas as pd
import pytest
from conftest import tiny_study
from pydantic import TypeAdapter, ValidationError

from invariance_probe.data.problems import recording_problems
from invariance_probe.data.readers.arrays import read_arrays, write_arrays
from invariance_probe.data.readers.npz import read_npz
from invariance_probe.data.recording import Recording
from invariance_probe.data.sessions import find_sessions, open_recording
from invariance_probe.errors import DataError
from invariance_probe.planning import make_plan
from invariance_probe.results.store import Store
from invariance_probe.study.load import StudyFile
from invariance_probe.study.probes import Target
from invariance_probe.study.recordings import AnySource, ArraysRecording, NpzRecording, Planted
from invariance_probe.study.study import Study

BINS, UNITS = 640, 8
GEN = np.random.default_rng(0)
COUNTS = GEN.poisson(2.0, (BINS, UNITS))
VELOCITY = GEN.standard_normal((BINS, 2))
STATE = np.where(np.arange(BINS) % 50 < 25, "run", "rest")
TRIAL = np.repeat(np.arange(BINS // 20), 20)
KNOWN = np.arange(BINS) % 100 < 90
NAMES = np.array([f"unit {i}" for i in range(UNITS)])


def made(activity=COUNTS, **changes):
    given = {"bin_s": 0.05, "targets": {"velocity": VELOCITY, "state": STATE}, "trials": TRIAL}
    return Recording.from_arrays(activity, **{**given, **changes})


def filed(folder, **changes):
    """The same arrays in a file, as a study declares it."""
    arrays = {"x": COUNTS, "velocity": VELOCITY, "state": STATE, "trial": TRIAL, "names": NAMES}
    np.savez(folder / "a.npz", **arrays)
    declared = {"path": "a.npz", "session": "session", "activity": "x", "bin_s": 0.05}
    return NpzRecording(**declared, trial="trial", unit_ids="names", **changes)


def study_of(*recordings):
    return Study.model_validate(
        tiny_study(recordings=list(recordings), target={"name": "velocity"})
    )


def test_arrays_have_the_fingerprint_of_a_file_that_holds_them(tmp_path):
    file = read_npz(filed(tmp_path), tmp_path)
    assert made(unit_ids=NAMES).fingerprint == file.fingerprint
    assert made(unit_ids=NAMES, trials=[f"T{i}" for i in TRIAL]).whole_trials.tolist() == (
        file.whole_trials.tolist()
    )
    assert made(unit_ids=list(NAMES), bin_s=0.1).fingerprint != file.fingerprint


def test_runs_of_arrays_have_the_keys_of_runs_of_a_file(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    keys = []
    for source in (filed(tmp_path), made(unit_ids=NAMES)):
        study = study_of(source)
        keys.append([run.key() for run in make_plan(StudyFile(study)).runs])
    assert keys[0] == keys[1] and len(keys[0]) > 20


def test_a_data_frame_gives_the_recording_of_its_columns():
    frame = pd.DataFrame(COUNTS, columns=NAMES)
    frame["vx"], frame["vy"], frame["state"], frame["trial"] = *VELOCITY.T, STATE, TRIAL
    frame.index = frame.index[::-1]  # is not read
    targets = {"velocity": ["vx", "vy"], "state": "state"}
    found = Recording.from_dataframe(frame, bin_s=0.05, targets=targets, trials="trial")
    assert found.fingerprint == made(unit_ids=NAMES).fingerprint
    one = Recording.from_dataframe(frame, bin_s=0.05, targets="vx", units=NAMES[:1])
    assert one.activity.shape == (BINS, 1) and list(one.targets) == ["vx"]
    words = frame.astype({"state": "category", "trial": "Int64"})
    again = Recording.from_dataframe(words, bin_s=0.05, targets=targets, trials="trial")
    assert again.fingerprint == found.fingerprint


REFUSED = {
    "transposed": (
        {"activity": COUNTS.T},
        "has shape (640, 2), but must have shape (time,) or (time, column), and the activity has "
        "8 bins; the activity has shape (8, 640) and must be (time, unit): if its units come first",
    ),
    "transposed target": (
        {"targets": {"velocity": VELOCITY.T}},
        "target 'velocity' has shape (2, 640), but must have shape (time,) or (time, column), "
        "and the activity has 640 bins; time must be its first axis",
    ),
    "short target": ({"targets": {"v": VELOCITY[:-1]}}, "'v' has shape (639, 2), but must have"),
    "one axis": (
        {"activity": COUNTS[:, 0]},
        "activity has shape (640,), but must have shape (time, unit)",
    ),
    "one number": ({"activity": 3, "targets": {}}, "activity has shape ()"),
    "NaN": ({"activity": np.where(COUNTS > 6, np.nan, COUNTS)}, "has a NaN or infinite value"),
    "rates": ({"activity": COUNTS / 3}, "use 'signal' for rates"),
    "negative": ({"activity": COUNTS - 1}, "not all values are whole numbers >= 0"),
    "words": ({"activity": COUNTS.astype(str)}, "must hold numbers"),
    "objects": ({"targets": {"v": [None] * BINS}}, "'v' holds Python objects, such as None"),
    "ragged": (
        {"targets": {"v": [[1, 2], [3]]}},
        "target 'v' cannot be converted to a NumPy array",
    ),
    "masked": ({"targets": {"v": np.ma.masked_less(VELOCITY, 0)}}, "'v' has masked values"),
    "complex": ({"targets": {"v": VELOCITY * 1j}}, "'v' holds values of type complex128"),
    "dates": (
        {"targets": {"v": np.arange(BINS).astype("M8[s]")}},
        "'v' holds values of type datetime64[s]",
    ),
    "missing trials": ({"trials": np.where(TRIAL > 3, np.nan, TRIAL)}, "trials has a NaN"),
    "short trials": ({"trials": TRIAL[1:]}, "the trial array has shape (639,)"),
    "unit names": ({"unit_ids": NAMES[1:]}, "there are 7 unit_ids, but the activity has 8 units"),
    "bins in words": ({"bin_s": "50 ms"}, "bin_s is '50 ms'; it must be a number of seconds"),
    "no bins": ({"bin_s": 0}, "it must be a positive number of seconds"),
    "kind": ({"activity_kind": "rates"}, "activity_kind is 'rates'; allowed: 'counts', 'signal'"),
    "a mask of nothing": (
        {"known": {"speed": KNOWN}},
        "known 'speed' is no target; the targets are",
    ),
    "a mask of numbers": (
        {"known": {"state": KNOWN.astype(int)}},
        "known 'state' has shape (640,) and type int64, but must hold one boolean for each",
    ),
    "a short mask": ({"known": {"state": KNOWN[1:]}}, "has shape (639,) and type bool"),
    "a mask per column": ({"known": {"velocity": np.isfinite(VELOCITY)}}, "has shape (640, 2)"),
    "nothing known": ({"known": {"state": KNOWN & False}}, "is False in all bins, so there is"),
    "alternatives": (
        {"alternatives": {"a": VELOCITY}},
        "alternative targets must have shape (draw, time)",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_arrays_that_do_not_fit_are_refused_with_one_sentence(name):
    changes, said = REFUSED[name]
    with pytest.raises(DataError) as error:
        made(**changes)
    assert str(error.value).startswith("session 'session': ") and said in str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(("changes", "said"), [
    ({"targets": ["speeed"]}, "no column 'speeed'; did you mean 'speed'?"),
    ({"targets": ["speed"], "trials": "t"}, "has no column 't'; it has ['a', 'b', "),
    ({"targets": {"v": ["speed", "go"]}, "units": ["a"]}, "'go' holds text, but column 'speed'"),
    ({"targets": ["speed"], "units": ["a", "go"]}, "'go' holds text, but column 'a'"),
    ({"targets": ["word"], "units": ["a"]}, "column 'word': the value is missing in 1 of 3 rows"),
    ({"targets": ["speed"], "units": []}, "activity has shape (3, 0)"),
    ({"targets": ["speed"], "units": ["a", "b"]}, "activity has a NaN or infinite value"),
])  # fmt: skip
def test_a_data_frame_that_does_not_fit_is_refused(changes, said):
    frame = pd.DataFrame({"a": [0, 1, 2], "b": pd.array([1, None, 2], dtype="Int64")})
    frame["speed"], frame["word"] = [0.1, 0.2, 0.3], ["go", None, "stop"]
    frame["go"] = ["yes", "no", "no"]
    with pytest.raises(DataError) as error:
        Recording.from_dataframe(frame, bin_s=0.1, **changes)
    assert said in str(error.value)
    twice = pd.concat([frame[["a", "speed"]], frame[["a"]]], axis=1)
    with pytest.raises(DataError, match="has 2 columns with the name 'a'; keep only one"):
        Recording.from_dataframe(twice, bin_s=0.1, targets=["speed"])


def test_a_target_may_be_unknown_in_some_bins():
    """What it holds there is not read, and a mask of all bins is none."""
    gaps = np.where(KNOWN[:, None], VELOCITY, np.nan)
    found = made(targets={"velocity": gaps, "state": STATE}, known={"velocity": KNOWN})
    assert found.notes == ("the target 'velocity' is unknown in 60 of 640 bins",)
    np.testing.assert_array_equal(found.known_bins("velocity"), KNOWN)
    assert found.known_bins("state").all()
    values = found.target(Target(name="velocity"))
    np.testing.assert_array_equal(values[KNOWN], VELOCITY[KNOWN])
    again = made(known={"velocity": KNOWN})
    assert found.fingerprint == again.fingerprint != made().fingerprint
    assert made(known={"velocity": KNOWN | True}).fingerprint == made().fingerprint


def test_a_label_may_be_unknown_in_some_bins():
    words = np.where(KNOWN, STATE, "")
    found = made(targets={"state": words}, known={"state": KNOWN})
    classes = found.target(Target(name="state", kind="categorical"))
    assert set(classes[KNOWN & (STATE == "run")]) == {1}


@pytest.mark.parametrize("kind", ["continuous", "categorical"])
def test_a_gap_in_a_target_without_a_mask_is_refused_with_the_remedy(kind):
    values = np.where(KNOWN, VELOCITY[:, 0], np.nan) if kind == "continuous" else STATE.copy()
    values = np.where(KNOWN, values, "") if kind == "categorical" else values
    recording = made(targets={"v": values})
    with pytest.raises(
        DataError, match=r"in 60 of 640 bins .* \(known= of Recording.from_arrays\)"
    ):
        recording.target(Target(name="v", kind=kind))


def test_windows_without_a_target_are_told_and_workers_get_the_mask(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    again = made(known={"velocity": KNOWN})
    study = study_of(again)
    assert recording_problems(study, None) == []
    notes = make_plan(StudyFile(study)).sessions[0].notes
    assert [note for note in notes if "windows" in note and "60" in note]
    with (tmp_path / f"{again.fingerprint}.npz").open("wb") as file:
        write_arrays(again, file)
    source = TypeAdapter(ArraysRecording).validate_python(
        again.declared().model_dump(), context={"arrays": tmp_path}
    )
    read = read_arrays(source, tmp_path)
    np.testing.assert_array_equal(read.known_bins("velocity"), KNOWN)


def test_what_is_given_is_copied():
    counts = COUNTS.copy()
    recording = made(counts)
    counts[:] = 0
    assert (recording.activity == COUNTS).all()


def test_a_study_declares_recordings_by_their_fingerprints_and_dumps_no_arrays():
    recording = made()
    study = study_of(recording)
    (source,) = study.recordings
    assert source == recording.declared() and source.fingerprint == recording.fingerprint
    assert source.model_dump() == {
        "kind": "arrays",
        "session": "session",
        "subject": "subject",
        "group": "",
        "pilot": False,
        "fingerprint": recording.fingerprint,
    }
    assert study == study_of(made()) and study.sha256() == study_of(made()).sha256()
    assert study != study_of(made(bin_s=0.1))
    copies = (study.model_copy(), study.model_copy(deep=True), pickle.loads(pickle.dumps(study)))
    for copied in copies:
        assert find_sessions(copied, None)[0].fingerprint == recording.fingerprint
    assert recording.declared(pilot=True).pilot


def test_a_name_that_no_session_can_have_is_refused():
    with pytest.raises(DataError, match="session 'day 1' cannot be used as a name"):
        made(session="day 1").declared()


def test_problems_of_arrays_are_told_at_their_place_in_the_study():
    (problem,) = recording_problems(study_of(made(), made(session="again")), None)
    assert problem[0] == ("recordings", 1) and "would count twice" in problem[2]
    study = study_of(made(targets={"other": VELOCITY}))
    (problem,) = recording_problems(study, None)
    assert problem[0] == ("target", "name") and "its arrays are 'other'" in problem[2]
    line = study.origin.line(problem[0], problem[2])
    assert line.startswith("target.name: session 'session': target 'velocity' is not in")


def test_another_process_reads_the_arrays_from_the_store(tmp_path):
    given = made(
        unit_ids=NAMES, alternatives={"velocity": np.stack([VELOCITY] * 3)}, segments=TRIAL // 4
    )
    store = Store(tmp_path / "runs")
    store.keep_recording(given.fingerprint, lambda file: write_arrays(given, file))
    text = study_of(given).model_dump_json()
    study = Study.model_validate_json(text, context={"arrays": store.recordings})
    found = open_recording(study.recordings[0], "session", tmp_path)
    assert found is not given and found.fingerprint == given.fingerprint
    planted = Planted(of=study.recordings[0], plant="one_unit").model_dump_json()
    control = TypeAdapter(AnySource).validate_json(planted, context={"arrays": store.recordings})
    own = Planted(of=given, plant="one_unit")
    assert open_recording(control, "session+one_unit", tmp_path).fingerprint == (
        open_recording(own, "session+one_unit", tmp_path).fingerprint
    )
    assert found.unit_ids == given.unit_ids and found.activity.dtype == np.int32
    np.testing.assert_array_equal(found.alternatives["velocity"], given.alternatives["velocity"])
    assert list((store.root / "private").iterdir()) == []


def test_names_of_targets_may_be_those_of_anything_else(tmp_path):
    targets = dict.fromkeys(("activity", "file", "bin_s", "target velocity", "a/b"), VELOCITY)
    given = made(targets=targets, alternatives={"activity": VELOCITY.T[:, :, None]})
    store = Store(tmp_path)
    store.keep_recording(given.fingerprint, lambda file: write_arrays(given, file))
    found = read_arrays(
        ArraysRecording.model_validate(
            given.declared().model_dump(), context={"arrays": store.recordings}
        ),
        tmp_path,
    )
    assert found.fingerprint == given.fingerprint and list(found.targets) == list(targets)


def test_arrays_that_are_not_at_hand_or_not_the_same_are_refused(tmp_path):
    declared = made().declared().model_dump()
    with pytest.raises(DataError, match="its arrays are not in memory"):
        read_arrays(ArraysRecording.model_validate(declared), tmp_path)
    source = ArraysRecording.model_validate(declared, context={"arrays": tmp_path})
    with pytest.raises(DataError, match="no such file"):
        read_arrays(source, tmp_path)
    path = tmp_path / f"{source.fingerprint}.npz"
    with path.open("wb") as file:
        write_arrays(made(bin_s=0.1), file)
    with pytest.raises(DataError, match="does not hold the arrays that belong to its name"):
        read_arrays(source, tmp_path)
    path.write_bytes(path.read_bytes()[:3000])
    with pytest.raises(DataError, match="is damaged"):
        read_arrays(source, tmp_path)


def test_a_bare_array_is_no_recording():
    with pytest.raises(ValidationError, match="a bare array cannot be used as a recording"):
        study_of(COUNTS)


def test_a_study_file_cannot_hold_arrays():
    with pytest.raises(ValidationError, match="fingerprint"):
        ArraysRecording(session="s", fingerprint="of a file")
    study = study_of(made().declared().model_dump())
    ((place, _, reason),) = recording_problems(study, None)
    assert place == ("recordings", 0, "session") and "in a study file, name" in reason
