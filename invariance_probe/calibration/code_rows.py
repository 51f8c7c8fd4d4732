"""Count errors of the finding of the code, for each cell of the phase map.

A cell is one simulated code; its bank is the sessions that were measured for it, from
which studies are drawn. In: the banks. Out: rows of the report, each a quantity with
the bound it should meet: how often a study says a wrong word, how often 90 % intervals
contain the true value, how often false claims about C_code are made, and the bias of
K_s, K_n, carriers (K_s + K_n) and redundancy against long recordings.
"""

from typing import Any

import numpy as np

from invariance_probe.calibration.banks import DOSE, MARGIN
from invariance_probe.calibration.code_banks import CellBanks, CodeBank
from invariance_probe.calibration.code_counting import (
    AT_HALF_J,
    QUANTITIES,
    LongMean,
    covered,
    long_mean,
    rate,
    said_of,
    shares,
    wrong_words,
)
from invariance_probe.calibration.counting import Bank, draw, sizes
from invariance_probe.calibration.dropout import size_row
from invariance_probe.calibration.row import Row, met

SESSIONS = (4, 5, 6, 8)
"""Numbers of sessions per study for which errors are counted."""
SHOWN = 6
"""Number of sessions per study that the phase map shows."""
COVERED = "0.88 to 0.95"
"""Bounds that the coverage of 90 % intervals should meet."""


def code_rows(found: list[CellBanks], tables: dict[str, Any]) -> list[Row]:
    """Compute every quantity of the measured cells.

    Parameters
    ----------
    found
        The banks of each cell.
    tables
        Tables of the report. One line per cell is added as the table `phase_map`.

    Returns
    -------
    rows
        The quantities, with the bounds they should meet.
    """
    tables["phase_map"] = []
    return [row for banks in found for row in _cell_rows(banks, tables["phase_map"])]


def _cell_rows(banks: CellBanks, table: list[dict[str, Any]]) -> list[Row]:
    """Compute every quantity of one cell, and add its line to the phase map."""
    rng, title, short = np.random.default_rng(7), banks.cell.title, banks.short
    lengths = _lengths(banks)
    rows = _bias_rows(banks, lengths)
    truth = {name: float(np.exp(lengths[name].mean)) for name in lengths}
    said = {}
    for sessions in SESSIONS:
        said[sessions] = shares(short.logs, short.distinct, sessions, rng)
        if truth:
            rows.append(_wrong_row(banks, wrong_words(truth), sessions, rng))
        for name in QUANTITIES:
            rows.append(
                _coverage_row(banks, name, sessions, covered(short.logs[name], sessions, rng))
            )
        rows += _cost_rows(banks, sessions, rng)
    verdicts = _kept_or_lost(short, rng)
    for word in banks.cell.powers:
        reached = verdicts["kept"] if word == "kept" else said[SHOWN][word]
        rows.append(
            Row(
                title,
                f"`{word}` said, {SHOWN} sessions",
                ">= 0.8",
                reached,
                None,
                None,
                len(short),
                reached >= 0.8,
            )
        )
    rows += (
        [_never_redundant_row(banks, said[SHOWN]["redundant"])]
        if banks.cell.name.startswith("lognormal")
        else []
    )
    table.append({**_line(banks, said, lengths), "code": verdicts})
    return rows


def _lengths(banks: CellBanks) -> dict[str, LongMean]:
    """Estimate the mean logarithm of each quantity in long recordings.

    The result is empty if the cell has fewer than three long recordings.
    """
    short, long = banks.short, banks.long
    both = np.intersect1d(short.numbers, long.numbers)
    if len(both) < 3:
        return {}
    here, there = np.searchsorted(short.numbers, both), np.searchsorted(long.numbers, both)
    found = {}
    for name in (*QUANTITIES, *AT_HALF_J):
        bank, paired, at_length = short.logs[name], short.logs[name][here], long.logs[name][there]
        known = np.isfinite(paired) & np.isfinite(at_length)
        if known.sum() >= 3:
            found[name] = long_mean(bank[np.isfinite(bank)], paired[known], at_length[known])
    return found


def _bias_rows(banks: CellBanks, lengths: dict[str, LongMean]) -> list[Row]:
    """Return the rows with the bias of each quantity against long recordings.

    The bias is the relative difference of the geometric means, with a 95 % interval.
    """
    rows = []
    for name, at_length in lengths.items():
        values = banks.short.logs[name]
        values = values[np.isfinite(values)]
        difference = values.mean() - at_length.mean
        error = 1.96 * np.hypot(at_length.error, values.std(ddof=1) / np.sqrt(len(values)))
        reached, low, high = (
            float(np.exp(x) - 1) for x in (difference, difference - error, difference + error)
        )
        asked = "printed" if name not in ("K_s", "K_n", "carriers") else "-0.1 to 0.1"
        figure = f"bias of {name} against n = 30,000"
        rows.append(
            Row(
                banks.cell.title,
                figure,
                asked,
                reached,
                low,
                high,
                len(banks.long),
                met(asked, reached),
            )
        )
    return rows


def _wrong_row(
    banks: CellBanks, wrong: tuple[str, ...], sessions: int, rng: np.random.Generator
) -> Row:
    """Return the row that says how often studies say a wrong word."""
    short = banks.short

    def hit(studies: np.ndarray) -> np.ndarray:
        return np.isin(said_of(short.logs, short.distinct, studies), wrong)

    counted = rate(len(short), sessions, rng, hit)
    kept = counted.reached <= 0.05 and counted.upper <= 0.1
    figure = f"wrong word about carriers, {sessions} sessions"
    asked = "<= 0.05, bound <= 0.10"
    return Row(
        banks.cell.title,
        figure,
        asked,
        counted.reached,
        None,
        counted.upper,
        len(banks.short),
        kept,
    )


def _coverage_row(banks: CellBanks, name: str, sessions: int, coverage: float) -> Row:
    """Build the table row for the coverage of a 90 % interval."""
    figure = f"coverage of the 90 % interval of {name}, {sessions} sessions"
    return Row(
        banks.cell.title,
        figure,
        COVERED,
        coverage,
        None,
        None,
        len(banks.short),
        met(COVERED, coverage),
    )


def _costs(bank: CodeBank) -> Bank:
    return Bank(
        {"C_code": bank.cost}, {"C_code": bank.range}, np.ones(len(bank)), np.ones(len(bank))
    )


def _kept_or_lost(bank: CodeBank, rng: np.random.Generator) -> dict[str, float]:
    """Count how often studies of six sessions find the code `kept` or `lost`.

    The margin is a tenth of the decodable range. The result gives the fraction of
    studies by finding.
    """
    kept, lost = _costs(bank).shown("C_code", draw(rng, len(bank), SHOWN), MARGIN)
    return {"kept": float(kept.mean()), "lost": float(lost.mean())}


def _cost_rows(banks: CellBanks, sessions: int, rng: np.random.Generator) -> list[Row]:
    """Return the rows about C_code: false claims, and coverage of its interval.

    The margin is placed at the bank's mean, where both claims are false.
    """
    short = banks.short
    at_most, more, coverage = sizes(_costs(short), "C_code", sessions, rng)
    found = [
        size_row(
            banks.cell.title,
            "C_code",
            counted.claim,
            sessions,
            counted.rate,
            counted.upper,
            len(short),
        )
        for counted in (at_most, more)
    ]
    return [*found, _coverage_row(banks, "C_code", sessions, coverage)]


def _never_redundant_row(banks: CellBanks, reached: float) -> Row:
    """Return the row that says how often studies falsely add `redundant`.

    It is for codes whose units carry independent information in unequal amounts.
    """
    figure = f"`redundant` said, {SHOWN} sessions"
    return Row(
        banks.cell.title,
        figure,
        "<= 0.05",
        reached,
        None,
        None,
        len(banks.short),
        met("<= 0.05", reached),
    )


def _summary(bank: CodeBank) -> dict[str, tuple[float, float]]:
    """Mean and SD over sessions of each quantity, by name.

    Quantities that fewer than two sessions have are omitted. `independent` is the
    C_code that an independent code with the same R2 would have.
    """
    plain = {
        name: np.exp(logs) * (1 if name == "redundancy" else bank.units)
        for name, logs in bank.logs.items()
    }
    information = bank.r2 / (1 - bank.r2)
    independent = DOSE / (1 + (1 - DOSE) * information)
    plain |= {"C_code": bank.cost / bank.range, "R2": bank.r2, "independent": independent}
    known = {name: values[np.isfinite(values)] for name, values in plain.items()}
    return {
        name: (float(x.mean()), float(x.std(ddof=1))) for name, x in known.items() if len(x) > 1
    }


def _line(
    banks: CellBanks, said: dict[int, dict[str, float]], lengths: dict[str, LongMean]
) -> dict[str, Any]:
    """Return one cell's line of the table `phase_map`."""
    short = banks.short
    truth = {name: float(np.exp(at.mean)) for name, at in lengths.items()}
    return {
        "name": banks.cell.name,
        "title": banks.cell.title,
        "units": round(float(short.units.mean())),
        "sessions": len(short),
        "long": len(banks.long),
        "undecodable": short.undecodable,
        "means": _summary(short),
        "long_means": _summary(banks.long),
        "wrong": list(wrong_words(truth)) if truth else None,
        "words": {str(count): share for count, share in said.items()},
    }
