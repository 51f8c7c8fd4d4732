"""Cross-validation folds: training and test windows with an embargo between.

In: a recording, its windows, and the folds that a study declares. Out: window indices
of the training and test part of each fold. The test part of a fold is one contiguous
stretch of the session. It is cut into blocks, from which the within-session variance
is estimated. Blocks are cut only where the scheme allows it: anywhere, at trial
borders, or at segment borders. The scheme `shuffled` has no contiguous stretches; it
exists to show how much a decoder gains from slow trends that training and test windows
share (a leak).
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
    """Window indices of one fold.

    Attributes
    ----------
    train
        Training windows (window,), ascending.
    test
        Test windows (window,), ascending.
    test_blocks
        Number of the block of the session that each test window lies in (window,).
    """

    train: np.ndarray
    test: np.ndarray
    test_blocks: np.ndarray


def make_folds(recording: Recording, windows: Windows, folds: Folds) -> tuple[Fold, ...]:
    """Cut a session's windows into folds.

    A training window shares no bin with a test window, and has no bin within the
    embargo of one in the same segment.

    Parameters
    ----------
    recording
        The session's recording.
    windows
        Its windows.
    folds
        The declared scheme, number of folds and blocks, and embargo in seconds.

    Returns
    -------
    folds
        The folds, in order of their test blocks.

    Raises
    ------
    DataError
        When there are fewer windows, trials or segments than blocks, when the scheme is
        `trials` and the recording has none, or when the embargo leaves a fold without
        training windows.
    """
    blocks = _blocks(recording, windows, folds)
    embargo = round(folds.embargo_s / recording.bin_s)
    cut = []
    for fold in range(folds.count):
        tested = blocks // folds.blocks_per_fold == fold
        test = np.flatnonzero(tested)
        touches = _touch(windows, _forbidden(recording, windows, test, embargo))
        train = np.flatnonzero(~tested & ~touches)
        if not len(train):
            if folds.scheme == "shuffled":
                raise DataError(
                    f"session {recording.session!r}: folds.scheme is 'shuffled', but every window "
                    f"of {windows.length} bins overlaps a test window, so no training windows are "
                    "left; use windows of one bin, or the scheme 'blocks'"
                )
            raise DataError(
                f"session {recording.session!r}: fold {fold} has no training windows left, "
                f"because folds.embargo_s is {folds.embargo_s:g} s and the recording is only "
                f"{len(recording.activity) * recording.bin_s:g} s long; use a shorter embargo"
            )
        cut.append(Fold(train, test, blocks[test]))
    return tuple(cut)


def clear_of(recording: Recording, windows: Windows, test: np.ndarray, embargo: int) -> np.ndarray:
    """Find the windows that may train although they are in no fold.

    Parameters
    ----------
    recording
        The session's recording.
    windows
        All of its windows, also those that are in no fold.
    test
        Test windows of a fold (window,), ascending.
    embargo
        Embargo in bins.

    Returns
    -------
    clear
        Whether a window is neither within the embargo of a test window nor, in time,
        among the test windows (window,).
    """
    block = np.searchsorted(windows.starts[test], windows.starts)
    among = (block > 0) & (block < len(test))
    return ~among & ~_touch(windows, _forbidden(recording, windows, test, embargo))


def _touch(windows: Windows, marked: np.ndarray) -> np.ndarray:
    """Whether each window holds one of the marked bins (window,)."""
    before = np.concatenate([[0], np.cumsum(marked)])
    touches: np.ndarray = before[windows.starts + windows.length] > before[windows.starts]
    return touches


def _forbidden(
    recording: Recording, windows: Windows, test: np.ndarray, embargo: int
) -> np.ndarray:
    """Mark the bins that no training window may contain.

    These are the bins of test windows, and the bins within the embargo before or after
    one of them in the same segment.

    Parameters
    ----------
    recording
        The session's recording.
    windows
        Its windows.
    test
        Test windows of the fold (window,).
    embargo
        Embargo in bins.

    Returns
    -------
    marked
        True for such a bin (time,).
    """
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
    """Assign each window to a block.

    Blocks have nearly equal numbers of windows. Under the schemes `trials` and
    `segments`, a trial or segment is never divided. Under `shuffled`, windows are
    assigned at random.

    Parameters
    ----------
    recording
        The session's recording.
    windows
        Its windows.
    folds
        The declared scheme and number of blocks.

    Returns
    -------
    blocks
        Block of each window, counted from 0 (window,).
    """
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
                f"session {recording.session!r}: folds.scheme is 'trials', but the recording has "
                "no trial array; declare `trial`, or use the scheme 'blocks'"
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
            f"session {recording.session!r}: {available} {what} cannot be cut into {folds.count} "
            f"folds of {folds.blocks_per_fold} test blocks, which need at least {count}; use "
            "fewer folds or fewer test blocks"
        )
    if what == "windows":
        return pieces * count // available
    # Number of windows up to the end of each piece: blocks get near-equal numbers of windows.
    ends = np.cumsum(np.bincount(pieces))
    middle = ends - np.bincount(pieces) / 2
    block = np.minimum((middle * count / ends[-1]).astype(np.int64), count - 1)
    block = (
        np.unique(block, return_inverse=True)[1]
        if len(np.unique(block)) == count
        else np.arange(available) * count // available
    )
    return block[pieces]


def part_of(train: np.ndarray, fraction: float) -> np.ndarray:
    """Take the earliest part of the training windows.

    The windows follow each other in time, so that pairs with long lags can still be
    formed among them.

    Parameters
    ----------
    train
        Training windows (window,), ascending.
    fraction
        Fraction of the windows to take, in (0, 1]. At least one window is taken.

    Returns
    -------
    part
        The windows taken (window,), ascending.
    """
    return train[: max(1, round(len(train) * fraction))]


def validation_split(
    windows: Windows, train: np.ndarray, embargo_bins: int
) -> tuple[np.ndarray, np.ndarray]:
    """Split training windows in time; the last fifth is held out for validation.

    Parameters
    ----------
    windows
        The session's windows.
    train
        Training windows (window,), ascending.
    embargo_bins
        Embargo in bins.

    Returns
    -------
    fitted
        Windows to fit on (window,). Windows that overlap the validation part or lie
        within the embargo before it are omitted, unless that would remove more than
        half of them.
    held
        Windows to validate on (window,).
    """
    fitted, held, clear = _last_fifth(windows, train, embargo_bins)
    return fitted[clear] if _enough(clear) else fitted, held


def validates_apart(windows: Windows, train: np.ndarray, embargo_bins: int) -> bool:
    """Whether `validation_split` can respect the embargo.

    Parameters
    ----------
    windows, train, embargo_bins
        As for `validation_split`.
    """
    return _enough(_last_fifth(windows, train, embargo_bins)[2])


def _last_fifth(
    windows: Windows, train: np.ndarray, embargo_bins: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Split off the last fifth of the training windows.

    Returns
    -------
    fitted
        The other windows (window,).
    held
        The last fifth (window,).
    clear
        Whether each window of `fitted` ends before the embargo of `held` (window,).
    """
    fitted, held = train[: len(train) * 4 // 5], train[len(train) * 4 // 5 :]
    clear = windows.starts[held[0]] - windows.starts[fitted] >= windows.length + embargo_bins
    return fitted, held, clear


def _enough(clear: np.ndarray) -> bool:
    """Whether at least half of the windows lie clear of the validation part."""
    return int(clear.sum()) >= len(clear) // 2


def check_classes(labels: np.ndarray, folds: tuple[Fold, ...], session: str) -> None:
    """Refuse folds if the training part of one lacks a class.

    Parameters
    ----------
    labels
        Class of each window (window,).
    folds
        The session's folds.
    session
        Name of the session, for the message.

    Raises
    ------
    DataError
        When the training part of a fold lacks a class.
    """
    for i, fold in enumerate(folds):
        missing = sorted(set(np.unique(labels)) - set(np.unique(labels[fold.train])))
        if missing:
            raise DataError(
                f"session {session!r}: fold {i} has no training window of class {missing[0]}; use "
                "fewer folds, or another scheme"
            )
