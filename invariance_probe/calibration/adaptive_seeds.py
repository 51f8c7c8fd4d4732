"""Errors, power and cost of studies with adaptive seeds, on simulated losses.

A study with adaptive seeds is judged at several interim analyses, each with more seeds,
and stops once its verdict is clear. In: true effects, and how much losses vary. Out:
the claims and the verdict of thousands of studies at each interim analysis, by the
rules of `inference`. From these one counts how often a false claim is made, how often
the true verdict is given, and how many seeds that takes.

For each recipe the losses of four arms are drawn, in units of the decodable range R:
dose 0 (`clean`), dose 0 with other seeds (`again`, the A/A control), `independent`
draws and `shared` draws. They vary over sessions, seeds and test blocks. The finding of
the code has no seeds; it is the same at each interim analysis and is judged at the
full level. Of the gates only `noise`, which compares `again` with `clean`, is applied.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from invariance_probe.inference.power.simulated import verdict_p_values
from invariance_probe.inference.power.spreads import marked
from invariance_probe.inference.rules.interim_analyses import ALPHA, InterimAnalysis
from invariance_probe.inference.rules.many_studies import Means, PValues, p_values
from invariance_probe.inference.rules.verdicts import decide_many
from invariance_probe.study.panel import DECLARED
from invariance_probe.study.session import POPULATION

MARGIN = 0.1
"""The margin m of each claim, in units of the decodable range."""
ENOUGH = ("invariant", "tolerated", "sensitive")
"""Verdicts at which a study with a single hypothesis stops.

Each of them supports or contradicts the prediction.
"""
ESTIMANDS = ("C_code", "D", "H", "delta")
"""Estimands about which claims are made."""
CLAIMS = tuple(f"{name} {side} m" for name in ESTIMANDS for side in ("<=", ">"))
"""Names of the claims of a study that judges the declared recipe alone."""


@dataclass(frozen=True)
class World:
    """How much losses vary between sessions, seeds and test blocks.

    Every SD is that of a difference between two arms, in units of the decodable range.
    A study with fewer sessions than a claim about a population needs is about these
    sessions only. Its sessions' effects are then centred, so that their mean is exactly
    the true effect.

    Attributes
    ----------
    session, seed, block
        SD over sessions, over seeds, and over test blocks.
    cell
        SD of what remains: one seed in one test block.
    skewed
        Whether effects are distributed over sessions exponentially, not normally.
    blocks
        Number of test blocks per session.
    """

    session: float
    seed: float
    block: float = 0.06
    cell: float = 0.03
    skewed: bool = False
    blocks: int = 8


Losses = Mapping[str, np.ndarray]
"""Losses (study, session, seed, block) by arm and recipe, and C_code.

The names are like `shared` for the declared recipe and `shared [longer]` for another
one. C_code has a seed axis of length 1.
"""


def simulate(
    world: World,
    truth: Mapping[str, float],
    sessions: int,
    seeds: int,
    studies: int,
    rng: np.random.Generator,
    recipes: Sequence[str] = (DECLARED,),
) -> Losses:
    """Draw the losses of studies with known true effects.

    Parameters
    ----------
    world
        How losses vary.
    truth
        The true effects `C_code`, `D` and `H`, the same under every recipe; delta is
        D + H.
    sessions
        Sessions per study.
    seeds
        Seeds per session.
    studies
        Number of studies.
    rng
        Random-number generator.
    recipes
        Names of the panel's recipes.

    Returns
    -------
    losses
        Losses (study, session, seed, block) by arm and recipe, and C_code.
    """

    # The SDs of `World` are those of differences between two arms, so the loss of one arm has
    # 1 / sqrt(2) of them. One part of it (`stays`) is common to all seeds, another part (`moves`)
    # changes with the seed.
    def part(sd: float, *shape: int) -> np.ndarray:
        return sd / np.sqrt(2) * rng.standard_normal((studies, *shape))

    def of_sessions(sd: float) -> np.ndarray:
        drawn = (
            rng.exponential(size=(studies, sessions, 1, 1)) - 1
            if world.skewed
            else rng.standard_normal((studies, sessions, 1, 1))
        )
        return sd * (drawn - drawn.mean(axis=1, keepdims=True) if sessions < POPULATION else drawn)

    def stays() -> np.ndarray:
        return of_sessions(world.session / np.sqrt(2)) + part(
            world.block, sessions, 1, world.blocks
        )

    def moves() -> np.ndarray:
        return part(world.seed, sessions, seeds, 1) + part(
            world.cell, sessions, seeds, world.blocks
        )

    def arms() -> dict[str, np.ndarray]:
        clean = stays()
        return {
            "clean": clean + moves(),
            "again": clean + moves(),
            "independent": stays() + moves() + truth["D"] + truth["H"],
            "shared": stays() + moves() + truth["H"],
        }

    # C_code is itself a difference, so it has the full SDs.
    cost = of_sessions(world.session) + np.sqrt(2) * part(world.block, sessions, 1, world.blocks)
    found = {"C_code": cost + truth["C_code"]}
    for recipe in recipes:
        found |= {marked(arm, recipe): losses for arm, losses in arms().items()}
    return found


def recipes_of(losses: Losses) -> tuple[str, ...]:
    """Names of the recipes whose losses are given, the declared one first."""
    others = [arm.partition("[")[2].rstrip("]") for arm in losses if arm.startswith("clean [")]
    return (DECLARED, *others)


def effects(losses: Losses, seeds: int) -> dict[str, np.ndarray]:
    """Compute all estimands from the first seeds, and the A/A contrast `noise`.

    Parameters
    ----------
    losses
        Losses drawn by `simulate`.
    seeds
        Number of seeds to use, the first ones of each session.

    Returns
    -------
    effects
        Effects (study, session, seed, block) by estimand and recipe. `noise` is the
        loss at dose 0 with other seeds minus that at dose 0.
    """
    first = {arm: values[:, :, :seeds] for arm, values in losses.items()}
    found = {"C_code": first["C_code"], "noise": first["again"] - first["clean"]}
    for recipe in recipes_of(losses):
        clean, independent, shared = (
            first[marked(arm, recipe)] for arm in ("clean", "independent", "shared")
        )
        found |= {
            marked("D", recipe): independent - shared,
            marked("H", recipe): shared - clean,
            marked("delta", recipe): independent - clean,
        }
    return found


def _tested(effect: np.ndarray, margin: float) -> PValues:
    q = effect - margin
    return p_values(
        Means(q.mean(axis=(2, 3)), q.mean(axis=3), q.mean(axis=2)), ("one",) * q.shape[1]
    )


def claims_at(losses: Losses, seeds: int, level: float) -> tuple[dict[str, np.ndarray], np.ndarray]:
    """Test all claims at one interim analysis, and apply the noise gate.

    The p values of claims about learning are scaled by alpha / level: they are at most
    alpha exactly if the claim is shown at the analysis's nominal level.

    Parameters
    ----------
    losses
        Losses drawn by `simulate`.
    seeds
        Number of seeds per session at this analysis.
    level
        Nominal level of this analysis, in (0, 1).

    Returns
    -------
    p
        P values (study,) by claim.
    blocked
        Boolean (study,): whether the study fails the gate `noise`.
    """
    found, repeated = effects(losses, seeds), ALPHA / level
    above, below = _tested(found["noise"], MARGIN), _tested(found["noise"], -MARGIN)
    equivalent = np.maximum(above[0], below[1]) <= level
    p = {}
    for name in found.keys() - {"noise"}:
        at_most, more = _tested(found[name], MARGIN)
        if name == "C_code":
            p[f"{name} <= m"], p[f"{name} > m"] = at_most, more
            continue
        p[f"{name} <= m"] = np.where(equivalent, np.minimum(1, at_most * repeated), 1.0)
        relies = name.startswith("delta")
        p[f"{name} > m"] = np.where(equivalent | (not relies), np.minimum(1, more * repeated), 1.0)
    return p, np.minimum(above[1], below[0]) <= ALPHA


@dataclass(frozen=True, eq=False)
class Judged:
    """Claims and verdicts of many studies, and when each study stopped.

    Attributes
    ----------
    claims
        By claim: whether it is shown when the study stops (study,).
    at_any_look
        By claim: whether it is shown at any interim analysis (study,).
    verdicts
        Verdict of each study when it stops (study,).
    seeds
        Number of seeds per session at which the study stopped (study,).
    """

    claims: Mapping[str, np.ndarray]
    at_any_look: Mapping[str, np.ndarray]
    verdicts: np.ndarray
    seeds: np.ndarray


def judge(
    losses: Losses, looks: tuple[InterimAnalysis, ...], levels: tuple[float, ...] | None = None
) -> Judged:
    """Judge studies at each interim analysis until their verdict is clear.

    A study stops at the first analysis whose verdict is in `ENOUGH`, or at the last.

    Parameters
    ----------
    losses
        Losses drawn by `simulate`.
    looks
        The interim analyses, with their numbers of seeds and nominal levels.
    levels
        Levels to use instead of the nominal ones, one per analysis.

    Returns
    -------
    judged
        Claims, verdicts and numbers of seeds when the studies stop.
    """
    studies, recipes = len(losses["clean"]), recipes_of(losses)
    claims = {name: np.zeros(studies, bool) for name in CLAIMS}
    ever = {name: np.zeros(studies, bool) for name in CLAIMS}
    verdicts, seeds, going = (
        np.full(studies, "", dtype=object),
        np.zeros(studies, int),
        np.ones(studies, bool),
    )
    for i, look in enumerate(looks):
        p, blocked = claims_at(losses, look.seeds, levels[i] if levels else look.level)
        found = decide_many(verdict_p_values(p, recipes, jitter=False))
        found[blocked] = "invalid: noise"
        for name in CLAIMS:
            shown = p[name] <= ALPHA
            claims[name][going] = shown[going]
            ever[name] |= shown
        verdicts[going], seeds[going] = found[going], look.seeds
        going = going & ~np.isin(found, ENOUGH)
    return Judged(claims, ever, verdicts, seeds)


def fixed(losses: Losses, seeds: int) -> Judged:
    """Judge studies once, without interim analyses, at the full level.

    Parameters
    ----------
    losses
        Losses drawn by `simulate`.
    seeds
        Number of seeds to use per session.

    Returns
    -------
    judged
        Claims and verdicts.
    """
    return judge(losses, (InterimAnalysis(1, seeds, (seeds,), "obrien_fleming"),), (ALPHA,))
