"""Simulate studies from a spread, and compute the p values of their claims.

In: a spread (how estimands vary), the true effects, and a design (numbers of sessions,
seeds and blocks). Out: p values of claims and of words, that is of verdicts or findings
such as `tolerated` or `few`; the first axis is the simulated study. `power` decides
what is assumed to be true.

Each random part has its own stream of random numbers, with the session as first axis.
So designs share their random numbers: a design with more sessions or seeds adds to a
simulated study instead of drawing it anew.
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
"""Random parts of a simulated study, each with its own random numbers."""


@dataclass(frozen=True)
class Design:
    """Size of a study: sessions, subjects, training seeds and test blocks.

    Attributes
    ----------
    subjects
        Subject of each session.
    seeds
        Number of seeds per session.
    blocks
        Number of test blocks per session.
    """

    subjects: tuple[str, ...]
    seeds: int
    blocks: int


def streams(study_seed: int, name: str) -> dict[str, np.random.Generator]:
    """Create the random generators for one call of `simulate`.

    Every call returns generators at the start of their streams, so that designs share
    random numbers.

    Parameters
    ----------
    study_seed
        Seed of the study.
    name
        Name of what is simulated, such as a hypothesis. Different names give different
        numbers.

    Returns
    -------
    rngs
        One generator for each of `PARTS`.
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
    """Simulate studies of one design: the means of each estimand.

    For normally distributed values the mean of a session, the deviations of its seeds
    and those of its blocks from this mean are independent. So these are drawn instead
    of a value for each seed and block.

    Parameters
    ----------
    spread
        How the estimands vary.
    effects
        True mean of estimands by name, in units of their range. One that is measured under
        another recipe (other training settings) and has no entry here has the mean of the
        study's own recipe. Ranges have the mean 1, and the A/A contrast has 0.
    design
        Size of the studies.
    studies
        Number of studies to simulate.
    rngs
        Generators from `streams`, not used before.

    Returns
    -------
    means
        Means by session, by session and seed, and by session and block. The last axis
        is the estimand, in the order of `spread.names`.
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
    # a test over a population uses only the sessions' means
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
    """True mean of one estimand; 1 for a range, 0 for the A/A contrast."""
    if name in (RANGE, CODE_RANGE):
        return 1.0
    return 0.0 if name == NOISE else effects.get(name, effects.get(name.partition(" [")[0], 0.0))


def _tested(
    drawn: Means, names: Sequence[str], subjects: Sequence[str], name: str, at: float
) -> PValues:
    """Test an estimand against a fraction of its range, in each study.

    An estimand without a range is tested against `at` itself.

    Returns
    -------
    p_values
        P values (study,) that it is at most this, and that it is more.
    """
    of = CODE_RANGE if name == CODE else RANGE
    i, last = names.index(name), names.index(of) if of in names else None

    def q(x: np.ndarray) -> np.ndarray:
        return x[..., i] - at * (1.0 if last is None else x[..., last])

    return p_values(Means(q(drawn.mean), q(drawn.by_seed), q(drawn.by_block)), subjects)


def claims(
    drawn: Means, names: Sequence[str], subjects: Sequence[str], margin: float
) -> tuple[dict[str, np.ndarray], np.ndarray]:
    """Compute the p values of each claim against the margin.

    As in a real study, claims about learning that something is at most the margin need
    the A/A contrast: dose 0 must be shown equivalent to dose 0 with other seeds. So
    does the claim `delta > m` about a corruption. If the two are shown to differ, the
    noise gate fails and the study has no verdict.

    Parameters
    ----------
    drawn
        Means from `simulate`.
    names
        The estimands on their last axis, as in `Spread.names`.
    subjects
        Subject of each session.
    margin
        Margin in units of the range.

    Returns
    -------
    p_values, stopped
        P values (study,) by claim, such as `D <= m`; and in which studies (study,) the
        noise gate fails.
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


def verdict_p_values(
    found: Mapping[str, np.ndarray], recipes: Sequence[str], jitter: bool, repeated: float = 1.0
) -> dict[str, np.ndarray]:
    """Compute the p value of each verdict about a dose.

    Parameters
    ----------
    found
        P values (study,) by claim, from `claims`.
    recipes
        Training recipes under which claims about learning must hold.
    jitter
        Whether the hypothesis is about a time jitter.
    repeated
        Factor by which the p values of claims about learning are multiplied: alpha
        divided by the nominal level of an interim analysis; 1 without one.

    Returns
    -------
    p_values
        P values (study,) by verdict, such as `tolerated`.
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
    """Compute the p values of `few`, `between` and `spread`.

    They are findings on how many units carry the target.

    Parameters
    ----------
    drawn
        Means from `simulate`.
    names
        The estimands on their last axis, which are `UNITS`.
    subjects
        Subject of each session.
    share
        Fraction of the units that separates `few` from `spread`.

    Returns
    -------
    p_values
        P values (study,) by finding.
    """
    carriers, k_n = (
        _tested(drawn, names, subjects, *pair) for pair in zip(UNITS, _bounds(share), strict=True)
    )
    return carriers_p({
        "carriers below": carriers[0], "carriers above": carriers[1], "K_n below": k_n[0],
        "K_n above": k_n[1],
    })  # fmt: skip


def _bounds(share: float) -> tuple[float, float]:
    """Log shares of units that `few` and `spread` are tested against."""
    return math.log(share / CLEAR), math.log(share * CLEAR)


def _root(covariance: np.ndarray) -> np.ndarray:
    """Symmetric square root of a covariance, which may be singular."""
    values, vectors = np.linalg.eigh(covariance)
    return (vectors * np.sqrt(np.clip(values, 0, None))) @ vectors.T
