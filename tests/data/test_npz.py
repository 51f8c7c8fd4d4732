"""Archives made by NumPy, MATLAB, pandas or by hand are read, or refused.

A refusal is one line that says what is wrong.
"""

import pickle

import numpy as np
import pytest

from invariance_probe.data.readers.npz import read_npz
from invariance_probe.data.windows import cut_windows
from invariance_probe.errors import DataError
from invariance_probe.study.design import Window
from invariance_probe.study.probes import Target
from invariance_probe.study.recordings import NpzRecording

BINS, UNITS = 600, 10


def arrays():
    gen = np.random.default_rng(0)
    return {
        "counts": gen.poisson(3, (BINS, UNITS)),
        "velocity": gen.standard_normal((BINS, 2)),
        "trial": np.repeat(np.arange(20), 30),
        "cls": np.arange(BINS) % 3,
    }


def read(folder, more=None, **declared):
    np.savez(folder / "a.npz", **{**arrays(), **(more or {})})
    source = {"path": "a.npz", "session": "a", "activity": "counts", "bin_s": 0.1, **declared}
    return read_npz(NpzRecording(**source), folder)


def refusal(folder, more=None, target=None, **declared):
    with pytest.raises(DataError) as error:
        read(folder, more, **declared).target(Target(**(target or {"name": "velocity"})))
    return str(error.value)


TRIAL = arrays()["trial"]
SAME = {
    "integers": TRIAL,
    "a column, as MATLAB keeps it": TRIAL[:, None],
    "block.trial": 1 + TRIAL // 10 + (TRIAL % 10) / 10,
    "onsets in seconds": TRIAL * 0.35,
    "words": np.array([f"T{i}" for i in TRIAL]),
    "bytes": np.array([f"T{i}".encode() for i in TRIAL]),
}


@pytest.mark.parametrize("role", ["trial", "segment"])
@pytest.mark.parametrize("name", SAME)
def test_labels_that_differ_are_different_trials(tmp_path, name, role):
    found = read(tmp_path, {"trial": SAME[name]}, **{role: "trial"})
    assert found.whole_trials[-1] + 1 == 20
    starts = cut_windows(found, Window(length_bins=8)).starts
    assert len(starts) == 20 * 23 and (TRIAL[starts] == TRIAL[starts + 7]).all()


def test_whole_numbers_keep_their_value_so_that_fingerprints_stay(tmp_path):
    for kind in (np.int16, np.float64, np.uint8):
        found = read(tmp_path, {"trial": (TRIAL + 5).astype(kind)}, trial="trial")
        assert (found.trials == TRIAL + 5).all() and found.trials.dtype == np.int64


@pytest.mark.parametrize("missing", [np.nan, np.inf, "nan", ""])
def test_a_missing_label_is_no_trial(tmp_path, missing):
    kind = object if isinstance(missing, str) else float
    trial = TRIAL.astype(kind)
    trial[100:110] = missing
    values = trial.astype(str) if kind is object else trial
    said = refusal(tmp_path, {"trial": values}, trial="trial")
    assert "array 'trial'" in said and "in 10 of 600 bins (first: bin 100)" in said


def test_a_single_number_may_be_a_table_of_one_and_nothing_else(tmp_path):
    assert read(tmp_path, {"bin": np.array([[0.1]])}, bin_s="bin").bin_s == 0.1
    assert "'100 ms'" in refusal(tmp_path, {"bin": np.array("100 ms")}, bin_s="bin")
    assert "shape (2,)" in refusal(tmp_path, {"bin": np.ones(2)}, bin_s="bin")


SAID = {
    "unit ids as a number": ({"uid": np.int64(10)}, {"unit_ids": "uid"}, None,
                             "there are 1 unit_ids, but the activity has 10 units"),
    "a target of words": ({"velocity": np.array(["l", "r"])[TRIAL % 2]}, {}, None,
                          "holds text, such as 'l', but must hold numbers"),
    "activity of words": ({"counts": arrays()["counts"].astype(str)}, {}, None,
                          "activity holds values of type <U"),
    "classes in columns": ({"cls": TRIAL[:, None] + [0, 1]}, {},
                           {"name": "cls", "kind": "categorical"}, "shape (600, 2)"),
    "one bin short": ({"velocity": np.ones((599, 2))}, {}, None,
                      "target 'velocity' cannot be used: it has shape (599, 2), "
                      "but the activity 'counts' has 600 bins"),
    "columns first": ({"velocity": np.ones((2, 600))}, {}, None, "time must be its first axis"),
    "objects": ({"velocity": np.array([1, "a"], dtype=object)}, {}, None,
                "'velocity' cannot be used: it holds Python objects"),
    "activity of objects": ({"counts": arrays()["counts"].astype(object)}, {}, None,
                            "array 'counts' cannot be used: it holds Python objects"),
    "complex": ({"velocity": np.ones(600, complex)}, {}, None, "holds values of type complex128"),
    "the trials as target": ({}, {"trial": "trial"}, {"name": "trial"}, "is declared as trial"),
    "units first, trials": ({"counts": arrays()["counts"].T}, {"trial": "trial"}, None,
                            "the trial array has shape (600,), but must have shape (10,); "
                            "the activity has shape (10, 600)"),
    "units first": ({"counts": arrays()["counts"].T}, {}, None,
                    "if its units come first, save its transpose"),
    "a missing class": ({"cls": np.where(TRIAL < 3, "nan", "a")}, {},
                        {"name": "cls", "kind": "categorical"}, "a missing label"),
    "not there": ({}, {}, {"name": "speed"},
                  "target 'speed' is not in the recording; its arrays are 'cls', 'trial',"),
}  # fmt: skip


def test_classes_and_angles_may_stand_in_a_single_column(tmp_path):
    column = {"cls": TRIAL[:, None] % 3, "angle": TRIAL[:, None] / 100}
    row = {name: values[:, 0] for name, values in column.items()}
    for target in (Target(name="cls", kind="categorical"), Target(name="angle", kind="circular")):
        found = [read(tmp_path, arrays).target(target) for arrays in (column, row)]
        np.testing.assert_array_equal(*found)
        assert found[0].shape == (600,)


@pytest.mark.parametrize("name", SAID)
def test_an_array_that_cannot_be_used_is_named_with_the_reason(tmp_path, name):
    more, declared, target, said = SAID[name]
    assert said in refusal(tmp_path, more, target, **declared)


def files(folder):
    np.save(folder / "npy.npy", np.ones(3))
    np.savez_compressed(folder / "whole.npz", **arrays())
    whole = bytearray((folder / "whole.npz").read_bytes())
    contents = {
        "empty": b"", "half": whole[: len(whole) // 2], "words": b"hello",
        "flipped": whole[:2000] + b"\xff" * 100 + whole[2100:], "pickle": pickle.dumps(arrays()),
        "mat": b"MATLAB 5.0 MAT-file, Platform: GLNXA64", "edf": b"0       X X X X",
        "hdf": b"\x89HDF\r\n\x1a\n\0\0", "npy": (folder / "npy.npy").read_bytes(),
    }  # fmt: skip
    for name, content in contents.items():
        (folder / f"{name}.npz").write_bytes(content)
    return folder


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("empty", "it is empty"),
        ("half", "damaged or incomplete"),
        ("words", "is text that begins with 'hello'"),
        ("flipped", "damaged or incomplete"),
        ("pickle", "never loaded"),
        ("mat", "MATLAB file (.mat), which `kind: mat` reads"),
        ("edf", "EDF file, which `kind: mne` reads"),
        ("hdf", "HDF5 file, which `kind: nwb`"),
        ("npy", "save named arrays with np.savez"),
    ],
)
def test_a_file_that_is_no_archive_is_told_by_what_it_is(tmp_path, name, said):
    source = NpzRecording(path=f"{name}.npz", session="a", activity="counts", bin_s=0.1)
    with pytest.raises(DataError) as error:
        read_npz(source, files(tmp_path))
    assert said in str(error.value) and "is not a readable .npz archive" in str(error.value)
    assert "allow_pickle" not in str(error.value)


def signals(folder, values):
    return read(folder, {"counts": values}, activity_kind="signal")


def test_signals_that_single_precision_would_spoil_are_refused_and_others_kept(tmp_path):
    x = np.random.default_rng(1).standard_normal((BINS, UNITS))
    for sound in (x, x * 1e-13, x + 1e3, np.column_stack([x, np.full(BINS, 0.1)])):
        np.testing.assert_allclose(signals(tmp_path, sound).activity, sound, rtol=1e-6)
    with pytest.raises(DataError, match="rounding would destroy so small a variation"):
        signals(tmp_path, x + 1e8)
    with pytest.raises(DataError, match="which single precision cannot hold"):
        signals(tmp_path, x * 1e38)
