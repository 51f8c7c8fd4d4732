"""Reader of NWB files (Neurodata Without Borders 2), on h5py alone.

In: a file. Out: its `Contents`. Types are told by what a group holds and not by the
schema that is cached in the file, so that extensions and old files can be read.
"""

from invariance_probe.data.readers.nwb.reader import read_nwb

__all__ = ["read_nwb"]
