"""How much of a session is held in memory at once.

In: an opened session. Out: whether its windows are held as one table, and how many runs
are measured together. Sessions of usual size are held as one table. The windows of
larger sessions are read in chunks, so that memory does not grow with the overlap of
windows, nor with the number of models. The limits are in `plan.memory`, which estimates
what a worker needs.
"""

from collections.abc import Iterator
from typing import TypeVar

from invariance_probe.plan.memory import TABLE_VALUES, TOGETHER_VALUES
from invariance_probe.plan.run import Run
from invariance_probe.probing.bench.workbench import Workbench

R = TypeVar("R", bound=Run)


def window_values(bench: Workbench) -> int:
    """Number of values in a table of all windows of a session: windows x bins x units.

    Parameters
    ----------
    bench
        The opened session.
    """
    return len(bench.windows.starts) * bench.windows.length * bench.recording.activity.shape[1]


def is_large(bench: Workbench) -> bool:
    """Whether a session's windows are too many to be held as one table.

    Parameters
    ----------
    bench
        The opened session.
    """
    return window_values(bench) > TABLE_VALUES


def groups(bench: Workbench, runs: list[R]) -> Iterator[list[R]]:
    """Divide stacked runs into groups whose tables fit into memory together.

    The numbers of a run do not depend on its group.

    Parameters
    ----------
    bench
        The opened session.
    runs
        The stacked runs.
    """
    at_once = max(1, TOGETHER_VALUES // max(1, window_values(bench)))
    for first in range(0, len(runs), at_once):
        yield runs[first : first + at_once]
