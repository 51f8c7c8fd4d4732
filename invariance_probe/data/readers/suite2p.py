"""Read calcium signals from a folder of suite2p (one imaging plane).

In: the folder with `F.npy`, `Fneu.npy`, `spks.npy` and `iscell.npy`. Out: each as a
series with a channel for each region of interest, and `corrected`, the fluorescence
less a part of the neuropil. `ops.npy` and `stat.npy` are pickles and are never read;
so the frame rate has to be declared. No baseline (dF/F) is computed.
"""

from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path

import numpy as np

from invariance_probe.data.contents import Contents, Note, OnDemand, Series
from invariance_probe.data.readers.npy import check_folder, mapped
from invariance_probe.errors import DataError
from invariance_probe.study.counting import counted, some
from invariance_probe.study.signals import Suite2pRecording

SIGNALS = ("F", "Fneu", "spks", "F_chan2", "Fneu_chan2")
"""Arrays (region, frame) that become series of the same name."""


def read_suite2p(path: Path, declared: Suite2pRecording) -> Contents:
    """Read the signals of all regions, or of the cells.

    Parameters
    ----------
    path
        The folder that holds `F.npy`, such as `suite2p/plane0`.
    declared
        The frame rate, the neuropil factor, and whether to leave out regions that are
        no cells.

    Returns
    -------
    contents
        Series `corrected`, `F`, `Fneu`, `spks`, and `F_chan2`, `Fneu_chan2` if there is
        a second channel. A channel is called by the number of its region, from 0, as in
        suite2p. Frame i is at `i / rate_hz` seconds. A series is read when it is looked
        up.

    Raises
    ------
    DataError
        When `F.npy` cannot be read, or it is not known which regions are cells.
    """
    check_folder(path, "F.npy", "suite2p")
    fluorescence = mapped(path / "F.npy")
    if fluorescence.ndim != 2:
        raise DataError(
            f"{path / 'F.npy'} has shape {fluorescence.shape}; it must be (region, frame)"
        )
    notes: list[str] = []
    signals = {"F": fluorescence, **_others(path, fluorescence.shape, notes)}
    regions, frames = fluorescence.shape
    used = _cells(path, regions, frames, notes) if declared.cells_only else np.arange(regions)
    if not declared.cells_only:
        notes.append(f"all {counted(regions, 'region')} are used, cells or not")
    notes += _on_fluorescence(fluorescence, used)
    factor = declared.neuropil_factor
    if "Fneu" in signals:
        notes.append(f"'corrected' is F - {factor:g} * Fneu; 'F' is not corrected for neuropil")
    else:
        notes.append("'corrected' is missing, because it needs Fneu; 'F' is not corrected")
    times = np.arange(frames) / declared.rate_hz
    notes.append(
        f"frame i is at i / {declared.rate_hz:g} s, so that {counted(frames, 'frame')} last "
        f"{frames / declared.rate_hz:g} s; frames that were not recorded would shift all later ones"
    )
    notes.append(
        "frames that suite2p found to be bad are kept, because they are listed in ops.npy, a "
        "pickle, which is never read"
    )
    held = {*(f"{name}.npy" for name in SIGNALS), "iscell.npy"}
    others = sorted(file.name for file in path.glob("*.npy") if file.name not in held)
    names = tuple(map(str, used.tolist()))
    readers = _readers(signals, used, factor)
    return Contents(
        series=OnDemand(
            {name: partial(_series, read, times, names) for name, read in readers.items()}
            if names
            else {}
        ),
        notes=tuple(map(Note, notes)),
        unread=(f"not read: {some(others)}",) if others else (),
    )


def _readers(
    signals: Mapping[str, np.ndarray], used: np.ndarray, factor: float
) -> dict[str, Callable[[], np.ndarray]]:
    """Functions that read the used regions (region, frame), by the name of the series."""

    def read(name: str) -> np.ndarray:
        return signals[name][used]

    def corrected() -> np.ndarray:
        return read("F") - factor * read("Fneu")

    readers = {name: partial(read, name) for name in signals}
    return {"corrected": corrected, **readers} if "Fneu" in signals else dict(readers)


def _series(read: Callable[[], np.ndarray], times: np.ndarray, channels: tuple[str, ...]) -> Series:
    """Read a series: time first, as all series are."""
    return Series(read().T, times, channels)


def _others(path: Path, shape: tuple[int, ...], notes: list[str]) -> dict[str, np.ndarray]:
    """Open the other signals; note those that are missing, damaged or of another shape."""
    found = {}
    for name in SIGNALS[1:]:
        file = path / f"{name}.npy"
        if not file.is_file():
            if name in ("Fneu", "spks"):
                notes.append(f"there is no {file.name}")
            continue
        try:
            values = mapped(file)
        except DataError as error:
            notes.append(f"{name!r} is not used: {error}")
            continue
        if values.shape == shape:
            found[name] = values
        else:
            notes.append(
                f"{name!r} is not used: it has shape {values.shape}, and F has {shape} (region, "
                "frame)"
            )
    return found


def _cells(path: Path, regions: int, frames: int, notes: list[str]) -> np.ndarray:
    """Numbers of the regions that are cells (cell,).

    The first column of `iscell.npy` decides, which may have been set by hand; the second
    is the probability that a classifier gave.
    """
    file = path / "iscell.npy"
    advice = f"Set cells_only: false to use all {counted(regions, 'region')}"
    if not file.is_file():
        raise DataError(
            f"{path} holds no iscell.npy, so it is not known which regions are cells. {advice}"
        )
    values = mapped(file)
    if values.ndim not in (1, 2) or len(values) != regions or not values.size:
        turned = values.ndim and len(values) == frames
        why = "; F.npy seems to be turned: its rows must be regions" if turned else ""
        raise DataError(
            f"{file} has shape {values.shape}, and F.npy has {counted(regions, 'region')}{why}. "
            f"{advice}"
        )
    values = values.reshape(regions, -1)
    marks = values[:, 0]
    if not np.isin(marks, (0, 1)).all():
        other = marks[~np.isin(marks, (0, 1))]
        raise DataError(
            f"{file} has {other[0]:g} in its first column, which must be 1 for cells and 0 for "
            f"other regions. {advice}"
        )
    used = np.flatnonzero(marks)
    if not len(used):
        notes.append(f"there are no series, because iscell.npy marks no region as a cell. {advice}")
    elif len(used) < regions:
        likely = int((values[marks == 0, 1] > 0.5).sum()) if values.shape[1] > 1 else 0
        notes.append(
            f"{regions - len(used)} of {counted(regions, 'region')} are left out, because "
            "iscell.npy does not mark them as cells"
            + (f"; {likely} of them have a probability above 0.5" if likely else "")
        )
    return used


def _on_fluorescence(values: np.ndarray, used: np.ndarray) -> list[str]:
    """Say which regions have a constant or incomplete F.

    `Fneu` and `spks` of such a region can vary all the same, so that it looks alive.
    """
    if not values.size:
        return []
    low, high = values.min(axis=1), values.max(axis=1)
    finite = np.isfinite(low) & np.isfinite(high)
    notes = []
    for rows, what in (
        ((low == 0) & (high == 0), "0 throughout"),
        ((low == high) & (low != 0), "constant and not 0"),
        (~finite, "not finite in some frames"),
    ):
        found = np.flatnonzero(rows)
        if len(found):
            kept = np.intersect1d(found, used)
            notes.append(
                f"F is {what} in {len(found)} of {counted(len(values), 'region')}: {some(found)}; "
                + (f"used among them are {some(kept)}" if len(kept) else "none of them is used")
            )
    return notes
