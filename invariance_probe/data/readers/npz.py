"""Read sessions from NumPy archives with named arrays.

In: a declared `.npz` file. Out: a `Recording`. Nothing is ever unpickled, and nothing
is filtered or resampled.
"""

import zipfile
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from invariance_probe.data.arrays import as_labels, axes_advice
from invariance_probe.data.epochs import EPOCH, dealt_order, in_order, joined
from invariance_probe.data.readers.formats import described
from invariance_probe.data.recording import Recording
from invariance_probe.data.streams import Stream
from invariance_probe.errors import DataError
from invariance_probe.study.recordings import NpzRecording


@dataclass(frozen=True, eq=False)
class _Archive:
    """The usable arrays of a file by name, and why its other arrays are unusable."""

    path: Path
    arrays: Mapping[str, np.ndarray]
    unusable: Mapping[str, str]

    def named(self, name: str) -> np.ndarray:
        """Look up an array by name; raise DataError if it is missing or unusable."""
        if name in self.unusable:
            raise DataError(f"{self.path}: array {name!r} cannot be used: {self.unusable[name]}")
        if name not in self.arrays:
            raise DataError(
                f"{self.path} has no array {name!r}; its arrays are "
                f"{', '.join(map(repr, sorted(self.arrays)))}"
            )
        return self.arrays[name]

    def row(self, name: str) -> np.ndarray:
        """Look up one value per bin or unit, flattening a single row or column.

        MATLAB saves vectors as matrices of one row or column.
        """
        values = self.named(name)
        return values.reshape(-1) if values.ndim == 2 and 1 in values.shape else values

    def labels(self, name: str) -> np.ndarray:
        """Look up one label per bin, as int64 (time,)."""
        return as_labels(self.row(name), f"{self.path}: array {name!r}")

    def seconds(self, name: str) -> float:
        """Look up the bin length in seconds, from an array that holds one number."""
        values = self.named(name)
        if values.size != 1 or values.dtype.kind not in "iuf":
            got = repr(str(values.item())) if values.size == 1 else f"shape {values.shape}"
            raise DataError(
                f"{self.path}: bin_s names the array {name!r}, which must hold a single number, "
                f"the length of a bin in seconds; got {got}"
            )
        return float(values.item())


def read_npz(source: NpzRecording, base: Path) -> Recording:
    """Read the declared arrays of an archive.

    Every other array with time as its first axis becomes a target. Every other array
    with time as its second axis becomes an array of alternative targets.
    `Recording.unusable` gives the reason for each array that is not a target.

    Parameters
    ----------
    source
        The declared file and the names of its arrays.
    base
        Folder that the path of the file starts from.

    Returns
    -------
    recording
        The session.

    Raises
    ------
    DataError
        When the file or a named array is missing or cannot be read.
    """
    archive = _opened(base / source.path)
    path, arrays = archive.path, archive.arrays
    if source.epochs:
        arrays = joined(arrays, source.epochs, source.activity, str(path))
        archive = _Archive(path, arrays, archive.unusable)
    activity = archive.named(source.activity)
    time = len(activity) if activity.ndim else 0
    epoch = arrays[EPOCH] if source.epochs else np.zeros(time, dtype=np.int64)
    segments = archive.labels(source.segment) if source.segment else np.zeros(time, dtype=np.int64)
    if source.epochs:
        pairs = np.stack([epoch, segments]) if segments.shape == epoch.shape else epoch[None]
        segments = np.unique(pairs, axis=1, return_inverse=True)[1].reshape(-1)
    if source.dealt is not None:
        order, segments = dealt_order(
            source.dealt, archive.named(source.dealt.by), epoch, segments, source.session
        )
        arrays = {name: in_order(values, order, time) for name, values in arrays.items()}
        archive = _Archive(path, arrays, archive.unusable)
        activity, time = archive.named(source.activity), len(order)
    units = activity.shape[1] if activity.ndim == 2 else 0
    names = archive.row(source.unit_ids) if source.unit_ids else np.arange(units)
    targets, alternatives, unusable = _others(archive, source, activity)
    bin_s = archive.seconds(source.bin_s) if isinstance(source.bin_s, str) else source.bin_s
    return Recording(
        session=source.session,
        subject=source.subject,
        group=source.group,
        activity=activity,
        activity_kind=source.activity_kind,
        bin_s=bin_s,
        unit_ids=tuple(str(name) for name in np.atleast_1d(names)),
        targets=targets,
        trials=archive.labels(source.trial) if source.trial else None,
        segments=segments,
        alternatives=alternatives,
        unusable=unusable,
        streams={
            name: _stream(archive, array, len(activity), bin_s)
            for name, array in source.streams.items()
        },
    )


def _stream(archive: _Archive, name: str, bins: int, bin_s: float) -> Stream:
    """Make a stream of an array with the same number of samples in each bin."""
    values = archive.named(name)
    try:
        return Stream.per_bin(values, bins, bin_s)
    except DataError as error:
        raise DataError(f"{archive.path}: array {name!r}: {error}") from None


def _others(
    archive: _Archive, source: NpzRecording, activity: np.ndarray
) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray], dict[str, str]]:
    """Sort the arrays of a file into targets, alternatives and unusable ones.

    Parameters
    ----------
    archive
        The arrays of the file.
    source
        Declares the names of the activity, trials, segments and units. These arrays are
        not used as targets.
    activity
        Activity (time, unit).

    Returns
    -------
    targets
        Arrays (time, ...) by name.
    alternatives
        Alternative targets (draw, time, ...) by name.
    unusable
        Reason why an array is not a target, by name.
    """
    targets, alternatives, unusable = {}, {}, dict(archive.unusable)
    roles = {"activity": source.activity, "trial": source.trial, "segment": source.segment,
             "unit_ids": source.unit_ids,
             **{f"stream {name!r}": array for name, array in source.streams.items()}}  # fmt: skip
    time = len(activity) if activity.ndim else 0
    for name, values in archive.arrays.items():
        if name in roles.values():
            role = next(role for role, used in roles.items() if used == name)
            unusable[name] = (
                f"it is declared as {role}; to use it as a target too, save a copy under another "
                "name"
            )
            continue
        if values.ndim in (2, 3) and values.shape[1] == time:
            alternatives[name] = values
        if values.ndim in (1, 2) and len(values) == time:
            targets[name] = values
        else:
            unusable[name] = (
                f"it has shape {values.shape}, but the activity {source.activity!r} has {time} "
                f"bins{axes_advice(values.shape, activity.shape)}"
            )
    return targets, alternatives, unusable


def _opened(path: Path) -> _Archive:
    """Read every array of a file, with the reason for each that cannot be used.

    Raises DataError if the file is missing or is no `.npz` archive.
    """
    if not path.is_file():
        raise DataError(
            f"{'this is a folder, not a file' if path.is_dir() else 'no such file'}: {path}"
        )
    arrays, unusable = {}, {}
    try:
        with zipfile.ZipFile(path):
            pass
        with np.load(path, allow_pickle=False) as archive:
            for name in archive.files:
                try:
                    values = np.asarray(archive[name])
                except ValueError:
                    unusable[name] = (
                        "it holds Python objects, which are never unpickled (or it is damaged); "
                        "save text with .astype(str), and numbers with .astype(float)"
                    )
                    continue
                if values.dtype.kind in "biufUS":
                    arrays[name] = values
                else:
                    unusable[name] = (
                        f"it holds values of type {values.dtype}; save real numbers or text"
                    )
    except zipfile.BadZipFile as error:
        raise DataError(f"{path} is not a readable .npz archive: {described(path)}") from error
    except (ValueError, OSError, EOFError, zlib.error) as error:
        raise DataError(
            f"{path} is not a readable .npz archive: {error}; {described(path)}"
        ) from error
    return _Archive(path, arrays, unusable)
