"""Losses of one session from results.csv, and the effects that they give (science.md 2.2)."""

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np

BLOCK_TIMES, FEWEST_BLOCKS = 5.0, 8
"""A block lasts so many autocorrelation times, and a variance rests on so many blocks."""
ARMS = {
    "delta": ("independent", "none"),
    "delta_paired": ("paired", "none"),
    "H": ("shared", "none"),
    "D": ("independent", "shared"),
}


@dataclass
class Losses:
    """The losses of one session by condition, and how its planned test blocks are merged."""

    name: str
    seeds: int
    planned: int
    merge: Callable[[np.ndarray], np.ndarray]
    floor: np.ndarray
    tables: Mapping[tuple[Any, ...], Mapping[int, np.ndarray]]
    ceiling_family: str = "raw"

    def array(self, place: tuple[Any, ...], seeds: Iterable[int]) -> np.ndarray:
        """Losses (seed, block) of the seeds that were planned; NaN where a run is missing."""
        rows = self.tables.get(place, {})
        found = [rows[seed] for seed in seeds if seed in rows]
        return self.merge(np.array(found).reshape(len(found), self.planned))

    def ssl(
        self,
        axis: str,
        dose: float,
        arm: str,
        setting: str = "",
        test: tuple[str, float] | None = None,
    ) -> np.ndarray:
        """Losses of the study's own seeds; at the identity dose `arm` is `none`."""
        place = ("", 0.0) if arm == "none" else (axis, dose)
        return self.array(("ssl", setting, *place, arm, test), range(self.seeds))

    @property
    def range(self) -> np.ndarray:
        """R: the floor less the ceiling (seed, block)."""
        return self.floor - self.array(
            (self.ceiling_family, "", "", 0.0, "none", None), range(self.seeds)
        )

    def ranges_of(self, effect: np.ndarray) -> np.ndarray:
        """R for each seed of an effect, or averaged over the ceiling's own seeds."""
        return (
            self.range
            if self.range.shape == effect.shape
            else self.range.mean(axis=0, keepdims=True)
        )

    def difference(self, name: str, axis: str, dose: float, setting: str = "") -> np.ndarray:
        """D, H, delta or delta_paired before it is divided by R (seed, block)."""
        return minus(*(self.ssl(axis, dose, arm, setting) for arm in ARMS[name]))

    def excess(self, axis: str, train: float, test: float, identity: float) -> np.ndarray:
        """L(d, e) - L(0, 0) before it is divided by R (seed, block)."""
        arm = "none" if train == identity else "independent"
        tested = self.ssl(axis, train, arm, test=None if test == identity else (axis, test))
        return minus(tested, self.ssl("", 0.0, "none"))

    def retention(self, losses: np.ndarray) -> float:
        """The part of R that losses keep."""
        return float((self.floor - losses).mean() / self.range.mean()) if losses.size else math.nan


def minus(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """The difference; nothing where one of them has fewer seeds."""
    return first - second if first.shape == second.shape else first[:0]


def merger(
    planned: int, duration_s: float, autocorrelation_s: float | None
) -> tuple[int, Callable[[np.ndarray], np.ndarray]]:
    """How many merged blocks last five autocorrelation times, and the function that merges."""
    together = 1
    if autocorrelation_s is not None:
        together = max(
            1, math.ceil(BLOCK_TIMES * autocorrelation_s / (duration_s / planned) - 1e-9)
        )
    long_enough = planned // together
    count = long_enough if long_enough >= FEWEST_BLOCKS else planned
    sizes = np.full(count, planned // count) + (np.arange(count) < planned % count)
    ends = np.concatenate([[0], np.cumsum(sizes)])

    def merge(values: np.ndarray) -> np.ndarray:
        return np.stack([values[..., a:b].mean(-1) for a, b in pairwise(ends)], -1)

    return long_enough, merge
