"""Errors of all training parts, put together over the folds of a session.

In: a prepared session, masks, and what is to be measured. Out: held-out sums of errors
per fold (`HeldOutErrors`). A training part is what remains of the session when some
blocks are left out. The whole session is scored by the parts that leave out one block.
For a jackknife, the session without block b is scored by the parts that leave out b and
one more block, each on that other block.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from invariance_probe.plan.figures.code import (
    CorruptionErrors,
    CurveName,
    DroppingCurve,
    HeldOutErrors,
    Scale,
)
from invariance_probe.probing.code.blind import BlindLosses
from invariance_probe.probing.code.classes import Losses, log_losses
from invariance_probe.probing.code.dropping import LOST, CurveRequest
from invariance_probe.probing.code.parts import PartErrors, part_errors, pooled, run_further
from invariance_probe.probing.code.penalties import LeftOut, choose_penalties, usual
from invariance_probe.probing.code.prepared import PreparedSession
from invariance_probe.study.baselines import Code
from invariance_probe.study.probes import RidgeProbe

ScoredBlock = tuple[int, LeftOut, int]
"""A held-out block, the training part that scores it, and a position.

It is the position of the block among those that the part leaves out, in ascending
order.
"""
SCALES: tuple[Scale, ...] = ("r2", "information")
"""Scales of decoding on which every curve must fall or rise to half."""


@dataclass(frozen=True, eq=False)
class Scored:
    """Errors of each training part that leaves out a given number of blocks.

    Attributes
    ----------
    squares
        Squared errors and dropping curves of each part.
    losses
        Losses of each part on each block that it leaves out.
    masks
        The masks that decoders were refitted on (mask, feature): those of the halves of
        the units, then those of each corruption.
    penalty
        Ridge penalty that most parts have.
    """

    squares: dict[LeftOut, PartErrors]
    losses: dict[tuple[LeftOut, int], Losses]
    masks: list[np.ndarray]
    penalty: float

    def by_group(self, masked: np.ndarray) -> list[np.ndarray]:
        """Split values per mask into those of the halves and of each corruption.

        Parameters
        ----------
        masked
            Values for all masks (..., mask).

        Returns
        -------
        The values for the halves of the units, then one array per corruption.
        """
        return np.split(masked, np.cumsum([len(group) for group in self.masks])[:-1], axis=-1)


def measure_parts(
    prepared: PreparedSession,
    left_out: int,
    masks: list[np.ndarray],
    request: CurveRequest,
    near: float | None = None,
) -> Scored:
    """Fit and score every training part that leaves out a given number of blocks.

    Dropping curves are run again with more steps until all pooled curves have crossed
    half.

    Parameters
    ----------
    prepared
        The session, prepared for decoding.
    left_out
        How many blocks a training part leaves out: 1, or 2 for a jackknife.
    masks
        Groups of masks (mask, feature): those of the halves of the units, then those of
        each corruption.
    request
        Which dropping curves to measure.
    near
        Penalty at which the search of a large session starts; if omitted, the one in the
        middle. In sessions of usual size all penalties are tried.
    """
    moments, bins = prepared.moments, prepared.inputs.length
    request = replace(request, large=prepared.large)
    candidates = RidgeProbe().penalties
    start = (near or candidates[len(candidates) // 2]) if prepared.large else None
    penalties = choose_penalties(moments, left_out, candidates, start)
    stacked = np.concatenate(masks)
    found = {
        part: part_errors(moments, part, penalty, bins, stacked, request)
        for part, penalty in penalties.items()
    }
    while steps := _lacking(prepared, found, left_out):
        # Curves that reached their end before must not become shorter again.
        request = replace(request, steps={**request.steps, **steps})
        for part, penalty in penalties.items():
            found[part] = run_further(
                moments, part, penalty, bins, request, found[part], list(steps)
            )
    if prepared.classes:
        labels = prepared.target.argmax(axis=1)
        losses = log_losses(
            prepared.inputs.parts, moments, labels, prepared.folds, penalties, stacked
        )
    else:
        losses = {
            (part, block): Losses(
                one.floors[place] / prepared.scale,
                one.linear[place] / prepared.scale,
                one.masked[place] / prepared.scale,
            )
            for part, one in found.items()
            for place, block in enumerate(sorted(part))
        }
    return Scored(found, losses, masks, usual(penalties))


def _lacking(
    prepared: PreparedSession, found: dict[LeftOut, PartErrors], left_out: int
) -> dict[CurveName, int]:
    """Return the number of steps to run those curves that have not crossed half.

    Parameters
    ----------
    prepared
        The session, prepared for decoding.
    found
        Errors of each training part so far.
    left_out
        How many blocks a training part leaves out.

    Returns
    -------
    Steps by curve; empty if all curves have crossed.
    """
    units = len(prepared.units)
    steps: dict[CurveName, int] = {}
    for deleted in [None] if left_out == 1 else range(len(prepared.folds)):
        tested = tested_blocks(prepared, deleted)
        taken = [(found[part], place) for _, part, place in tested]
        known = _errors_of_all(prepared, tested, taken)
        for name in (name for name in taken[0][0].dropped.errors if name not in LOST):
            curve = _curve(prepared, name, taken)
            made = len(curve.errors) - 1
            if known.information and made < units and _end(known, curve) is None:
                steps[name] = max(steps.get(name, 0), min(units, 2 * made))
    return steps


def tested_blocks(prepared: PreparedSession, deleted: int | None) -> list[ScoredBlock]:
    """List each held-out block with the training part that scores it.

    Parameters
    ----------
    prepared
        The session, prepared for decoding.
    deleted
        A block without which the session is scored; None for the whole session.
    """
    folds = [fold for fold in range(len(prepared.folds)) if fold != deleted]
    sets = [frozenset({fold} if deleted is None else {fold, deleted}) for fold in folds]
    return [(fold, part, sorted(part).index(fold)) for fold, part in zip(folds, sets, strict=True)]


def held_out(
    prepared: PreparedSession,
    found: Scored,
    asked: Code,
    blind: Sequence[BlindLosses],
    deleted: int | None,
) -> HeldOutErrors:
    """Put the errors of all folds together, for the session or without a block.

    Parameters
    ----------
    prepared
        The session, prepared for decoding.
    found
        Errors of the training parts that leave out one block, or two if a block is
        deleted.
    asked
        The declared measurement.
    blind
        Losses of decoders that cannot see a corruption, for each declared corruption in
        order.
    deleted
        A block without which the session is scored; None for the whole session.
    """
    tested = tested_blocks(prepared, deleted)
    taken = [(found.squares[part], place) for _, part, place in tested]
    losses = [found.losses[part, fold] for fold, part, _ in tested]
    squares = np.array([part.masked[place] / prepared.scale for part, place in taken])
    split = found.by_group(squares)[0].T.reshape(asked.splits, 2, -1)
    masked = found.by_group(np.array([one.masked for one in losses]))[1:]
    known = _errors_of_all(prepared, tested, taken)
    curves = [_curve(prepared, name, taken) for name in taken[0][0].dropped.errors]
    return replace(
        known,
        floor=_fold(one.floor for one in losses),
        everything=_fold(one.everything for one in losses),
        curves=tuple(replace(curve, errors=curve.errors[: _end(known, curve)]) for curve in curves),
        halves=tuple((_fold(one), _fold(other)) for one, other in split),
        corruptions=tuple(
            CorruptionErrors(
                axis=corruption.axis,
                dose=corruption.dose,
                masked=_fold(group.mean(axis=1)) if group.shape[1] else (),
                blind=_fold(one.losses[part, fold] for fold, part, _ in tested),
                input_change=one.input_change,
            )
            for corruption, group, one in zip(asked.corruptions, masked, blind, strict=True)
        ),
    )


def _errors_of_all(
    prepared: PreparedSession,
    tested: Sequence[ScoredBlock],
    taken: Sequence[tuple[PartErrors, int]],
) -> HeldOutErrors:
    """Errors of the best constant and of ridge regression on all units.

    The losses of other decoders, the curves and the corruptions are filled in later.
    """
    floor = _fold(part.floors[place] / prepared.scale for part, place in taken)
    linear = _fold(part.linear[place] / prepared.scale for part, place in taken)
    folds = tuple(fold for fold, _, _ in tested)
    return HeldOutErrors(
        folds,
        tuple(len(prepared.folds[fold].test) for fold in folds),
        floor,
        linear,
        floor,
        linear,
        (),
        (),
        (),
    )


def _curve(
    prepared: PreparedSession, name: CurveName, taken: Sequence[tuple[PartErrors, int]]
) -> DroppingCurve:
    """Pool a dropping curve over folds, as far as it runs in all of them."""
    errors = pooled([part.dropped.errors[name][place] for part, place in taken]) / prepared.scale
    orders = tuple(part.dropped.scored for part, _ in taken) if name == "lost" else ()
    return DroppingCurve(name, tuple(_fold(step) for step in errors), orders)


def _end(known: HeldOutErrors, curve: DroppingCurve) -> int | None:
    """Number of values of a curve up to one step beyond its later crossing.

    The two crossings are those of half of R2 and half of J. None is returned if the
    curve does not reach both.
    """
    with_curve = replace(known, curves=(curve,))
    crossings = [with_curve.crossing(curve.name, scale) for scale in SCALES]
    return (
        None
        if None in crossings
        else int(np.ceil(max(found for found in crossings if found is not None))) + 2
    )


def _fold(values: Iterable[float]) -> tuple[float, ...]:
    return tuple(float(value) for value in values)
