"""Greedy choice of units by the exact loss: forward, backward, and exchanges.

In: an `Attack` (a decoder, a number of units to remove, and a limit on forward passes),
or a function that computes the loss if one more unit is removed. Out: a set of units,
or all units in order.

Forward: the next unit to be removed is the one that harms most. If two units carry the
same information, removing either harms nothing, and with a decoder that is fitted again
neither the forward choice nor exchanges of one unit ever find them. Backward: starting
from all units removed, the unit that helps least comes back. One unit of each such pair
then helps a lot on its own, so that neither comes back until late. Exchanges of one or
two units correct what both choices miss.
"""

from collections.abc import Sequence
from itertools import combinations

import numpy as np

from invariance_probe.probing.selectors.attack import Attack
from invariance_probe.probing.selectors.damage import LossIfRemoved

GAIN = 1e-12
"""Smallest rise of the loss for which units are exchanged."""
SETS_AT_ONCE = 4096
"""Number of sets that are scored together."""


def choose(loss_if_removed: LossIfRemoved, units: int, budget: int) -> tuple[int, ...]:
    """Choose the units that harm most: greedily, then by exchanges of one unit.

    Every exchange raises the loss, so the exchanges end.

    Parameters
    ----------
    loss_if_removed
        Returns the loss if one more unit is removed, for each unit (unit,).
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
        chosen.append(_worst(loss_if_removed(chosen), chosen))
    swapped = True
    while swapped:
        swapped = False
        for unit in tuple(chosen):
            rest = [u for u in chosen if u != unit]
            losses = loss_if_removed(rest)
            other = _worst(losses, rest)
            if losses[other] > losses[unit] + GAIN:
                chosen, swapped = [*rest, other], True
    return tuple(sorted(chosen))


def _worst(losses: np.ndarray, removed: Sequence[int]) -> int:
    """Return the unit with the largest loss that is not removed yet.

    Parameters
    ----------
    losses
        Loss if each unit is removed (unit,).
    removed
        Units that are removed already.
    """
    allowed = losses.copy()
    allowed[list(removed)] = -np.inf
    return int(allowed.argmax())


def forward(attack: Attack, rng: np.random.Generator) -> tuple[int, ...]:
    """Choose units one by one, each time the one whose removal harms most.

    When too few passes are left, the remaining units are chosen by the last losses, or
    at random if no loss was ever computed.

    Parameters
    ----------
    attack
        The decoder, the budget and the limit on passes.
    rng
        Random generator, used only without any loss.
    """
    chosen: list[int] = []
    losses = rng.random(attack.units)
    while len(chosen) < attack.budget:
        if attack.affords(attack.units - len(chosen)):
            losses = attack.loss_if_removed(chosen)
        chosen.append(_worst(losses, chosen))
    return tuple(sorted(chosen))


def with_swaps(attack: Attack, rng: np.random.Generator) -> tuple[int, ...]:
    """Choose forward, then exchange single units as long as that harms more.

    Parameters
    ----------
    attack, rng
        As for `forward`.
    """
    return swapped(attack, forward(attack, rng))


def with_backward(attack: Attack, rng: np.random.Generator) -> tuple[int, ...]:
    """Choose forward and backward, and return the set that harms more.

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
    """Choose units one by one, each time the one that harms least: a baseline.

    A search for harmful units must do more harm than this.

    Parameters
    ----------
    attack, rng
        As for `forward`.
    """
    chosen: list[int] = []
    losses = rng.random(attack.units)
    while len(chosen) < attack.budget:
        if attack.affords(attack.units - len(chosen)):
            losses = attack.loss_if_removed(chosen)
        chosen.append(_worst(-losses, chosen))
    return tuple(sorted(chosen))


def forward_path(attack: Attack) -> list[int]:
    """List all units but one in the order in which forward choice removes them."""
    path: list[int] = []
    while len(path) < attack.units - 1:
        path.append(_worst(attack.loss_if_removed(path), path))
    return path


def backward_path(attack: Attack) -> list[int]:
    """List all units, the one that backward choice brings back last first.

    The first units of the list are a set to remove, for any budget.
    """
    kept: list[int] = []
    while len(kept) < attack.units:
        kept.append(_worst(attack.loss_if_kept(kept), kept))
    return kept[::-1]


def backward(attack: Attack) -> tuple[int, ...] | None:
    """Bring back the least helpful units one by one, from all units removed.

    This ends when the number of units that stay removed is the budget.

    Returns
    -------
    The units that stay removed, in ascending order; None if this takes too many passes.
    """
    stay = attack.units - attack.budget
    if not attack.affords(stay * (attack.units + attack.budget + 1) // 2):
        return None
    kept: list[int] = []
    while len(kept) < stay:
        kept.append(_worst(attack.loss_if_kept(kept), kept))
    return tuple(u for u in range(attack.units) if u not in set(kept))


def swapped(attack: Attack, chosen: tuple[int, ...]) -> tuple[int, ...]:
    """Exchange single units as long as that harms more and passes are left.

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
            losses = attack.loss_if_removed(rest)
            other = _worst(losses, rest)
            if losses[other] > losses[unit] + GAIN:
                chosen, better = tuple(sorted([*rest, other])), True
    return chosen


def _better_pair(attack: Attack, chosen: tuple[int, ...]) -> tuple[int, ...] | None:
    """Make the first exchange of two units that harms more; None without one.

    For the first pair of units that can be exchanged with more harm, the most harmful
    new pair is taken among those scored together.
    """
    if attack.budget < 2 or not attack.affords(1):
        return None
    now = float(attack.losses(np.array([chosen]))[0])
    others = np.array(
        list(combinations([u for u in range(attack.units) if u not in chosen], 2)), dtype=np.int64
    )
    for pair in combinations(chosen, 2):
        rest = [u for u in chosen if u not in pair]
        for start in range(0, len(others), SETS_AT_ONCE):
            new = others[start : start + SETS_AT_ONCE]
            new = new[: attack.left(len(new))]
            if not len(new):
                return None
            losses = attack.losses(
                np.column_stack([np.tile(rest, (len(new), 1)).astype(np.int64), new])
            )
            if losses.max() > now + GAIN * max(1.0, abs(now)):
                return tuple(sorted([*rest, *(int(u) for u in new[losses.argmax()])]))
    return None
