"""Arrange the bins of a file in one sequence, if it has none itself.

Some files have separate arrays for each epoch, and some sort their time steps by
condition. In: the named arrays of a file, and what the study declares about them. Out:
arrays on one time axis, and the gap-free segment of each bin. Values are moved, never
changed.
"""

from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from invariance_probe.errors import DataError
from invariance_probe.randomness import generator
from invariance_probe.study.recordings import Dealt

EPOCH = "epoch"
"""Name given to the array that says which epoch each bin belongs to."""


def joined(
    arrays: Mapping[str, np.ndarray], epochs: Sequence[str], activity: str, where: str
) -> dict[str, np.ndarray]:
    """Concatenate the arrays of all epochs in time.

    Parameters
    ----------
    arrays
        Arrays of the file by name.
    epochs
        The prefix of each epoch's array names, such as `before_`.
    activity
        Name of the activity without that prefix. Its length is the length of the epoch.
    where
        The file, for messages.

    Returns
    -------
    arrays
        Arrays by name: those that every epoch has, concatenated and named without the
        prefix; `EPOCH` (time,), the number of each bin's epoch; and those that belong
        to no epoch. Arrays that some epoch lacks, or that differ in columns, are
        omitted.

    Raises
    ------
    DataError
        When an epoch has no activity, or when epochs have different numbers of units.
    """
    lacking = [epoch for epoch in epochs if f"{epoch}{activity}" not in arrays]
    if lacking:
        has = ", ".join(map(repr, sorted(arrays)))
        raise DataError(
            f"{where} has no array {lacking[0] + activity!r}, which should hold the activity of "
            f"epoch {lacking[0]!r}; its arrays are {has}"
        )
    units = {epoch: arrays[f"{epoch}{activity}"].shape[1:] for epoch in epochs}
    if len(set(units.values())) > 1:
        raise DataError(
            f"{where}: the activity of all epochs must have the same units, but its shape without "
            f"the time axis differs between epochs: {units}; save the same units in every epoch"
        )
    lengths = [len(arrays[f"{epoch}{activity}"]) for epoch in epochs]
    found = {name: values for name, values in arrays.items() if not name.startswith(tuple(epochs))}
    for name in (name.removeprefix(epochs[0]) for name in arrays if name.startswith(epochs[0])):
        parts = [arrays.get(f"{epoch}{name}") for epoch in epochs]
        whole = [
            part
            for part, length in zip(parts, lengths, strict=True)
            if part is not None and part.ndim and len(part) == length
        ]
        if len(whole) == len(epochs) and len({part.shape[1:] for part in whole}) == 1:
            found[name] = np.concatenate(whole)
    found[EPOCH] = np.repeat(np.arange(len(epochs)), lengths)
    return found


def dealt_order(
    dealt: Dealt, values: np.ndarray, epoch: np.ndarray, segments: np.ndarray, session: str
) -> tuple[np.ndarray, np.ndarray]:
    """Draw a new order for time steps that a file has sorted by condition.

    In the new order every stretch of the session holds all conditions. Each run of
    steps of one condition is cut into `dealt.rounds` parts. The parts are dealt out in
    rounds, like cards: a round takes one part of each run, in random order. Epochs are
    treated one by one.

    Parameters
    ----------
    dealt
        The declared number of rounds and the gap after each part, in bins.
    values
        The condition by which the steps are sorted (time,).
    epoch
        Epoch of each step (time,).
    segments
        Gap-free segment of each step (time,). A run ends where its segment ends.
    session
        Name of the session, which seeds the random order.

    Returns
    -------
    order
        Position in the file of each bin of the new order (bin,). The steps of the gaps
        are missing.
    segments
        Number of the part that each of these bins lies in, its new segment (bin,).

    Raises
    ------
    DataError
        When a run of one condition is too short for that many rounds.
    """
    rng = generator("folds", 0, session)
    parts: list[np.ndarray] = []
    ends = np.append((values[1:] != values[:-1]) | (segments[1:] != segments[:-1]), True)
    for own in (np.flatnonzero(epoch == one) for one in np.unique(epoch)):
        runs = np.split(own, np.flatnonzero((np.diff(own) > 1) | ends[own[:-1]]) + 1)
        shortest = min(runs, key=len)
        if len(shortest) < dealt.rounds * (1 + dealt.gap_bins):
            raise DataError(
                f"session {session!r}: dealt.rounds is {dealt.rounds}, but the shortest run of "
                f"equal {dealt.by!r} values has only {len(shortest)} time steps. With "
                f"dealt.gap_bins {dealt.gap_bins}, at most "
                f"{len(shortest) // (1 + dealt.gap_bins)} rounds are possible; use fewer rounds, "
                "or a shorter gap"
            )
        cut = [list(_parts(run, dealt)) for run in runs]
        parts += [cut[i][k] for k in range(dealt.rounds) for i in rng.permutation(len(runs))]
    return np.concatenate(parts), np.repeat(np.arange(len(parts)), [len(part) for part in parts])


def in_order(values: np.ndarray, order: np.ndarray, time: int) -> np.ndarray:
    """Reorder an array along its time axis.

    Parameters
    ----------
    values
        Array (time, ...), or alternative targets (draw, time, ...). Any other array is
        returned unchanged.
    order
        Old position of each bin of the new order (bin,).
    time
        Number of bins before reordering.

    Returns
    -------
    values
        The array with `len(order)` bins in the new order.
    """
    if values.ndim and len(values) == time:
        return values[order]
    return values[:, order] if values.ndim in (2, 3) and values.shape[1] == time else values


def _parts(run: np.ndarray, dealt: Dealt) -> Iterator[np.ndarray]:
    """Cut a run into parts, and yield each without the gap at its end."""
    for part in np.split(run, np.arange(1, dealt.rounds) * len(run) // dealt.rounds):
        yield part[: len(part) - dealt.gap_bins]
