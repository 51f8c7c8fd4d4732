"""Compute every estimate, interval, p value and word of a report again, without the package.

python benchmarks/recompute_report.py STUDY.yaml REPORT_FOLDER

In go the study file (hypotheses, margins, doses, seeds) and the tables of the report: results.csv
(losses by run and test block), dropping_curves.csv (held-out sums of the code), sessions.csv
(subjects, groups, p values of the nulls), recipes.csv and gates.csv. Nothing is imported from
invariance_probe; all is written from the definitions of docs/science.md. Out comes the largest
difference from report.json for each kind of figure; above 1e-9 the exit status is 1. Numbers
above 1 are compared relative to their size.

Taken from the tables as measured, because a table of losses cannot show it: the p value of each
null (computed again where report.json holds its draws), units that repeat others, and the
outcomes of the gates `leak`, `movement`, `distinct`, `licence` and `planted targets`. From
report.json come the registration and the p values of contrasts, which enter Holm's procedure;
all else of it is only compared with. Studies with several looks at the seeds are refused.
"""

import itertools
import json
import math
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from ruamel.yaml import YAML
from scipy import optimize, stats

ALPHA, TOLERANCE = 0.05, 1e-9
POPULATION, LARGEST_R2, CLEAR, REDUNDANT, FEWEST_UNITS, DECODABLE_SE = 4, 0.999, 1.1, 1.25, 20, 4.0
BLOCK_TIMES, FEWEST_BLOCKS, RETAINED, MAY_COLLAPSE, LINEAR = 5.0, 8, 0.5, 0.1, 0.8
CEILINGS = ("raw", "square_roots", "supervised")
A_THIRD = "a third of the data"
ARMS = {
    "delta": ("independent", "none"),
    "delta_paired": ("paired", "none"),
    "H": ("shared", "none"),
    "D": ("independent", "shared"),
}
FREE, COSTLY = ("D <= m", "H <= m", "delta <= m"), ("D > m",)
JITTER_FREE, JITTER_COSTLY = ("delta <= m", "delta(n/3) <= m"), ("delta > m", "delta(n/3) > m")
SUPPORTED = {
    "invariant": {"invariant"}, "tolerated": {"invariant", "tolerated"}, "sensitive": {"sensitive"},
    "distributed": {"spread"}, "few": {"few"},
}  # fmt: skip
CONTRADICTED = {
    "invariant": {"sensitive", "tolerated"}, "tolerated": {"sensitive"}, "sensitive": {"invariant", "tolerated"},
    "distributed": {"few"}, "few": {"spread"},
}  # fmt: skip


# Statistics (science.md 4)


@dataclass(frozen=True, eq=False)
class Sample:
    """An effect and its range in every session, each an array (seed, block), and the subjects."""

    effects: Sequence[np.ndarray]
    ranges: Sequence[np.ndarray]
    subjects: Sequence[str]

    @property
    def complete(self) -> bool:
        """Whether there is a session and nothing is missing."""
        return bool(self.effects) and all(
            e.size and np.isfinite(e).all() and np.isfinite(r).all() for e, r in zip(self.effects, self.ranges, strict=True)
        )

    @property
    def fixed(self) -> bool:
        """Whether a claim is about these recordings only."""
        return scope(self.subjects) == "these recordings"

    def by_unit(self, values: Sequence[float]) -> np.ndarray:
        """Averages within subjects, where subjects are what is counted; else the values."""
        if self.fixed or len(set(self.subjects)) == 1:
            return np.array(values)
        return pd.Series(values).groupby(list(self.subjects)).mean().to_numpy()

    @property
    def estimate(self) -> float:
        """Mean effect over mean range."""
        effect, scale = (self.by_unit([part.mean() for part in parts]).mean() for parts in (self.effects, self.ranges))
        return float(effect / scale)

    @property
    def skew(self) -> float:
        """Skewness of the effects over units; 0 with fewer than three."""
        units = self.by_unit([e.mean() for e in self.effects])
        return float(stats.skew(units)) if len(units) > 2 and np.ptp(units) > 0 else 0.0

    def p(self, margin: float, more: bool) -> float:
        """The p value of `effect > margin range`, or of `effect <= margin range`."""
        q = [e - margin * r for e, r in zip(self.effects, self.ranges, strict=True)]
        mean, error, df, guard = _fixed(q) if self.fixed else _over_units(self.by_unit([one.mean() for one in q]))
        if error == 0 or not math.isfinite(error):
            return 0.0 if (mean > 0 if more else mean < 0) else 1.0
        t = (mean if more else -mean) / error
        return float(stats.t.sf(t - max(0.0, -guard if more else guard), df))

    def at_most(self, margin: float) -> float:
        """The p value of the claim `<= margin`."""
        return self.p(margin, more=False)

    def more_than(self, margin: float) -> float:
        """The p value of the claim `> margin`."""
        return self.p(margin, more=True)

    @cached_property
    def quantity(self) -> tuple[float, float, float]:
        """Estimate and 90 % interval: the margins at which neither one-sided test rejects (Fieller)."""
        return self.estimate, self._end(more=True), self._end(more=False)

    def _end(self, more: bool) -> float:
        """Walk away from the estimate in small steps until the test rejects; then find the place."""
        side, start = (-1 if more else 1), self.estimate

        def above(distance: float) -> float:
            return self.p(start + side * distance, more) - ALPHA

        if above(0.0) < 0:
            return start
        near = 0.0
        for far in np.geomspace(1e-7, 500.0, 700):
            if above(far) < 0:
                return start + side * float(optimize.brentq(above, near, far, xtol=1e-15, rtol=1e-14))
            near = far
        return side * math.inf


def _over_units(q: np.ndarray) -> tuple[float, float, float, float]:
    """Mean, SE, df and Johnson's term for skew (1978, doi:10.1080/01621459.1978.10480051)."""
    n = len(q)
    error = float(q.std(ddof=1)) / math.sqrt(n)
    skew = float(stats.skew(q, bias=False)) if np.ptp(q) > 0 else 0.0
    bound = stats.t.ppf(1 - ALPHA, n - 1)
    return float(q.mean()), error, n - 1, skew * (2 * bound**2 + 1) / (6 * math.sqrt(n))


def _fixed(cells: Sequence[np.ndarray]) -> tuple[float, float, float, float]:
    """Mean over fixed sessions with V_s = s2_seed / K + s2_block / B, and Satterthwaite's df."""
    parts = [
        (means.var(ddof=1) / len(means), len(means) - 1) for q in cells for means in (q.mean(1), q.mean(0)) if len(means) > 1
    ]
    total, below = sum(v for v, _ in parts), sum(v**2 / df for v, df in parts)
    error = math.sqrt(total) / len(cells)
    return float(np.mean([q.mean() for q in cells])), error, total**2 / below if below > 0 else 1.0, 0.0


def scope(subjects: Sequence[str]) -> str:
    """What claims are about: subjects where there are several, else the sessions of one."""
    several = len(set(subjects)) > 1
    count = len(set(subjects)) if several else len(subjects)
    return "these recordings" if count < POPULATION else f"population of {'subjects' if several else 'sessions'}"


def holm_levels(p_values: Mapping[str, float]) -> dict[str, float]:
    """The level of each member: alpha / n, alpha / (n - 1), ... down to the first not shown."""
    levels, level, n = {}, ALPHA / max(1, len(p_values)), len(p_values)
    for rank, name in enumerate(sorted(p_values, key=p_values.__getitem__), start=1):
        levels[name] = level
        level = ALPHA / (n - rank) if p_values[name] <= level and rank < n else level
    return levels


def adjusted(p_values: Mapping[str, float], holm: bool) -> dict[str, float]:
    """P values adjusted by Holm (1979), or by Benjamini & Hochberg (1995)."""
    names, n = sorted(p_values, key=p_values.__getitem__), len(p_values)
    raw = np.array([p_values[name] for name in names])
    if holm:
        found = np.maximum.accumulate(raw * np.arange(n, 0, -1)) if n else raw
    else:
        found = np.minimum.accumulate((raw * n / np.arange(1, n + 1))[::-1])[::-1] if n else raw
    return dict(zip(names, np.minimum(found, 1.0).tolist(), strict=True))


# Losses of one session (results.csv)


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

    def ssl(self, axis: str, dose: float, arm: str, setting: str = "", test: tuple[str, float] | None = None) -> np.ndarray:
        """Losses of the study's own seeds; at the identity dose `arm` is `none`."""
        place = ("", 0.0) if arm == "none" else (axis, dose)
        return self.array(("ssl", setting, *place, arm, test), range(self.seeds))

    @property
    def range(self) -> np.ndarray:
        """R: the floor less the ceiling (seed, block)."""
        return self.floor - self.array((self.ceiling_family, "", "", 0.0, "none", None), range(self.seeds))

    def ranges_of(self, effect: np.ndarray) -> np.ndarray:
        """R for each seed of an effect, or averaged over the ceiling's own seeds."""
        return self.range if self.range.shape == effect.shape else self.range.mean(axis=0, keepdims=True)

    def difference(self, name: str, axis: str, dose: float, setting: str = "") -> np.ndarray:
        """D, H, delta or delta_paired before it is divided by R (seed, block)."""
        return _minus(*(self.ssl(axis, dose, arm, setting) for arm in ARMS[name]))

    def excess(self, axis: str, train: float, test: float, identity: float) -> np.ndarray:
        """L(d, e) - L(0, 0) before it is divided by R (seed, block)."""
        arm = "none" if train == identity else "independent"
        tested = self.ssl(axis, train, arm, test=None if test == identity else (axis, test))
        return _minus(tested, self.ssl("", 0.0, "none"))

    def retention(self, losses: np.ndarray) -> float:
        """The part of R that losses keep."""
        return float((self.floor - losses).mean() / self.range.mean()) if losses.size else math.nan


def _minus(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    return first - second if first.shape == second.shape else first[:0]


def merger(planned: int, duration_s: float, autocorrelation_s: float | None) -> tuple[int, Callable[[np.ndarray], np.ndarray]]:
    """How many merged blocks last five autocorrelation times, and the function that merges."""
    together = 1
    if autocorrelation_s is not None:
        together = max(1, math.ceil(BLOCK_TIMES * autocorrelation_s / (duration_s / planned) - 1e-9))
    long_enough = planned // together
    count = long_enough if long_enough >= FEWEST_BLOCKS else planned
    sizes = np.full(count, planned // count) + (np.arange(count) < planned % count)
    ends = np.concatenate([[0], np.cumsum(sizes)])

    def merge(values: np.ndarray) -> np.ndarray:
        return np.stack([values[..., a:b].mean(-1) for a, b in itertools.pairwise(ends)], -1)

    return long_enough, merge


# The code of one session (dropping_curves.csv)


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
        errors = {float(step): v for (what, name, step), v in self.totals.items() if (what, name) == ("curve", curve)}
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
        halves = [information(self.r2(v)) for (what, _, _), v in self.totals.items() if what in ("a half", "the other half")]
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


# The study and its tables


def table(folder: Path, name: str, numbers: Sequence[str] = ()) -> pd.DataFrame:
    """A table with text as text, empty where nothing stands, and some columns as exact numbers."""
    path = folder / f"{name}.csv"
    if not path.exists():
        return pd.DataFrame()
    found = pd.read_csv(path, dtype=str, keep_default_na=False)
    for column in set(numbers) & set(found.columns):
        found[column] = [float(value) if value else math.nan for value in found[column]]
    return found


@dataclass
class Tables:
    """A study file and the tables of its report."""

    study: dict[str, Any]
    report: dict[str, Any]
    results: pd.DataFrame
    sums: pd.DataFrame
    sessions: pd.DataFrame
    recipes: pd.DataFrame
    gates: pd.DataFrame
    losses: dict[str, Losses] = field(default_factory=dict)
    codes: dict[str, SessionCode] = field(default_factory=dict)
    blocks: dict[str, int] = field(default_factory=dict)

    @classmethod
    def read(cls, study: Path, folder: Path) -> "Tables":
        """Read the study file and the folder of its report."""
        numbers = ("dose", "fraction", "seed", "fold", "test_dose", "block", "loss", "floor_loss", "selection_loss")
        found = cls(
            YAML(typ="safe").load(study.read_text(encoding="utf-8")),
            json.loads((folder / "report.json").read_text(encoding="utf-8")),
            table(folder, "results", numbers), table(folder, "dropping_curves", ("value",)),
            table(folder, "sessions", ("null_p_value", "n_eff", "red_idx", "tau_s")), table(folder, "recipes", ("steps",)),
            table(folder, "gates"),
        )  # fmt: skip
        found._read_codes()
        found._read_losses()
        return found

    @property
    def method(self) -> str:
        """The kind of the study's own method."""
        return str(self.study["method"]["kind"])

    @property
    def seeds(self) -> int:
        """How many seeds each condition has."""
        return int(self.study.get("training", {}).get("seeds", 5))

    @property
    def quick(self) -> bool:
        """Whether the study left out its panel."""
        return bool(self.study.get("quick", False))

    def doses(self, axis: str) -> list[float]:
        """Doses of an axis other than the identity: those that were trained under its name."""
        return sorted(set(self.results.dose[(self.results.axis == axis) & (self.results.test == "")]) & set(self._declared(axis)))

    def identity(self, axis: str) -> float:
        """The dose of an axis that changes nothing: that of no run."""
        return next(dose for dose in self._declared(axis) if dose not in self.doses(axis))

    def _declared(self, axis: str) -> list[float]:
        return [float(dose) for one in self.study["axes"] if one["path"] == axis for dose in one["doses"]]

    def _read_codes(self) -> None:
        for name, rows in self.sums.groupby("session", sort=False) if len(self.sums) else ():
            lengths = {what: rows.value[rows.what == what] for what in ("duration_s", "autocorrelation_s")}
            sums = rows[~rows.what.isin(lengths)]
            parts = {deleted: Sums(part) for deleted, part in sums.groupby("deleted")}
            whole = parts.pop("")
            known = lengths["autocorrelation_s"]
            self.codes[str(name)] = SessionCode(
                int(rows.units.iloc[0]), whole, [parts[block] for block in sorted(parts, key=int)],
                float(lengths["duration_s"].iloc[0]), float(known.iloc[0]) if len(known) else None,
            )  # fmt: skip

    def _read_losses(self) -> None:
        """Sort the rows of results.csv into conditions, and choose the ceiling of every group."""
        in_time = self.study.get("folds", {}).get("scheme", "blocks") != "shuffled"
        rows = self.results[(self.results.fold.notna()) & self.results.test.isin(["", "corruption"])]
        rows = rows[(rows.method != "reliance")]
        for name, own in rows.groupby("session", sort=False):
            raw = own[(own.method == "raw") & own.block.notna()]
            planned = int(raw.block.max()) + 1
            code = self.codes.get(str(name))
            lengths = (code.duration_s, code.autocorrelation_s) if code and in_time else (math.inf, None)
            self.blocks[str(name)], merge = merger(planned, *lengths)
            floor = np.full(planned, np.nan)
            floor[raw.block.astype(int)] = raw.floor_loss
            self.losses[str(name)] = Losses(str(name), self.seeds, planned, merge, merge(floor), self._conditions(own, planned))
        for group in set(self.sessions.group):
            members = self.sessions.session[self.sessions.group == group]
            family = self._ceiling(members)
            for name in members:
                self.losses[name].ceiling_family = family

    def _conditions(self, rows: pd.DataFrame, planned: int) -> dict[tuple[Any, ...], dict[int, np.ndarray]]:
        found: dict[tuple[Any, ...], dict[int, np.ndarray]] = {}
        for row in rows.itertuples():
            ssl = row.setting != "baseline" and (row.setting != "" or row.method == self.method)
            test = (row.test_axis, row.test_dose) if row.test else None
            place = ("ssl" if ssl else row.method, row.setting, row.axis, row.dose, row.arm, test)
            losses = found.setdefault(place, {}).setdefault(int(row.seed), np.full(planned, np.nan))
            if not math.isnan(row.block) and row.status != "failed":
                losses[int(row.block)] = row.loss
        return found

    def _ceiling(self, members: Sequence[str]) -> str:
        """The decoder of the lowest mean loss inside training parts, one for all sessions."""
        rows = self.results[(self.results.axis == "") & (self.results.fraction == 1) & (self.results.test == "")]
        rows = rows[rows.status != "failed"].drop_duplicates(["session", "method", "setting", "seed", "fold"])
        by_session = rows[rows.selection_loss.notna()].groupby(["method", "session"]).selection_loss.mean().to_dict()
        means = {family: np.mean([by_session.get((family, name), math.inf) for name in members]) for family in CEILINGS}
        return min(CEILINGS, key=means.__getitem__)

    def sound(self, name: str) -> bool:
        """Whether a session can be decoded: its null, enough blocks, R above four SE."""
        mean, error, _, _ = _fixed([self.losses[name].range])
        p = self.sessions.null_p_value[self.sessions.session == name].item()
        return bool(p <= ALPHA and self.blocks[name] >= FEWEST_BLOCKS and mean > DECODABLE_SE * error)


# One hypothesis


@dataclass(frozen=True, eq=False)
class Recipe:
    """What one recipe of a panel shows of a hypothesis."""

    name: str
    samples: dict[str, Sample]
    claims: dict[str, float]
    retention: float
    gates: dict[str, str]

    @property
    def passes(self) -> bool:
        """Whether its runs are there and no gate of its own failed."""
        return all(sample.complete for sample in self.samples.values()) and "failed" not in self.gates.values()


@dataclass(eq=False)
class Hypothesis:
    """One claim about a dose, with the tables that bear on it."""

    tables: Tables
    declared: dict[str, Any]

    @property
    def id(self) -> str:
        """Its name in the study."""
        return str(self.declared["id"])

    @cached_property
    def reported(self) -> dict[str, Any]:
        """What report.json says of it."""
        return next(h for h in self.tables.report["hypotheses"] if h["id"] == self.id)

    @property
    def axis(self) -> str:
        """The swept path."""
        return str(self.declared["axis"])

    @property
    def dose(self) -> float:
        """The primary dose."""
        return float(self.declared["dose"])

    @property
    def margin(self) -> float:
        """The margin in units of R."""
        return float(self.declared["margin"]["fraction_of_range"])

    @property
    def jitter(self) -> bool:
        """Whether it is about a jitter in time."""
        return self.axis.startswith("time_jitter.")

    @property
    def about_units(self) -> bool:
        """Whether it predicts how many units carry the target."""
        return self.declared["predicts"] in ("distributed", "few")

    @cached_property
    def covered(self) -> list[str]:
        """The sessions that it is about."""
        if any(recording.get("pilot") for recording in self.tables.study["recordings"]):
            return list(self.reported["sessions"])  # no table says which sessions are pilots
        group = self.declared.get("group")
        sessions = self.tables.sessions
        return [str(name) for name in sessions.session[(sessions.group == group) | (group is None)]]

    @cached_property
    def names(self) -> list[str]:
        """Those of them that can be decoded."""
        return [name for name in self.covered if self.tables.sound(name)]

    @cached_property
    def subjects(self) -> list[str]:
        """The subject of every decodable session."""
        known = dict(zip(self.tables.sessions.session, self.tables.sessions.subject, strict=True))
        return [known[name] for name in self.names]

    @property
    def losses(self) -> list[Losses]:
        """The losses of the decodable sessions."""
        return [self.tables.losses[name] for name in self.names]

    def over(self, make: Callable[[Losses], np.ndarray]) -> Sample:
        """An effect in every decodable session, over R."""
        effects = [make(losses) for losses in self.losses]
        ranges = [losses.ranges_of(effect) for losses, effect in zip(self.losses, effects, strict=True)]
        return Sample(effects, ranges, self.subjects)

    def learned(self, name: str, dose: float | None = None, setting: str = "", axis: str = "") -> Sample:
        """D, H, delta or delta_paired under a setting."""
        at = self.dose if dose is None else dose
        return self.over(lambda losses: losses.difference(name, axis or self.axis, at, setting))

    def change(self, name: str, setting: str) -> Sample:
        """By how much D, H or delta differs from the declared recipe's, in units of its R."""
        own = [losses.difference(name, self.axis, self.dose) for losses in self.losses]
        effects = [
            _minus(losses.difference(name, self.axis, self.dose, setting), effect)
            for losses, effect in zip(self.losses, own, strict=True)
        ]
        return Sample(effects, [losses.ranges_of(effect) for losses, effect in zip(self.losses, own, strict=True)], self.subjects)

    def excess(self, train: float, test: float) -> Sample:
        """(L(d, e) - L(0, 0)) / R."""
        return self.over(lambda losses: losses.excess(self.axis, train, test, self.tables.identity(self.axis)))

    @cached_property
    def noise(self) -> Sample:
        """Dose 0 with other seeds less dose 0."""

        def contrast(losses: Losses) -> np.ndarray:
            others = losses.array(("ssl", "", "", 0.0, "none", None), range(losses.seeds, 2 * losses.seeds))
            return _minus(others, losses.ssl("", 0.0, "none"))

        return self.over(contrast)

    # The code

    @cached_property
    def codes(self) -> list[SessionCode]:
        """The code of every decodable session; empty where some were not measured, and for a jitter."""
        found = [self.tables.codes[name] for name in self.names if name in self.tables.codes]
        return found if found and len(found) == len(self.names) and not self.jitter else []

    def code_sample(self, name: str, dose: float | None = None) -> Sample:
        """C_code or C_blind, or the log of a share (K_s, K_n, carriers) or of redundancy."""
        at = self.dose if dose is None else dose
        if name in ("C_code", "C_blind"):
            effects = [code.values(lambda sums: sums.lost(name, self.axis, at)) for code in self.codes]
            ranges = [code.values(lambda sums: sums.range) for code in self.codes]
        else:
            effects = [code.logarithm(name) for code in self.codes]
            ranges = [np.ones_like(effect) for effect in effects]
        if scope(self.subjects) == "these recordings" and any(effect.shape[1] < 2 for effect in effects):
            effects = [np.full((1, 1), math.nan) for _ in effects]  # no variance without a jackknife
        return Sample(effects, ranges, self.subjects)

    @cached_property
    def has_code(self) -> bool:
        """Whether C_code is known in every session."""
        return bool(self.codes) and self.code_sample("C_code").complete

    @cached_property
    def code_claims(self) -> dict[str, float]:
        """The p values of C_code <= m and > m."""
        if not self.has_code:
            return {}
        sample = self.code_sample("C_code")
        return {"C_code <= m": sample.at_most(self.margin), "C_code > m": sample.more_than(self.margin)}

    @cached_property
    def names_carriers(self) -> bool:
        """Whether a word about carriers is allowed."""
        return self.has_code and min(c.n_units for c in self.codes) >= FEWEST_UNITS and self.code_sample("carriers").complete

    @cached_property
    def carriers(self) -> dict[str, float]:
        """The p values of few, between and spread."""
        if not self.names_carriers:
            return {"few": 1.0, "between": 1.0, "spread": 1.0}
        share, both, k_n = float(self.declared.get("share", 0.25)), self.code_sample("carriers"), self.code_sample("K_n")
        low, high = math.log(share / CLEAR), math.log(share * CLEAR)
        return {
            "few": both.at_most(low),
            "between": max(both.more_than(low), k_n.at_most(high)),
            "spread": k_n.more_than(high),
        }

    def code_quantities(self) -> Iterator[tuple[str, tuple[float, float, float] | None]]:
        """Every quantity of the code with its 90 % interval; None where it is not known."""
        mean_units = math.exp(float(np.mean([math.log(code.n_units) for code in self.codes])))
        for name in ("C_code", "C_blind", "K_s", "K_n", "carriers", "redundancy"):
            sample = self.code_sample(name)
            if not sample.complete or name.startswith("C_"):
                yield name, sample.quantity if sample.complete else None
                continue
            scale = 1.0 if name == "redundancy" else mean_units
            estimate, low, high = (scale * math.exp(value) for value in sample.quantity)
            yield name, (estimate, low, high)

    # Learning

    @cached_property
    def own_gates(self) -> pd.DataFrame:
        """The rows of gates.csv about it."""
        return self.tables.gates[self.tables.gates.hypothesis == self.id]

    def taken(self, name: str) -> str:
        """The outcome of a gate that no table of losses shows; empty where it was not judged."""
        found = self.own_gates.outcome[self.own_gates.name == name]
        return str(found.iloc[0]) if len(found) else ""

    @cached_property
    def noise_outcome(self) -> str:
        """A/A: shown different fails; not shown equivalent leaves no `<= m` claim."""
        if not self.noise.complete:
            return "not computed"
        if min(self.noise.more_than(self.margin), self.noise.at_most(-self.margin)) <= ALPHA:
            return "failed"
        equivalent = max(self.noise.at_most(self.margin), self.noise.more_than(-self.margin)) <= ALPHA
        return "passed" if equivalent else "not shown"

    @property
    def equivalent(self) -> bool:
        """Whether the A/A contrast leaves room for `<= m` claims."""
        if not self.noise.complete:
            return True
        return max(self.noise.at_most(self.margin), self.noise.more_than(-self.margin)) <= ALPHA

    @cached_property
    def panel(self) -> pd.DataFrame:
        """The rows of recipes.csv about it."""
        found = self.tables.recipes
        return found[found.hypothesis == self.id] if len(found) else found

    @cached_property
    def recipes(self) -> list[Recipe]:
        """The recipes that were trained, the declared one first."""
        return [self._recipe(str(row.name_), str(row.method)) for row in self._computed().itertuples()]

    def _computed(self) -> pd.DataFrame:
        rows = self.panel.rename(columns={"name": "name_"})
        return rows[rows.computed == "True"] if len(rows) else rows

    def _recipe(self, name: str, method: str) -> Recipe:
        setting = "" if name == "declared" else f"recipe: {name}"
        if self.jitter:
            third = f"{setting}, {A_THIRD}" if setting else A_THIRD
            samples = {"delta": self.learned("delta", setting=setting), "delta(n/3)": self.learned("delta", setting=third)}
        else:
            samples = {estimand: self.learned(estimand, setting=setting) for estimand in ("D", "H", "delta")}
        if not all(sample.complete for sample in samples.values()):
            return Recipe(name, samples, {}, math.nan, {})
        clean = [losses.retention(losses.ssl("", 0.0, "none", setting)) for losses in self.losses]
        shared = [losses.retention(losses.ssl(self.axis, self.dose, "shared", setting)) for losses in self.losses]
        best = clean if self.jitter else [max(pair) for pair in zip(clean, shared, strict=True)]
        at_most = self.equivalent and _enough(clean)
        outcomes = {"retention": "passed" if _enough(best) else "failed", "collapse": self._collapse(setting, method)}
        return Recipe(name, samples, self.claims_of(samples, at_most), float(np.median(clean)), outcomes)

    def claims_of(self, samples: Mapping[str, Sample], at_most: bool) -> dict[str, float]:
        """Both claims about every estimand; without a dose 0 to rely on, only those above m."""
        found = {}
        for name, sample in samples.items():
            found[f"{name} <= m"] = sample.at_most(self.margin) if at_most else 1.0
            found[f"{name} > m"] = sample.more_than(self.margin)
        return found if at_most or "D" not in samples else found | {"delta > m": 1.0}

    def _collapse(self, setting: str, method: str) -> str:
        rows = self.tables.results
        rows = rows[(rows.setting == setting) & (rows.axis == "") & (rows.test == "") & (rows.method == method)]
        runs = rows[rows.session.isin(self.names)].drop_duplicates(["session", "seed", "fold"])
        return "passed" if len(runs) and (runs.status != "done").sum() <= MAY_COLLAPSE * len(runs) else "failed"

    @cached_property
    def trained_outcome(self) -> str:
        """Whether a recipe of more steps shows the declared one undertrained; empty where not asked."""
        if self.tables.quick:
            return "not computed"
        if len(self.recipes) == 1 and (self.panel.computed == "True").all():
            return ""
        rows = self._computed()
        own = rows[rows.name_ == "declared"].iloc[0]
        longer = rows[(rows.method == own.method) & (rows.steps > own.steps)]
        if not len(longer):
            return "not computed"
        setting = f"recipe: {longer.loc[longer.steps.idxmax()].name_}"
        clean = self.over(lambda losses: _minus(losses.ssl("", 0.0, "none"), losses.ssl("", 0.0, "none", setting)))
        samples = [clean, *(self._more(name, setting) for name in (("delta",) if self.jitter else ("H", "delta")))]
        if not all(sample.complete for sample in samples):
            return "not computed"
        return "failed" if min(sample.more_than(self.margin) for sample in samples) <= ALPHA else "passed"

    def _more(self, name: str, setting: str) -> Sample:
        change = self.change(name, setting)
        return Sample([-effect for effect in change.effects], change.ranges, change.subjects)

    @cached_property
    def outcomes(self) -> dict[str, tuple[str, set[str]]]:
        """The outcome of every gate, and what it limits; those that losses show computed again."""
        limits = dict(zip(self.own_gates.name, self.own_gates.limits, strict=True))
        needed = min(3, len(self.covered))
        computed = {"decodable": "passed" if len(self.names) >= max(1, needed) else "failed"}
        if "noise" in limits:
            computed |= {"noise": self.noise_outcome, **(self.recipes[0].gates if self.recipes else {})}
            computed |= {"trained": self.trained_outcome} if self.trained_outcome else {}
        found = {name: (computed.get(name, self.taken(name)), set(what.split("; "))) for name, what in limits.items()}
        if "noise" in found:  # what it limits depends on its outcome
            everything = found["noise"][0] == "failed"
            found["noise"] = found["noise"][0], {"learning"} if everything else {"invariant", "tolerated", "competition"}
        return found

    def failed(self, what: str, everything: bool = False) -> list[str]:
        """Gates that failed and limit something."""
        limited = {what, "everything"} if everything else {what}
        return [name for name, (outcome, limits) in self.outcomes.items() if outcome == "failed" and limited & limits]

    @cached_property
    def learning(self) -> dict[str, float]:
        """The p values of free, costly, dearer (delta > m) and recipe-dependent over the panel."""
        free, costly = (JITTER_FREE, JITTER_COSTLY) if self.jitter else (FREE, COSTLY)
        below, above = (free, costly) if self.jitter else (FREE[:1], COSTLY)
        claims = [recipe.claims for recipe in self.recipes if recipe.passes]
        found = {"free": 1.0, "costly": 1.0, "dearer": 1.0, "recipe-dependent": 1.0}
        if claims and len(claims) == len(self.recipes):
            found["free"] = max(p[name] for p in claims for name in free)
            found["costly"] = max(p[name] for p in claims for name in costly)
            found["dearer"] = max(p["delta > m"] for p in claims)
        if len(claims) > 1:
            at_most = min(max(p[name] for name in below) for p in claims)
            more = min(max(p[name] for name in above) for p in claims)
            found["recipe-dependent"] = min(1.0, len(claims) * max(at_most, more))
        return found

    @property
    def missing(self) -> bool:
        """Whether runs of the declared recipe, or of the code, are missing."""
        declared = self.recipes[0].samples.values() if self.recipes else ()
        return not declared or not all(s.complete for s in declared) or not (self.jitter or self.has_code)

    @cached_property
    def shown(self) -> dict[str, float]:
        """The p value of every possible word, before a failed gate takes single words away."""
        if self.failed("everything"):
            return {}
        if self.about_units:
            return self.carriers if self.has_code and not self.failed("carriers", True) else {}
        if not self.recipes or self.failed("learning", True) or self.failed("the axis", True) or self.missing:
            return {}
        free, costly = self.learning["free"], self.learning["costly"]
        if self.jitter:
            words = {"tolerated": free, "sensitive": costly}
        else:
            kept, lost = self.code_claims["C_code <= m"], self.code_claims["C_code > m"]
            words = {
                "invariant": max(kept, free),
                "tolerated": max(lost, free),
                "sensitive": max(lost, costly),
                "competition": max(kept, costly, self.learning["dearer"]),
            }
        words["recipe-dependent"] = self.learning["recipe-dependent"]
        unclaimed = self.outcomes["noise"][1] if self.noise_outcome == "not shown" else set()
        return {word: 1.0 if word in unclaimed else p for word, p in words.items()}

    @property
    def words(self) -> dict[str, float]:
        """The same, with p = 1 for words that a failed gate takes away."""
        taken = {word for outcome, limits in self.outcomes.values() if outcome == "failed" for word in limits}
        return {word: 1.0 if word in taken else p for word, p in self.shown.items()}

    @property
    def p_value(self) -> float | None:
        """The smallest p value of its possible words."""
        return min(self.words.values(), default=None)

    def word(self, level: float) -> str:
        """The word at a level, or what stands in its place."""
        for what in ("everything", "the axis") if self.about_units else ("everything", "the axis", "learning"):
            if failed := self.failed(what):
                return self._without_word(failed)
        word = decide(self.shown, level) if self.shown else "inconclusive"
        failed = self.failed(word)
        return self._without_word(failed) if failed else word

    def _without_word(self, failed: list[str]) -> str:
        if failed == ["decodable"]:
            return "untestable: too few sessions can be decoded"
        if "movement" in failed and self.jitter:
            return "untestable: the target does not move on the axis"
        if failed == ["licence"]:
            return "uncalibrated method"
        return f"invalid: {', '.join(name for name in failed if name != 'licence')}"

    def verdict(self, level: float) -> str:
        """The word, and where Holm's level makes it fall what it would be unadjusted."""
        word = self.word(level)
        if word == "inconclusive" and self.words and (alone := decide(self.words, ALPHA)) != word:
            return f"inconclusive (unadjusted: {alone})"
        return word

    def outcome(self, level: float) -> str:
        """Whether the word supports or contradicts the prediction."""
        word, predicts = self.word(level), self.declared["predicts"]
        return "supported" if word in SUPPORTED[predicts] else "contradicted" if word in CONTRADICTED[predicts] else "open"

    @property
    def member(self) -> bool:
        """Whether it is judged as a confirmatory one, as it was registered."""
        standing = self.tables.report["registration"]
        known = [h["id"] for h in self.tables.study["hypotheses"]]
        departs = any(
            text.startswith(f"{self.id}: ") or not any(text.startswith(f"{one}: ") for one in known)
            for text in standing["deviations"]
        )
        registered = standing["sha256"] is not None and not departs and not self.tables.quick
        return registered and self.declared.get("role", "confirmatory") == "confirmatory"

    def status(self, level: float) -> str:
        """`confirmatory`, unless a gate or a recipe that the word needs is open."""
        word = self.word(level)
        limited = {word, "everything", "the axis", "carriers" if self.about_units else "learning"}
        is_open = any(o in ("not shown", "not computed") and limits & limited for o, limits in self.outcomes.values())
        gaps = not self.about_units and len(self.panel) and not (self.panel.computed == "True").all()
        return "confirmatory" if self.member and not is_open and not gaps else "exploratory"

    def dose_interval(self) -> dict[str, float | None] | None:
        """Doses that are shown free upward from the identity, and the lowest that is shown lost."""
        kept, lost, names = {}, {}, ("delta",) if self.jitter else ("D", "H", "delta")
        clean = [losses.retention(losses.ssl("", 0.0, "none")) for losses in self.losses]
        for dose in self.tables.doses(self.axis):
            samples = {name: self.learned(name, dose) for name in names}
            code = None if self.jitter else self.code_sample("C_code", dose)
            if not all(s.complete for s in samples.values()) or (code is not None and not code.complete):
                return None
            claims = self.claims_of(samples, self.equivalent and _enough(clean))
            kept[dose] = max(claims[f"{name} <= m"] for name in names)
            lost[str(dose)] = claims["delta > m"] if code is None else max(claims["D > m"], code.more_than(self.margin))
        lower = self.tables.identity(self.axis)
        for dose in sorted(kept):
            if kept[dose] > ALPHA:
                break
            lower = dose
        above = [float(dose) for dose, p in adjusted(lost, holm=True).items() if p <= ALPHA]
        return {"lower": lower, "upper": min(above) if above else None}


def _enough(kept: Sequence[float]) -> bool:
    return sum(not value >= RETAINED for value in kept) <= (1 if len(kept) > 4 else 0)


def decide(p_values: Mapping[str, float], level: float, otherwise: str = "inconclusive") -> str:
    """The word of the smallest p value where it is shown."""
    word = min(p_values, key=p_values.__getitem__)
    return word if p_values[word] <= level else otherwise


# Comparison with report.json

Row = tuple[str, str, Any, Any]
"""Kind of figure, which one, as reported, as computed here."""


def ends(kind: str, where: str, reported: Mapping[str, Any] | None, found: tuple[float, float, float] | None) -> Iterator[Row]:
    """Estimate and both ends of an interval."""
    if reported is None or found is None:
        yield f"{kind}: estimates", where, reported, found
        return
    yield f"{kind}: estimates", where, reported["estimate"], found[0]
    yield f"{kind}: intervals", f"{where}, low", reported["ci_low"], found[1]
    yield f"{kind}: intervals", f"{where}, high", reported["ci_high"], found[2]


def of_sessions(tables: Tables) -> Iterator[Row]:
    """Ranges, nulls and codes of single sessions."""
    for found in tables.report["sessions"]:
        name, losses = found["session"], tables.losses[found["session"]]
        mean, error, _, _ = _fixed([losses.range])
        yield "sessions: floor, ceiling, R and its SE", f"{name}: floor", found["floor"], float(losses.floor.mean())
        yield "sessions: floor, ceiling, R and its SE", f"{name}: R", found["range"], mean
        yield "sessions: floor, ceiling, R and its SE", f"{name}: SE of R", found["range_se"], error
        yield "sessions: ceiling and decodability", f"{name}: ceiling", found["ceiling_family"], losses.ceiling_family
        yield "sessions: ceiling and decodability", f"{name}: decodable", found["decodable"], tables.sound(name)
    for null in tables.report["nulls"]:
        if null["null"]:
            p = (1 + sum(draw <= null["observed"] for draw in null["null"])) / (1 + len(null["null"]))
            yield "sessions: p of the null", null["session"], null["p_value"], p
    for point in tables.report["code"]:
        code, name = tables.codes[point["session"]], point["session"]
        own = {"R_code": code.whole.range, "R_code_se": code.whole.range_se, "r2": code.whole.r2(code.whole["linear"])}
        known = code.whole.decodable
        own |= {k: code.whole.units(k) if known else math.nan for k in ("K_s", "K_n", "carriers")}
        own |= {"redundancy": code.whole.redundancy if known else math.nan}
        yield from (("sessions: the code", f"{name}: {k}", point[k], value) for k, value in own.items())


def of_curves(tables: Tables) -> Iterator[Row]:
    """Every point of curve.csv (sessions and seeds) and of dropping.csv."""
    for point in tables.report["curve"]:
        losses, where = tables.losses[point["session"]], f"{point['session']} {point['estimand']} at {point['dose']}"
        if point["estimand"] in ("C_code", "C_blind"):
            code = tables.codes[point["session"]]
            lost = code.values(lambda sums, p=point: sums.lost(p["estimand"], p["axis"], p["dose"]))  # type: ignore[misc]
            value = lost.mean() / code.values(lambda sums: sums.range).mean()
        elif point["estimand"] in ARMS:
            effect = losses.difference(point["estimand"], point["axis"], point["dose"])
            part = effect if point["seed"] is None else effect[point["seed"]]
            value = part.mean() / losses.ranges_of(effect).mean()
        else:
            continue
        yield "curve: sessions and seeds", where, point["value"], float(value)
    for point in tables.report["dropping"]:
        sums = tables.codes[point["session"]].whole
        j = information(sums.r2(sums.totals["curve", point["curve"], str(point["units"])]))
        yield "dropping curves", f"{point['session']} {point['curve']}", point["part"], j / information(sums.r2(sums["linear"]))


def of_code(h: Hypothesis) -> Iterator[Row]:
    """The finding of the code."""
    found = h.reported["code"]
    if found is None or not h.has_code:
        yield "words: the code", h.id, found is None, not h.has_code or bool(h.failed("everything"))
        return
    for name, quantity in h.code_quantities():
        kind = "C_code, C_blind" if name.startswith("C_") else "K_s, K_n, carriers, redundancy"
        yield from ends(kind, f"{h.id}: {name}", found[name], quantity)
    if found["independent"] is not None:
        js = [information(code.whole.r2(code.whole["linear"])) for code in h.codes]
        yield (
            "C_code of an independent code",
            h.id,
            found["independent"],
            float(np.mean([h.dose / (1 + (1 - h.dose) * j) for j in js])),
        )
    reached = sum(c.whole.range for c in h.codes) / sum(float(losses.range.mean()) for losses in h.losses)
    yield "words: the code", f"{h.id}: linear", found["linear"], reached < LINEAR


def of_estimands(h: Hypothesis) -> Iterator[Row]:
    """Estimands at every dose under the declared recipe, and at the primary one under all settings."""
    for row in h.reported["estimands"]:
        sample = _sample_of(h, row)
        where = f"{h.id}: {row['name']} at {row['dose']}"
        yield from ends("declared recipe", where, row, sample.quantity)
        yield "declared recipe: skew", where, row["skew"], sample.skew
    for row in h.reported["swept"]:
        kind, name = f"setting {row['setting']}", row["name"]
        if row["setting"].startswith("control: "):
            sample = h.learned(name, row["dose"], axis=row["axis"])
        elif name.startswith("change of "):
            sample = h.change(name.removeprefix("change of "), row["setting"])
        else:
            sample = h.learned(name, setting=row["setting"])
        yield from ends(kind, f"{h.id}: {name}", row, sample.quantity)


def _sample_of(h: Hypothesis, row: Mapping[str, Any]) -> Sample:
    identity = h.tables.identity(h.axis)
    if row["name"] in ("C_code", "C_blind"):
        return h.code_sample(row["name"], row["dose"])
    if row["name"] in ("T", "L(d, d)"):
        return h.excess(identity if row["name"] == "T" else row["dose"], row["dose"])
    if row["name"] == "delta(n/3)":
        return h.learned("delta", setting=A_THIRD)
    return h.learned(row["name"], row["dose"])


def of_learning(h: Hypothesis, level: float) -> Iterator[Row]:
    """The recipes of the panel, every claim, gates and what stands beside the verdict."""
    found = h.reported["learning"]
    if found is None:
        return
    free, costly = (JITTER_FREE, JITTER_COSTLY) if h.jitter else (FREE, COSTLY)
    rows = {row["name"]: row for row in found["panel"]["recipes"]}
    for recipe in h.recipes:
        row = rows[recipe.name]
        for name in ("D", "H", "delta"):
            if row[name] is not None:
                yield from ends(f"recipe {recipe.name}", f"{h.id}: {name}", row[name], recipe.samples[name].quantity)
        yield "retention", f"{h.id}: {recipe.name}", row["retention"], recipe.retention
        p_values = (
            {"free": max(recipe.claims[c] for c in free), "costly": max(recipe.claims[c] for c in costly)}
            if recipe.claims
            else {}
        )
        word = decide(p_values, level, "undecided") if recipe.passes else "undecided"
        yield "words: learning", f"{h.id}: {recipe.name}", row["finding"], word
    claims = {} if not h.code_claims else dict(h.code_claims)
    for recipe in h.recipes:
        mark = "" if recipe.name == "declared" else f" [{recipe.name}]"
        claims |= {f"{name}{mark}": p for name, p in recipe.claims.items()}
    reported = {claim["name"]: claim["p_value"] for claim in h.reported["claims"]}
    if reported or not h.missing:
        yield "claims", f"{h.id}: which", sorted(reported), sorted(claims)
    yield from (("claims: p values", f"{h.id}: {name}", p, claims.get(name)) for name, p in reported.items())
    withheld = h.failed("learning", True)
    word = decide({k: p for k, p in h.learning.items() if k != "dearer"}, level, "undecided")
    yield "words: learning", h.id, found["finding"], "undecided" if withheld else word
    if not h.missing:
        yield "dose intervals", h.id, h.reported["dose_interval"], h.dose_interval()
        arms = [h.learned(name) for name in (("delta",) if h.jitter else ("delta", "H", "delta_paired"))]
        helped = any(sample.complete and sample.at_most(-h.margin) <= ALPHA for sample in arms)
        yield "words: flags", h.id, h.reported["flags"], ["regularised"] if helped else []
        yield "words: naive rule", h.id, h.reported["naive"]["independent"], naive(h.learned("delta"), h.margin)
        if h.reported["naive"]["paired"] is not None:
            yield "words: naive rule", h.id, h.reported["naive"]["paired"], naive(h.learned("delta_paired"), h.margin)


def naive(delta: Sample, margin: float) -> str:
    """What the rule `delta <= m, so invariant` says."""
    return "invariant" if delta.estimate <= margin else "not invariant"


def of_matrix(h: Hypothesis) -> Iterator[Row]:
    """Encoders trained at one dose and tested at another, over sessions."""
    for row in h.tables.report["matrix"]:
        if row["hypothesis"] == h.id:
            found = h.excess(row["train_dose"], row["test_dose"]).quantity
            named = {"estimate": row["value"], "ci_low": row["ci_low"], "ci_high": row["ci_high"]}
            if row["ci_low"] is None and row["train_dose"] == row["test_dose"] == h.tables.identity(h.axis):
                found = (found[0], math.inf, math.inf)  # zero by definition: no interval
            yield from ends("matrix", f"{h.id}: {row['train_dose']}, {row['test_dose']}", named, found)


def of_measures(h: Hypothesis) -> Iterator[Row]:
    """N_eff, RedIdx and tau: t over subjects or sessions, of logarithms but for RedIdx."""
    sessions = h.tables.sessions.set_index("session")
    for row in h.reported["no_ssl"]["measures"]:
        values = sessions.loc[h.names, row["name"]].astype(float)
        forth, back = (np.array, float) if row["name"] == "red_idx" else (np.log, math.exp)
        units = pd.Series(forth(values))
        if len(set(h.subjects)) > 1:
            units = units.groupby(h.subjects).mean()
        if len(units) < POPULATION:
            yield "N_eff, RedIdx, tau", f"{h.id}: {row['name']}", row["estimate"], back(float(np.mean(forth(values))))
            continue
        half = stats.t.ppf(1 - ALPHA, len(units) - 1) * units.sem()
        found = tuple(back(float(v)) for v in (units.mean(), units.mean() - half, units.mean() + half))
        yield from ends("N_eff, RedIdx, tau", f"{h.id}: {row['name']}", row, found)  # type: ignore[arg-type]
        if row["p_value"] is not None:
            p = stats.ttest_1samp(units, 0.0, alternative="greater").pvalue
            yield "N_eff, RedIdx, tau: p values", f"{h.id}: {row['name']}", row["p_value"], float(p)


def of_verdict(h: Hypothesis, level: float, adjusted_p: float) -> Iterator[Row]:
    """The p value, the word at Holm's level, and the words of the code."""
    found = h.reported
    yield "hypotheses: p values", h.id, found["p_value"], h.p_value
    yield "hypotheses: adjusted p values", h.id, found["p_value_adjusted"], None if h.p_value is None else adjusted_p
    yield "words: verdicts", h.id, found["verdict"], h.verdict(level)
    yield "words: outcomes", h.id, found["outcome"], h.outcome(level)
    yield "words: status", h.id, found["status"], h.status(level)
    yield "words: scope", h.id, found["scope"], scope(h.subjects)
    yield "words: sessions", h.id, found["sessions"], h.names
    for gate in found["gates"]:
        yield "words: gates", f"{h.id}: {gate['name']}", gate["outcome"], h.outcomes[gate["name"]][0]
    code = found["code"]
    if code is not None and h.has_code:
        kept = {"kept": h.code_claims["C_code <= m"], "lost": h.code_claims["C_code > m"]}
        yield "words: the code", h.id, code["finding"], decide(kept, level, "undecided")
        allowed = h.names_carriers and not h.failed("carriers", True)
        word = decide(h.carriers, level, "undecided") if allowed else ""
        yield "words: carriers", h.id, code["carriers_word"], "undecided" if word and h.failed(word) else word
        sample = h.code_sample("redundancy")
        redundant = allowed and sample.complete and sample.more_than(math.log(REDUNDANT)) <= level
        yield "words: carriers", f"{h.id}: redundant", code["redundant"], redundant


def rows_of(tables: Tables, hypotheses: Sequence[Hypothesis]) -> Iterator[Row]:
    """Every figure of the report that is computed again."""
    p_values = {h["id"]: h["p_value"] for h in tables.report["hypotheses"]} | {h.id: h.p_value for h in hypotheses}
    counted = {name: 1.0 if p is None else p for name, p in p_values.items()}
    members = {h.id for h in hypotheses if h.member} | {
        h["id"] for h in tables.report["hypotheses"] if h["kind"] == "contrast" and h["status"] == "confirmatory"
    }
    confirmatory = {name: p for name, p in counted.items() if name in members}
    levels = holm_levels(confirmatory)
    by_name = adjusted(confirmatory, holm=True) | adjusted({n: p for n, p in counted.items() if n not in members}, holm=False)
    yield from of_sessions(tables)
    yield from of_curves(tables)
    for h in hypotheses:
        level = levels.get(h.id, ALPHA)
        print(f"{h.id}: {h.verdict(level)} at level {level:.4g}; p by word: " + said(h.words) + f"; carriers: {said(h.carriers)}")
        yield from of_verdict(h, level, by_name[h.id])
        yield from of_measures(h)
        if h.failed("everything"):
            continue
        yield from of_code(h)
        yield from of_estimands(h)
        yield from of_learning(h, level)
        yield from of_matrix(h)


def said(p_values: Mapping[str, float]) -> str:
    """P values in a line."""
    return ", ".join(f"{name} {p:.3g}" for name, p in p_values.items()) or "none"


def difference(reported: Any, found: Any) -> float:
    """Absolute difference of two numbers, relative above 1; infinite where other things differ."""
    if isinstance(found, float) and not math.isfinite(found):
        found = None  # report.json has null there
    if (
        isinstance(reported, bool)
        or isinstance(found, bool)
        or not isinstance(reported, int | float)
        or not isinstance(found, int | float)
    ):
        return 0.0 if reported == found else math.inf
    return abs(reported - found) / max(1.0, abs(reported))


def recompute(study: Path, folder: Path) -> int:
    """Compare a report with what its tables give; returns the number of figures that differ."""
    tables = Tables.read(study, folder)
    if "adaptive" in tables.study.get("training", {}):
        sys.exit("several looks at the seeds (training.adaptive) are not recomputed; use a study with a fixed number")
    declared = [h for h in tables.study["hypotheses"] if h.get("kind") != "contrast"]
    for h in tables.study["hypotheses"]:
        if h.get("kind") == "contrast":
            print(f"{h['id']}: a contrast; not recomputed, its p value enters Holm's procedure as reported")
    worst: dict[str, list[tuple[float, str, Any, Any]]] = {}
    for kind, where, reported, found in rows_of(tables, [Hypothesis(tables, h) for h in declared]):
        worst.setdefault(kind, []).append((difference(reported, found), where, reported, found))
    wrong = 0
    print(f"{'figures':45} {'number':>6} {'largest difference':>18}")
    for kind, rows in sorted(worst.items()):
        print(f"{kind:45} {len(rows):6d} {max(row[0] for row in rows):18.3g}")
        for far, where, reported, found in rows:
            if far > TOLERANCE:
                wrong += 1
                print(f"    differs: {where}: reported {reported}, computed {found}")
    return wrong


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(f"usage: {sys.argv[0]} STUDY.yaml REPORT_FOLDER, got {len(sys.argv) - 1} arguments")
    sys.exit(1 if recompute(Path(sys.argv[1]), Path(sys.argv[2])) else 0)
