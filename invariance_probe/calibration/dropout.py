"""Calibrate the verdicts on unit dropout.

In: measured sessions of simulated codes, called cases: `one-neuron` (a single neuron
carries the target), `distributed` (all units carry it) and `redundant` (all units carry
it, with much information to spare). Out: rows of the report, each a quantity with the
bound it should meet: how often studies of six sessions give a right or a wrong verdict,
the size of each claim (how often it is made although it is false), and how often the
naive rule calls a one-neuron code invariant.
"""

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

import numpy as np

from invariance_probe.calibration.banks import DOSE, DROPOUT, MARGIN
from invariance_probe.calibration.bench import MeasuredSession
from invariance_probe.calibration.counting import (
    ASKED,
    STUDIES,
    Bank,
    accepted,
    draw,
    naive,
    sizes,
    verdicts,
)
from invariance_probe.calibration.row import Row
from invariance_probe.inference.evidence.estimands import IDENTITY, at

SESSIONS = 6
"""Sessions per study when verdicts are counted."""
COUNTS = (5, 8, 12)
"""Numbers of sessions per study when false claims are counted."""
CLAIMED = ("C_code", "D", "H", "delta")
"""Estimands whose false claims are counted."""
BANKED = (*CLAIMED, "C_blind", "delta_paired")
"""Estimands whose mean over sessions is reported."""
JUDGED = (*BANKED, "noise")
"""Estimands that must be measured in a session for it to count in verdicts."""
WRONG = {
    "one-neuron": ("invariant", "tolerated"),
    "distributed": ("sensitive",),
    "redundant": ("sensitive",),
}
"""Verdicts that are wrong, by case."""
RIGHT = {
    "one-neuron": ("sensitive",),
    "distributed": ("tolerated", "invariant"),
    "redundant": ("invariant",),
}
"""Verdicts that are right, by case."""


def bank_of(measured: Sequence[MeasuredSession], case: str, names: Sequence[str]) -> Bank:
    """Gather the sessions of a case, from which studies are then drawn.

    Parameters
    ----------
    measured
        Decodable sessions of all cases.
    case
        Name of the case.
    names
        Estimands to gather. Sessions without complete runs for one of them are omitted.

    Returns
    -------
    bank
        Effects and ranges of the sessions.
    """
    effects = [
        (m.losses, {name: m.effect(name, DROPOUT, DOSE) for name in names})
        for m in measured
        if m.case == case
    ]
    kept = [
        (losses, found)
        for losses, found in effects
        if all(effect.complete for effect in found.values())
    ]
    return Bank(
        {name: np.array([found[name].values.mean() for _, found in kept]) for name in names},
        {name: np.array([found[name].range.mean() for _, found in kept]) for name in names},
        np.array([losses.retention(losses.ssl(IDENTITY)) for losses, _ in kept]),
        np.array([losses.retention(losses.ssl(at(DROPOUT, DOSE, "shared"))) for losses, _ in kept]),
    )


def dropout_rows(
    measured: Sequence[MeasuredSession], rng: np.random.Generator, tables: dict[str, Any]
) -> list[Row]:
    """Compute every quantity about verdicts and claims on dropout.

    Parameters
    ----------
    measured
        Decodable sessions of all cases.
    rng
        Random-number generator that draws the studies.
    tables
        Tables of the report. The fraction of each verdict, the sizes of all claims,
        and the mean effects of each case are added to `verdicts`, `sizes` and `means`.

    Returns
    -------
    rows
        The quantities, with the bounds they should meet.
    """
    rows = []
    for case in dict.fromkeys(m.case for m in measured):
        judged, claimed = bank_of(measured, case, JUDGED), bank_of(measured, case, CLAIMED)
        if len(judged) >= SESSIONS:
            rows += [
                *_verdict_rows(case, judged, rng, tables),
                *_claim_rows(case, claimed, rng, tables),
            ]
    return rows


def _verdict_rows(
    case: str, bank: Bank, rng: np.random.Generator, tables: dict[str, Any]
) -> list[Row]:
    """Return the rows about right verdicts, wrong ones and the naive rule.

    The naive rule is "the excess loss delta is at most the margin, so invariant".
    """
    studies = draw(rng, len(bank), SESSIONS)
    share = verdicts(bank, studies, MARGIN)
    tables["verdicts"][case] = share
    tables.setdefault("means", {})[case] = {
        **{
            name: (
                bank.mean(name),
                float((bank.effects[name] / bank.ranges[name].mean()).std(ddof=1)),
            )
            for name in BANKED
        },
        "retention": (float(bank.retained.mean()), float(bank.retained.std(ddof=1))),
    }
    asked = [(WRONG[case], "<= .05"), (RIGHT[case], ">= .80")]
    rows = []
    for words, bound in asked:
        reached = sum(share.get(word, 0.0) for word in words)
        kept = reached <= 0.05 if bound.startswith("<=") else reached >= 0.8
        rows.append(
            Row(
                case,
                " or ".join(words),
                bound,
                reached,
                *_spread(bank, words, rng),
                len(bank),
                kept,
            )
        )
    if case == "one-neuron":
        paired, independent = (
            naive(bank, studies, MARGIN, arm) for arm in ("delta_paired", "delta")
        )
        spread = _spread(bank, (), rng)
        rows.append(
            Row(
                case,
                "naive rule, paired draws: invariant",
                ">= .80",
                paired,
                *spread,
                len(bank),
                paired >= 0.8,
            )
        )
        rows.append(
            Row(
                case,
                "naive rule, independent draws: invariant",
                "printed",
                independent,
                None,
                None,
                len(bank),
                None,
            )
        )
    return rows


def _claim_rows(
    case: str, bank: Bank, rng: np.random.Generator, tables: dict[str, Any]
) -> list[Row]:
    """Return the rows about false claims and the coverage of intervals."""
    rows = []
    for sessions in COUNTS:
        for name in CLAIMED:
            at_most, more, coverage = sizes(bank, name, sessions, rng)
            tables["sizes"] += [{"case": case, **asdict(at_most)}, {"case": case, **asdict(more)}]
            rows += [
                size_row(
                    case, name, counted.claim, sessions, counted.rate, counted.upper, len(bank)
                )
                for counted in (at_most, more)
            ]
            rows.append(coverage_row(case, name, sessions, coverage, len(bank)))
    return rows


def size_row(
    case: str, name: str, claim: str, sessions: int, rate: float, upper: float, bank: int
) -> Row:
    """Return the table row that says how often a false claim is made.

    Parameters
    ----------
    case
        Name of the case, as printed.
    name, claim
        What is claimed: the estimand `name` is `<= m`, or it is `> m`.
    sessions
        Sessions per study.
    rate, upper
        Fraction of studies that make the claim, and its upper bound.
    bank
        Number of sessions from which the studies are drawn.

    Returns
    -------
    row
        The row; it meets its bound if `counting.accepted`.
    """
    kept = accepted(rate, upper)
    return Row(
        case, f"false '{name} {claim}', {sessions} sessions", ASKED, rate, None, upper, bank, kept
    )


def coverage_row(case: str, name: str, sessions: int, coverage: float, bank: int) -> Row:
    """Return the table row that says how often a 90 % interval held the truth.

    Parameters
    ----------
    case
        Name of the case, as printed.
    name
        The estimand.
    sessions
        Sessions per study.
    coverage
        Fraction of studies whose interval held the true value, in [0, 1].
    bank
        Number of sessions from which the studies are drawn.

    Returns
    -------
    row
        The row; it meets its bound if the coverage lies between .88 and .92.
    """
    figure = f"coverage of the 90 % interval of {name}, {sessions} sessions"
    return Row(case, figure, ".88 to .92", coverage, None, None, bank, 0.88 <= coverage <= 0.92)


def _spread(bank: Bank, words: Sequence[str], rng: np.random.Generator) -> tuple[float, float]:
    """Return a 95 % interval for the fraction of studies with certain verdicts.

    It is over resampled banks. If `words` is empty, the interval is for the fraction of
    studies that the naive rule calls invariant from paired draws.
    """
    found = []
    for _ in range(100):
        chosen = rng.integers(0, len(bank), len(bank))
        again = Bank(
            {n: x[chosen] for n, x in bank.effects.items()},
            {n: x[chosen] for n, x in bank.ranges.items()},
            bank.retained[chosen],
            bank.retained_shared[chosen],
        )
        studies = draw(rng, len(bank), SESSIONS, STUDIES // 10)
        share = verdicts(again, studies, MARGIN) if words else {}
        found.append(
            sum(share.get(v, 0.0) for v in words)
            if words
            else naive(again, studies, MARGIN, "delta_paired")
        )
    low, high = np.quantile(found, [0.025, 0.975])
    return float(low), float(high)
