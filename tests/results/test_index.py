"""What readers found is kept, and never trusted beyond what the folders say."""

import json
import os
import shutil
import subprocess
import sys
import time

import pytest
from test_store import result, runs

from invariance_probe.results import store as store_module
from invariance_probe.results.index import MANY, SUFFIX
from invariance_probe.results.store import Store


@pytest.fixture(autouse=True)
def everything_is_indexed(monkeypatch):
    monkeypatch.setattr(store_module, "INDEXED", 1)
    monkeypatch.setattr(store_module, "WORTH_A_PACK", 1)


@pytest.fixture
def filled(tmp_path):
    store, asked = Store(tmp_path, durable=False), runs()[:6]
    for run in asked[:5]:
        store.commit_result(run, result(run))
    return store, asked


def expected(asked):
    return {run.key(): result(run) for run in asked[:5]}


def packs(store):
    return sorted((store.root / "index").glob(f"*{SUFFIX}"))


def no_folder_is_opened(monkeypatch):
    def opened(self, family, key):
        raise AssertionError(f"{key} was opened")

    monkeypatch.setattr(Store, "files", opened)


def test_the_second_reader_opens_no_folder(filled, monkeypatch):
    store, asked = filled
    assert store.results(asked) == expected(asked) and len(packs(store)) == 1
    no_folder_is_opened(monkeypatch)
    again = Store(store.root)
    assert again.results(asked) == expected(asked)
    assert again.statuses(asked) == (dict.fromkeys(expected(asked), "done"), {})


def test_what_is_new_is_read_from_its_folder_and_added(filled):
    store, asked = filled
    store.results(asked)
    store.commit_result(asked[5], result(asked[5]))
    assert len(store.results(asked)) == 6 and len(packs(store)) == 2


def test_a_deleted_folder_is_gone_and_one_made_again_is_read_again(filled):
    store, asked = filled
    store.results(asked)
    folder = store.folder("results", asked[0].key())
    shutil.rmtree(folder)
    assert asked[0].key() not in store.results(asked)
    time.sleep(0.02)  # a file system's clock may tick that slowly
    store.commit_result(asked[0], result(asked[0], message="made again"))
    assert store.results(asked)[asked[0].key()].message == "made again"


@pytest.mark.parametrize("year", [1971, 2099])
def test_clocks_do_not_matter(filled, year):
    store, asked = filled
    for folder in (store.root / "results").glob("*/*"):
        os.utime(folder, (0, (year - 1970) * 31_557_600))
    for _ in range(2):
        assert store.results(asked) == expected(asked)
    late = {"measured_at": f"{year}-01-01T00:00:00+00:00"}
    store.commit_result(asked[5], result(asked[5], **late))
    assert store.results(asked)[asked[5].key()] == result(asked[5], **late)


def torn(pack):
    pack.write_bytes(pack.read_bytes()[:-40])


def one_byte(pack):
    text = bytearray(pack.read_bytes())
    text[len(text) // 2] ^= 1
    pack.write_bytes(text)


@pytest.mark.parametrize("harm", [torn, one_byte, lambda pack: pack.write_bytes(b"")])
def test_a_damaged_pack_is_removed_and_its_runs_are_read_again(filled, harm):
    store, asked = filled
    store.results(asked)
    (pack,) = packs(store)
    sound = pack.read_bytes()
    harm(pack)
    assert store.results(asked) == expected(asked)
    assert [p.read_bytes() for p in packs(store)] == [sound]


def test_an_index_that_cannot_be_written_changes_no_answer(filled):
    store, asked = filled
    (store.root / "index").write_text("a file where the folder would be")
    for _ in range(2):
        assert store.results(asked) == expected(asked)


def test_many_packs_become_one_with_every_line_once(filled, monkeypatch):
    store, asked = filled
    base = asked[0]
    more = [base.model_copy(update={"seed": 100 + i}) for i in range(MANY + 1)]
    for i, run in enumerate(more):
        store.commit_result(run, result(run))
        assert len(store.results(more)) == i + 1
    assert len(packs(store)) == 1
    keys = [line.key for line in store.index.lines(packs(store))]
    assert sorted(keys) == sorted(run.key() for run in more)
    no_folder_is_opened(monkeypatch)
    assert len(store.results(more)) == len(more)


def test_a_damaged_run_is_not_indexed_and_a_differing_one_is_refused(filled):
    store, asked = filled
    file = store.folder("results", asked[1].key()) / "result.json"
    file.write_text(file.read_text().replace("0.25", "0.15"))
    found, damaged = store.read(asked)
    assert (
        list(damaged) == [asked[1].key()]
        and "result.json was changed" in damaged[asked[1].key()]
        and len(found) == 4
    )
    assert asked[1].key().encode() not in packs(store)[0].read_bytes()


READER = """
import sys
from pathlib import Path
from invariance_probe.results import store as store_module
from invariance_probe.plan.figures.decoded import DecodedFigures, RepresentationFigures
from invariance_probe.plan.roles import TrainedModel
from invariance_probe.plan.run import RunResult
store_module.INDEXED = store_module.WORTH_A_PACK = 1
base = TrainedModel.model_validate_json({base!r})
RANK = DecodedFigures(representation=RepresentationFigures(rank_me=3.0))
asked = [base.model_copy(update={{"seed": i}}) for i in range(60)]
results = {{run.key(): RunResult(run.key(), "done", (0, 1), (0.5, 0.25), \
figures=RANK) for run in asked}}
store = store_module.Store(Path({root!r}), durable=False)
me, of = int(sys.argv[1]), int(sys.argv[2])
for run in asked[me::of]:
    store.commit_result(run, results[run.key()])
    found = store.results(asked)
    assert run.key() in found and all(one == results[key] for key, one in found.items())
"""


def test_concurrent_readers_and_writers_agree_with_the_folders(tmp_path):
    code = READER.format(base=runs()[0].model_dump_json(), root=str(tmp_path))
    env = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    readers = [
        subprocess.Popen([sys.executable, "-c", code, str(i), "3"], env=env) for i in range(3)
    ]
    assert [reader.wait(timeout=200) for reader in readers] == [0, 0, 0]
    base = runs()[0]
    asked = [base.model_copy(update={"seed": i}) for i in range(60)]
    found = Store(tmp_path).results(asked)
    assert found == {run.key(): result(run) for run in asked}
    assert not list((tmp_path / "private").iterdir()) and len(packs(Store(tmp_path))) <= MANY + 3
    assert all(
        json.loads(line.result)["key"] == line.key
        for line in Store(tmp_path).index.lines(packs(Store(tmp_path)))
    )
