"""Calibrate claims of studies with three sessions.

With so few sessions a claim is about these recordings only, not about a population. In:
simulated sessions that were measured with many seeds and many test blocks. Out: the
size of each claim (how often it is made although it is false), and the coverage of
intervals.

A study draws three sessions, and from each of them five seeds and eight test blocks
with replacement. Its true effect is the mean of its own three sessions over all seeds
and blocks that were measured. With the margin at that value, every claim is false.

Blocks are drawn one by one, so these rates do not show what correlations between
neighbouring blocks would do. The finding of the code has no seeds; its claims use a
jackknife instead and are not counted here.
"""

from collections.abc import Sequence

import numpy as np

from invariance_probe.calibration.banks import DOSE, DROPOUT
from invariance_probe.calibration.bench import MeasuredSession
from invariance_probe.calibration.counting import BOOTSTRAPS, CLAIMS, STUDIES, bound
from invariance_probe.calibration.dropout import coverage_row, size_row
from invariance_probe.calibration.row import Row
from invariance_probe.inference.evidence.estimands import Effect
from invariance_probe.inference.rules.interim_analyses import ALPHA
from invariance_probe.inference.rules.many_studies import Means, p_values

SESSIONS, SEEDS, BLOCKS = 3, 5, 8
"""Sessions per study, and seeds and test blocks that it draws per session."""
LEARNED = ("D", "H", "delta")
"""Estimands whose false claims are counted."""


def few_session_rows(measured: Sequence[MeasuredSession], rng: np.random.Generator) -> list[Row]:
    """Count false claims and coverage in studies of three sessions.

    Parameters
    ----------
    measured
        Decodable sessions that were measured with many seeds.
    rng
        Random-number generator that draws the studies.

    Returns
    -------
    rows
        The quantities, with the bounds they should meet, for each simulated code.
    """
    rows = []
    for case in dict.fromkeys(m.case for m in measured):
        for name in LEARNED:
            effects = [m.losses.effect(name, DROPOUT, DOSE) for m in measured if m.case == case]
            complete = [effect for effect in effects if effect.complete]
            if len(complete) < SESSIONS:
                continue
            low, high = _shares(complete, rng, CLAIMS)
            again = [
                _shares(
                    [complete[i] for i in rng.integers(0, len(complete), len(complete))],
                    rng,
                    STUDIES // 10,
                )
                for _ in range(BOOTSTRAPS // 4)
            ]
            upper = [
                bound(float(found), SESSIONS, len(complete))
                for found in np.quantile(again, 0.95, axis=0)
            ]
            rows.append(size_row(case, name, "<= m", SESSIONS, low, upper[0], len(complete)))
            rows.append(size_row(case, name, "> m", SESSIONS, high, upper[1], len(complete)))
            rows.append(coverage_row(case, name, SESSIONS, 1 - low - high, len(complete)))
    return rows


def _shares(
    effects: Sequence[Effect], rng: np.random.Generator, studies: int
) -> tuple[float, float]:
    """Fraction of studies that claim `<= m`, and that claim `> m`.

    The margin m is the true effect of each study's own sessions.
    """
    values = np.stack([effect.values for effect in effects])
    ranges = np.stack(
        [np.broadcast_to(effect.range.mean(axis=0), effect.values.shape) for effect in effects]
    )
    seeds, blocks = values.shape[1:]
    chosen = np.stack([rng.permutation(len(effects))[:SESSIONS] for _ in range(studies)])
    margin = values[chosen].mean(axis=(1, 2, 3)) / ranges[chosen].mean(axis=(1, 2, 3))
    which_seeds = rng.integers(0, seeds, (studies, SESSIONS, SEEDS if seeds > 1 else 1))
    which_blocks = rng.integers(0, blocks, (studies, SESSIONS, BLOCKS))
    place = (chosen[:, :, None, None], which_seeds[:, :, :, None], which_blocks[:, :, None, :])
    q = values[place] - margin[:, None, None, None] * ranges[place]
    p_at_most, p_more = p_values(
        Means(q.mean(axis=(2, 3)), q.mean(axis=3), q.mean(axis=2)), ("one",) * SESSIONS
    )
    return float((p_at_most <= ALPHA).mean()), float((p_more <= ALPHA).mean())
