"""Recordings held in the memory of a worker, so that each file is read once.

In: a declared source. Out: its recording, from memory if this process has opened it
before. Planning does not use this module: it releases each recording before it opens
the next one.
"""

from collections import OrderedDict
from collections.abc import Collection
from functools import lru_cache
from pathlib import Path

from invariance_probe.data.files import file_of, stamp_of
from invariance_probe.data.planting import plant
from invariance_probe.data.recording import Recording
from invariance_probe.data.sessions import open_recording
from invariance_probe.errors import DataError
from invariance_probe.plan.inspections import Stamp
from invariance_probe.study.recordings import AnySource
from invariance_probe.study.session import PLANT, ArrayHashes, OtherSession

MOST_BYTES = 2**30
"""Largest total size in bytes of the recordings that a process holds.

The recording used last is held whatever its size.
"""

Address = tuple[str, str, Path, Stamp | None]
"""What identifies a recording: source, session, base folder and stamp of its file."""


class RecordingCache:
    """Cache of the recordings used last, up to a total size.

    Parameters
    ----------
    most_bytes
        Largest total size of their arrays in bytes.
    """

    def __init__(self, most_bytes: int = MOST_BYTES) -> None:
        self._most_bytes = most_bytes
        self._kept: OrderedDict[Address, Recording] = OrderedDict()

    def open(self, source: AnySource, session: str, base: Path) -> Recording:
        """Open a session, or return it from memory if it was opened before.

        A file that has changed since then is read again.

        Parameters
        ----------
        source
            The recording source that the study declares.
        session
            Name of the session to open.
        base
            Folder of the study file. Relative paths start from it.

        Raises
        ------
        DataError
            When the file is missing or cannot be read.
        """
        of = source.of if source.kind == "planted" else source
        file = file_of(of, base)
        address = (source.canonical(), session, base, stamp_of(file, of, base) if file else None)
        recording = self._kept.pop(address, None)
        if recording is None:
            recording = (
                plant(self.open(source.of, session.partition(PLANT)[0], base), source, session)
                if source.kind == "planted"
                else open_recording(source, session, base)
            )
        self._kept[address] = recording
        while len(self._kept) > 1 and sum(map(_bytes, self._kept.values())) > self._most_bytes:
            self._kept.popitem(last=False)
        return recording


def _bytes(recording: Recording) -> int:
    """Size of a recording's arrays in bytes."""
    arrays = [
        recording.activity,
        recording.segments,
        *recording.targets.values(),
        *recording.alternatives.values(),
        *(values for stream in recording.streams.values() for values in stream.arrays().values()),
    ]
    return sum(array.nbytes for array in arrays)


@lru_cache(maxsize=1)
def _of_this_process() -> RecordingCache:
    """The one cache of this process."""
    return RecordingCache()


def cached_recording(source: AnySource, session: str, base: Path) -> Recording:
    """Open a session, or return it from memory if this process opened it before.

    Parameters
    ----------
    source
        The recording source that the study declares.
    session
        Name of the session to open.
    base
        Folder of the study file. Relative paths start from it.

    Raises
    ------
    DataError
        When the file is missing or cannot be read.
    """
    return _of_this_process().open(source, session, base)


def cached_other(
    other: OtherSession, source: AnySource, base: Path, names: Collection[str]
) -> Recording:
    """Open another session that a run depends on, and check that it is unchanged.

    Parameters
    ----------
    other
        Name and planned content of that session.
    source
        Where its recording comes from.
    base
        Folder of the study file. Relative paths start from it.
    names
        The arrays over time that are read of it.

    Raises
    ------
    DataError
        When it cannot be read, or its data have changed since the run was planned.
    """
    recording = cached_recording(source, other.name, base)
    check_unchanged(recording, source, other.fingerprint, other.arrays)
    return recording.reading(names)


def check_unchanged(
    recording: Recording, source: AnySource, fingerprint: str, arrays: ArrayHashes
) -> None:
    """Refuse a recording whose data have changed since a run was planned.

    Planted and simulated recordings are not checked: another machine may round their
    values in another way.

    Parameters
    ----------
    recording
        The recording as it is now.
    source
        Where it comes from.
    fingerprint, arrays
        Hashes of what the run reads, when it was planned.

    Raises
    ------
    DataError
        When one of them differs.
    """
    if source.kind in ("planted", "simulated"):
        return
    now = recording.content
    if now.recording != fingerprint or not set(arrays) <= set(now.arrays):
        raise DataError(
            f"the data of session {recording.session!r} changed while the study ran; run the "
            "study again"
        )
