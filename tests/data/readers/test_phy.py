"""Folders of Kilosort and phy are read without losing clusters or executing anything."""

import os
import pickle

import numpy as np
import pytest

from invariance_probe.data.readers.phy import read_phy
from invariance_probe.errors import DataError
from invariance_probe.study.signals import PhyRecording

SAMPLES = [30, 60, 90, 120, 150, 180, 36000, 36030, 60000]
CLUSTERS = [0, 0, 11, 11, 5, 9, 11, 9, 0]
TEMPLATES = [0, 0, 1, 2, 5, 9, 1, 9, 0]
PARAMS = "dat_path = 'absent.dat'\nn_channels_dat = 4\nsample_rate = 30000.\n"
GROUP = "cluster_id\tgroup\n0\tgood\n5\tnoise\n"
KS_LABEL = "cluster_id\tKSLabel\n0\tgood\n1\tmua\n2\tgood\n5\tgood\n9\tmua\n"


def write(folder, **changes):
    """Write a folder of 9 spikes in 4 clusters, two of which were curated.

    A change replaces a file, called by its name without ending; None leaves it out.
    """
    files = {
        "spike_times": np.array(SAMPLES, dtype=np.uint64)[:, None],
        "spike_clusters": np.array(CLUSTERS, dtype=np.int32),
        "spike_templates": np.array(TEMPLATES, dtype=np.uint32)[:, None],
        "params.py": PARAMS,
        "cluster_group.tsv": GROUP,
        "cluster_KSLabel.tsv": KS_LABEL,
        **changes,
    }
    for name, held in files.items():
        if isinstance(held, np.ndarray):
            np.save(folder / f"{name}.npy", held, allow_pickle=held.dtype == object)
        elif isinstance(held, bytes):
            (folder / f"{name}.npy").write_bytes(held)
        elif held is not None:
            (folder / name).write_text(held)
    return folder


def read(folder, **declared):
    return read_phy(folder, PhyRecording(path="x", session="s", bin_s=0.1, **declared))


def trains(contents, name="all"):
    found = contents.spikes[name]
    return {unit: times.tolist() for unit, times in zip(found.names, found.times, strict=True)}


def sizes(contents, name="all"):
    return {unit: len(times) for unit, times in trains(contents, name).items()}


def refusal(folder, **declared):
    with pytest.raises(DataError) as error:
        read(folder, **declared)
    assert "\n" not in str(error.value)
    return str(error.value)


def test_every_cluster_with_spikes_is_read_in_seconds(tmp_path):
    assert trains(read(write(tmp_path))) == {
        "0": [0.001, 0.002, 2.0],
        "5": [0.005],
        "9": [0.006, 1.201],
        "11": [0.003, 0.004, 1.2],
    }


INFO = "cluster_id\tdepth\tgroup\tn_spikes\n0\t20.0\tgood\t3\n9\t40.0\tgood\t2\n11\t60.0\t\t3\n"
KILOSORT = {"cluster_group.tsv": KS_LABEL}
LABELS = {
    "a table that lists only what was curated": ({}, {}, ["0"]),
    "other groups": ({}, {"groups": ["good", "unsorted"]}, ["0", "9", "11"]),
    "Kilosort's labels": ({}, {"labels": ["KSLabel"]}, ["0", "5"]),
    "curated, else Kilosort's": (
        {},
        {"labels": ["group", "KSLabel"], "groups": ["mua", "noise"]},
        ["5", "9"],
    ),
    "Kilosort's labels in cluster_group": (KILOSORT, {"labels": ["KSLabel"]}, ["0", "5"]),
    "phy's summary alone": (
        {"cluster_group.tsv": None, "cluster_info.tsv": INFO},
        {},
        ["0", "9"],
    ),
    "phy's summary fills what the table lacks": ({"cluster_info.tsv": INFO}, {}, ["0", "9"]),
    "an old summary, which calls ids id": (
        {"cluster_group.tsv": None, "cluster_info.tsv": INFO.replace("cluster_id", "id")},
        {},
        ["0", "9"],
    ),
    "commas": (
        {"cluster_group.tsv": None, "cluster_group.csv": GROUP.replace("\t", ",")},
        {},
        ["0"],
    ),
    "tabs in an old .csv": (
        {"cluster_group.tsv": None, "cluster_groups.csv": GROUP},
        {},
        ["0"],
    ),
    "a byte order mark, and lines of Windows": (
        {"cluster_group.tsv": "\ufeff" + GROUP.replace("\n", "\r\n")},
        {},
        ["0"],
    ),
    "ids as decimals, and missing labels": (
        {"cluster_group.tsv": "cluster_id\tgroup\n0.0\tgood\n5.0\tnan\n9\n11\t\n"},
        {"groups": ["good", "unsorted"]},
        ["0", "5", "9", "11"],
    ),
    "a label of the lab's own": (
        {"cluster_bc_unitType.tsv": "cluster_id\tbc_unitType\n11\tGOOD\n"},
        {"labels": ["bc_unitType"], "groups": ["GOOD"]},
        ["11"],
    ),
}


@pytest.mark.parametrize("case", LABELS)
def test_labels_choose_units_and_never_lose_a_cluster(tmp_path, case):
    files, declared, chosen = LABELS[case]
    contents = read(write(tmp_path, **files), **declared)
    assert list(trains(contents, "units")) == chosen
    assert sizes(contents) == {"0": 3, "5": 1, "9": 2, "11": 3}


UNSORTED = np.array([36000, 30, 60, 90, 120, 150, 180, 36030, 60000])
NOTED = {
    "curation": ({}, {}, "3 of 9 spikes have another cluster than template: the sorting was"),
    "rows without spikes": (
        {},
        {},
        "2 of 5 rows of cluster_KSLabel.tsv are of clusters without spikes and are not used: 1, 2",
    ),
    "what is used": ({}, {}, "'units' are the 1 of 4 clusters that have 'good' as 'group'"),
    "what is not used": ({}, {}, "'unsorted', and so not in 'units': 2 clusters (9, 11)"),
    "other labels": (
        {},
        {},
        "column 'KSLabel' of the cluster tables is not used; it has 'good' (2), 'mua' (1), 'no "
        "entry' (1); labels: [KSLabel] would use it",
    ),
    "numbers about clusters": (
        {"cluster_info.tsv": INFO},
        {},
        "columns of the cluster tables that hold no labels and are not used: 'depth', 'n_spikes'",
    ),
    "no label that fits": (
        {"cluster_group.tsv": None},
        {},
        "'units' is missing, because none of 4 clusters has 'good' as 'group'; the folder holds "
        "'unsorted' (4). Change groups or labels, or use activity: all",
    ),
    "no such column": (KILOSORT, {}, "no table of clusters has a column 'group'"),
    "tables that disagree": (
        {"cluster_info.tsv": INFO.replace("good\t3", "mua\t3")},
        {},
        "cluster_group.tsv and cluster_info.tsv disagree on 'group' of 1 cluster, and "
        "cluster_group.tsv is used: 0",
    ),
    "a table without ids": (
        {"spike_map.csv": "channel,depth_um\n0,0\n"},
        {},
        "spike_map.csv has no column 'cluster_id' and is not used",
    ),
    "an empty table": (
        {"empty.csv": ""},
        {},
        "empty.csv has no column 'cluster_id' and is not used",
    ),
    "rows without an id": (
        {"cluster_group.tsv": GROUP + "x\tgood\n"},
        {},
        "1 of 3 rows of cluster_group.tsv have no whole number as cluster_id and are not used: 'x'",
    ),
    "rows of one cluster": (
        {"cluster_group.tsv": GROUP + "5\tgood\n"},
        {},
        "1 of 3 rows of cluster_group.tsv repeat an earlier cluster, whose last row is used: 5",
    ),
    "templates alone": (
        {"spike_clusters": None},
        {},
        "there is no spike_clusters.npy: clusters are taken from spike_templates.npy",
    ),
    "spikes out of order": (
        {"spike_times": UNSORTED},
        {},
        "1 of 9 spikes come before the spike ahead of them, by up to 35,970 samples; they are put "
        "in order, which is wrong if recordings were joined whose clocks restart",
    ),
    "negative times that were saved without a sign": (
        {"spike_times": np.array([-30, *SAMPLES[1:]]).astype(np.uint64)},
        {},
        "1 of 9 spikes have a negative time and are kept, the first at sample -30",
    ),
    "spikes that were found twice": (
        {"spike_times": np.array([30, 30, 90, 120, 150, 180, 36000, 36030, 36030])},
        {},
        "1 of 9 spikes have the same sample as another spike of their cluster and are kept; "
        "clusters 0",
    ),
    "the rate, and where it is from": (
        {},
        {},
        "spike times are samples divided by 30000 Hz, from params.py",
    ),
    "two rates": (
        {},
        {"sample_rate_hz": 25000},
        "params.py says a sample rate of 30000 Hz; the declared 25000 Hz is used",
    ),
    "arrays of no use, and pickles": (
        {"amplitudes": np.ones(9), "ops": np.array({"fs": 1}, dtype=object)},
        {},
        "arrays that no study uses and that are not read: amplitudes.npy, ops.npy",
    ),
}


@pytest.mark.parametrize("case", NOTED)
def test_what_is_left_out_or_converted_is_told(tmp_path, case):
    files, declared, note = NOTED[case]
    notes = read(write(tmp_path, **files), **declared).sentences()
    assert any(found.startswith(note) for found in notes), "\n".join(notes)
    assert not any("\n" in found or found.endswith(".") for found in notes)


def test_spikes_out_of_order_keep_their_cluster(tmp_path):
    found = read(write(tmp_path, spike_times=UNSORTED))
    assert trains(found)["0"] == [0.001, 1.2, 2.0]


@pytest.mark.parametrize("kind", [np.uint64, np.uint32, np.int32, np.float64])
def test_differences_of_unsigned_numbers_do_not_wrap(tmp_path, kind):
    found = read(write(tmp_path, spike_times=UNSORTED.astype(kind)))
    assert sum("by up to 35,970 samples" in note for note in found.sentences()) == 1


def test_a_negative_time_is_negative(tmp_path):
    first = np.array([-30, *SAMPLES[1:]]).astype(np.uint64)
    assert trains(read(write(tmp_path, spike_times=first)))["0"][0] == -0.001


CODE = "import os; os.environ['PHY_PARAMS_WAS_EXECUTED'] = 'yes'\n"


def test_code_in_the_parameters_is_not_executed(tmp_path):
    found = read(write(tmp_path, **{"params.py": PARAMS + CODE}))
    assert "PHY_PARAMS_WAS_EXECUTED" not in os.environ
    assert trains(found)["5"] == [0.005]
    assert any(
        "it is never executed, and what is in line 4 was not" in n for n in found.sentences()
    )


PARAMETERS = {
    "absent": (None, "there is no params.py"),
    "another rate alone": ("fs = 3\n", "params.py does not assign sample_rate"),
    "a sum": ("sample_rate = 2 * 15000\n", "sample_rate of params.py is no positive number"),
    "text": ("sample_rate = '30000'\n", "sample_rate of params.py is no positive number"),
    "zero": ("sample_rate = 0\n", "sample_rate of params.py is no positive number"),
    "infinite": ("sample_rate = 1e999\n", "sample_rate of params.py is no positive number"),
    "beyond all floats": (f"sample_rate = 1{'0' * 400}\n", "is no positive number"),
    "a path of Windows": ("dat_path = 'C:\\Users\\x'\n" + PARAMS, "params.py cannot be parsed"),
    "a null byte": (PARAMS + "\0", "params.py cannot be parsed"),
    "nested too deeply": ("sample_rate = " + "(" * 9999, "params.py cannot be parsed"),
}


@pytest.mark.parametrize("case", PARAMETERS)
def test_a_sample_rate_that_is_not_said_is_not_guessed(tmp_path, case):
    text, why = PARAMETERS[case]
    said = refusal(write(tmp_path, **{"params.py": text}))
    assert why in said and "9 spikes of 4 clusters" in said and "Set sample_rate_hz" in said
    assert trains(read(tmp_path, sample_rate_hz=15000))["5"] == [0.01]


OBJECTS = np.array([{"a": 1}], dtype=object)
WRONG = {
    "times in seconds": (
        {"spike_times": np.array(SAMPLES) / 30000},
        "times must be counted in samples, not in seconds",
    ),
    "objects": ({"spike_times": OBJECTS}, "it holds Python objects, which are never unpickled"),
    "a pickle": ({"spike_clusters": pickle.dumps([1])}, "it is a Python pickle"),
    "HDF5": ({"spike_times": b"\x89HDF\r\n\x1a\n" + bytes(100)}, "it is an HDF5 file"),
    "empty": ({"spike_times": b""}, "it is empty"),
    "text": ({"spike_times": np.array(["a"])}, "it must hold real numbers"),
    "a matrix": ({"spike_times": np.ones((9, 2))}, "it must hold one number per spike"),
    "other lengths": (
        {"spike_clusters": np.arange(8)},
        "there are 9 spike times and 8 cluster numbers; copy both arrays from one sorting",
    ),
    "no clusters": (
        {"spike_clusters": None, "spike_templates": None},
        "holds neither spike_clusters.npy nor spike_templates.npy",
    ),
    "no spike times": ({"spike_times": None}, "holds no spike_times.npy, so it is no phy folder"),
}


@pytest.mark.parametrize("case", WRONG)
def test_a_wrong_folder_is_one_sentence(tmp_path, case):
    files, why = WRONG[case]
    said = refusal(write(tmp_path, **files))
    assert str(tmp_path) in said and why in said


def test_a_truncated_array_is_one_sentence(tmp_path):
    times = write(tmp_path) / "spike_times.npy"
    times.write_bytes(times.read_bytes()[:-9])
    assert "it is damaged or incomplete" in refusal(tmp_path)


def test_a_wrong_path_says_where_the_folder_is(tmp_path):
    folder = tmp_path / "sorting"
    folder.mkdir()
    write(folder)
    (tmp_path / "a.nwb").write_bytes(b"\x89HDF\r\n\x1a\n" + bytes(100))
    assert f"use the folder {folder}" in refusal(folder / "params.py")
    assert f"holds no spike_times.npy; use {folder}" in refusal(tmp_path)
    assert "it is an HDF5 file" in refusal(tmp_path / "a.nwb")
    assert "no such folder" in refusal(tmp_path / "absent")


def test_a_sorting_without_spikes_has_no_units(tmp_path):
    none = np.zeros((0, 1), dtype=np.uint64)
    found = read(write(tmp_path, spike_times=none, spike_clusters=none, spike_templates=none))
    assert not found.spikes and any(
        "the folder holds no spikes" in note for note in found.sentences()
    )


REAL = {
    "template": ({}, 62, 314, ["4"]),
    "bombcell_toy": ({"sample_rate_hz": 30000}, 15, 94565, None),
    "made_curated": ({}, 4, 9, ["0"]),
}


@pytest.mark.parametrize("name", REAL)
def test_public_folders_keep_every_cluster_and_spike(public, name):
    declared, clusters, spikes, units = REAL[name]
    folder = public("phy") / name
    found = read(folder, **declared)
    assert len(sizes(found)) == clusters and sum(sizes(found).values()) == spikes
    assert units is None or list(trains(found, "units")) == units
    assert "PHY_PARAMS_WAS_EXECUTED" not in os.environ
    samples = np.load(folder / "spike_times.npy").ravel()
    assigned = np.load(folder / "spike_clusters.npy").ravel()
    rate = declared.get("sample_rate_hz", 25000 if name == "template" else 30000)
    for unit, times in trains(found).items():
        np.testing.assert_array_equal(times, samples[assigned == int(unit)] / rate)
