"""Read and write recordings whose arrays were given in Python.

In: a declaration that holds its recording in memory, or gives its fingerprint (a hash of
its content) and a folder. Out: the `Recording`. The process that was given the arrays
writes them once to a file named after the fingerprint; other processes read that file.
Nothing is ever unpickled.
"""

import zipfile
import zlib
from pathlib import Path
from typing import IO

import numpy as np

from invariance_probe.data.recording import Recording
from invariance_probe.data.streams import Stream
from invariance_probe.errors import DataError
from invariance_probe.study.recordings import ArraysRecording

TARGET, KNOWN, ALTERNATIVES = "target ", "known ", "alternatives "
"""Prefixes of the names of targets, their masks and alternative targets in a file."""


def read_arrays(source: ArraysRecording, base: Path) -> Recording:
    """Take a declared recording from memory, or read it from the declared folder.

    Parameters
    ----------
    source
        The declaration.
    base
        Folder of the study file; not used.

    Returns
    -------
    recording
        The recording.

    Raises
    ------
    DataError
        When the arrays are in neither place, or the file is damaged or holds other
        arrays.
    """
    at, where = source.arrays, f"session {source.session!r}"
    if isinstance(at.recording, Recording):
        return at.recording
    if at.folder is None:
        raise DataError(
            f"{where}: its arrays are not in memory. Recordings of kind 'arrays' can only be made "
            "in Python, such as by Recording.from_arrays; in a study file, name the file of the "
            "recording instead"
        )
    path = at.folder / f"{source.fingerprint}.npz"
    try:
        recording = _read(source, path)
    except FileNotFoundError:
        raise DataError(
            f"{where}: no such file: {path}; run the study that wrote it again"
        ) from None
    except (OSError, EOFError, KeyError, ValueError, zipfile.BadZipFile, zlib.error) as error:
        raise DataError(
            f"{where}: {path} is damaged ({error}); delete it and run the study again"
        ) from error
    if recording.fingerprint != source.fingerprint:
        raise DataError(
            f"{where}: {path} does not hold the arrays that belong to its name; delete it and run "
            "the study again"
        )
    return recording


def write_arrays(recording: Recording, file: IO[bytes]) -> None:
    """Write the arrays of a recording to a file.

    The names of session, subject and group are not written: the study declares them.
    """
    np.savez(file, **_arrays(recording))  # type: ignore[arg-type]


def _arrays(recording: Recording) -> dict[str, np.ndarray]:
    """Arrays of a recording, by their names in the file."""
    return {
        "activity": recording.activity,
        "activity_kind": np.array(recording.activity_kind),
        "bin_s": np.array(recording.bin_s),
        "unit_ids": np.array(recording.unit_ids),
        "segments": recording.segments,
        **({} if recording.trials is None else {"trials": recording.trials}),
        **({"notes": np.array(recording.notes)} if recording.notes else {}),
        **{f"{TARGET}{name}": values for name, values in recording.targets.items()},
        **{f"{KNOWN}{name}": mask for name, mask in recording.known.items()},
        **{f"{ALTERNATIVES}{name}": values for name, values in recording.alternatives.items()},
        **{
            f"{part} {name}": values
            for name, stream in recording.streams.items()
            for part, values in stream.arrays().items()
        },
    }


def _read(source: ArraysRecording, path: Path) -> Recording:
    """Read a recording from a file that `write_arrays` wrote."""
    with np.load(path, allow_pickle=False) as archive:
        arrays = {name: archive[name] for name in archive.files}
    return Recording(
        session=source.session,
        subject=source.subject,
        group=source.group,
        activity=arrays["activity"],
        activity_kind="signal" if arrays["activity_kind"] == "signal" else "counts",
        bin_s=float(arrays["bin_s"]),
        unit_ids=tuple(str(name) for name in arrays["unit_ids"]),
        targets=_named(arrays, TARGET),
        known=_named(arrays, KNOWN),
        trials=arrays.get("trials"),
        segments=arrays["segments"],
        alternatives=_named(arrays, ALTERNATIVES),
        notes=tuple(str(note) for note in arrays.get("notes", ())),
        streams={
            name: Stream.from_arrays({part: arrays[f"{part} {name}"] for part in Stream.PARTS})
            for name in _named(arrays, f"{Stream.PARTS[0]} ")
        },
    )


def _named(arrays: dict[str, np.ndarray], family: str) -> dict[str, np.ndarray]:
    """Select the arrays whose names begin with a prefix; remove it from the names."""
    return {
        name.removeprefix(family): values
        for name, values in arrays.items()
        if name.startswith(family)
    }
