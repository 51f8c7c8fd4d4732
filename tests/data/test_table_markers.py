"""Events that a table marks in single samples, and what `data inspect` guesses of a table."""

import importlib

import numpy as np
import pandas as pd
import pytest
from pydantic import ValidationError
from ruamel.yaml import YAML

from invariance_probe.data.readers.table import read_table
from invariance_probe.data.table_roles import guessed_columns
from invariance_probe.errors import DataError
from invariance_probe.study.formats import SampleColumns
from invariance_probe.study.signals import TableRecording

pytest.importorskip("torch", reason="proposed studies are run")
invoke = importlib.import_module("helpers.program").invoke

RATE, ROWS = 50, 6000
MARKED = np.arange(100, 5900, 70)
CODE = np.where(np.arange(len(MARKED)) % 2, 2, 1)


def recorded(folder, jitter=0.0, text=False, name="eeg.csv", **more):
    """Write three channels whose amplitude follows the code of the last mark."""
    rng = np.random.default_rng(0)
    marks = np.zeros(ROWS, dtype=int)
    marks[MARKED] = CODE
    strength = np.zeros(ROWS)
    for row, code in zip(MARKED, CODE, strict=True):
        strength[row : row + 25] = code
    frame = pd.DataFrame(
        rng.standard_normal((ROWS, 3)) + strength[:, None], columns=["a", "b", "c"]
    )
    stamps = np.arange(ROWS) / RATE + rng.uniform(-jitter, jitter, ROWS)
    frame.insert(0, "timestamps", np.round(stamps, 3))
    frame["Marker"] = np.where(marks > 0, marks.astype(str), "n/a") if text else marks
    frame.assign(**more).to_csv(folder / name, index=False)
    return folder / name


def read(path, markers, **clock):
    series = {"eeg": {"time": "timestamps", "markers": markers, **clock}}
    declared = TableRecording(
        path=str(path), session="s", bin_s=0.1, activity="eeg", trials="eeg.Marker", series=series
    )
    return read_table(path, declared)


@pytest.mark.parametrize("text", [False, True])
def test_a_mark_is_an_event_with_the_time_around_it(tmp_path, text):
    found = read(recorded(tmp_path, text=text), {"Marker": [-0.1, 0.4]})
    table = found.tables["eeg.Marker"]
    np.testing.assert_allclose(table.start, MARKED / RATE - 0.1)
    np.testing.assert_allclose(table.stop, MARKED / RATE + 0.4)
    assert [str(one) for one in table.columns["Marker"]] == [str(one) for one in CODE]
    assert found.series["eeg"].channels == ("a", "b", "c")
    said = f"{len(MARKED)} samples marked in column 'Marker' are the events of table 'eeg.Marker'"
    assert said in " ".join(found.sentences())


def test_events_that_reach_past_the_recording_are_left_out_and_told(tmp_path):
    found = read(recorded(tmp_path), {"Marker": [-4, 0]})
    left_out = int((MARKED < 4 * RATE).sum())
    assert len(found.tables["eeg.Marker"].start) == len(MARKED) - left_out > 0
    said = f"{left_out} of {len(MARKED)} trials around events reach past the recording"
    assert said in " ".join(found.sentences())


def test_even_times_replace_jittered_ones_of_marks_too(tmp_path):
    found = read(recorded(tmp_path, jitter=0.02), {"Marker": [0, 0.4]}, rate_hz=RATE)
    off = found.tables["eeg.Marker"].start - MARKED / RATE
    assert np.ptp(off) < 1e-9 and np.abs(off).max() <= 0.021


def test_a_column_without_marks_or_with_a_wrong_interval_is_refused(tmp_path):
    path = recorded(tmp_path, Marker=0)
    with pytest.raises(DataError, match=r"column 'Marker' of eeg\.csv marks no sample"):
        read(path, {"Marker": [0, 1]})
    with pytest.raises(ValidationError, match=r"Marker has the times \[1, 1\]"):
        SampleColumns(time="t", markers={"Marker": [1, 1]})


def test_a_field_that_no_study_names_leaves_its_key_as_it_was():
    assert "markers" not in SampleColumns(time="t").model_dump()


def test_what_a_table_holds_is_guessed_said_and_proposed(tmp_path):
    recorded(tmp_path, jitter=0.02)
    said = invoke("data", "inspect", "eeg.csv", cwd=tmp_path, check=0).stdout
    assert "guessed from names and values: 'timestamps' are times in seconds" in said
    assert "even samples at 50 Hz, and 'Marker' marks events in single samples" in said
    study = invoke("data", "inspect", "eeg.csv", "--study", cwd=tmp_path, check=0).stdout
    (recording,) = YAML(typ="safe").load(study)["recordings"]
    assert recording["series"] == {
        "samples": {"time": "timestamps", "rate_hz": 50.0, "markers": {"Marker": [0.0, 1.0]}}
    }
    assert {"table": "samples.Marker", "column": "Marker"} in recording["targets"].values() or (
        recording["targets"] == {"in_samples_Marker": {"inside": "samples.Marker"}}
    )
    (tmp_path / "s.yaml").write_text(study)
    invoke("validate", "s.yaml", cwd=tmp_path, check=0)


def test_what_is_stated_of_a_table_is_not_guessed(tmp_path):
    recorded(tmp_path)
    stated = ("--set", "series={mine: {time: timestamps, columns: [a, b, c]}}")
    said = invoke("data", "inspect", "eeg.csv", *stated, cwd=tmp_path, check=0).stdout
    assert "'mine': a series of 6,000 samples" in said and "guessed" not in said


FRAME = pd.DataFrame({"time": np.arange(100) / 10, "x": np.sin(np.arange(100))})
NO_MARKS = {"series": {"samples": {"time": "time"}}}


@pytest.mark.parametrize(
    ("frame", "fields"),
    [
        (FRAME, NO_MARKS),
        (FRAME.assign(n=np.arange(100) % 2), NO_MARKS),  # a state, not marks
        (FRAME.assign(n=np.arange(100) // 90), NO_MARKS),  # successive samples
        (FRAME.rename(columns={"time": "frame"}), {}),
        (FRAME.assign(time=FRAME.time * 1e6), {}),  # microseconds
        (FRAME.assign(time=-FRAME.time), {}),
        (FRAME[:20], {}),
        (FRAME[["time"]], {}),
        (FRAME.assign(time=FRAME.time.where(FRAME.time != 3)), {}),
    ],
)
def test_only_a_plain_table_of_samples_is_guessed(tmp_path, frame, fields):
    frame.to_csv(tmp_path / "a.csv", index=False)
    assert guessed_columns(tmp_path / "a.csv")[0] == fields


def test_a_file_that_is_no_table_is_left_to_its_reader(tmp_path):
    (tmp_path / "a.csv").write_bytes(b"\0\1")
    assert guessed_columns(tmp_path / "a.csv") == ({}, "")
    assert guessed_columns(tmp_path) == ({}, "")
