"""Keys hold the arrays that a run reads, each by itself, and no others."""

import numpy as np
import pytest
from conftest import tiny_study

from invariance_probe.data.sessions import find_sessions
from invariance_probe.plan.plan import Plan
from invariance_probe.plan.roles import TrainedModel
from invariance_probe.study.study import Study

WITHIN = {"window": {"length_bins": 1, "within": {"array": "state", "values": [1]}}}
MINED = {
    "views": {"pairing": {"kind": "mined", "gap_s": 5.0, "nuisance": "drift"}},
    "axes": [{"path": "mined.share", "doses": [0, 0.5]}],
    "hypotheses": [
        {
            **tiny_study()["hypotheses"][0],
            "kind": "contrast",
            "predicts": "beneficial",
            "axis": "mined.share",
            "dose": 0.5,
        }
    ],
}
MESSENGERS = {"measurements": [{"kind": "messengers", "budgets": [1, 2], "epochs": "state"}]}
POOLED = {"views": {"transforms": [{"kind": "unit_dropout"}], "pool": "subject"}}
OTHERS = {"null": {"kind": "other_sessions"}}


def archive(folder, name, **changes):
    """Write a file with a target, two arrays that some studies read, and one that none does."""
    rng = np.random.default_rng(0)
    arrays = {
        "x": rng.poisson(3, (400, 8)),
        "label": rng.standard_normal(400),
        "state": np.repeat([1, 0, 1, 1], 100),
        "drift": rng.standard_normal((400, 2)),
        "unused": np.zeros(400),
    }
    np.savez(
        folder / f"{name}.npz", **{k: v for k, v in (arrays | changes).items() if v is not None}
    )


def planned(folder, sessions=1, subject="a", moved="", **changes):
    """Plan a study of such files and return its runs."""
    recordings = [
        {"kind": "npz", "path": f"{moved}s{i}.npz", "session": f"s{i}", "subject": subject,
         "activity": "x", "bin_s": 0.1}
        for i in range(sessions)
    ]  # fmt: skip
    study = Study.model_validate(tiny_study(recordings=recordings, **changes))
    return Plan(study, find_sessions(study, folder)).runs


def keys(runs):
    return [run.key() for run in runs]


def trainings(runs):
    return [run.train_key() for run in runs if run.method.kind == "simclr"]


@pytest.mark.parametrize("changes", [{}, WITHIN, MINED, MESSENGERS, POOLED])
def test_an_array_that_no_run_reads_is_in_no_key(tmp_path, changes):
    archive(tmp_path, "s0")
    archive(tmp_path, "s1")
    known = planned(tmp_path, sessions=2, **changes)
    archive(tmp_path, "s0", unused=np.ones(400), another=np.arange(400))
    archive(tmp_path, "s1", unused=None)
    found = planned(tmp_path, sessions=2, **changes)
    assert keys(found) == keys(known) and trainings(found) == trainings(known)


def test_a_changed_target_is_measured_anew_with_the_encoders_of_before(tmp_path):
    archive(tmp_path, "s0")
    known = planned(tmp_path)
    archive(tmp_path, "s0", label=np.random.default_rng(1).standard_normal(400))
    found = planned(tmp_path)
    assert not set(keys(found)) & set(keys(known)) and trainings(found) == trainings(known)
    reading = {"method": {**tiny_study()["method"], "kind": "y_aware"}}
    known = planned(tmp_path, **reading)
    archive(tmp_path, "s0")
    found = planned(tmp_path, **reading)
    assert not {run.train_key() for run in found if run.method.kind == "y_aware"} & {
        run.train_key() for run in known
    }


@pytest.mark.parametrize(("changes", "array"), [(WITHIN, "state"), (MINED, "drift")])
def test_an_array_that_training_reads_is_in_the_keys_of_encoders(tmp_path, changes, array):
    archive(tmp_path, "s0")
    known = planned(tmp_path, **changes)
    changed = {"state": np.repeat([1, 1, 0, 1], 100), "drift": np.ones((400, 2))}[array]
    archive(tmp_path, "s0", **{array: changed})
    found = planned(tmp_path, **changes)
    assert trainings(found) and not set(trainings(found)) & set(trainings(known))


def test_an_array_that_one_measurement_reads_is_in_its_key_alone(tmp_path):
    archive(tmp_path, "s0")
    known = planned(tmp_path, **MESSENGERS)
    archive(tmp_path, "s0", state=np.repeat([0, 0, 1, 1], 100))
    found = planned(tmp_path, **MESSENGERS)
    changed = {
        run.method.kind
        for run, before in zip(found, known, strict=True)
        if run.key() != before.key()
    }
    assert changed == {"messengers"}


def test_other_sessions_are_in_keys_by_what_is_read_of_them(tmp_path):
    """A companion lends its activity; a session whose target serves as null lends that."""
    moved = tmp_path / "moved"
    moved.mkdir()
    for name in [f"s{i}" for i in range(7)]:
        archive(tmp_path, name)
        archive(moved, name)
    pooled, lent = planned(tmp_path, 2, **POOLED), planned(tmp_path, 7, **OTHERS)
    assert any(isinstance(run, TrainedModel) and run.companions for run in pooled) and any(
        run.method.kind == "session_null" for run in lent
    )
    assert keys(planned(tmp_path, 2, moved="moved/", **POOLED)) == keys(pooled)
    assert keys(planned(tmp_path, 2, subject="b", **POOLED)) == keys(pooled)
    assert keys(planned(tmp_path, 7, subject="b", moved="moved/", **OTHERS)) == keys(lent)
    archive(tmp_path, "s1", label=np.arange(400.0))
    of_first = [run for run in planned(tmp_path, 2, **POOLED) if run.session == "s0"]
    assert keys(of_first) == keys(run for run in pooled if run.session == "s0")
    changed = [
        run.method.kind
        for run, before in zip(planned(tmp_path, 7, **OTHERS), lent, strict=True)
        if run.session == "s0" and run.key() != before.key()
    ]
    assert changed == ["session_null"]
