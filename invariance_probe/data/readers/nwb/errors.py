"""The reader's error for one signal of an NWB file."""

from invariance_probe.errors import DataError


class UnusableError(DataError):
    """One signal of a file cannot be used; the others can."""
