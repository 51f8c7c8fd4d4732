"""A store is verified, repaired, cleaned and merged, and nothing is lost on the way."""

import json
import os
import shutil
import subprocess
import sys

import numpy as np
import pytest
from click.testing import CliRunner
from conftest import tiny_study
from test_store import result, runs

from invariance_probe.cli import main
from invariance_probe.errors import StoreError
from invariance_probe.plan.figures.decoded import TrainingFigures
from invariance_probe.plan.plan import Plan
from invariance_probe.results.private import left_behind, machine, private_name
from invariance_probe.results.store import FILES, MANIFEST, Store
from invariance_probe.results.upkeep import delete, find_rubbish, merge, repair, verify
from invariance_probe.study.session import Session
from invariance_probe.study.study import Study


@pytest.fixture
def store(tmp_path):
    store = Store(tmp_path / "runs", durable=False)
    for run in runs():
        if run.optimisation is not None:
            store.commit_encoder(run, {"w": np.arange(4.0)}, TrainingFigures())
        store.commit_result(run, result(run))
    return store


def trained():
    return [run for run in runs() if run.optimisation is not None]


def flip(path):
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def test_a_sound_store_verifies(store):
    count, damage = verify(store)
    assert count == len(store.keys("results")) + len(store.keys("encoders")) and damage == []


def tear(folder, name):
    (folder / name).write_bytes((folder / name).read_bytes()[:-3])


@pytest.mark.parametrize(
    "family, name", [(family, name) for family in FILES for name in (*FILES[family], MANIFEST)]
)
@pytest.mark.parametrize(
    "harm",
    [tear, lambda folder, name: flip(folder / name), lambda folder, name: (folder / name).unlink()],
)
def test_every_harmed_file_is_found_by_its_folder(store, family, name, harm):
    run = trained()[0]
    key = run.key() if family == "results" else run.train_key()
    harm(store.folder(family, key), name)
    _, damage = verify(store)
    assert [(one.family, one.key) for one in damage] == [(family, key)] and str(
        store.folder(family, key)
    ) in damage[0].why


def test_a_folder_under_another_key_is_found(store):
    first, second = trained()[:2]
    shutil.rmtree(store.folder("results", first.key()))
    shutil.copytree(store.folder("results", second.key()), store.folder("results", first.key()))
    _, damage = verify(store)
    assert [one.key for one in damage] == [
        first.key()
    ] and f"the specification of {second.key()}" in damage[0].why


def test_repair_moves_aside_and_deletes_nothing_and_the_run_of_a_damaged_encoder_goes_with_it(
    store,
):
    first, second = trained()[:2]
    flip(store.folder("results", first.key()) / "result.json")
    flip(store.folder("encoders", second.train_key()) / "weights.npz")
    before = sum(1 for path in store.root.rglob("*") if path.is_file())
    moved = list(repair(store, verify(store)[1]))
    assert len(moved) == 3 and all(path.parent == store.root / "damaged" for path in moved)
    assert sum(1 for path in store.root.rglob("*") if path.is_file()) == before
    assert (
        not store.has(first.key()) and not store.has(second.key()) and store.encoder(second) is None
    )
    assert verify(store)[1] == []
    store.commit_result(first, result(first))
    assert store.result(first) == result(first)


def test_a_sound_folder_is_not_kept_aside(store):
    run = trained()[0]
    assert store.set_aside("results", run.key()) is None and store.result(run) == result(run)
    assert store.set_aside("results", "0" * 64) is None


def of_the_dead():
    code = "from invariance_probe.results.private import private_name; print(private_name())"
    return subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    ).stdout.strip()


def test_only_what_the_dead_left_is_rubbish(store):
    private = store.root / "private"
    names = {
        "own": private_name(),
        "dead": of_the_dead(),
        "fresh": "otherhost-77-1-abc",
        "old": "otherhost-78-1-abc",
        "oldest": "123-abc",
    }
    for name in names.values():
        (private / name).mkdir()
        (private / name / "result.json").write_text("{}")
    for name in ("own", "old", "oldest"):
        os.utime(
            private / names[name], (0, 1_000_000)
        )  # old, by whatever clock; the living keep theirs all the same
    assert {path.name for path in left_behind(private)} == {
        names["dead"],
        names["old"],
        names["oldest"],
    }
    assert {path.name for path in left_behind(private, grace_s=-1e9)} == set(names.values()) - {
        names["own"]
    }
    rubbish = find_rubbish(store)
    assert rubbish.size >= 6 and not rubbish.results and not rubbish.encoders
    delete(store, rubbish)
    assert {path.name for path in private.iterdir()} == {
        names["own"],
        names["fresh"],
    } and machine() in names["own"]


def test_runs_that_no_kept_study_needs_can_go_and_its_own_stay(store):
    study = Study.model_validate(tiny_study(training={"steps": 20, "batch_size": 64, "seeds": 1}))
    kept = Plan(study, (Session("s", "a", "", "f", study.recordings[0]),))
    rubbish = find_rubbish(store, [kept])
    wanted = {run.key() for run in kept.runs}
    assert {path.name for path in rubbish.results} == set(store.keys("results")) - wanted
    assert (
        rubbish.results
        and rubbish.encoders
        and {path.name for path in rubbish.results}.isdisjoint(wanted)
    )
    delete(store, rubbish)
    assert set(store.keys("results")) <= wanted and store.keys("results") and verify(store)[1] == []
    needed = {run.train_key() for run in kept.runs} | {
        other.train_key() for run in kept.encoder_examinations if (other := run.reference())
    }
    assert set(store.keys("encoders")) <= needed
    assert find_rubbish(store, [kept]).paths == []


def test_merging_takes_what_lacks_and_refuses_what_differs(store, tmp_path):
    here, asked = Store(tmp_path / "here", durable=False), trained()
    here.commit_result(
        asked[0], result(asked[0], seconds=9.0, measured_at="2031-01-01T00:00:00+00:00")
    )  # the same, at another time
    here.commit_result(asked[1], result(asked[1], message="another"))
    flip(store.folder("results", asked[2].key()) / "result.json")
    merged = merge(here, store)
    assert (
        len(merged.conflicts) == 1
        and asked[1].key() in merged.conflicts[0]
        and "result.json" in merged.conflicts[0]
    )
    assert len(merged.damaged) == 1 and asked[2].key() in merged.damaged[0]
    assert merged.already == 1 and not here.has(asked[2].key())
    assert here.result(asked[1]).message == "another" and here.result(asked[0]).seconds == 9.0
    assert here.result(asked[3]) == result(asked[3]) and here.encoder(asked[3])["w"].tolist() == [
        0,
        1,
        2,
        3,
    ]
    assert verify(here)[1] == []
    again = merge(here, store)
    assert again.copied == 0 and again.already == merged.copied + 1


def test_merging_with_what_is_no_store_is_refused(store, tmp_path):
    with pytest.raises(StoreError, match="not a run store"):
        merge(store, Store(tmp_path / "nowhere"))


def test_the_commands_say_what_they_find_and_exit_with_it(store, tmp_path):
    def call(*arguments):
        return CliRunner().invoke(main, ["store", *map(str, arguments), "--runs", str(store.root)])

    assert call("verify").exit_code == 0
    run = trained()[0]
    flip(store.folder("results", run.key()) / "result.json")
    said = call("verify")
    assert (
        said.exit_code == 1
        and run.key() in said.output
        and "--repair" in said.output
        and store.has(run.key())
    )
    said = call("verify", "--repair")
    assert said.exit_code == 1 and "damaged/results-" in said.output and not store.has(run.key())
    (store.root / "private" / of_the_dead()).mkdir()
    assert (
        "would delete 1 leftover " in call("gc").output
        and "deleted 1 leftover " in call("gc", "--delete").output
    )
    assert "would delete 0 leftovers" in call("gc").output
    other = Store(tmp_path / "other", durable=False)
    other.commit_result(run, result(run))
    assert (said := call("merge", other.root)).exit_code == 0 and "1 copied" in said.output
    shutil.rmtree(store.folder("results", run.key()))
    store.commit_result(run, result(run, message="another"))
    assert (said := call("merge", other.root)).exit_code == 1 and "refused" in said.output


def test_a_result_of_an_earlier_version_is_the_same_result(store, tmp_path):
    """Earlier versions stored numbers under names."""
    run, other = trained()[1], Store(tmp_path / "earlier", durable=False)
    stored = store.files("results", run.key())
    earlier = json.loads(stored["result.json"])
    assert earlier.pop("figures")["representation"] == {
        **dict.fromkeys(("alignment", "uniformity", "invariance", "input_change")),
        "rank_me": 3,
    }
    earlier["diagnostics"] = {"rank_me": 3.0}
    text = json.dumps(earlier, sort_keys=True).encode()
    other.commit("results", run.key(), {**stored, "result.json": text})
    for key in other.keys("results"):
        assert other.result(run) == store.result(run) and key == run.key()
    merged = merge(store, other)
    assert (merged.already, merged.conflicts, merged.damaged) == (1, [], [])


def test_recordings_that_were_given_as_arrays_are_merged(store, tmp_path):
    other = Store(tmp_path / "other", durable=False)
    other.commit_result(trained()[0], result(trained()[0]))
    other.keep_recording("a" * 64, lambda file: file.write(b"arrays"))
    merge(store, other)
    assert (store.recordings / f"{'a' * 64}.npz").read_bytes() == b"arrays"
