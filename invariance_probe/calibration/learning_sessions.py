"""A table of single sessions beside the page, which outlives the store.

Banks that took days thus outlive the machine that trained them. Each row names the runs
that it was read from by their joint hash, so a row of another version of the toolkit is
not counted.
"""

from collections.abc import Mapping
from dataclasses import dataclass
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
    plan
        The plan of its cell.
    runs
        The runs that bear on it, by key.
    """

    cell: str
    session: str
    plan: Plan
    runs: Mapping[str, Run]

    @property
    def digest(self) -> str:
        """Joint hash of its runs."""
        return sha256(" ".join(sorted(self.runs)).encode()).hexdigest()[:16]

    def values_in(self, store: Store) -> dict[str, float] | None:
        """Its values, from the results in a store.

        They are empty where it cannot be decoded or a run failed, and None where runs
        are missing.
        """
        if not all(store.has(key) for key in self.runs):
            return None
        found = [
            one
            for one in measured(self.plan, store.results(self.runs.values()))
            if one.losses.session.name == self.session
        ]
        values = (session_values(found[0]) if found else None) or {}
        return {name: float(f"{value:.{DIGITS}g}") for name, value in values.items()}


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

    def values_of(self, session: SessionOfCell, store: Store) -> dict[str, float] | None:
        """The values of a session, from the table or else from the store.

        Parameters
        ----------
        session
            The session.
        store
            Where its results may be.

        Returns
        -------
        values
            By name; None where neither has them.
        """
        if session not in self:
            found = session.values_in(store)
            if found is None:
                return None
            self._values[session.digest] = found
        return self._values[session.digest]

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
