"""Studies with adaptive seeds, on simulated losses: errors, power and cost.

True effects and the spread of losses go in. For thousands of studies at once, the
claims and the word at every interim analysis come out, by the rules of `inference`: how
often a false claim is made, how often a true verdict, and at how many seeds.

Losses are those of arms under every recipe, in units of the range: of dose 0, of dose 0
with other seeds, of independent draws and of shared draws. Sessions, seeds, test blocks
and cells vary. The finding of the code has no seeds, so it is the same at every interim
analysis and is judged at the full level. Only the noise gate is simulated.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from invariance_probe.inference.power.simulated import words
from invariance_probe.inference.power.spreads import marked
from invariance_probe.inference.rules.interim_analyses import ALPHA, Look
from invariance_probe.inference.rules.many_studies import Means, PValues, p_values
from invariance_probe.inference.rules.verdicts import decide_many
from invariance_probe.study.panel import DECLARED
from invariance_probe.study.session import POPULATION

MARGIN = 0.1
"""The margin of every claim, in units of the range."""
ENOUGH = ("invariant", "tolerated", "sensitive")
"""Words that settle a single hypothesis, so that its study stops.

They support what was predicted, or contradict it.
"""
ESTIMANDS = ("C_code", "D", "H", "delta")
"""Estimands that claims are made about."""
CLAIMS = tuple(f"{name} {side} m" for name in ESTIMANDS for side in ("<=", ">"))
"""The claims of a study that judges the declared recipe alone."""


@dataclass(frozen=True)
class World:
    """How losses vary between sessions, seeds, test blocks and cells.

    Each is the SD of every difference of two arms, in units of the range. Where a study
    has fewer sessions than make a population, they stand for themselves, and their
    effects are centred on the true mean.

    Attributes
    ----------
    session, seed, block, cell
        SD over sessions, seeds, test blocks, and single cells (one seed in one block).
    skewed
        Sessions vary like an exponential variable instead of a normal one.
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
"""Losses by arm (study, session, seed, block), and C_code with one seed.

An arm is named for example `shared [longer]`.
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
        The true effects `C_code`, `D` and `H` under every recipe; delta is D + H.
    sessions
        Sessions per study.
    seeds
        Seeds per session.
    studies
        Number of studies.
    rng
        Where the draws come from.
    recipes
        Recipes of the panel.

    Returns
    -------
    losses
        By arm and recipe (study, session, seed, block).
    """

    # The SDs of `World` are of differences of two arms, so that each arm has 1 / sqrt(2) of them.
    # Part of an arm's loss stays the same over its seeds, and part moves with the seed.
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

    # C_code is a difference itself, so it has the whole SDs.
    cost = of_sessions(world.session) + np.sqrt(2) * part(world.block, sessions, 1, world.blocks)
    found = {"C_code": cost + truth["C_code"]}
    for recipe in recipes:
        found |= {marked(arm, recipe): losses for arm, losses in arms().items()}
    return found


def recipes_of(losses: Losses) -> tuple[str, ...]:
    """The recipes that losses belong to, the declared one first."""
    others = [arm.partition("[")[2].rstrip("]") for arm in losses if arm.startswith("clean [")]
    return (DECLARED, *others)


def effects(losses: Losses, seeds: int) -> dict[str, np.ndarray]:
    """Every estimand after the first seeds, and the A/A contrast `noise`.

    Parameters
    ----------
    losses
        What `simulate` drew.
    seeds
        Number of seeds to use.

    Returns
    -------
    effects
        By estimand and recipe (study, session, seed, block).
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
    """The p values of all claims after some seeds, and what the noise gate stops.

    A p value of learning is that of its interim analysis: it is at most alpha where the
    claim is shown at the analysis's nominal level.

    Parameters
    ----------
    losses
        What `simulate` drew.
    seeds
        Number of seeds to use.
    level
        Nominal level of this interim analysis, in (0, 1).

    Returns
    -------
    p
        The p values by claim (study,).
    blocked
        Which studies fail the gate `noise` (study,).
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
    """What became of studies.

    Attributes
    ----------
    claims
        Which claims are shown when the study stops, by name (study,).
    at_any_look
        Which claims are shown at any interim analysis, by name (study,).
    verdicts
        The word of every study (study,).
    seeds
        Number of seeds per session at which it stopped (study,).
    """

    claims: Mapping[str, np.ndarray]
    at_any_look: Mapping[str, np.ndarray]
    verdicts: np.ndarray
    seeds: np.ndarray


def judge(
    losses: Losses, looks: tuple[Look, ...], levels: tuple[float, ...] | None = None
) -> Judged:
    """Judge studies at every interim analysis, each until its word settles it.

    Parameters
    ----------
    losses
        What `simulate` drew.
    looks
        The interim analyses, with their seeds and levels.
    levels
        Other levels than those of the interim analyses, one for each.

    Returns
    -------
    judged
        Claims, verdicts and seeds at the stop.
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
        found = decide_many(words(p, recipes, jitter=False))
        found[blocked] = "invalid: noise"
        for name in CLAIMS:
            shown = p[name] <= ALPHA
            claims[name][going] = shown[going]
            ever[name] |= shown
        verdicts[going], seeds[going] = found[going], look.seeds
        going = going & ~np.isin(found, ENOUGH)
    return Judged(claims, ever, verdicts, seeds)


def fixed(losses: Losses, seeds: int) -> Judged:
    """Judge the same studies once, with all seeds and at the full level.

    Parameters
    ----------
    losses
        What `simulate` drew.
    seeds
        Seeds per session.

    Returns
    -------
    judged
        Claims and verdicts.
    """
    return judge(losses, (Look(1, seeds, (seeds,), "obrien_fleming"),), (ALPHA,))
