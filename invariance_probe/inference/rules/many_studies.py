"""The tests of `intervals` for thousands of simulated studies at once.

In: the means of q = effect - margin * range in studies of the same design, with the
study as the first axis. Out: p values, from which `verdicts.decide_many` reads
verdicts. The tests themselves are those of `intervals`, so both give the same p value
for the same numbers. Nothing is simulated here.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from invariance_probe.inference.rules.intervals import (
    satterthwaite,
    tail,
    tails_over_replicates,
    two_way,
)
from invariance_probe.study.session import scope_of

PValues = tuple[np.ndarray, np.ndarray]
"""P values of `effect <= margin * range` and of `effect > margin * range`, (study,)."""


@dataclass(frozen=True, eq=False)
class Means:
    """Means of q = effect - margin * range in many studies of one design.

    Attributes
    ----------
    mean
        (study, session) mean over seeds and test blocks.
    by_seed
        (study, session, seed) mean over test blocks.
    by_block
        (study, session, block) mean over seeds.
    """

    mean: np.ndarray
    by_seed: np.ndarray
    by_block: np.ndarray


def p_values(q: Means, subjects: Sequence[str]) -> PValues:
    """P values of both claims in each study, as `Sample` gives them for one.

    Parameters
    ----------
    q
        Means of q in each study.
    subjects
        Subject of each session; the same in all studies.

    Returns
    -------
    at_most, more_than
        (study,) p values, as those of `Sample.p_at_most` and `Sample.p_more_than`.
    """
    if scope_of(subjects) == "these recordings":
        error, df = satterthwaite(*two_way(q.by_seed, q.by_block))
        mean = q.mean.mean(axis=1)
        return tail(mean, error, df, upper=False), tail(mean, error, df, upper=True)
    named = sorted(set(subjects))
    if len(named) == 1:
        return p_over_replicates(q.mean)
    own = np.array([[subject == name for name in named] for subject in subjects])
    return p_over_replicates(q.mean @ (own / own.sum(axis=0)))  # mean within each subject


def p_over_replicates(q: np.ndarray) -> PValues:
    """P values of both claims in each study: t tests over sessions or subjects.

    Parameters
    ----------
    q
        (study, replicate) effect - margin * range, for sessions or subjects.

    Returns
    -------
    at_most, more_than
        (study,) p values.
    """
    return tails_over_replicates(q)
