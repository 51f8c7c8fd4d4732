"""Selectors of the units whose removal harms a decoder most, at a budget of units and of forward passes.

In: an `Attack` (the decoder's moments on the choosing half, fixed or refitted, a budget, a limit on passes) and a generator.
Out: a set of exactly the budget's size. What it is worth is scored elsewhere, on the other half (`acceptance.py`).
An attack on the SSL loss itself, as an augmentation while training, is not among them.
"""

from collections.abc import Callable

import numpy as np

from invariance_probe.probing.selectors import drawn, greedy, learned, projected, ranked
from invariance_probe.probing.selectors.attack import Attack

Selector = Callable[[Attack, np.random.Generator], tuple[int, ...]]

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
"""From a name to how it chooses. Those from `random` on are baselines: no search."""
BASELINES = ("random", "variance", "decoder_weight", "least_harmful")
REFERENCE = "greedy_backward"
"""The selector that a study's curves are made with."""
EQUAL = "best_of_random"
"""What a search must beat at equal passes to be called working."""
