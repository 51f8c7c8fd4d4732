"""A worker process reads each file once, as long as its recordings fit in what it keeps."""

import numpy as np
import pytest

from invariance_probe.data.cache import RecordingCache, cached_other
from invariance_probe.data.readers import READERS
from invariance_probe.data.sessions import open_recording
from invariance_probe.errors import DataError
from invariance_probe.study.recordings import NpzRecording, Planted
from invariance_probe.study.session import OtherSession


@pytest.fixture
def reads(monkeypatch):
    paths, read = [], READERS["npz"]

    def noting(source, base):
        paths.append(source.path)
        return read(source, base)

    monkeypatch.setitem(READERS, "npz", noting)
    return paths


def archive(folder, name, seed=0):
    rng = np.random.default_rng(seed)
    np.savez(folder / f"{name}.npz", x=rng.poisson(3, (400, 8)), y=rng.standard_normal(400))
    return NpzRecording(path=f"{name}.npz", session=name, activity="x", bin_s=0.1)


def test_a_session_and_its_planted_controls_are_read_once(tmp_path, reads):
    kept, source = RecordingCache(), archive(tmp_path, "a")
    for _ in range(2):
        kept.open(source, "a", tmp_path)
        for kind in ("one_unit", "projection"):
            planted = Planted(of=source, plant=kind)
            found = kept.open(planted, f"a+{kind}", tmp_path)
            assert len(reads) == 1
            again = open_recording(planted, f"a+{kind}", tmp_path)
            assert found.fingerprint == again.fingerprint
            reads.pop()


def test_recordings_leave_in_the_order_of_use_and_the_last_stays(tmp_path, reads):
    a, b, c = (archive(tmp_path, name, seed) for seed, name in enumerate("abc"))
    size = 400 * 8 * 4 + 400 * 8 + 400 * 8
    kept = RecordingCache(most_bytes=2 * size)
    for source in (a, b, a, c, a, b):
        kept.open(source, source.session, tmp_path)
    assert reads == ["a.npz", "b.npz", "c.npz", "b.npz"]
    tight = RecordingCache(most_bytes=0)
    assert tight.open(a, "a", tmp_path) is tight.open(a, "a", tmp_path)


def test_a_file_that_changed_is_read_again(tmp_path, reads):
    kept, source = RecordingCache(), archive(tmp_path, "a")
    before = kept.open(source, "a", tmp_path)
    archive(tmp_path, "a", seed=1)
    assert kept.open(source, "a", tmp_path).fingerprint != before.fingerprint and len(reads) == 2


def test_another_session_must_be_the_one_that_was_planned(tmp_path):
    source = archive(tmp_path, "a")
    content = open_recording(source, "a", tmp_path).content
    other = OtherSession(name="a", fingerprint=content.recording, arrays=content.of(["y"]))
    found = cached_other(other, source, tmp_path, ["y"])
    assert found.content == content and list(found.targets) == ["y"]
    assert not cached_other(other, source, tmp_path, []).targets
    for changed in ({"fingerprint": "other"}, {"arrays": (("y", "other"),)}):
        with pytest.raises(DataError, match="'a' changed while the study ran"):
            cached_other(other.model_copy(update=changed), source, tmp_path, ["y"])
