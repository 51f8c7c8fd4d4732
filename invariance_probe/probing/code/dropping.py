"""Neuron-dropping curves: chosen on training data, scored on held-out data.

In: a ridge regression of a training part (the windows that remain when some blocks are
held out) and the moments of the held-out blocks. Out: for each curve, the held-out
squared errors after each unit that is added or removed (science.md 2.1). Errors of
different folds are pooled elsewhere.

Units are added greedily, the most useful first ("gained"). They are removed ("lost") in
three orders: at each step the unit whose removal does most harm; by the R2 of each unit
alone, the largest first; and in the order in which units were added. Three orders are
tried because the first one cannot detect copies: removing one of two copies costs
nothing. The order that is scored is the one whose R2 in the training part falls below
half of its start after the fewest units. This R2 is the part of the target's variance
that the ridge objective counts as explained.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from invariance_probe.plan.figures.code import CurveName, information
from invariance_probe.probing.code.moments import HeldOutMoments
from invariance_probe.probing.code.refitting import Refittable
from invariance_probe.probing.code.sweeping import (
    PANEL,
    Sweep,
    errors_gained,
    errors_lost,
    greedy,
    in_order,
    round_up,
    unit_gains,
)

LOST: tuple[CurveName, ...] = ("lost: most harm now", "lost: by own R2", "lost: in order of gain")
"""The three orders in which units are lost, in the order of the text above."""
WHOLE = 200
"""Up to this many units, random orders run until the last unit is lost.

With more units they stop when a tenth of the units is left, and run further only if the
curve has not crossed half by then.
"""


@dataclass(frozen=True, eq=False)
class Dropped:
    """Dropping curves of one training part.

    Attributes
    ----------
    errors
        Held-out squared errors by curve: one array (step + 1,) for each tested block.
    scored
        The order of removing units that is scored: the one whose R2 in the training
        part falls below half first.
    gained, lost
        Units (step,) in the order in which they were added, and in the scored order of
        removing them.
    """

    errors: dict[CurveName, list[np.ndarray]]
    scored: CurveName
    gained: np.ndarray
    lost: np.ndarray


@dataclass(frozen=True)
class CurveRequest:
    """Which dropping curves to measure, and how far to run each.

    Attributes
    ----------
    steps
        Smallest number of units to add or remove, by curve.
    at_random
        Random orders of the units (order, unit); empty if the curve of units removed at
        random is not measured.
    every_order
        Whether all three orders of removing units are scored, or only the one whose R2
        in the training part falls below half first.
    large
        Whether the session is large (`probing.bench.size`). Curves are then computed in
        another way, which costs less and rounds differently.
    """

    steps: dict[CurveName, int] = field(default_factory=dict)
    at_random: np.ndarray = field(default_factory=lambda: np.zeros((0, 0), dtype=np.int64))
    every_order: bool = False
    large: bool = False


def drop(
    decoder: Refittable,
    power: float,
    bins: int,
    tested: Sequence[HeldOutMoments],
    request: CurveRequest,
) -> Dropped:
    """Choose units in a training part and score every nested set outside it.

    Parameters
    ----------
    decoder
        Ridge regression of the training part.
    power
        Variance of its target, summed over columns.
    bins
        Input columns per unit.
    tested
        Moments of the held-out blocks.
    request
        Which curves to measure, and how far to run each.
    """
    explained = float((decoder.right * decoder.weights).sum())
    panel = PANEL if request.large else None
    harm = greedy(
        decoder.inverse, decoder.weights, bins, explained / 2, request.steps.get("lost", 0), panel
    )
    enough = _at_half(explained, power)
    gain = greedy(
        decoder.matrix,
        decoder.right,
        bins,
        enough,
        max(request.steps.get("gained", 0), len(harm.order)),
        panel,
    )
    gained = [errors_gained(gain, block, _by_weights(request, gain, block)) for block in tested]
    order_of_gain = gain.order
    del gain  # its factor is as large as the decoder
    own = np.argsort(-unit_gains(decoder.matrix, decoder.right, bins), kind="stable")
    others = [
        in_order(decoder.inverse, decoder.weights, order[: len(harm.order)], bins)
        for order in (own, order_of_gain)
    ]
    lost = dict(zip(LOST, (harm, *others), strict=True))
    crossings = {
        name: crossing(explained - np.cumsum(sweep.changes), explained, power)
        for name, sweep in lost.items()
    }
    # Rounded, so that orders that lose the same units tie, and the first of them is scored.
    scored = min(crossings, key=lambda name: round(crossings[name], 6))
    length = min(
        len(harm.order),
        max(request.steps.get("lost", 0), round_up(min(crossings[scored], len(own)))),
    )
    errors: dict[CurveName, list[np.ndarray]] = {
        "gained": gained,
        "lost": _losses(decoder, lost[scored].first(length), tested, request),
    }
    for name in lost if request.every_order else ():
        errors[name] = (
            errors["lost"] if name == scored else _losses(decoder, lost[name], tested, request)
        )
    order_of_loss = lost[scored].order[:length]
    del harm, others, lost
    if len(request.at_random):
        errors["random"] = _lost_at_random(decoder, bins, tested, request)
    return Dropped(errors, scored, order_of_gain, order_of_loss)


def drop_further(
    decoder: Refittable,
    power: float,
    bins: int,
    tested: Sequence[HeldOutMoments],
    request: CurveRequest,
    before: Dropped,
    lacking: Collection[CurveName],
) -> Dropped:
    """Run some dropping curves further than before.

    Parameters
    ----------
    decoder, power, bins, tested, request
        As for `drop`.
    before
        The curves so far.
    lacking
        The curves that have to run further.
    """
    if set(lacking) != {"random"}:
        return drop(decoder, power, bins, tested, request)
    # Random orders do not depend on the curves of units that were chosen.
    at_random = _lost_at_random(decoder, bins, tested, request)
    return replace(before, errors={**before.errors, "random": at_random})


def crossing(left: np.ndarray, explained: float, power: float) -> float:
    """Find the step at which explained variance falls below half of its start.

    The step is interpolated on the scale of J = R2 / (1 - R2).

    Parameters
    ----------
    left
        Explained variance after each step (step,).
    explained
        Explained variance with all units.
    power
        Variance of the target.

    Returns
    -------
    Number of lost units, not rounded; infinite if the curve does not fall that far.
    """
    values = (
        np.array([information(value / power) for value in (explained, explained / 2, *left)])
        if power
        else np.zeros(1)
    )
    half, along = values[1:2], np.delete(values, 1)
    below = np.flatnonzero(along < half) if len(half) else half
    if not len(below):
        return np.inf
    step = int(below[0])
    return float(step - 1 + (along[step - 1] - half[0]) / (along[step - 1] - along[step]))


def _at_half(explained: float, power: float) -> float:
    """Variance explained at half of the information J = R2 / (1 - R2).

    It is at least half of the variance that all units explain.

    Parameters
    ----------
    explained
        Explained variance with all units.
    power
        Variance of the target.
    """
    half = information(explained / power) / 2 if power else 0.0
    return power * half / (1 + half)


def _losses(
    decoder: Refittable, sweep: Sweep, tested: Sequence[HeldOutMoments], request: CurveRequest
) -> list[np.ndarray]:
    """Held-out squared errors as units are lost (step + 1,), by tested block."""
    return [
        errors_lost(sweep, decoder.weights, block, _by_weights(request, sweep, block))
        for block in tested
    ]


def _by_weights(request: CurveRequest, sweep: Sweep, tested: HeldOutMoments) -> bool:
    """Whether the weights of all nested sets cost less than products of a sweep's rows."""
    return request.large and tested.right.shape[1] < 2 * sweep.bins


def _lost_at_random(
    decoder: Refittable, bins: int, tested: Sequence[HeldOutMoments], request: CurveRequest
) -> list[np.ndarray]:
    """Mean error over random orders of loss (step + 1,), by tested block."""
    units = request.at_random.shape[1]
    steps = (
        units
        if units <= WHOLE
        else min(units, max(request.steps.get("random", 0), round(0.9 * units)))
    )
    losses = [
        _losses(
            decoder,
            in_order(decoder.inverse, decoder.weights, order[:steps], bins),
            tested,
            request,
        )
        for order in request.at_random
    ]
    return list(np.mean(losses, axis=0))
