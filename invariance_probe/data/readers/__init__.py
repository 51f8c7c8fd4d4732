"""Readers of recordings, one per file format."""

from invariance_probe.data.readers.npz import read_npz

READERS = {"npz": read_npz}
"""The reader of each kind of file that a study can declare."""
