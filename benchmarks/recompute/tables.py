"""A study file and the tables of its report."""

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from ruamel.yaml import YAML

from recompute.code import DECODABLE_SE, SessionCode, Sums
from recompute.losses import FEWEST_BLOCKS, Losses, merger
from recompute.samples import ALPHA, over_fixed_sessions

CEILINGS = ("raw", "square_roots", "supervised")


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
        numbers = (
            "dose",
            "fraction",
            "seed",
            "fold",
            "test_dose",
            "block",
            "loss",
            "floor_loss",
            "selection_loss",
        )
        found = cls(
            YAML(typ="safe").load(study.read_text(encoding="utf-8")),
            json.loads((folder / "report.json").read_text(encoding="utf-8")),
            table(folder, "results", numbers),
            table(folder, "dropping_curves", ("value",)),
            table(folder, "sessions", ("null_p_value", "n_eff", "red_idx", "tau_s")),
            table(folder, "recipes", ("steps",)),
            table(folder, "gates"),
        )
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
        return sorted(
            set(self.results.dose[(self.results.axis == axis) & (self.results.test == "")])
            & set(self._declared(axis))
        )

    def identity(self, axis: str) -> float:
        """The dose of an axis that changes nothing: that of no run."""
        return next(dose for dose in self._declared(axis) if dose not in self.doses(axis))

    def _declared(self, axis: str) -> list[float]:
        return [
            float(dose)
            for one in self.study["axes"]
            if one["path"] == axis
            for dose in one["doses"]
        ]

    def _read_codes(self) -> None:
        for name, rows in self.sums.groupby("session", sort=False) if len(self.sums) else ():
            lengths = {
                what: rows.value[rows.what == what] for what in ("duration_s", "autocorrelation_s")
            }
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
        rows = self.results[
            (self.results.fold.notna()) & self.results.test.isin(["", "corruption"])
        ]
        rows = rows[(rows.method != "reliance")]
        for name, own in rows.groupby("session", sort=False):
            raw = own[(own.method == "raw") & own.block.notna()]
            planned = int(raw.block.max()) + 1
            code = self.codes.get(str(name))
            lengths = (
                (code.duration_s, code.autocorrelation_s) if code and in_time else (math.inf, None)
            )
            self.blocks[str(name)], merge = merger(planned, *lengths)
            floor = np.full(planned, np.nan)
            floor[raw.block.astype(int)] = raw.floor_loss
            self.losses[str(name)] = Losses(
                str(name), self.seeds, planned, merge, merge(floor), self._conditions(own, planned)
            )
        for group in set(self.sessions.group):
            members = self.sessions.session[self.sessions.group == group]
            family = self._ceiling(members)
            for name in members:
                self.losses[name].ceiling_family = family

    def _conditions(
        self, rows: pd.DataFrame, planned: int
    ) -> dict[tuple[Any, ...], dict[int, np.ndarray]]:
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
        rows = self.results[
            (self.results.axis == "") & (self.results.fraction == 1) & (self.results.test == "")
        ]
        rows = rows[rows.status != "failed"].drop_duplicates(
            ["session", "method", "setting", "seed", "fold"]
        )
        by_session = (
            rows[rows.selection_loss.notna()]
            .groupby(["method", "session"])
            .selection_loss.mean()
            .to_dict()
        )
        means = {
            family: np.mean([by_session.get((family, name), math.inf) for name in members])
            for family in CEILINGS
        }
        return min(CEILINGS, key=means.__getitem__)

    def sound(self, name: str) -> bool:
        """Whether a session can be decoded: its null, enough blocks, R above four SE."""
        mean, error, _, _ = over_fixed_sessions([self.losses[name].range])
        p = self.sessions.null_p_value[self.sessions.session == name].item()
        return bool(
            p <= ALPHA and self.blocks[name] >= FEWEST_BLOCKS and mean > DECODABLE_SE * error
        )
