"""Inspections in a store: whole or absent, whoever writes, and never believed when damaged."""

import multiprocessing
import os
import signal
import subprocess
import sys

import pytest

from invariance_probe.plan.inspections import Inspection, Stamp
from invariance_probe.results.faults import FAULT
from invariance_probe.results.inspections import Inspections
from invariance_probe.results.store import Store
from invariance_probe.results.upkeep import delete, find_rubbish
from invariance_probe.study.recordings import NpzRecording

STAMP = Stamp(size=10, modified_ns=5, changed_ns=6, inode=7)
SOURCE = NpzRecording(path="s.npz", session="s", activity="x", bin_s=0.1)


def inspection(**changes):
    session = {
        "session": "s", "subject": "a", "group": "", "fingerprint": "f",
        "content": {"recording": "r", "arrays": [["y", "h"]]},
        "activity_fingerprint": "g", "alternatives": "", "activity_kind": "counts", "bin_s": 0.1,
        "bins": 9, "unit_ids": ["é", "1"], "columns": {"y": [], "z": [2]},
        "cautions": [{"place": ["recordings", 0], "got": 1.0, "text": "mind"}],
        "plants": [{"plant": "one_unit", "content": {"recording": "r"}, "fingerprint": "h"}],
    }  # fmt: skip
    found = {
        "code": "c", "inspected_at": "2026-01-01T00:00:00+00:00", "source": SOURCE, "design": "d",
        "path": "/data/s.npz", "stamp": STAMP, "sessions": [session],
    }  # fmt: skip
    return Inspection.model_validate({**found, **changes})


def current(kept, **changes):
    asked = {"source": SOURCE, "design": "d", "path": "/data/s.npz", "stamp": STAMP, "code": "c"}
    return kept.current(**{**asked, **changes})


def test_an_inspection_is_found_just_while_all_that_it_rests_on_is_the_same(tmp_path):
    kept = Inspections(tmp_path)
    assert current(kept) is None
    kept.keep(inspection())
    assert current(kept) == inspection()
    other = SOURCE.model_copy(update={"subject": "b"})
    for change in (
        {"source": other},
        {"design": "e"},
        {"path": "/data/t.npz"},
        {"code": "b"},
        {"stamp": None},
        *({"stamp": STAMP.model_copy(update={name: 1})} for name in Stamp.model_fields),
    ):
        assert current(kept, **change) is None, change


def test_an_inspection_without_a_stamp_is_found_for_no_file(tmp_path):
    kept = Inspections(tmp_path)
    kept.keep(inspection(stamp=None))
    assert current(kept) is None and current(kept, stamp=None) is None
    assert kept.last(SOURCE, "d", "/data/s.npz") == inspection(stamp=None)


def test_where_the_file_is_gone_the_last_of_its_path_is_found_or_the_only_content(tmp_path):
    kept = Inspections(tmp_path)
    assert kept.last(SOURCE, "d", "/data/s.npz") is None
    kept.keep(inspection())
    assert kept.last(SOURCE, "d", "/elsewhere/s.npz") == inspection()
    session = inspection().sessions[0].model_copy(update={"fingerprint": "other"})
    kept.keep(inspection(path="/other/s.npz", sessions=[session]))
    assert kept.last(SOURCE, "d", "/elsewhere/s.npz") is None
    assert kept.last(SOURCE, "d", "/data/s.npz") == inspection()
    assert kept.last(SOURCE, "d", "/other/s.npz").sessions == (session,)


@pytest.mark.parametrize("harm", [lambda text: text[:-9], lambda text: b"", lambda text: b"{}"])
def test_a_damaged_inspection_is_ignored_and_written_anew(tmp_path, harm):
    kept = Inspections(tmp_path)
    kept.keep(inspection())
    (file,) = kept.folder.glob("*.json")
    file.write_bytes(harm(file.read_bytes()))
    assert current(kept) is None and kept.last(SOURCE, "d", "/data/s.npz") is None
    kept.keep(inspection())
    assert current(kept) == inspection()


def _keep_often(root):
    for _ in range(40):
        Inspections(root).keep(inspection())
        assert current(Inspections(root)) == inspection()


def test_processes_that_write_the_same_inspection_do_not_disturb_each_other(tmp_path):
    with multiprocessing.get_context("spawn").Pool(3) as pool:
        pool.map(_keep_often, [tmp_path] * 3)
    assert len(list((tmp_path / "inspections").iterdir())) == 1
    assert not list((tmp_path / "private").iterdir())


def test_a_store_takes_what_another_one_knows_later(tmp_path):
    own, other = Inspections(tmp_path / "own"), Inspections(tmp_path / "other")
    later = inspection(inspected_at="2026-02-01T00:00:00+00:00")
    other.keep(inspection())
    own.take(other)
    assert current(own) == inspection()
    own.keep(later)
    own.take(other)
    assert current(own) == later
    other.take(own)
    assert current(other) == later


KEEP = """
from pathlib import Path
from test_inspections import inspection
from invariance_probe.results.inspections import Inspections
Inspections(Path({root!r})).keep(inspection())
"""


def python(code, fault):
    env = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path)), FAULT: fault}
    return subprocess.run(
        [sys.executable, "-c", code], env=env, capture_output=True, text=True, check=False
    )


@pytest.mark.parametrize("point", ["inspection.write", "inspection.rename"])
def test_killed_while_it_writes_an_inspection_a_process_leaves_none(tmp_path, point):
    done = python(KEEP.format(root=str(tmp_path)), f"{point}:1:kill")
    assert done.returncode == -signal.SIGKILL, done.stderr
    assert current(Inspections(tmp_path)) is None
    store = Store(tmp_path)
    delete(store, find_rubbish(store))
    assert not list((tmp_path / "private").iterdir())


@pytest.mark.parametrize("point", ["inspection.write", "inspection.rename"])
def test_a_full_disk_keeps_no_inspection_and_is_no_error(tmp_path, point):
    done = python(KEEP.format(root=str(tmp_path)), f"{point}:1:ENOSPC")
    assert done.returncode == 0, done.stderr
    assert current(Inspections(tmp_path)) is None and not list((tmp_path / "private").iterdir())
