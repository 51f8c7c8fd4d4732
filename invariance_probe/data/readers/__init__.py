"""Readers of recordings: one per file format, and one for arrays given in Python."""

from invariance_probe.data.readers.arrays import read_arrays
from invariance_probe.data.readers.npz import read_npz

READERS = {"npz": read_npz, "arrays": read_arrays}
"""Reader of each kind of recording that a study can declare, by kind."""
