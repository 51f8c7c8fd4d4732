"""Greedy choice with the true loss: forward, backward, and exchanges.

In: an `Attack` or a function that says the harm of one more removal. Out: a set of
units, or all units in order.

Forward: the next unit is the one whose removal harms most. Where two units carry the
same, the removal of either harms nothing, and a decoder that is fitted again never
shows them to the forward choice nor to exchanges of one unit. Backward: from all units
removed, the one that helps least comes back; a single unit of each pair then helps a
lot, and stays out. Exchanges of units mend what both cannot see.
"""

from collections.abc import Sequence
from itertools import combinations

import numpy as np

from invariance_probe.probing.selectors.attack import Attack
from invariance_probe.probing.selectors.damage import Harm

GAIN = 1e-12
"""An exchange must raise the loss by more than this."""
AT_ONCE = 4096
"""Number of sets that are scored together."""


def choose(harm: Harm, units: int, budget: int) -> tuple[int, ...]:
    """Choose the units whose removal harms most: greedily, then by swaps of one.

    Every swap raises the loss, so the swaps end.

    Parameters
    ----------
    harm
        Loss (unit,) when each other unit is removed too.
    units
        Number of units.
    budget
        Number of units to remove.

    Returns
    -------
    Units in ascending order.
    """
    chosen: list[int] = []
    for _ in range(budget):
        chosen.append(_worst(harm(chosen), chosen))
    swapped = True
    while swapped:
        swapped = False
        for unit in tuple(chosen):
            rest = [u for u in chosen if u != unit]
            losses = harm(rest)
            other = _worst(losses, rest)
            if losses[other] > losses[unit] + GAIN:
                chosen, swapped = [*rest, other], True
    return tuple(sorted(chosen))


def _worst(losses: np.ndarray, removed: Sequence[int]) -> int:
    """The unit of the largest loss (unit,) that is not removed yet."""
    allowed = losses.copy()
    allowed[list(removed)] = -np.inf
    return int(allowed.argmax())


def forward(attack: Attack, rng: np.random.Generator) -> tuple[int, ...]:
    """Remove the unit that harms most, again and again.

    Once passes do not suffice, the remaining units are taken by the last losses, or
    drawn where there are none.

    Parameters
    ----------
    attack
        The decoder, the budget and the limit on passes.
    rng
        Random generator for the draws where no pass is left.
    """
    chosen: list[int] = []
    losses = rng.random(attack.units)
    while len(chosen) < attack.budget:
        if attack.affords(attack.units - len(chosen)):
            losses = attack.harm(chosen)
        chosen.append(_worst(losses, chosen))
    return tuple(sorted(chosen))


def with_swaps(attack: Attack, rng: np.random.Generator) -> tuple[int, ...]:
    """Choose forward, then exchange single units while that harms more.

    Parameters
    ----------
    attack, rng
        As for `forward`.
    """
    return swapped(attack, forward(attack, rng))


def with_backward(attack: Attack, rng: np.random.Generator) -> tuple[int, ...]:
    """Choose forward and backward with exchanges, and keep the more harmful set.

    Both choices are followed by exchanges of one unit. This selector is the reference.

    Parameters
    ----------
    attack, rng
        As for `forward`.
    """
    chosen = with_swaps(attack, rng)
    found = backward(attack)
    if found is not None:
        swapped(attack, found)
    return attack.best or chosen


def with_pairs(attack: Attack, rng: np.random.Generator) -> tuple[int, ...]:
    """Exchange pairs too, until no exchange of one or two units harms more.

    This is thorough, and costly at budgets above 2.

    Parameters
    ----------
    attack, rng
        As for `forward`.
    """
    chosen = with_swaps(attack, rng)
    while (found := _better_pair(attack, chosen)) is not None:
        chosen = swapped(attack, found)
    return attack.best or chosen


def least_harmful(attack: Attack, rng: np.random.Generator) -> tuple[int, ...]:
    """Remove the unit that harms least, again and again: a baseline.

    Every other choice must exceed it.

    Parameters
    ----------
    attack, rng
        As for `forward`.
    """
    chosen: list[int] = []
    losses = rng.random(attack.units)
    while len(chosen) < attack.budget:
        if attack.affords(attack.units - len(chosen)):
            losses = attack.harm(chosen)
        chosen.append(_worst(-losses, chosen))
    return tuple(sorted(chosen))


def forward_path(attack: Attack) -> list[int]:
    """All units but one, in the order in which the forward choice removes them."""
    path: list[int] = []
    while len(path) < attack.units - 1:
        path.append(_worst(attack.harm(path), path))
    return path


def backward_path(attack: Attack) -> list[int]:
    """All units in the order in which the backward choice would remove them.

    The last one to come back is first.
    """
    kept: list[int] = []
    while len(kept) < attack.units:
        kept.append(_worst(attack.relief(kept), kept))
    return kept[::-1]


def backward(attack: Attack) -> tuple[int, ...] | None:
    """Bring units back from all removed, the least helpful first, to the budget.

    Returns
    -------
    The units that stay out, in ascending order; None where passes do not suffice.
    """
    stay = attack.units - attack.budget
    if not attack.affords(stay * (attack.units + attack.budget + 1) // 2):
        return None
    kept: list[int] = []
    while len(kept) < stay:
        kept.append(_worst(attack.relief(kept), kept))
    return tuple(u for u in range(attack.units) if u not in set(kept))


def swapped(attack: Attack, chosen: tuple[int, ...]) -> tuple[int, ...]:
    """Exchange single units while that harms more and passes suffice.

    Parameters
    ----------
    attack
        The decoder, the budget and the limit on passes.
    chosen
        The set to start from, of the budget's size.
    """
    better = True
    while better:
        better = False
        for unit in tuple(chosen):
            if not attack.affords(attack.units - attack.budget + 1):
                return chosen
            rest = [u for u in chosen if u != unit]
            losses = attack.harm(rest)
            other = _worst(losses, rest)
            if losses[other] > losses[unit] + GAIN:
                chosen, better = tuple(sorted([*rest, other])), True
    return chosen


def _better_pair(attack: Attack, chosen: tuple[int, ...]) -> tuple[int, ...] | None:
    """The set after the first exchange of two units that harms more, or None.

    For the first pair that can be exchanged with more harm, the most harmful new pair
    of those scored together is taken.
    """
    if attack.budget < 2 or not attack.affords(1):
        return None
    now = float(attack.losses(np.array([chosen]))[0])
    others = np.array(
        list(combinations([u for u in range(attack.units) if u not in chosen], 2)), dtype=np.int64
    )
    for pair in combinations(chosen, 2):
        rest = [u for u in chosen if u not in pair]
        for start in range(0, len(others), AT_ONCE):
            new = others[start : start + AT_ONCE]
            new = new[: attack.left(len(new))]
            if not len(new):
                return None
            losses = attack.losses(
                np.column_stack([np.tile(rest, (len(new), 1)).astype(np.int64), new])
            )
            if losses.max() > now + GAIN * max(1.0, abs(now)):
                return tuple(sorted([*rest, *(int(u) for u in new[losses.argmax()])]))
    return None
