"""Arrays of an archive are looked at without loading long ones whole."""

import numpy as np
import pytest

from invariance_probe.data.archive_description import Archive
from invariance_probe.data.readers import npz_arrays
from invariance_probe.errors import DataError


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
def test_whole_arrays_are_those_that_numpy_loads(tmp_path, save):
    given = {"a": np.arange(6).reshape(3, 2).T, "b": np.array(0.5), "c": np.array(["x", "yz"])}
    save(tmp_path / "a.npz", **given)
    found = npz_arrays.stored_arrays(tmp_path / "a.npz")
    assert list(found) == list(given) and all(one.is_whole for one in found.values())
    for name, values in given.items():
        np.testing.assert_array_equal(found[name].values, values)


def test_objects_and_complex_numbers_have_a_reason(tmp_path):
    np.savez(tmp_path / "a.npz", a=np.array([None, 1], dtype=object), b=np.array([1j]))
    found = npz_arrays.stored_arrays(tmp_path / "a.npz")
    assert "Python objects" in found["a"].why_not and "complex" in found["b"].why_not


def test_of_a_long_array_the_first_rows_are_read_and_others_cut_like_it(tmp_path, monkeypatch):
    counts, speed = np.random.default_rng(0).poisson(2, (5000, 6)), np.arange(5000.0) % 7
    np.savez(tmp_path / "a.npz", counts=counts, speed=speed, bin_s=0.1)
    monkeypatch.setattr(npz_arrays, "MOST_BYTES", 100_000)
    monkeypatch.setattr(npz_arrays, "FIRST_BYTES", 48_000)
    archive = Archive.opened(tmp_path / "a.npz")
    assert archive.stored["counts"].shape == (5000, 6)
    np.testing.assert_array_equal(archive.arrays["counts"], counts[:1000])
    np.testing.assert_array_equal(archive.arrays["speed"], speed[:1000])
    assert [one.name for one in archive.targets(archive.choice(None))] == ["speed"]


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04 cut", b"\x89HDF\r\n\x1a\n"])
def test_what_is_no_archive_is_said(tmp_path, content):
    (tmp_path / "a.npz").write_bytes(content)
    with pytest.raises(DataError, match=r"is not a readable \.npz archive"):
        npz_arrays.stored_arrays(tmp_path / "a.npz")
