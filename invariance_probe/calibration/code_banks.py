"""Measuring the phase map: the finding of the code in every session of every cell, as far as the store lacks it."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from operator import itemgetter

import numpy as np

from invariance_probe.calibration.banks import DOSE, DROPOUT
from invariance_probe.calibration.code_counting import AT_HALF_J, Logs
from invariance_probe.calibration.ground import Ground
from invariance_probe.calibration.phase_map import CELLS, SIZES, Cell, Turn, turns
from invariance_probe.data.sessions import find_sessions
from invariance_probe.executors.local import run_local
from invariance_probe.study.code_figures import CodeFigures
from invariance_probe.study.plan import Plan
from invariance_probe.study.run import Run
from invariance_probe.study.session import Session

AT_ONCE = 200
"""Sessions that workers are started for."""


@dataclass(frozen=True, eq=False)
class CodeBank:
    """What was found in the sessions of a cell, of one length.

    Attributes
    ----------
    numbers
        Place of every session in the bank, from 0 (session,).
    units
        Units of every session that vary in every training part.
    logs
        Logarithm of the shares K_s / N, K_n / N and carriers / N, and of the redundancy; the shares at half of J are
        NaN where a curve ends before it crosses.
    cost, range
        C_code times the range, and the range, R_code (session,).
    r2
        Of all units (session,).
    undecodable
        Sessions that were measured and have no K.
    """

    numbers: np.ndarray
    units: np.ndarray
    logs: Logs
    cost: np.ndarray
    range: np.ndarray
    r2: np.ndarray
    undecodable: int

    def __len__(self) -> int:
        return len(self.numbers)


@dataclass(frozen=True, eq=False)
class CellBanks:
    """A cell with its sessions and the long recordings of the first ones."""

    cell: Cell
    short: CodeBank
    long: CodeBank


@dataclass(frozen=True, eq=False)
class _Planned:
    """What is measured in one turn: a run per session."""

    turn: Turn
    sessions: tuple[Session, ...]
    runs: tuple[Run, ...]


def measured_codes(ground: Ground, size: str, cells: Sequence[Cell] = CELLS) -> list[CellBanks]:
    """Measure what the store lacks of the banks, and return what it then has.

    Cells without two sessions are left out.
    """
    planned: list[_Planned] = []
    waiting: list[_Planned] = []
    for turn in turns(SIZES[size], cells):
        planned.append(_planned(ground, turn))
        waiting.append(planned[-1])
        if sum(len(each.runs) for each in waiting) >= AT_ONCE:
            _measure(ground, waiting)
            waiting = []
    _measure(ground, waiting)
    banks = [CellBanks(cell, _bank(ground, planned, cell, False), _bank(ground, planned, cell, True)) for cell in cells]
    return [found for found in banks if len(found.short) > 1]


def _planned(ground: Ground, turn: Turn) -> _Planned:
    study = turn.cell.study(turn.part, turn.long)
    plan = Plan(study, find_sessions(study, ground.place.base))
    code = next(run.method for run in plan.baselines if run.method.kind == "code").model_copy(update={"jackknife": False})
    return _Planned(turn, plan.sessions, tuple(plan.measurement(session, code) for session in plan.sessions))


def _measure(ground: Ground, waiting: Sequence[_Planned]) -> None:
    """Measure what the store lacks of some turns, short and long recordings apart: sessions of one name are two."""
    for long in (False, True):
        asked = [pair for each in waiting if each.turn.long == long for pair in zip(each.runs, each.sessions, strict=True)]
        missing = [(run, session) for run, session in asked if not ground.store.has(run.key())]
        if missing and ground.train:
            event = {"event": "stage", "stage": "codes", "runs": len(missing), "reused": len(asked) - len(missing)}
            ground.on_event({**event, "model_steps": 0})
            runs, sessions = zip(*missing, strict=True)
            run_local(runs, sessions, ground.place, ground.workers, ground.on_event)


def _bank(ground: Ground, planned: Sequence[_Planned], cell: Cell, long: bool) -> CodeBank:
    """Read what the store has of a cell, of one length."""
    of_cell = [each for each in planned if each.turn.cell == cell and each.turn.long == long]
    numbered = [pair for each in of_cell for pair in zip(each.turn.part, each.runs, strict=True)]
    results = ground.store.results(run for _, run in numbered)
    measured = [(i, results[run.key()].code) for i, run in numbered if run.key() in results]
    return bank_of(sorted(((i, code) for i, code in measured if code is not None), key=itemgetter(0)))


def bank_of(measured: Sequence[tuple[int, CodeFigures]]) -> CodeBank:
    """Gather the figures of numbered sessions that have a K, as shares of the units that vary in every training part."""
    kept = [(i, code) for i, code in measured if code.carriers and code.redundancy]

    def column(values: Iterable[float | None]) -> np.ndarray:
        return np.array([np.nan if value is None else value for value in values], dtype=float)

    units = column(len(code.units) for _, code in kept)
    logs = {
        "K_s": np.log(column(code.k_s for _, code in kept) / units),
        "K_n": np.log(column(code.k_n for _, code in kept) / units),
        "carriers": np.log(column(code.carriers for _, code in kept) / units),
        "redundancy": np.log(column(code.redundancy for _, code in kept)),
    }
    at_half_j = [column(getattr(code.whole, name) for _, code in kept) for name in ("k_s_of_information", "k_n_of_information")]
    for name, values in zip(AT_HALF_J, (*at_half_j, sum(at_half_j)), strict=True):
        logs[name] = np.log(values / units)
    ranges = column(code.range for _, code in kept)
    cost = column(code.c_code(DROPOUT, DOSE) for _, code in kept) * ranges
    numbers = np.array([i for i, _ in kept], dtype=int)
    return CodeBank(numbers, units, logs, cost, ranges, column(code.whole.r2 for _, code in kept), len(measured) - len(kept))
