"""Studies drawn from a spread, and what the claims' tests say of each.

Every random part has a stream of its own with the session as first axis,
so that designs share their numbers: more sessions or
seeds add to a study and do not redraw it.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from invariance_probe.inference.hypotheses.code import CLEAR
from invariance_probe.inference.power.spreads import (
    CODE,
    CODE_RANGE,
    NOISE,
    RANGE,
    UNITS,
    Spread,
    estimands,
)
from invariance_probe.inference.rules.interim_analyses import ALPHA
from invariance_probe.inference.rules.many_studies import Means, PValues, p_values
from invariance_probe.inference.rules.verdicts import carriers_p, learning_p, word_p
from invariance_probe.randomness import generator
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
    return {
        part: generator("bootstrap", study_seed, f"power of {name}", i)
        for i, part in enumerate(PARTS)
    }


def simulate(
    spread: Spread,
    effects: Mapping[str, float],
    design: Design,
    studies: int,
    rngs: Mapping[str, np.random.Generator],
) -> Means:
    """Draw studies of one design: means over all, by seed and by block, with the estimands as last axis.

    Of normal cells the mean,
    the deviations of the seeds' means and those of the blocks' means are independent,
    so these are drawn
    and not the cells.

    Parameters
    ----------
    spread
        What varies, and how much.
    effects
        True mean of every estimand, in units of its range; those of ranges are 1,
        and the noise's is 0. An estimand under a
        recipe that is not named has the declared recipe's mean.
    design
        The studies' size.
    studies
        How many to draw.
    rngs
        Generators by part, fresh from `streams`.
    """
    of, subjects, seeds, blocks = spread.covariance, design.subjects, design.seeds, design.blocks
    truth = np.array([_truth(name, effects) for name in spread.names])

    def drawn(part: str, covariance: np.ndarray, *shape: int) -> np.ndarray:
        found = rngs[part].standard_normal((*shape, studies, len(truth))) @ _root(covariance)
        return np.moveaxis(found, -2, 0)

    named = sorted(set(subjects))
    of_subject = drawn("subject", of["subject"], len(named))[
        :, [named.index(subject) for subject in subjects]
    ]
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


def _truth(name: str, effects: Mapping[str, float]) -> float:
    if name in (RANGE, CODE_RANGE):
        return 1.0
    return 0.0 if name == NOISE else effects.get(name, effects.get(name.partition(" [")[0], 0.0))


def _tested(
    drawn: Means, names: Sequence[str], subjects: Sequence[str], name: str, at: float
) -> PValues:
    """Return the p values (study,) of an estimand against a part of its range, or against a number where it has none."""
    of = CODE_RANGE if name == CODE else RANGE
    i, last = names.index(name), names.index(of) if of in names else None

    def q(x: np.ndarray) -> np.ndarray:
        return x[..., i] - at * (1.0 if last is None else x[..., last])

    return p_values(Means(q(drawn.mean), q(drawn.by_seed), q(drawn.by_block)), subjects)


def claims(
    drawn: Means, names: Sequence[str], subjects: Sequence[str], margin: float
) -> tuple[dict[str, np.ndarray], np.ndarray]:
    """Return the p values (study,) of every claim, and which studies (study,) the noise gate stops.

    As in a study,
    a contrast of dose 0 with dose 0 that is not shown equivalent takes away every claim that relies on dose 0.

    Parameters
    ----------
    drawn
        Means whose last axis is `names`.
    names
        What stands on that axis, as `Spread.names`.
    subjects
        Subject of every session.
    margin
        In units of the range.
    """
    equivalent, different = np.ones(len(drawn.mean), bool), np.zeros(len(drawn.mean), bool)
    if NOISE in names:
        below, above = _tested(drawn, names, subjects, NOISE, margin)
        far_below, not_far_below = _tested(drawn, names, subjects, NOISE, -margin)
        equivalent = np.maximum(below, not_far_below) <= ALPHA
        different = np.minimum(above, far_below) <= ALPHA
    found = {}
    armed = "D" in names
    for name in names:
        if name in (NOISE, RANGE, CODE_RANGE):
            continue
        at_most, more = _tested(drawn, names, subjects, name, margin)
        if name == CODE:
            found[f"{name} <= m"], found[f"{name} > m"] = at_most, more
            continue
        found[f"{name} <= m"] = np.where(equivalent, at_most, 1.0)
        found[f"{name} > m"] = (
            np.where(equivalent, more, 1.0) if armed and name.startswith("delta") else more
        )
    return found, different


def words(
    found: Mapping[str, np.ndarray], recipes: Sequence[str], jitter: bool, repeated: float = 1.0
) -> dict[str, np.ndarray]:
    """Return the p values (study,) of every word about a dose, from those of all claims.

    Parameters
    ----------
    found
        What `claims` returned.
    recipes
        The recipes that a claim about learning must hold under.
    jitter
        Whether the hypothesis is about a jitter.
    repeated
        By how much the p values of learning are multiplied: alpha over the nominal level of an interim analysis.
    """
    panel = [
        {
            f"{own} {side} m": found[f"{name} {side} m"]
            for own, name in zip(estimands(jitter), estimands(jitter, recipe), strict=True)
            for side in ("<=", ">")
        }
        for recipe in recipes
    ]
    learning = {
        name: np.minimum(1.0, p * repeated) for name, p in learning_p(panel, jitter).items()
    }
    return word_p(
        {} if jitter else {name: found[name] for name in (f"{CODE} <= m", f"{CODE} > m")},
        learning,
        jitter,
    )


def unit_words(
    drawn: Means, names: Sequence[str], subjects: Sequence[str], share: float
) -> dict[str, np.ndarray]:
    """Return the p values (study,) of every word about how many units carry the target; `names` are `UNITS`."""
    carriers, k_n = (
        _tested(drawn, names, subjects, *pair) for pair in zip(UNITS, _bounds(share), strict=True)
    )
    return carriers_p({
        "carriers below": carriers[0], "carriers above": carriers[1], "K_n below": k_n[0],
        "K_n above": k_n[1],
    })  # fmt: skip


def _bounds(share: float) -> tuple[float, float]:
    return math.log(share / CLEAR), math.log(share * CLEAR)


def _root(covariance: np.ndarray) -> np.ndarray:
    """Return the symmetric A with A A = covariance; singular ones are fine."""
    values, vectors = np.linalg.eigh(covariance)
    return (vectors * np.sqrt(np.clip(values, 0, None))) @ vectors.T
