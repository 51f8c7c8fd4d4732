"""Measuring the phase map: the finding of the code in every session of every cell, as far as the store lacks it."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from invariance_probe.calibration.banks import DOSE, DROPOUT
from invariance_probe.calibration.code_counting import Logs
from invariance_probe.calibration.ground import Ground
from invariance_probe.calibration.phase_map import CELLS, SIZES, Cell, rounds
from invariance_probe.data.sessions import find_sessions
from invariance_probe.executors.local import run_local
from invariance_probe.study.code_figures import CodeFigures
from invariance_probe.study.plan import Plan
from invariance_probe.study.run import Run
from invariance_probe.study.session import Session

FIRST = 40
"""Sessions of every cell, twice as many in the middle, that are measured before the long recordings."""


@dataclass(frozen=True, eq=False)
class CodeBank:
    """What was found in the sessions of a cell, of one length.

    Attributes
    ----------
    numbers
        Place of every session in the bank, from 0 (session,).
    logs
        Logarithm of the shares K_s / N, K_n / N and carriers / N, and of the redundancy.
    cost, range
        C_code times the range, and the range, R_code (session,).
    r2
        Of all units (session,).
    undecodable
        Sessions that were measured and have no K.
    """

    numbers: np.ndarray
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
    """The measurements of a cell's sessions (session,), at one length."""

    cell: Cell
    sessions: tuple[Session, ...]
    runs: tuple[Run, ...]


def measured_codes(ground: Ground, size: str, cells: Sequence[Cell] = CELLS) -> list[CellBanks]:
    """Measure what the store lacks of the banks, and return what it then has; cells without two sessions are left out."""
    wanted = SIZES[size]
    short = {cell.name: _planned(ground, cell, wanted.sessions, long=False) for cell in cells}
    long = {cell.name: _planned(ground, cell, wanted.long, long=True) for cell in cells}
    if ground.train:
        turns = [(short[cell.name], i) for cell, part in rounds(wanted) if cell.name in short for i in part]
        early = [(planned, i) for planned, i in turns if i < FIRST * (2 if planned.cell.middle else 1)]
        _measure(ground, "codes", early)
        _measure(ground, "codes at length", [(planned, i) for planned in long.values() for i in range(wanted.long)])
        _measure(ground, "codes", turns)
    banks = [CellBanks(cell, _bank(ground, short[cell.name]), _bank(ground, long[cell.name])) for cell in cells]
    return [found for found in banks if len(found.short) > 1]


def _planned(ground: Ground, cell: Cell, sessions: int, long: bool) -> _Planned:
    study = cell.study(sessions, long)
    plan = Plan(study, find_sessions(study, ground.place.base))
    measurements = {run.session: run for run in plan.baselines if run.method.kind == "code"}
    return _Planned(cell, plan.sessions, tuple(measurements[session.name] for session in plan.sessions))


def _measure(ground: Ground, stage: str, wanted: Iterable[tuple[_Planned, int]]) -> None:
    """Measure sessions in the order in which they are wanted."""
    asked = [(planned.runs[i], planned.sessions[i]) for planned, i in wanted]
    missing = [(run, session) for run, session in asked if not ground.store.has(run.key())]
    if missing:
        reused = len(asked) - len(missing)
        ground.on_event({"event": "stage", "stage": stage, "runs": len(missing), "reused": reused, "model_steps": 0})
        runs, sessions = zip(*missing, strict=True)
        run_local(runs, sessions, ground.place, ground.workers, ground.on_event)


def _bank(ground: Ground, planned: _Planned) -> CodeBank:
    """Read what the store has of a cell."""
    results = ground.store.results(planned.runs)
    measured = [
        (i, result.code)
        for i, run in enumerate(planned.runs)
        if (result := results.get(run.key())) is not None and result.code is not None
    ]
    return bank_of(measured, planned.cell.units)


def bank_of(measured: Sequence[tuple[int, CodeFigures]], units: int) -> CodeBank:
    """Gather the figures of numbered sessions that have a K.

    Parameters
    ----------
    units
        Of which K_s, K_n and carriers are shares.
    """
    kept = [(i, code) for i, code in measured if code.carriers and code.redundancy]

    def column(values: Iterable[float | None]) -> np.ndarray:
        return np.array([np.nan if value is None else value for value in values], dtype=float)

    logs = {
        "K_s": np.log(column(code.k_s for _, code in kept) / units),
        "K_n": np.log(column(code.k_n for _, code in kept) / units),
        "carriers": np.log(column(code.carriers for _, code in kept) / units),
        "redundancy": np.log(column(code.redundancy for _, code in kept)),
    }
    ranges = column(code.range for _, code in kept)
    cost = column(code.c_code(DROPOUT, DOSE) for _, code in kept) * ranges
    numbers = np.array([i for i, _ in kept], dtype=int)
    return CodeBank(numbers, logs, cost, ranges, column(code.whole.r2 for _, code in kept), len(measured) - len(kept))
