"""Folders of suite2p are read without unpickling, and regions are cells or told."""

import pickle

import numpy as np
import pytest

from invariance_probe.data.readers import suite2p
from invariance_probe.data.readers.suite2p import read_suite2p
from invariance_probe.errors import DataError
from invariance_probe.study.signals import Suite2pRecording

REGIONS, FRAMES = 6, 50
CELLS = [0, 2, 5]


def arrays():
    """Signals of 6 regions: 0, 2 and 5 are cells, and F of region 1 is 0 throughout."""
    gen = np.random.default_rng(0)
    signals = {name: gen.random((REGIONS, FRAMES), dtype=np.float32) for name in ("F", "Fneu")}
    signals["F"][1] = 0
    iscell = np.zeros((REGIONS, 2))
    iscell[CELLS, 0] = 1
    iscell[:, 1] = [0.9, 0.1, 0.2, 0.8, 0.3, 0.7]
    return {**signals, "spks": signals["F"] ** 2, "iscell": iscell}


def write(folder, **changes):
    """Write a folder; a change replaces an array, or leaves it out (None)."""
    for name, held in {**arrays(), **changes}.items():
        if isinstance(held, bytes):
            (folder / f"{name}.npy").write_bytes(held)
        elif held is not None:
            np.save(folder / f"{name}.npy", held, allow_pickle=held.dtype == object)
    return folder


def declaration(**declared):
    return Suite2pRecording(path="x", session="s", bin_s=0.1, **{"rate_hz": 10, **declared})


def read(folder, **declared):
    return read_suite2p(folder, declaration(**declared))


def refusal(folder, **declared):
    with pytest.raises(DataError) as error:
        read(folder, **declared)
    assert "\n" not in str(error.value)
    return str(error.value)


@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("cells_only", [True, False])
def test_signals_have_time_first_and_channels_called_by_region(tmp_path, order, cells_only):
    held = {name: np.asarray(values, order=order) for name, values in arrays().items()}
    found = read(write(tmp_path, **held), cells_only=cells_only)
    rows = CELLS if cells_only else list(range(REGIONS))
    assert list(found.series) == ["corrected", "F", "Fneu", "spks"]
    for name in ("F", "Fneu", "spks"):
        series = found.series[name]
        np.testing.assert_array_equal(series.values, held[name][rows].T)
        assert series.channels == tuple(map(str, rows))
        np.testing.assert_array_equal(series.times, np.arange(FRAMES) / 10)


@pytest.mark.parametrize("factor", [None, 0, 0.5])
def test_neuropil_is_subtracted_as_declared(tmp_path, factor):
    declared = {} if factor is None else {"neuropil_factor": factor}
    found = read(write(tmp_path), **declared)
    used = 0.7 if factor is None else factor
    held = arrays()
    np.testing.assert_allclose(
        found.series["corrected"].values, (held["F"] - used * held["Fneu"])[CELLS].T, atol=1e-6
    )
    assert declaration().activity == "corrected"
    assert (
        f"'corrected' is F - {used:g} * Fneu; 'F' is not corrected for neuropil"
        in found.sentences()
    )


def changed(name, rows, value):
    values = arrays()[name]
    values[rows] = value
    return {name: values}


NOTED = {
    "regions that are no cells": (
        {},
        {},
        "3 of 6 regions are left out, because iscell.npy does not mark them as cells; 1 of them "
        "have a probability above 0.5",
    ),
    "a classifier that gave no probability": (
        {"iscell": arrays()["iscell"][:, 0]},
        {},
        "3 of 6 regions are left out, because iscell.npy does not mark them as cells",
    ),
    "all regions": ({}, {"cells_only": False}, "all 6 regions are used, cells or not"),
    "no cell": (
        changed("iscell", slice(None), 0),
        {},
        "there are no series, because iscell.npy marks no region as a cell",
    ),
    "a silent region": ({}, {}, "F is 0 throughout in 1 of 6 regions: 1; none of them is used"),
    "silent cells": (
        changed("F", [1, 2], 0),
        {},
        "F is 0 throughout in 2 of 6 regions: 1, 2; used among them are 2",
    ),
    "a constant region": (
        changed("F", 4, 3.5),
        {},
        "F is constant and not 0 in 1 of 6 regions: 4; none of them is used",
    ),
    "a region with missing frames": (
        changed("F", (5, 3), np.nan),
        {},
        "F is not finite in some frames in 1 of 6 regions: 5; used among them are 5",
    ),
    "the clock": (
        {},
        {},
        "frame i is at i / 10 s, so that 50 frames last 5 s; frames that were not recorded would "
        "shift all later ones",
    ),
    "bad frames": ({}, {}, "frames that suite2p found to be bad are kept"),
    "pickles": (
        {"ops": np.array({"fs": 1}, dtype=object), "stat": np.array([{}], dtype=object)},
        {},
        "not read: ops.npy, stat.npy",
    ),
    "no neuropil": ({"Fneu": None}, {}, "'corrected' is missing, because it needs Fneu"),
    "no deconvolution": ({"spks": None}, {}, "there is no spks.npy"),
    "spks of other frames": (
        {"spks": np.ones((REGIONS, FRAMES - 1))},
        {},
        "'spks' is not used: it has shape (6, 49), and F has (6, 50) (region, frame)",
    ),
    "a damaged signal": ({"Fneu": b""}, {}, "'Fneu' is not used: "),
}


@pytest.mark.parametrize("case", NOTED)
def test_what_is_left_out_or_converted_is_told(tmp_path, case):
    arrays_, declared, note = NOTED[case]
    notes = read(write(tmp_path, **arrays_), **declared).sentences()
    assert any(found.startswith(note) for found in notes), "\n".join(notes)
    assert not any("\n" in found or found.endswith(".") for found in notes)


def test_what_cannot_be_used_is_no_series(tmp_path):
    found = read(write(tmp_path, Fneu=b"", spks=np.ones((2, 2)), F_chan2=arrays()["F"]))
    assert list(found.series) == ["F", "F_chan2"] and "corrected" not in found.series


WRONG = {
    "no cells known": ({"iscell": None}, "Set cells_only: false to use all 6 regions"),
    "turned": (
        {"F": arrays()["F"].T.copy(), "iscell": arrays()["iscell"]},
        "F.npy seems to be turned: its rows must be regions",
    ),
    "cells of another plane": ({"iscell": np.ones((9, 2))}, "has shape (9, 2), and F.npy has 6"),
    "probabilities alone": ({"iscell": np.full((6, 2), 0.4)}, "has 0.4 in its first column"),
    "one region": ({"F": np.ones(50)}, "has shape (50,); it must be (region, frame)"),
    "no fluorescence": ({"F": None}, "holds no F.npy, so it is no suite2p folder"),
    "objects": ({"F": np.array([{}], dtype=object)}, "which are never unpickled"),
    "a pickle": ({"F": pickle.dumps({})}, "it is a Python pickle"),
    "complex": ({"F": np.ones((6, 50), dtype=complex)}, "it must hold real numbers"),
}


@pytest.mark.parametrize("case", WRONG)
def test_a_wrong_folder_is_one_sentence(tmp_path, case):
    changes, why = WRONG[case]
    said = refusal(write(tmp_path, **changes))
    assert str(tmp_path) in said and why in said


def test_a_truncated_array_is_one_sentence(tmp_path):
    file = write(tmp_path) / "F.npy"
    file.write_bytes(file.read_bytes()[:-100])
    assert "it is damaged or incomplete" in refusal(tmp_path)


def test_a_folder_of_planes_says_where_they_are(tmp_path):
    for plane in ("plane0", "plane1"):
        folder = tmp_path / "suite2p" / plane
        folder.mkdir(parents=True)
        write(folder)
    for path in (tmp_path, tmp_path / "suite2p"):
        said = refusal(path)
        assert f"use {tmp_path}/suite2p/plane0 or {tmp_path}/suite2p/plane1" in said


def test_the_frame_rate_must_be_declared():
    with pytest.raises(ValueError, match="rate_hz"):
        Suite2pRecording(path="x", session="s", bin_s=0.1)


def test_a_series_is_read_when_it_is_looked_up(tmp_path, monkeypatch):
    found = read(write(tmp_path))
    made = []
    monkeypatch.setattr(suite2p, "Series", lambda *parts: made.append(parts))
    assert "spks" in found.series and len(found.series) == 4 and not made
    _ = found.series["spks"]
    assert len(made) == 1


def test_a_public_folder_has_20_cells_and_47_silent_regions(public):
    folder = public("suite2p")
    found = read(folder, rate_hz=30)
    cells = np.flatnonzero(np.load(folder / "iscell.npy")[:, 0])
    held = {name: np.load(folder / f"{name}.npy") for name in ("F", "Fneu", "spks")}
    for name, values in held.items():
        np.testing.assert_array_equal(found.series[name].values, values[cells].T)
    corrected = (held["F"] - np.float32(0.7) * held["Fneu"])[cells].T
    np.testing.assert_array_equal(found.series["corrected"].values, corrected)
    assert found.series["spks"].channels == tuple(map(str, cells)) and len(cells) == 20
    notes = "\n".join(found.sentences())
    assert "199 of 219 regions are left out" in notes and "72 of them have" in notes
    assert "F is 0 throughout in 47 of 219 regions" in notes and "none of them is used" in notes
