"""A table of single sessions beside the page, which outlives the store.

Banks that took days thus outlive the machine that trained them. Each row names the runs
that it was read from by their joint hash, so a row of another version of the toolkit is
not counted.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from hashlib import sha256
from pathlib import Path

import pandas as pd

from invariance_probe.calibration.ground import measured
from invariance_probe.calibration.learning_counting import session_values
from invariance_probe.plan.plan import Plan
from invariance_probe.plan.run import Run
from invariance_probe.results.store import Store

DIGITS = 7
"""Significant digits of a value."""
_INDEX = ["cell", "session", "runs"]


@dataclass(frozen=True, eq=False)
class SessionOfCell:
    """One session that the banks are to hold.

    Attributes
    ----------
    cell, session
        Names of its cell and of itself.
    runs
        The runs that bear on it, by key.
    """

    cell: str
    session: str
    runs: Mapping[str, Run]

    @cached_property
    def digest(self) -> str:
        """Joint hash of its runs."""
        return sha256(" ".join(sorted(self.runs)).encode()).hexdigest()[:16]


class SessionTable:
    """Values of sessions, by the joint hash of their runs.

    Parameters
    ----------
    path
        A CSV file, which need not exist.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        rows = (
            pd.read_csv(path, dtype=dict.fromkeys(_INDEX, str))
            if path.exists()
            else pd.DataFrame(columns=_INDEX)
        )
        values = rows.drop(columns=_INDEX).to_dict("records")
        self._values = {
            str(runs): {str(name): float(x) for name, x in row.items() if pd.notna(x)}
            for runs, row in zip(rows["runs"], values, strict=True)
        }

    def __contains__(self, session: SessionOfCell) -> bool:
        return session.digest in self._values

    def add(self, sessions: Iterable[SessionOfCell], plan: Plan, store: Store) -> None:
        """Take in the sessions of a cell that a store has all runs of.

        A session that cannot be decoded, or a run of which failed, has no values.

        Parameters
        ----------
        sessions
            Sessions of one cell.
        plan
            The plan of that cell.
        store
            Where results are.
        """
        new = [one for one in sessions if one not in self and all(map(store.has, one.runs))]
        results = store.results(run for one in new for run in one.runs.values())
        found = {one.losses.session.name: one for one in measured(plan, results)} if new else {}
        for one in new:
            values = (session_values(found[one.session]) if one.session in found else None) or {}
            self._values[one.digest] = {
                name: float(f"{value:.{DIGITS}g}") for name, value in values.items()
            }

    def values_of(self, session: SessionOfCell) -> dict[str, float] | None:
        """The values of a session by name; None where it is not in the table."""
        return self._values.get(session.digest)

    def write(self, sessions: list[SessionOfCell]) -> None:
        """Write the rows of sessions that are known; all other rows are dropped."""
        rows = [
            {
                "cell": each.cell,
                "session": each.session,
                "runs": each.digest,
                **self._values[each.digest],
            }
            for each in sessions
            if each in self
        ]
        self._path.parent.mkdir(parents=True, exist_ok=True)
        pd.DataFrame(rows, columns=None if rows else _INDEX).to_csv(
            self._path, index=False, float_format=f"%.{DIGITS}g"
        )
