"""A table of the sessions trained to calibrate findings of learning.

Training them takes days, so their results are saved in a CSV file beside the report and
can be used without the run store, on any machine. Each row contains a hash of the keys
of all runs of one session. Rows whose runs differ from the current ones, for example
because another version of the toolkit made them, are ignored.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from hashlib import sha256
from pathlib import Path

import pandas as pd

from invariance_probe.calibration.bench import measured
from invariance_probe.calibration.learning_counting import session_values
from invariance_probe.plan.plan import Plan
from invariance_probe.plan.run import Run
from invariance_probe.results.store import Store

DIGITS = 7
"""Number of significant digits of a value in the table."""
_INDEX = ["cell", "session", "runs"]


@dataclass(frozen=True, eq=False)
class SessionOfCell:
    """One session to be trained, and the runs that it needs.

    Attributes
    ----------
    cell, session
        Name of the simulated code (cell), and name of the session.
    runs
        The runs that the session's results are computed from, by run key.
    """

    cell: str
    session: str
    runs: Mapping[str, Run]

    @cached_property
    def digest(self) -> str:
        """Hash of the keys of all runs of this session."""
        return sha256(" ".join(sorted(self.runs)).encode()).hexdigest()[:16]


class SessionTable:
    """Results of sessions, as read from and written to a CSV file.

    Sessions are found by the hash of their runs (`SessionOfCell.digest`).

    Parameters
    ----------
    path
        The CSV file; the table is empty if it does not exist.
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
        """Add the sessions of a cell whose runs are all in the store.

        A session is added without values if its target cannot be decoded or if one of
        its runs failed.

        Parameters
        ----------
        sessions
            Sessions of one cell; those already in the table are skipped.
        plan
            The plan of the cell's study.
        store
            The run store.
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
        """Return a session's values by name, or None if it is not in the table."""
        return self._values.get(session.digest)

    def write(self, sessions: list[SessionOfCell]) -> None:
        """Write the given sessions to the file, as far as they are in the table.

        All other rows of the table are dropped.
        """
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
