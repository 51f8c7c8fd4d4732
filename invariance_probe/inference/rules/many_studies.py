"""The rules of `intervals` for thousands of studies of one design at a time.

In go the numbers that a study's claims rest on, with the study as the first axis; out come p values, from which
`verdicts.decide_many` reads words. What is
computed is shared with the rules for one study, and a test holds that both say the same of the same numbers.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from invariance_probe.inference.rules.intervals import satterthwaite, tail, tail_over_units, two_way
from invariance_probe.study.session import scope_of

PValues = tuple[np.ndarray, np.ndarray]
"""For every study the p values of `effect <= margin range` and of `effect > margin range`."""


@dataclass(frozen=True, eq=False)
class Means:
    """What claims about q = effect - margin range rest on, in many studies of one design.

    Attributes
    ----------
    mean
        Mean over seeds and blocks (study, session).
    by_seed
        Mean over blocks (study, session, seed).
    by_block
        Mean over seeds (study, session, block).
    """

    mean: np.ndarray
    by_seed: np.ndarray
    by_block: np.ndarray


def p_values(q: Means, subjects: Sequence[str]) -> PValues:
    """Return what `Sample.p_at_most` and `Sample.p_more_than` say of every study, whose sessions are of these subjects."""
    if scope_of(subjects) == "these recordings":
        error, df = satterthwaite(*two_way(q.by_seed, q.by_block))
        mean = q.mean.mean(axis=1)
        return tail(mean, error, df, upper=False), tail(mean, error, df, upper=True)
    named = sorted(set(subjects))
    if len(named) == 1:
        return p_over_units(q.mean)
    own = np.array([[subject == name for name in named] for subject in subjects])
    return p_over_units(q.mean @ (own / own.sum(axis=0)))


def p_over_units(q: np.ndarray) -> PValues:
    """Return the p values of the test over the sessions, or subjects, of every study (study, unit)."""
    return tail_over_units(q, upper=False), tail_over_units(q, upper=True)
