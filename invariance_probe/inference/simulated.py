"""Studies drawn from a spread, and what the claims' tests say of each.

Every random part has a stream of its own with the session as first axis, so that designs share their numbers: more sessions or
seeds add to a study and do not redraw it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from invariance_probe.inference.looks import ALPHA
from invariance_probe.inference.many_studies import Means, p_values
from invariance_probe.inference.spreads import NOISE, RANGE, Spread
from invariance_probe.streams import generator
from invariance_probe.study.session import scope_of

PARTS = ("subject", "session", "within", "seeds", "blocks")


@dataclass(frozen=True)
class Design:
    """How many sessions, of which subjects, seeds and test blocks a study has."""

    subjects: tuple[str, ...]
    """Subject of every session."""
    seeds: int
    blocks: int


def streams(study_seed: int, name: str) -> dict[str, np.random.Generator]:
    """Return the generators of `simulate`, each at the start of its stream."""
    return {part: generator("bootstrap", study_seed, f"power of {name}", i) for i, part in enumerate(PARTS)}


def simulate(
    spread: Spread, effects: Mapping[str, float], design: Design, studies: int, rngs: Mapping[str, np.random.Generator]
) -> Means:
    """Draw studies of one design: means over all, by seed and by block, with the estimands as last axis.

    Of normal cells the mean, the deviations of the seeds' means and those of the blocks' means are independent, so these are drawn
    and not the cells.

    Parameters
    ----------
    spread
        What varies, and how much.
    effects
        True mean of every estimand, in units of the range; the range's is 1, and the noise's 0.
    design
        The studies' size.
    studies
        How many to draw.
    rngs
        Generators by part, fresh from `streams`.
    """
    of, subjects, seeds, blocks = spread.covariance, design.subjects, design.seeds, design.blocks
    truth = np.array([{RANGE: 1.0, NOISE: 0.0}.get(name, effects.get(name, 0.0)) for name in spread.names])

    def drawn(part: str, covariance: np.ndarray, *shape: int) -> np.ndarray:
        found = rngs[part].standard_normal((*shape, studies, len(truth))) @ _root(covariance)
        return np.moveaxis(found, -2, 0)

    named = sorted(set(subjects))
    of_subject = drawn("subject", of["subject"], len(named))[:, [named.index(subject) for subject in subjects]]
    mean = (
        truth
        + of_subject
        + drawn("session", of["session"], len(subjects))
        + drawn("within", spread.within(seeds, blocks), len(subjects))
    )
    if scope_of(subjects) != "these recordings":  # tested over sessions alone
        return Means(mean, mean[:, :, None], mean[:, :, None])
    by_seed = drawn("seeds", of["seed"] + of["rest"] / blocks, len(subjects), seeds)
    by_block = drawn("blocks", of["block"] + of["rest"] / seeds, len(subjects), blocks)
    return Means(
        mean,
        mean[:, :, None] + by_seed - by_seed.mean(axis=2, keepdims=True),
        mean[:, :, None] + by_block - by_block.mean(axis=2, keepdims=True),
    )


def claims(
    drawn: Means, names: Sequence[str], subjects: Sequence[str], margin: float
) -> tuple[dict[str, np.ndarray], np.ndarray]:
    """Return every claim's p values (study,), as `verdicts.cells`, and which studies (study,) the noise gate stops.

    Parameters
    ----------
    drawn
        Means whose last axis is `names`: estimands, `noise` or not, and `range`.
    names
        What stands on that axis.
    subjects
        Subject of every session.
    margin
        In units of the range.
    """

    def tested(name: str, at: float) -> tuple[np.ndarray, np.ndarray]:
        i, last = names.index(name), names.index(RANGE)
        return p_values(Means(*(x[..., i] - at * x[..., last] for x in (drawn.mean, drawn.by_seed, drawn.by_block))), subjects)

    equivalent, different = np.ones(len(drawn.mean), bool), np.zeros(len(drawn.mean), bool)
    if NOISE in names:
        below, above = tested(NOISE, margin)
        far_below, not_far_below = tested(NOISE, -margin)
        equivalent = np.maximum(below, not_far_below) <= ALPHA
        different = np.minimum(above, far_below) <= ALPHA
    found = {}
    for name in names:
        if name not in (NOISE, RANGE):
            at_most, more = tested(name, margin)
            found[f"{name} <= m"], found[f"{name} > m"] = np.where(equivalent, at_most, 1.0), more
    return found, different


def _root(covariance: np.ndarray) -> np.ndarray:
    """Return the symmetric A with A A = covariance; singular ones are fine."""
    values, vectors = np.linalg.eigh(covariance)
    return (vectors * np.sqrt(np.clip(values, 0, None))) @ vectors.T
