"""Measuring the phase map: the finding of the code in every session.

Cells go in; a bank of figures per cell comes out. What the store has is not measured
again. Nothing is counted here.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from operator import itemgetter

import numpy as np

from invariance_probe.calibration.banks import DOSE, DROPOUT
from invariance_probe.calibration.code_counting import Logs
from invariance_probe.calibration.ground import Ground
from invariance_probe.calibration.phase_map import CELLS, SIZES, Cell, Turn, turns
from invariance_probe.data.sessions import find_sessions
from invariance_probe.plan.figures.code import CodeFigures
from invariance_probe.plan.plan import Plan
from invariance_probe.plan.run import Run
from invariance_probe.study.session import Session

AT_ONCE = 200
"""Number of sessions that are collected before workers are started."""


@dataclass(frozen=True, eq=False)
class CodeBank:
    """The figures of the sessions of a cell, all of one length.

    Attributes
    ----------
    numbers
        Place of every session in the bank, from 0 (session,).
    units
        Number of units that vary in every training part (session,).
    logs
        Logarithm of the shares K_s / N, K_n / N and carriers / N, and of the
        redundancy, each (session,). The shares at half of J are NaN where a curve ends
        before it crosses.
    distinct
        Logarithm of the same shares without units that copy others or are sums of them,
        each (session,).
    cost, range
        C_code times the range, and the range, R_code (session,).
    r2
        R2 of all units (session,).
    undecodable
        Number of sessions that were measured and have no K.
    """

    numbers: np.ndarray
    units: np.ndarray
    logs: Logs
    distinct: Logs
    cost: np.ndarray
    range: np.ndarray
    r2: np.ndarray
    undecodable: int

    def __len__(self) -> int:
        return len(self.numbers)


@dataclass(frozen=True, eq=False)
class CellBanks:
    """A cell with the bank of its sessions and that of its long recordings.

    The long recordings are of the first codes of the bank.
    """

    cell: Cell
    short: CodeBank
    long: CodeBank


@dataclass(frozen=True, eq=False)
class _Planned:
    """The runs of one turn, one per session."""

    turn: Turn
    sessions: tuple[Session, ...]
    runs: tuple[Run, ...]


def measured_codes(ground: Ground, size: str, cells: Sequence[Cell] = CELLS) -> list[CellBanks]:
    """Measure what the store lacks of the banks, and return what it then has.

    Cells with fewer than two sessions are left out.

    Parameters
    ----------
    ground
        Where to measure; nothing is measured unless `ground.train`.
    size
        A key of `SIZES`.
    cells
        The cells to measure.

    Returns
    -------
    banks
        One per cell.
    """
    planned = _trained(ground, size, cells) if ground.train else _stored(ground, size, cells)
    banks = [
        CellBanks(cell, _bank(ground, planned, cell, False), _bank(ground, planned, cell, True))
        for cell in cells
    ]
    return [found for found in banks if len(found.short) > 1]


def _trained(ground: Ground, size: str, cells: Sequence[Cell]) -> list[_Planned]:
    """Measure turn after turn what the store lacks, and return all turns."""
    planned: list[_Planned] = []
    waiting: list[_Planned] = []
    for turn in turns(SIZES[size], cells):
        planned.append(_planned(ground, turn))
        waiting.append(planned[-1])
        if sum(len(each.runs) for each in waiting) >= AT_ONCE:
            _measure(ground, waiting)
            waiting = []
    _measure(ground, waiting)
    return planned


def _stored(ground: Ground, size: str, cells: Sequence[Cell]) -> list[_Planned]:
    """The turns of which the store has something.

    A bank that was stopped ends with the first turn that is empty.
    """
    planned: list[_Planned] = []
    ended: set[tuple[str, bool]] = set()
    for turn in turns(SIZES[size], cells):
        if (turn.cell.name, turn.long) not in ended:
            planned.append(_planned(ground, turn))
            if not any(ground.store.has(run.key()) for run in planned[-1].runs):
                ended.add((turn.cell.name, turn.long))
    return planned


def _planned(ground: Ground, turn: Turn) -> _Planned:
    """The runs that measure the code in the sessions of one turn."""
    study = turn.cell.study(turn.part, turn.long)
    plan = Plan(study, find_sessions(study, ground.place.base))
    code = next(run.method for run in plan.baselines if run.method.kind == "code").model_copy(
        update={"jackknife": False}
    )
    return _Planned(
        turn, plan.sessions, tuple(plan.measurement(session, code) for session in plan.sessions)
    )


def _measure(ground: Ground, waiting: Sequence[_Planned]) -> None:
    """Measure what the store lacks of some turns.

    Short and long recordings are measured apart, since they have the same names.
    """
    for long in (False, True):
        asked = [
            pair
            for each in waiting
            if each.turn.long == long
            for pair in zip(each.runs, each.sessions, strict=True)
        ]
        if asked:
            runs, sessions = zip(*asked, strict=True)
            ground.make("codes", runs, sessions)


def _bank(ground: Ground, planned: Sequence[_Planned], cell: Cell, long: bool) -> CodeBank:
    """Read what the store has of a cell, of one length."""
    of_cell = [each for each in planned if each.turn.cell == cell and each.turn.long == long]
    numbered = [pair for each in of_cell for pair in zip(each.turn.part, each.runs, strict=True)]
    results = ground.store.results(run for _, run in numbered)
    measured = [
        (i, results[run.key()].measured(CodeFigures)) for i, run in numbered if run.key() in results
    ]
    return bank_of(
        sorted(((i, code) for i, code in measured if code is not None), key=itemgetter(0))
    )


def bank_of(measured: Sequence[tuple[int, CodeFigures]]) -> CodeBank:
    """Gather the figures of numbered sessions that have a K.

    Shares are of the units that vary in every training part.
    """
    kept = [(i, code) for i, code in measured if code.carriers and code.redundancy]

    units = _column(len(code.units) for _, code in kept)
    logs = _shares([code for _, code in kept])
    logs["redundancy"] = np.log(_column(code.redundancy for _, code in kept))
    distinct = _shares([code.distinct or code for _, code in kept])
    ranges = _column(code.range for _, code in kept)
    cost = _column(code.c_code(DROPOUT, DOSE) for _, code in kept) * ranges
    numbers = np.array([i for i, _ in kept], dtype=int)
    return CodeBank(
        numbers,
        units,
        logs,
        distinct,
        cost,
        ranges,
        _column(code.whole.r2 for _, code in kept),
        len(measured) - len(kept),
    )


def _shares(codes: Sequence[CodeFigures]) -> dict[str, np.ndarray]:
    """Logarithm of K_s, K_n and their sum as shares of the units (session,).

    Crossings at half of R2 and at half of J are both there.
    """
    names = (
        ("K_s", "k_s"),
        ("K_n", "k_n"),
        ("K_s at half of J", "k_s_of_information"),
        ("K_n at half of J", "k_n_of_information"),
    )
    units = _column(len(code.units) for code in codes)
    found = {name: _column(getattr(code.whole, of) for code in codes) / units for name, of in names}
    for scale in ("", " at half of J"):
        found[f"carriers{scale}"] = found[f"K_s{scale}"] + found[f"K_n{scale}"]
    return {name: np.log(share) for name, share in found.items()}


def _column(values: Iterable[float | None]) -> np.ndarray:
    return np.array([np.nan if value is None else value for value in values], dtype=float)
