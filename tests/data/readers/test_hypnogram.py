"""The stages of a night lie beside its recording, and become its target."""

import datetime
import importlib
import itertools

import numpy as np
import pytest
from ruamel.yaml import YAML

from invariance_probe.data.companions import files_beside
from invariance_probe.data.readers import read_signals
from invariance_probe.study.signals import MneRecording

pytest.importorskip("torch", reason="proposed studies are run")
edfio = pytest.importorskip("edfio", reason="edfio writes the files")
invoke = importlib.import_module("helpers.program").invoke

STAGES = [f"Sleep stage {one}" for one in "WW12233W2R"] * 6
EPOCH_S, RATE = 30, 20
EVENING = datetime.time(22, 15)


def night(folder, recording="SC4001E0-PSG.edf", stages="SC4001EC-Hypnogram.edf", start=EVENING):
    """Write a recording whose amplitude follows the stages, and the stages by runs."""
    rng = np.random.default_rng(0)
    seconds = EPOCH_S * len(STAGES)
    loud = np.repeat([1.0 + 3.0 * one.endswith("3") for one in STAGES], EPOCH_S * RATE)
    signals = [
        edfio.EdfSignal(
            (20 * loud * rng.standard_normal(seconds * RATE)).clip(-499, 499),
            RATE,
            label=label,
            physical_dimension="uV",
            physical_range=(-500, 500),
        )
        for label in ("EEG Fpz-Cz", "EEG Pz-Oz")
    ]
    edfio.Edf(signals, starttime=EVENING).write(folder / recording)
    first = [0, *(i for i in range(1, len(STAGES)) if STAGES[i] != STAGES[i - 1]), len(STAGES)]
    scored = [
        edfio.EdfAnnotation(a * EPOCH_S, (b - a) * EPOCH_S, STAGES[a])
        for a, b in itertools.pairwise(first)
    ]
    edfio.Edf([], starttime=start, annotations=scored).write(folder / stages)
    return folder / recording


def declared(path, **beside):
    file = {"kind": "mne", "path": str(path.parent / "SC4001EC-Hypnogram.edf"), **beside}
    return MneRecording(
        path=str(path),
        session="night",
        bin_s=1.0,
        beside={"hypnogram": file},
        targets={"stage": {"table": "hypnogram/annotations", "column": "description"}},
    )


@pytest.mark.parametrize("offset_s", [0, 60])
def test_stages_are_the_target_of_the_bins_that_they_cover(tmp_path, offset_s):
    path = night(tmp_path)
    found = read_signals(declared(path, offset_s=offset_s), tmp_path)
    assert found.activity.shape == (EPOCH_S * len(STAGES), 2)
    stages = np.repeat(STAGES, EPOCH_S)
    known = found.known_bins("stage")
    assert known[offset_s:].all() and not known[:offset_s].any()
    assert (found.targets["stage"][offset_s:] == stages[: len(stages) - offset_s]).all()


def test_the_stages_beside_a_recording_are_told_and_proposed(tmp_path):
    night(tmp_path)
    said = invoke("data", "inspect", "SC4001E0-PSG.edf", cwd=tmp_path, check=0).stdout
    assert "'hypnogram/annotations': a table of" in said and "Sleep stage 3 (6)" in said
    assert "SC4001EC-Hypnogram.edf lies beside it and begins at the same time" in said
    study = invoke("data", "inspect", "SC4001E0-PSG.edf", "--study", cwd=tmp_path, check=0).stdout
    (recording,) = YAML(typ="safe").load(study)["recordings"]
    assert recording["beside"] == {"hypnogram": {"kind": "mne", "path": "SC4001EC-Hypnogram.edf"}}
    assert recording["targets"] == {
        "description": {"table": "hypnogram/annotations", "column": "description"}
    }
    (tmp_path / "s.yaml").write_text(study)
    invoke("validate", "s.yaml", cwd=tmp_path, check=0)


def test_what_is_stated_beside_a_recording_is_inspected_in_its_place(tmp_path):
    night(tmp_path)
    stated = "beside={mine: {kind: mne, path: SC4001EC-Hypnogram.edf, offset_s: 5}}"
    said = invoke(
        "data", "inspect", "SC4001E0-PSG.edf", "--set", stated, cwd=tmp_path, check=0
    ).stdout
    assert "'mine/annotations': a table" in said and "lies beside it" not in said
    assert "plus 5 s" in said


@pytest.mark.parametrize(
    ("recording", "stages", "is_found"),
    [
        ("SC4001E0-PSG.edf", "SC4001EC-Hypnogram.edf", True),
        ("ST7011J0-PSG.edf", "ST7011JP-Hypnogram.edf", True),
        ("night1_PSG.edf", "night1_Hypnogram.edf", True),
        ("SC4001E0-PSG.edf", "SC4002EC-Hypnogram.edf", False),
        ("SC4001E0.edf", "SC4001EC-Hypnogram.edf", False),
    ],
)
def test_names_tell_which_stages_belong_to_a_recording(tmp_path, recording, stages, is_found):
    found, _ = files_beside("mne", night(tmp_path, recording, stages))
    expected = {"beside": {"hypnogram": {"kind": "mne", "path": str(tmp_path / stages)}}}
    assert found == (expected if is_found else {})


def test_stages_of_two_scorers_are_left_to_the_study(tmp_path):
    path = night(tmp_path)
    night(tmp_path, stages="SC4001EP-Hypnogram.edf")
    assert files_beside("mne", path) == ({}, "")


def test_stages_that_begin_at_another_time_are_told_and_not_read(tmp_path):
    night(tmp_path, start=datetime.time(23, 0))
    said = invoke("data", "inspect", "SC4001E0-PSG.edf", cwd=tmp_path, check=0).stdout
    assert "hypnogram/" not in said
    assert "23.00.00 by its header, and not at" in said and "with offset_s" in said
