"""Selectors of the units whose removal harms a decoder most.

In: an `Attack` and a random generator. The attack holds the decoder's moments on the
half of a session that chooses, whether the decoder is refitted or fixed, the budget
(number of units to remove), and a limit on forward passes. Out: a set of exactly the
budget's size. How much the set matters is scored elsewhere, on the other half
(`acceptance.py`). Adversaries that act on the SSL loss in training are not selectors.
"""

from collections.abc import Callable

import numpy as np

from invariance_probe.probing.selectors import drawn, greedy, learned, projected, ranked
from invariance_probe.probing.selectors.attack import Attack

Selector = Callable[[Attack, np.random.Generator], tuple[int, ...]]
"""A function from an attack and a generator to the chosen units, ascending."""

SELECTORS: dict[str, Selector] = {
    "greedy": greedy.forward,
    "greedy_swaps": greedy.with_swaps,
    "greedy_backward": greedy.with_backward,
    "greedy_pairs": greedy.with_pairs,
    "projected_gradient": projected.projected_gradient,
    "learned_mask": learned.learned_mask,
    "best_of_random": drawn.most_harmful_of_random,
    "random": drawn.random_set,
    "variance": ranked.most_variable,
    "decoder_weight": ranked.heaviest,
    "least_harmful": greedy.least_harmful,
}
"""Selectors by name; from `random` on they are baselines that do not search."""
BASELINES = ("random", "variance", "decoder_weight", "least_harmful")
"""Selectors that do not search for the most harmful set."""
REFERENCE = "greedy_backward"
"""The selector with which the curves of a study are made."""
EQUAL = "best_of_random"
"""The selector that a search must beat with equally many forward passes."""
