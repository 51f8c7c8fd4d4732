"""The target of each window, and the windows that have none.

In: a recording, its windows and the study's target. Out: the windows with a target, and
the value of each. A window without a target can train an SSL model, but it is not
decoded.
"""

from dataclasses import dataclass

import numpy as np

from invariance_probe.data.recording import Recording
from invariance_probe.data.windows import Windows, cut_windows
from invariance_probe.errors import DataError
from invariance_probe.study.design import Window
from invariance_probe.study.probes import Target

ROUNDING = 1e-9
"""Part of a window by which a cover may be missed."""


@dataclass(frozen=True, eq=False)
class LabelledWindows:
    """The windows of a session that have a target.

    Attributes
    ----------
    windows
        These windows, in order of time.
    values
        The target of each, as the array of the recording holds it (window, ...).
    every
        All windows, with a target or without.
    labelled
        Whether each of all windows has a target (window,).
    """

    windows: Windows
    values: np.ndarray
    every: Windows
    labelled: np.ndarray


def labelled_windows(
    recording: Recording, window: Window, values: np.ndarray, target: Target
) -> LabelledWindows:
    """Cut a recording into windows, and find the target of each.

    Parameters
    ----------
    recording
        The recording.
    window
        Length and stride of a window, and which part of it a label must cover.
    values
        The target in each bin (time, ...), in any form. Values of bins in which the
        target is unknown are not read.
    target
        Name and kind of the target.

    Raises
    ------
    DataError
        When no window can be cut, or none has a target.
    """
    every = cut_windows(recording, window)
    known = recording.known.get(target.name)
    if window.cover is None:
        labelled = np.ones(len(every.starts), bool) if known is None else known[every.centres]
        values = values[every.centres]
    else:
        values, labelled = _majority(values, known, every, window.cover)
    if not labelled.any():
        raise DataError(
            f"session {recording.session!r}: none of {len(every.starts)} windows has a value of "
            f"the target {target.name!r}"
        )
    if labelled.all():
        return LabelledWindows(every, values, every, labelled)
    return LabelledWindows(every.only(labelled), values[labelled], every, labelled)


def _majority(
    values: np.ndarray, known: np.ndarray | None, windows: Windows, cover: float
) -> tuple[np.ndarray, np.ndarray]:
    """Label each window by the label that covers most of it.

    Returns
    -------
    labels
        (window,); any label where none covers enough of the window, or two cover the
        same part.
    found
        Whether there is such a label (window,).
    """
    names, numbers = np.unique(values, return_inverse=True)
    bins = np.ones(len(values), bool) if known is None else known
    most, second = (np.zeros(len(windows.starts), dtype=np.int64) for _ in range(2))
    label = np.zeros(len(windows.starts), dtype=np.int64)
    for number in range(len(names)):
        before = np.concatenate([[0], np.cumsum((numbers == number) & bins)])
        held = before[windows.starts + windows.length] - before[windows.starts]
        leads = held > most
        second = np.where(leads, most, np.maximum(second, held))
        most, label = np.where(leads, held, most), np.where(leads, number, label)
    found = (most > second) & (most >= (cover - ROUNDING) * windows.length)
    return names[label], found
