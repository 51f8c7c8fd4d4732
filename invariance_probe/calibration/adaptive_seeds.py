"""Studies with adaptive seeds, on simulated losses: how often a false claim is made, how often a true verdict, and at how many seeds.

In go true effects and how losses vary; out come, for thousands of studies at once, the claims and the word at every interim analysis, by
the rules of `inference`. Losses are those of arms under every recipe, in units of the range: of dose 0, of dose 0 with other seeds, of
independent and of shared draws; sessions, seeds, test blocks and cells vary. What is found of the code has no seeds, so that it is the
same at every interim analysis and judged at the full level. Only the noise gate is simulated.
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
ENOUGH = ("invariant", "tolerated", "sensitive")
"""Words that settle a single hypothesis: they support what was predicted, or contradict it."""
ESTIMANDS = ("C_code", "D", "H", "delta")
CLAIMS = tuple(f"{name} {side} m" for name in ESTIMANDS for side in ("<=", ">"))
"""The claims of a study that judges the declared recipe alone."""


@dataclass(frozen=True)
class World:
    """How losses vary: SD of every difference of two arms over sessions, seeds, test blocks and single cells, in units of the range.

    Sessions vary like a normal variable, or where `skewed` like an exponential one. Fewer sessions than make a population stand for
    themselves, so that their effects are made to have the true mean.
    """

    session: float
    seed: float
    block: float = 0.06
    cell: float = 0.03
    skewed: bool = False
    blocks: int = 8


Losses = Mapping[str, np.ndarray]
"""Losses of every arm (study, session, seed, block), such as `shared [longer]`, and C_code with one seed."""


def simulate(
    world: World,
    truth: Mapping[str, float],
    sessions: int,
    seeds: int,
    studies: int,
    rng: np.random.Generator,
    recipes: Sequence[str] = (DECLARED,),
) -> Losses:
    """Draw studies with the true effects `C_code`, `D` and `H` under every recipe; delta is D + H."""

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

    cost = of_sessions(world.session) + np.sqrt(2) * part(world.block, sessions, 1, world.blocks)
    found = {"C_code": cost + truth["C_code"]}
    for recipe in recipes:
        found |= {marked(arm, recipe): losses for arm, losses in arms().items()}
    return found


def recipes_of(losses: Losses) -> tuple[str, ...]:
    """Return the recipes that losses are of, the declared one first."""
    others = [arm.partition("[")[2].rstrip("]") for arm in losses if arm.startswith("clean [")]
    return (DECLARED, *others)


def effects(losses: Losses, seeds: int) -> dict[str, np.ndarray]:
    """Return every estimand (study, session, seed, block) after the first seeds, and the contrast of dose 0 with itself."""
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
    """Return the p values of all claims after some seeds, by name, and which studies the noise gate stops (study,).

    A p value of learning is that of its interim analysis: at most alpha where the claim is shown at the nominal level.
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
    """What became of studies: claims at the stop and at any look by name, verdicts, and seeds that were looked at (study,)."""

    claims: Mapping[str, np.ndarray]
    at_any_look: Mapping[str, np.ndarray]
    verdicts: np.ndarray
    seeds: np.ndarray


def judge(
    losses: Losses, looks: tuple[Look, ...], levels: tuple[float, ...] | None = None
) -> Judged:
    """Judge studies look by look, each until its word is one of `ENOUGH`, at the levels of the looks or at others."""
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
    """Judge the same studies once, at all seeds."""
    return judge(losses, (Look(1, seeds, (seeds,), "obrien_fleming"),), (ALPHA,))
