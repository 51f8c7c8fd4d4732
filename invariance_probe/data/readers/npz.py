"""Sessions in NumPy archives with named arrays; nothing is ever unpickled."""

import zipfile
from pathlib import Path

import numpy as np

from invariance_probe.data.epochs import EPOCH, dealt_order, in_order, joined
from invariance_probe.data.recording import Recording
from invariance_probe.errors import DataError
from invariance_probe.study.recordings import NpzRecording


def read_npz(source: NpzRecording, base: Path) -> Recording:
    """Read the declared arrays; every other numeric array with the time axis first is a target, second alternative targets.

    Raises
    ------
    DataError
        When the file or a named array is missing, or the archive cannot be read.
    """
    path = base / source.path
    if not path.is_file():
        raise DataError(f"no such file: {path}")
    try:
        with np.load(path, allow_pickle=False) as archive:
            arrays = {name: archive[name] for name in archive.files if _readable(archive, name)}
    except (ValueError, OSError, zipfile.BadZipFile) as error:
        raise DataError(f"{path} is not a readable .npz archive: {error}") from error

    if source.epochs:
        arrays = joined(arrays, source.epochs, source.activity, str(path))

    def named(name: str) -> np.ndarray:
        if name not in arrays:
            raise DataError(
                f"{path} has no array {name!r}; it has {', '.join(map(repr, sorted(arrays)))}"
            )
        return arrays[name]

    activity = named(source.activity)
    time = len(activity) if activity.ndim else 0
    epoch = arrays[EPOCH] if source.epochs else np.zeros(time, dtype=np.int64)
    segments = (
        named(source.segment).astype(np.int64) if source.segment else np.zeros(time, dtype=np.int64)
    )
    if source.epochs:
        segments = np.unique(np.stack([epoch, segments]), axis=1, return_inverse=True)[1].reshape(
            -1
        )
    if source.dealt is not None:
        order, segments = dealt_order(
            source.dealt, named(source.dealt.by), epoch, segments, source.session
        )
        arrays = {name: in_order(values, order, time) for name, values in arrays.items()}
        activity, time = named(source.activity), len(order)
    used = {source.activity, source.trial, source.segment, source.unit_ids}
    targets = {
        k: v
        for k, v in arrays.items()
        if k not in used and v.ndim and len(v) == time and v.ndim <= 2
    }
    alternatives = {
        k: v for k, v in arrays.items() if k not in used and v.ndim in (2, 3) and v.shape[1] == time
    }
    units = activity.shape[1] if activity.ndim == 2 else 0
    names = named(source.unit_ids) if source.unit_ids else np.arange(units)
    return Recording(
        session=source.session,
        subject=source.subject,
        group=source.group,
        activity=activity,
        activity_kind=source.activity_kind,
        bin_s=float(named(source.bin_s)) if isinstance(source.bin_s, str) else source.bin_s,
        unit_ids=tuple(str(name) for name in names),
        targets=targets,
        trials=named(source.trial).astype(np.int64) if source.trial else None,
        segments=segments,
        alternatives=alternatives,
    )


def _readable(archive: "np.lib.npyio.NpzFile", name: str) -> bool:
    try:
        return archive[name].dtype.kind in "biufUS"
    except ValueError:  # an object array: it would need unpickling
        return False
