"""Folds: which windows train and which test, with an embargo between.

The test part of a fold is a contiguous stretch of the session, cut into blocks that carry the within-session
variance. Blocks break only where the scheme allows: anywhere, at trial borders, or at segment borders. The scheme
`shuffled` has no stretches: it is here to show what a decoder gains by reading the time.
"""

from dataclasses import dataclass

import numpy as np

from invariance_probe.data.recording import Recording
from invariance_probe.data.windows import Windows
from invariance_probe.errors import DataError
from invariance_probe.randomness import generator
from invariance_probe.study.design import Folds


@dataclass(frozen=True, eq=False)
class Fold:
    """Window indices of one fold, and the session's block of every test window."""

    train: np.ndarray
    test: np.ndarray
    test_blocks: np.ndarray


def make_folds(recording: Recording, windows: Windows, folds: Folds) -> tuple[Fold, ...]:
    """Cut a session's windows into folds.

    Raises
    ------
    DataError
        When there are fewer trials or segments than blocks, or the embargo leaves a fold without training windows.
    """
    blocks = _blocks(recording, windows, folds)
    embargo = round(folds.embargo_s / recording.bin_s)
    cut = []
    for fold in range(folds.count):
        tested = blocks // folds.blocks_per_fold == fold
        test = np.flatnonzero(tested)
        forbidden = _forbidden(recording, windows, test, embargo)
        reach = np.concatenate([[0], np.cumsum(forbidden)])
        touches = reach[windows.starts + windows.length] - reach[windows.starts] > 0
        train = np.flatnonzero(~tested & ~touches)
        if not len(train):
            if folds.scheme == "shuffled":
                raise DataError(
                    f"session {recording.session!r}: folds.scheme is 'shuffled', and every window of {windows.length} bins overlaps "
                    "a test window; use windows of one bin, or the scheme 'blocks'"
                )
            raise DataError(
                f"session {recording.session!r}: fold {fold} has no training windows left: folds.embargo_s is {folds.embargo_s:g} s "
                f"and the recording is {len(recording.activity) * recording.bin_s:g} s long; use a shorter embargo"
            )
        cut.append(Fold(train, test, blocks[test]))
    return tuple(cut)


def _forbidden(
    recording: Recording, windows: Windows, test: np.ndarray, embargo: int
) -> np.ndarray:
    """Mark the bins of test windows and those within the embargo of one, in the same segment (time,)."""
    used = np.zeros(len(recording.activity), dtype=bool)
    used[(windows.starts[test][:, None] + np.arange(windows.length)).ravel()] = True
    marked = used.copy()
    segments = recording.segments
    for border in np.flatnonzero(np.diff(used.astype(np.int8))):
        inside, outside = (
            (border, np.arange(border + 1, border + 1 + embargo))
            if used[border]
            else (border + 1, np.arange(border + 1 - embargo, border + 1))
        )
        outside = outside[(outside >= 0) & (outside < len(used))]
        marked[outside[segments[outside] == segments[inside]]] = True
    return marked


def _blocks(recording: Recording, windows: Windows, folds: Folds) -> np.ndarray:
    """Return the block of every window: equal shares of the pieces that the scheme keeps whole, or of dealt windows."""
    count = folds.count * folds.blocks_per_fold
    if folds.scheme == "blocks":
        pieces, what = np.arange(len(windows.starts)), "windows"
    elif folds.scheme == "shuffled":
        pieces, what = (
            generator("folds", 0, recording.session).permutation(len(windows.starts)),
            "windows",
        )
    elif folds.scheme == "trials":
        if recording.trials is None:
            raise DataError(
                f"session {recording.session!r}: folds.scheme is 'trials', but the recording has no trial array; declare it or use 'blocks'"
            )
        pieces, what = (
            np.unique(recording.whole_trials[windows.starts], return_inverse=True)[1],
            "trials",
        )
    else:
        pieces, what = (
            np.unique(recording.segments[windows.starts], return_inverse=True)[1],
            "recorded segments",
        )
    available = int(pieces.max()) + 1
    if available < count:
        raise DataError(
            f"session {recording.session!r}: {available} {what} cannot be cut into {folds.count} folds of {folds.blocks_per_fold} test blocks; "
            f"at least {count} are needed"
        )
    if what == "windows":
        return pieces * count // available
    ends = np.cumsum(
        np.bincount(pieces)
    )  # windows up to the end of each piece: blocks are of near-equal length
    middle = ends - np.bincount(pieces) / 2
    block = np.minimum((middle * count / ends[-1]).astype(np.int64), count - 1)
    block = (
        np.unique(block, return_inverse=True)[1]
        if len(np.unique(block)) == count
        else np.arange(available) * count // available
    )
    return block[pieces]


def part_of(train: np.ndarray, fraction: float) -> np.ndarray:
    """Return the first part of the training windows in time: one piece, so that long lags still find partners in it."""
    return train[: max(1, round(len(train) * fraction))]


def validation_split(
    windows: Windows, train: np.ndarray, embargo_bins: int
) -> tuple[np.ndarray, np.ndarray]:
    """Cut training windows in time: the last fifth validates, the rest fits but for those it overlaps or that are under embargo."""
    held = train[len(train) * 4 // 5 :]
    fitted = train[: len(train) * 4 // 5]
    clear = windows.starts[held[0]] - windows.starts[fitted] >= windows.length + embargo_bins
    return fitted[clear] if clear.sum() >= len(fitted) // 2 else fitted, held


def check_classes(labels: np.ndarray, folds: tuple[Fold, ...], session: str) -> None:
    """Raise DataError when the training part of a fold lacks a class.

    Parameters
    ----------
    labels
        Class of every window (window,).
    """
    for i, fold in enumerate(folds):
        missing = sorted(set(np.unique(labels)) - set(np.unique(labels[fold.train])))
        if missing:
            raise DataError(
                f"session {session!r}: fold {i} trains without class {missing[0]}; use fewer folds or another scheme"
            )
