"""Selectors of the units whose removal harms a decoder most.

In: an `Attack` (the decoder's moments on the choosing half, fixed or refitted, a budget
of units, a limit on forward passes) and a generator. Out: a set of exactly the budget's
size. What the set is worth is scored elsewhere, on the other half (`acceptance.py`). An
attack on the SSL loss itself, as an augmentation in training, is not among them.
"""

from collections.abc import Callable

import numpy as np

from invariance_probe.probing.selectors import drawn, greedy, learned, projected, ranked
from invariance_probe.probing.selectors.attack import Attack

Selector = Callable[[Attack, np.random.Generator], tuple[int, ...]]
"""From an attack and a generator to the chosen units, in ascending order."""

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
"""Choosing functions by name. From `random` on they are baselines: no search."""
BASELINES = ("random", "variance", "decoder_weight", "least_harmful")
"""Selectors that do not search for the most harmful set."""
REFERENCE = "greedy_backward"
"""The selector that a study's curves are made with."""
EQUAL = "best_of_random"
"""What a search must beat at equal passes to be called working."""
