"""Recordings are opened once: what was found in them is kept, and told apart by content."""

import gc
import json
import os
import time
import weakref
from collections import Counter
from contextlib import contextmanager

import numpy as np
import pytest
from click.testing import CliRunner
from conftest import tiny_study
from test_cli import without_times, write

from invariance_probe.cli import main
from invariance_probe.data.readers import READERS
from invariance_probe.data.sessions import find_sessions
from invariance_probe.errors import StudyError
from invariance_probe.executors.jobs import Jobs
from invariance_probe.executors.stacks import make_stacks
from invariance_probe.planning import make_plan, read_statuses
from invariance_probe.results.store import Store
from invariance_probe.runner import judge, run
from invariance_probe.study.load import open_study
from invariance_probe.worker import work

NAMES = [f"s{i}" for i in range(6)]
SHORT = {"steps": 3, "batch_size": 64, "seeds": 1}
POOLED = {"transforms": [{"kind": "unit_dropout"}], "pool": "group"}


def save(path, seed=0, bins=640):
    """An archive of counts that follow a label, of the same size whatever the seed."""
    rng = np.random.default_rng(seed)
    y = np.convolve(rng.standard_normal(bins), np.ones(3), mode="same")
    counts = rng.poisson(np.exp(0.8 + 0.5 * np.tanh(y)[:, None] * rng.standard_normal(6)))
    np.savez(path, counts=counts, label=y)


def recordings(folder, names=NAMES):
    for seed, name in enumerate(names):
        save(folder / f"{name}.npz", seed)
    return [
        {"kind": "npz", "path": f"{name}.npz", "session": name, "activity": "counts", "bin_s": 0.1}
        for name in names
    ]


def settle():
    """Wait until the times of files that were just written can be relied on."""
    time.sleep(2.1)


@contextmanager
def counted_reads():
    """Counts how often this process reads each file."""
    counts, read = Counter(), READERS["npz"]

    def counting(source, base):
        counts[source.path] += 1
        return read(source, base)

    READERS["npz"] = counting
    try:
        yield counts
    finally:
        READERS["npz"] = read


def here(runs, sessions, settings, *, on_event):
    """Measures in this process, stack by stack, as a worker does."""
    jobs = Jobs(sessions, settings)
    for stack in make_stacks(runs):
        work(jobs.of(stack), on_event)
    return {}


def study_of(folder, names=NAMES, **changes):
    declared = {"recordings": recordings(folder, names), "quick": True, **changes}
    return open_study(write(folder, tiny_study(**declared)))


def test_planning_opens_every_recording_once_and_not_again_from_the_store(tmp_path):
    file = study_of(tmp_path, quick=False, views=POOLED, null={"kind": "other_sessions"})
    store = Store(tmp_path / "runs")
    settle()
    with counted_reads() as counts:
        fresh = make_plan(file)
        assert counts == {f"{name}.npz": 1 for name in NAMES}
        assert len(fresh.planted) == 12
        first = make_plan(file, store)
        assert set(counts.values()) == {2}
        again = make_plan(file, Store(tmp_path / "runs"))
        assert set(counts.values()) == {2}
    assert fresh == first == again
    assert fresh.sessions == find_sessions(file.study, tmp_path)


def test_planning_lets_each_recording_go_before_it_opens_the_next(tmp_path, monkeypatch):
    file, made, read = study_of(tmp_path, quick=False), [], READERS["npz"]

    def watched(source, base):
        gc.collect()
        assert not [one for one in made if one() is not None]
        recording = read(source, base)
        made.append(weakref.ref(recording))
        return recording

    monkeypatch.setitem(READERS, "npz", watched)
    make_plan(file, Store(tmp_path / "runs"))
    assert len(made) == len(NAMES)


def test_a_run_reads_each_file_once_to_plan_and_once_to_measure(tmp_path):
    """And `report` and `status` read none; the second session trains with the first."""
    file = study_of(tmp_path, ["a", "b"], views=POOLED, training=SHORT)
    settle()
    with counted_reads() as counts:
        result = run(file.study, tmp_path / "runs", execute=here, on_event=unheard)
        result.report(tmp_path / "report")
        assert result.lost == {} and result.findings.runs.left_out == 0
        assert counts == {"a.npz": 2, "b.npz": 2}
        judge(file.study, tmp_path / "runs").report(tmp_path / "again")
        read_statuses(file, tmp_path / "runs")
        assert counts == {"a.npz": 2, "b.npz": 2}
    assert without_times(tmp_path / "again") == without_times(tmp_path / "report")


def unheard(event):
    """Take an event and say nothing."""


def invoke(*arguments):
    return CliRunner().invoke(main, list(map(str, arguments)))


def test_a_study_is_reported_and_exported_when_its_recordings_are_gone(tmp_path):
    file, runs = study_of(tmp_path, ["a", "b"], training=SHORT), tmp_path / "runs"
    run(file.study, runs, execute=here, on_event=unheard).report(tmp_path / "r")
    report = without_times(tmp_path / "r")
    for name in "ab":
        (tmp_path / f"{name}.npz").unlink()
    said = invoke("report", file.path, "--runs", runs, "--out", tmp_path / "r2")
    assert said.exit_code == 0 and without_times(tmp_path / "r2") == report
    day = time.strftime("%Y-%m-", time.gmtime())
    assert f"a.npz is no longer there: its inspection of {day}" in said.stderr
    status = invoke("status", file.path, "--runs", runs)
    assert "0 missing" in status.stdout and "b.npz is no longer there" in status.stderr
    out = tmp_path / "e.safetensors"
    exported = invoke("export", file.path, "--runs", runs, "--session", "a", "--out", out)
    assert exported.exit_code == 0 and out.exists(), exported.stderr
    kept = invoke("store", "gc", "--runs", runs, "--keep", file.path)
    assert "0 runs, 0 encoders" in kept.stdout
    for command in ("validate", "plan", "run"):
        refused = invoke(command, file.path, "--runs", runs)
        assert refused.exit_code == 2 and refused.stderr.count("no such file") == 2


def test_other_words_and_margins_need_no_recording_and_another_design_does(tmp_path):
    file = study_of(tmp_path, ["a"])
    store = Store(tmp_path / "runs")
    first = make_plan(file, store)
    (tmp_path / "a.npz").unlink()
    said = []
    hypothesis = tiny_study()["hypotheses"][0]
    margin = {"fraction_of_range": 0.3, "because": "another reason for it"}
    words = {
        "name": "renamed",
        "question": "Another?",
        "hypotheses": [{**hypothesis, "id": "X", "claim": "else", "margin": margin}],
        "recordings": [file.study.recordings[0].model_dump(mode="json")],
        "quick": True,
    }
    renamed = open_study(write(tmp_path, tiny_study(**words), "renamed.yaml"))
    assert make_plan(renamed, store, said.append).sessions == first.sessions and len(said) == 1
    words["folds"] = {"count": 4}
    other = open_study(write(tmp_path, tiny_study(**words), "other.yaml"))
    with pytest.raises(StudyError, match="no such file"):
        make_plan(other, store, said.append)


def test_a_changed_file_is_seen_whatever_its_size_and_time_say(tmp_path):
    file = study_of(tmp_path, ["a", "b"])
    store = Store(tmp_path / "runs")
    settle()
    before = make_plan(file, store)
    path = tmp_path / "a.npz"
    old = path.stat()
    save(path, seed=7)
    os.utime(path, ns=(old.st_atime_ns, old.st_mtime_ns))
    assert (path.stat().st_size, path.stat().st_mtime_ns) == (old.st_size, old.st_mtime_ns)
    with counted_reads() as counts:
        after = make_plan(file, store)
    assert counts == {"a.npz": 1}
    assert after.sessions[0].fingerprint != before.sessions[0].fingerprint
    assert after.sessions[1] == before.sessions[1]
    assert after == make_plan(file)


def test_a_file_that_was_touched_is_the_same_recording(tmp_path):
    file = study_of(tmp_path, ["a"])
    store = Store(tmp_path / "runs")
    settle()
    before = make_plan(file, store)
    (tmp_path / "a.npz").touch()
    assert make_plan(file, store) == before


def test_a_file_that_was_written_just_now_is_not_recognised_by_its_times(tmp_path):
    file = study_of(tmp_path, ["a"])
    store = Store(tmp_path / "runs")
    with counted_reads() as counts:
        make_plan(file, store)
        make_plan(file, store)
        assert counts == {"a.npz": 2}
    (inspection,) = (tmp_path / "runs" / "inspections").glob("*.json")
    assert json.loads(inspection.read_text())["stamp"] is None


def test_a_worker_refuses_a_recording_that_changed_after_it_was_planned(tmp_path):
    file = study_of(tmp_path, ["a"])
    changed = []

    def late(runs, sessions, settings, *, on_event):
        if not runs:
            return {}
        if not changed:
            save(tmp_path / "a.npz", seed=7)
            changed.append(True)
        with pytest.raises(Exception, match="data of session 'a' changed while the study ran"):
            here(runs, sessions, settings, on_event=on_event)
        return {run.key(): "changed" for run in runs}

    run(file.study, tmp_path / "runs", execute=late, on_event=unheard).report(tmp_path / "report")
    assert changed and Store(tmp_path / "runs").keys("results") == []


def test_a_recording_with_a_problem_is_not_kept_and_the_others_are(tmp_path):
    file = study_of(tmp_path, ["a", "b"])
    np.savez(tmp_path / "b.npz", counts=np.ones((640, 6)), label=np.zeros(640))
    store = Store(tmp_path / "runs")
    with pytest.raises(StudyError, match="constant"):
        make_plan(file, store)
    (kept,) = (tmp_path / "runs" / "inspections").glob("*.json")
    assert json.loads(kept.read_text())["source"]["session"] == "a"


def test_a_caution_stands_at_its_recording_where_others_were_added_before_it(tmp_path):
    declared = recordings(tmp_path, ["a", "b"])
    rng = np.random.default_rng(0)
    counts = np.concatenate([rng.poisson(3, (640, 6)), np.zeros((640, 1))], axis=1)
    np.savez(tmp_path / "b.npz", counts=counts, label=rng.standard_normal(640))
    store = Store(tmp_path / "runs")
    settle()
    one = open_study(write(tmp_path, tiny_study(recordings=declared[1:]), "one.yaml"))
    ((place, _, said),) = make_plan(one, store).sessions[0].cautions
    assert place == ("recordings", 0) and "constant" in said
    both = open_study(write(tmp_path, tiny_study(recordings=declared), "both.yaml"))
    with counted_reads() as counts:
        plan = make_plan(both, store)
    assert counts == {"a.npz": 1}
    assert [place for place, _, _ in plan.sessions[1].cautions] == [("recordings", 1)]
    assert plan == make_plan(both)


def test_a_store_that_was_copied_beside_its_study_needs_no_recordings(tmp_path):
    there, copied = tmp_path / "there", tmp_path / "copied"
    there.mkdir()
    copied.mkdir()
    file = study_of(there, ["a"])
    first = make_plan(file, Store(tmp_path / "runs"))
    path = copied / "study.yaml"
    path.write_text(file.path.read_text())
    said = []
    assert make_plan(open_study(path), Store(tmp_path / "runs"), said.append) == first
    assert said[0].startswith(f"a.npz is not at {copied / 'a.npz'}: the inspection of {there}")


def test_simulated_sessions_are_kept_by_their_declaration(tmp_path):
    store = Store(tmp_path / "runs")
    file = open_study(write(tmp_path, tiny_study()))
    first = make_plan(file, store)
    (kept,) = (tmp_path / "runs" / "inspections").glob("*.json")
    written = kept.stat().st_mtime_ns
    assert make_plan(file, store) == first == make_plan(file)
    assert kept.stat().st_mtime_ns == written
