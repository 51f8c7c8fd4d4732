"""Studies simulated from a spread, and the p values of their claims.

In: a spread, true effects and a design. Out: p values of claims and words, with the
study as first axis. What is assumed to be true is decided in `power`.

Every random part has a stream of its own with the session as first axis. So designs
share their random numbers: more sessions or seeds add to a study and do not redraw it.
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
"""Random parts of a study, each with its own stream."""


@dataclass(frozen=True)
class Design:
    """Size of a study: sessions, subjects, seeds and test blocks.

    Attributes
    ----------
    subjects
        Subject of every session.
    seeds
        Number of seeds per session.
    blocks
        Number of test blocks per session.
    """

    subjects: tuple[str, ...]
    seeds: int
    blocks: int


def streams(study_seed: int, name: str) -> dict[str, np.random.Generator]:
    """Generators for `simulate`, each at the start of its stream.

    Parameters
    ----------
    study_seed
        Seed of the study.
    name
        Name of what is simulated; different names have different streams.
    """
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
    """Draw studies of one design, as means over all, by seed and by block.

    The last axis of the means is the estimand. For normal cells the mean, the
    deviations of the seeds' means and those of the blocks' means are independent. So
    these are drawn, and not the cells.

    Parameters
    ----------
    spread
        What varies, and how much.
    effects
        True mean of every estimand, in units of its range. Means of ranges are 1, and
        that of the noise is 0. An estimand under a recipe that is not named has the
        mean under the declared recipe.
    design
        Size of the studies.
    studies
        Number of studies to draw.
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
    # over a population the test needs the sessions' means alone
    if scope_of(subjects) != "these recordings":
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
    """P values (study,) of an estimand against a fraction of its range.

    An estimand without a range is tested against a number.
    """
    of = CODE_RANGE if name == CODE else RANGE
    i, last = names.index(name), names.index(of) if of in names else None

    def q(x: np.ndarray) -> np.ndarray:
        return x[..., i] - at * (1.0 if last is None else x[..., last])

    return p_values(Means(q(drawn.mean), q(drawn.by_seed), q(drawn.by_block)), subjects)


def claims(
    drawn: Means, names: Sequence[str], subjects: Sequence[str], margin: float
) -> tuple[dict[str, np.ndarray], np.ndarray]:
    """P values of every claim, and which studies the noise gate stops.

    As in a real study, an A/A contrast that is not shown equivalent takes away every
    claim that relies on dose 0.

    Parameters
    ----------
    drawn
        Means whose last axis is `names`.
    names
        The estimands, as in `Spread.names`.
    subjects
        Subject of every session.
    margin
        Margin in units of the range.

    Returns
    -------
    p_values, stopped
        (study,) p values by claim, and (study,) bool.
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
    """P values of every word about a dose, from those of all claims.

    Parameters
    ----------
    found
        P values (study,) by claim, as from `claims`.
    recipes
        Recipes under which a claim about learning must hold.
    jitter
        Whether the hypothesis is about a jitter.
    repeated
        Factor of the p values of learning: alpha over the nominal level of an interim
        analysis; 1 without one.

    Returns
    -------
    p_values
        (study,) p values by word.
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
    """P values of every word about how many units carry the target.

    Parameters
    ----------
    drawn
        Means whose last axis is `names`.
    names
        The estimands, which are `UNITS`.
    subjects
        Subject of every session.
    share
        Fraction of the units below which carriers are `few`.

    Returns
    -------
    p_values
        (study,) p values by word.
    """
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
    """Symmetric A with A A = covariance; the covariance may be singular."""
    values, vectors = np.linalg.eigh(covariance)
    return (vectors * np.sqrt(np.clip(values, 0, None))) @ vectors.T
