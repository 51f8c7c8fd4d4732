"""The code of one session from dropping_curves.csv (science.md 2.1)."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pandas as pd

from recompute.losses import merger

LARGEST_R2, DECODABLE_SE = 0.999, 4.0


@dataclass(frozen=True, eq=False)
class Sums:
    """Held-out sums over folds of one session, or of one without a block."""

    rows: pd.DataFrame

    @cached_property
    def totals(self) -> dict[tuple[str, str, str], float]:
        """Sum over folds by what, name and step."""
        return self.rows.groupby(["what", "name", "step"])["value"].sum().to_dict()

    def __getitem__(self, what: str) -> float:
        """The sum of what has no name and no step."""
        return self.totals[what, "", ""]

    @property
    def range(self) -> float:
        """R_code per window."""
        return (self["floor"] - self["everything"]) / self["windows"]

    @property
    def range_se(self) -> float:
        """Standard error of R_code over folds."""
        fold = self.rows.pivot_table(index="fold", columns="what", values="value", aggfunc="first")
        return float(((fold.floor - fold.everything) / fold.windows).sem())

    @property
    def decodable(self) -> bool:
        """Whether R_code is above four standard errors."""
        return self.range > DECODABLE_SE * self.range_se

    def r2(self, errors: float) -> float:
        """R2 of a sum of squared errors."""
        return 1 - errors / self["linear_floor"] if self["linear_floor"] > 0 else 0.0

    def lost(self, name: str, axis: str, dose: float) -> float:
        """C_code or C_blind times R_code; NaN where nothing is decoded."""
        at = f"{axis}={dose:g}"
        what = "masked" if name == "C_code" and ("masked", at, "") in self.totals else "blind"
        if self.range <= 0 or (what, at, "") not in self.totals:
            return math.nan
        return (self.totals[what, at, ""] - self["everything"]) / self["windows"]

    def crossing(self, curve: str) -> float:
        """Units at which a dropping curve crosses half of R2, interpolated in J; NaN where none."""
        errors = {
            float(step): v
            for (what, name, step), v in self.totals.items()
            if (what, name) == ("curve", curve)
        }
        js = [information(self.r2(errors[step])) for step in sorted(errors)]
        half = information(self.r2(self["linear"]) / 2)
        for n in range(1, len(js)) if half else ():
            if js[n] >= half if curve == "gained" else js[n] < half:
                return n - 1 + (half - js[n - 1]) / (js[n] - js[n - 1])
        return math.nan

    @property
    def redundancy(self) -> float:
        """J of each half over J of all, mean over splits; NaN where nothing is decoded."""
        whole = information(self.r2(self["linear"]))
        halves = [
            information(self.r2(v))
            for (what, _, _), v in self.totals.items()
            if what in ("a half", "the other half")
        ]
        return sum(halves) / (len(halves) / 2) / whole if whole and halves else math.nan

    def units(self, name: str) -> float:
        """K_s, K_n or carriers."""
        parts = {"K_s": ("gained",), "K_n": ("lost",), "carriers": ("gained", "lost")}[name]
        return sum(self.crossing(curve) for curve in parts)


def information(r2: float) -> float:
    """J = R2 / (1 - R2), of R2 clipped."""
    clipped = min(max(r2, 0.0), LARGEST_R2)
    return clipped / (1 - clipped)


@dataclass(frozen=True, eq=False)
class SessionCode:
    """The held-out sums of one session, and of the session without each of its blocks."""

    n_units: int
    whole: Sums
    deleted: Sequence[Sums]
    duration_s: float
    autocorrelation_s: float | None

    def values(self, quantity: Callable[[Sums], float]) -> np.ndarray:
        """A quantity (1, 1), or its jackknife pseudo-values (1, block)."""
        whole = quantity(self.whole)
        if not self.deleted:
            return np.array([[whole]])
        left_out = np.array([quantity(part) for part in self.deleted])
        b = len(left_out)
        merge = merger(b, self.duration_s, self.autocorrelation_s)[1]
        return merge((whole - (b - 1) * (left_out - left_out.mean()))[None])

    def logarithm(self, name: str) -> np.ndarray:
        """Log of K / N, or of the redundancy; NaN where the session has no K."""

        def logged(sums: Sums) -> float:
            found = sums.redundancy if name == "redundancy" else sums.units(name) / self.n_units
            return math.log(found) if found > 0 else math.nan

        return self.values(logged) if self.whole.decodable else np.full((1, 1), math.nan)
