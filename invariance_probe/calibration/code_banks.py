"""Measure the finding of the code in every session of the phase map.

The phase map is a list of simulated codes, called cells (`phase_map.py`). Every cell
has a bank: many sessions, from which studies are later drawn, and a few long recordings
of the same codes. In: cells. Out: the quantities of the sessions in each cell's bank.
What the store already has is not measured again. Nothing is counted here.

K_s is the number of units that suffice for half of what all units decode, K_n the
number whose loss leaves less than half, and carriers = K_s + K_n. A session has no K if
its target cannot be decoded. J = R2 / (1 - R2) is the information that all units hold.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from operator import itemgetter

import numpy as np

from invariance_probe.calibration.banks import DOSE, DROPOUT
from invariance_probe.calibration.bench import CalibrationBench
from invariance_probe.calibration.code_counting import Logs
from invariance_probe.calibration.phase_map import CELLS, SIZES, Cell, SessionBatch, session_batches
from invariance_probe.data.sessions import find_sessions
from invariance_probe.plan.figures.code import CodeFigures
from invariance_probe.plan.plan import Plan
from invariance_probe.plan.run import Run
from invariance_probe.study.session import Session

SESSIONS_COLLECTED = 200
"""Number of sessions that are collected before worker processes start."""


@dataclass(frozen=True, eq=False)
class CodeBank:
    """Quantities of the sessions of one cell, either all short or all long.

    Attributes
    ----------
    numbers
        Number of each session within its cell, from 0 (session,).
    units
        Number N of units that vary in the training part of each fold (session,).
    logs
        Logarithms of K_s / N, K_n / N and carriers / N, and of the redundancy, each
        (session,). Names that end in `at half of J` are for half of J instead of half
        of R2; they are NaN if the dropping curve never crosses that half.
    distinct
        The same logarithms of shares, measured without units that copy others or are
        sums of others.
    cost, range
        C_code times R_code, and the decodable range R_code (session,).
    r2
        R2 of decoding from all units (session,).
    undecodable
        Number of measured sessions that are not in the bank, because they have no K.
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
    """The two banks of a cell: ordinary sessions (`short`) and long recordings.

    The long recordings are of the same codes as the first ordinary sessions.
    """

    cell: Cell
    short: CodeBank
    long: CodeBank


@dataclass(frozen=True, eq=False)
class _Planned:
    """The sessions of one batch of measurements, with one run per session."""

    batch: SessionBatch
    sessions: tuple[Session, ...]
    runs: tuple[Run, ...]


def measured_codes(
    bench: CalibrationBench, size: str, cells: Sequence[Cell] = CELLS
) -> list[CellBanks]:
    """Measure what the store lacks of the phase map, and return all banks.

    Parameters
    ----------
    bench
        The store and the workers. If `bench.train` is False, nothing is measured and
        the banks hold what the store has.
    size
        Size of the calibration, a key of `phase_map.SIZES`.
    cells
        The cells to measure.

    Returns
    -------
    banks
        One entry per cell, without the cells that have fewer than two sessions.
    """
    planned = _trained(bench, size, cells) if bench.train else _stored(bench, size, cells)
    banks = [
        CellBanks(cell, _bank(bench, planned, cell, False), _bank(bench, planned, cell, True))
        for cell in cells
    ]
    return [found for found in banks if len(found.short) > 1]


def _trained(bench: CalibrationBench, size: str, cells: Sequence[Cell]) -> list[_Planned]:
    """Measure what the store lacks, batch by batch, and return all batches."""
    planned: list[_Planned] = []
    waiting: list[_Planned] = []
    for batch in session_batches(SIZES[size], cells):
        planned.append(_planned(bench, batch))
        waiting.append(planned[-1])
        if sum(len(each.runs) for each in waiting) >= SESSIONS_COLLECTED:
            _measure(bench, waiting)
            waiting = []
    _measure(bench, waiting)
    return planned


def _stored(bench: CalibrationBench, size: str, cells: Sequence[Cell]) -> list[_Planned]:
    """List the batches that have at least one session in the store.

    The list of a cell stops at the first batch without any stored session, since
    batches are measured in order.
    """
    planned: list[_Planned] = []
    ended: set[tuple[str, bool]] = set()
    for batch in session_batches(SIZES[size], cells):
        if (batch.cell.name, batch.long) not in ended:
            planned.append(_planned(bench, batch))
            if not any(bench.store.has(run.key()) for run in planned[-1].runs):
                ended.add((batch.cell.name, batch.long))
    return planned


def _planned(bench: CalibrationBench, batch: SessionBatch) -> _Planned:
    """Plan the runs that measure the code in one batch of sessions."""
    study = batch.cell.study(batch.part, batch.long)
    plan = Plan(study, find_sessions(study, bench.settings.base))
    code = next(run.method for run in plan.baselines if run.method.kind == "code").model_copy(
        update={"jackknife": False}
    )
    return _Planned(
        batch, plan.sessions, tuple(plan.measurement(session, code) for session in plan.sessions)
    )


def _measure(bench: CalibrationBench, waiting: Sequence[_Planned]) -> None:
    """Measure what the store lacks of the given batches.

    Short and long recordings are measured separately, because their sessions have the
    same names.
    """
    for long in (False, True):
        asked = [
            pair
            for each in waiting
            if each.batch.long == long
            for pair in zip(each.runs, each.sessions, strict=True)
        ]
        if asked:
            runs, sessions = zip(*asked, strict=True)
            bench.measure_missing("codes", runs, sessions)


def _bank(bench: CalibrationBench, planned: Sequence[_Planned], cell: Cell, long: bool) -> CodeBank:
    """Gather the bank of a cell's short or long sessions from the store."""
    of_cell = [each for each in planned if each.batch.cell == cell and each.batch.long == long]
    numbered = [pair for each in of_cell for pair in zip(each.batch.part, each.runs, strict=True)]
    results = bench.store.results(run for _, run in numbered)
    measured = [
        (i, results[run.key()].measured(CodeFigures)) for i, run in numbered if run.key() in results
    ]
    return bank_of(
        sorted(((i, code) for i, code in measured if code is not None), key=itemgetter(0))
    )


def bank_of(measured: Sequence[tuple[int, CodeFigures]]) -> CodeBank:
    """Build a bank from the results of numbered sessions.

    Parameters
    ----------
    measured
        Number of each session within its cell, with its results.

    Returns
    -------
    bank
        The sessions that have a K.
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
    """Logarithm of K_s, K_n and carriers, each divided by N (session,).

    The dictionary holds both scales: half of R2, and half of J.
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
