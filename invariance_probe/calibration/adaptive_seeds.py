"""Studies with adaptive seeds, on simulated losses: how often a false claim is made, how often a true verdict, and at how many seeds.

In go true effects and how losses vary; out come, for thousands of studies at once, the claims and the verdict at every look, by the
rules of `inference`. Losses are those of arms, in units of the range: of dose 0, of dose 0 with other seeds, of independent and of shared
draws; sessions, seeds, test blocks and cells vary. Only the noise gate is simulated.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from invariance_probe.inference.looks import ALPHA, Look
from invariance_probe.inference.many_studies import Means, decisions, p_values
from invariance_probe.study.session import POPULATION

MARGIN = 0.1
ENOUGH = ("invariant", "recoverable", "sensitive")
"""Verdicts that settle a single hypothesis: they support what was predicted, or contradict it."""
CLAIMS = tuple(f"{name} {side} m" for name in ("C_info", "D", "H", "delta") for side in ("<=", ">"))


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
"""Losses of every arm (study, session, seed, block), and C_info with one seed."""


def simulate(
    world: World, truth: Mapping[str, float], sessions: int, seeds: int, studies: int, rng: np.random.Generator
) -> Losses:
    """Draw studies with the true effects `C_info`, `D` and `H`; delta is D + H."""

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
        return of_sessions(world.session / np.sqrt(2)) + part(world.block, sessions, 1, world.blocks)

    def moves() -> np.ndarray:
        return part(world.seed, sessions, seeds, 1) + part(world.cell, sessions, seeds, world.blocks)

    clean = stays()
    cost = of_sessions(world.session) + np.sqrt(2) * part(world.block, sessions, 1, world.blocks)
    return {
        "clean": clean + moves(),
        "again": clean + moves(),
        "independent": stays() + moves() + truth["D"] + truth["H"],
        "shared": stays() + moves() + truth["H"],
        "C_info": cost + truth["C_info"],
    }


def effects(losses: Losses, seeds: int) -> dict[str, np.ndarray]:
    """Return every estimand (study, session, seed, block) after the first seeds."""
    first = {arm: values[:, :, :seeds] for arm, values in losses.items()}
    return {
        "C_info": first["C_info"],
        "D": first["independent"] - first["shared"],
        "H": first["shared"] - first["clean"],
        "delta": first["independent"] - first["clean"],
        "noise": first["again"] - first["clean"],
    }


def _tested(effect: np.ndarray, margin: float) -> tuple[np.ndarray, np.ndarray]:
    q = effect - margin
    return p_values(Means(q.mean(axis=(2, 3)), q.mean(axis=3), q.mean(axis=2)), ("one",) * q.shape[1])


def claims_at(losses: Losses, seeds: int, level: float) -> tuple[dict[str, np.ndarray], np.ndarray]:
    """Return which claims are shown at a level after some seeds, by name, and which studies the noise gate stops (study,)."""
    found = effects(losses, seeds)
    above, below = _tested(found["noise"], MARGIN), _tested(found["noise"], -MARGIN)
    equivalent = np.maximum(above[0], below[1]) <= level
    shown = {}
    for name in ("C_info", "D", "H", "delta"):
        at_most, more = _tested(found[name], MARGIN)
        shown[f"{name} <= m"], shown[f"{name} > m"] = (at_most <= level) & equivalent, more <= level
    return shown, np.minimum(above[1], below[0]) <= ALPHA


@dataclass(frozen=True, eq=False)
class Judged:
    """What became of studies: claims at the stop and at any look by name, verdicts, and seeds that were looked at (study,)."""

    claims: Mapping[str, np.ndarray]
    at_any_look: Mapping[str, np.ndarray]
    verdicts: np.ndarray
    seeds: np.ndarray


def judge(losses: Losses, looks: tuple[Look, ...], levels: tuple[float, ...] | None = None) -> Judged:
    """Judge studies look by look, each until its verdict is one of `ENOUGH`, at the levels of the looks or at others."""
    studies = len(losses["clean"])
    claims = {name: np.zeros(studies, bool) for name in CLAIMS}
    ever = {name: np.zeros(studies, bool) for name in CLAIMS}
    verdicts, seeds, going = np.full(studies, "", dtype=object), np.zeros(studies, int), np.ones(studies, bool)
    for i, look in enumerate(looks):
        shown, blocked = claims_at(losses, look.seeds, levels[i] if levels else look.level)
        found = decisions(shown, jitter=False)
        found[blocked] = "invalid: noise"
        for name in CLAIMS:
            claims[name][going] = shown[name][going]
            ever[name] |= shown[name]
        verdicts[going], seeds[going] = found[going], look.seeds
        going = going & ~np.isin(found, ENOUGH)
    return Judged(claims, ever, verdicts, seeds)


def fixed(losses: Losses, seeds: int) -> Judged:
    """Judge the same studies once, at all seeds."""
    return judge(losses, (Look(1, seeds, (seeds,), "obrien_fleming"),), (ALPHA,))
