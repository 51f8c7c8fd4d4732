"""Measure the banks, count, and write what was asked and what was reached."""

import json
import time
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from invariance_probe.calibration.banks import MEASURED, SIZES, dropout_study, measures_study, needed
from invariance_probe.calibration.counting import STUDIES, Bank, draw, naive, sizes, verdicts
from invariance_probe.calibration.measures import measure_rows, measured_sessions
from invariance_probe.calibration.page import write_page
from invariance_probe.calibration.row import Row
from invariance_probe.calibration.world_rows import turnover_rows, world_rows
from invariance_probe.calibration.worlds import SIZES as WORLDS
from invariance_probe.calibration.worlds import measured_turnover, measured_worlds
from invariance_probe.data.sessions import find_sessions
from invariance_probe.executors.local import Event, Place
from invariance_probe.inference.entry import session_findings
from invariance_probe.inference.estimands import IDENTITY, Effect, SessionLosses, at, read_losses
from invariance_probe.results.store import Store
from invariance_probe.runner import cores, measure, versions
from invariance_probe.study.plan import Plan
from invariance_probe.study.study import Study

MARGIN, SESSIONS, AXIS, DOSE = 0.1, 6, "unit_dropout.rate", 0.4
PARTS = ("dropout", "measures", "worlds")
"""What can be calibrated alone: the verdicts about dropout, the measures without SSL (G1, G1b, G2, G8), and the worlds G3 to G6."""
NAMES = ("C_info", "D", "H", "delta", "delta_paired")
_ENCODER = {"kind": "mlp", "widths": [64, 64, 16]}
SSL: dict[str, dict[str, Any]] = {
    "simclr": {"kind": "simclr", "temperature": 0.2, "encoder": _ENCODER, "projector": [64, 32]},
    "vicreg": {"kind": "vicreg", "encoder": _ENCODER},
    "byol": {"kind": "byol", "encoder": _ENCODER},
}


def calibrate(
    runs: Path,
    out: Path,
    size: str = "full",
    method: str = "simclr",
    train: bool = True,
    workers: int | None = None,
    on_event: Callable[[Event], None] = lambda event: None,
    part: str = "all",
) -> list[Row]:
    """Measure what the store lacks of the banks, count errors, and write calibration.json and README.md.

    Parameters
    ----------
    runs
        Root of the run store; a stopped calibration goes on where it was.
    out
        Folder of the report.
    size
        How many sessions: `full`, `licence` (enough to license a method), or `quick` (whether all works, not how well).
    method
        The SSL method that is calibrated.
    train
        Measure what is missing; else judge what the store has.
    part
        `all`, or one of `PARTS`; the report has the figures of that part alone.
    """
    started = time.monotonic()
    store = Store(runs)
    store.root.mkdir(parents=True, exist_ok=True)
    place = Place(Path.cwd(), store.root.resolve())
    rng = np.random.default_rng(1)
    parts = PARTS if part == "all" else (part,)
    rows = []
    if "measures" in parts and MEASURED[size]:
        measured = measured_sessions(measures_study(MEASURED[size]), store, place, workers or cores(), train, on_event)
        rows += measure_rows(measured)
    if "worlds" in parts and WORLDS[size]:
        rows += world_rows(measured_worlds(size, store, place, workers or cores(), train, on_event))
        rows += turnover_rows(*measured_turnover(size, store, place, workers or cores(), train, on_event))
    study = dropout_study(SSL[method], SIZES[size])
    tables: dict[str, Any] = {"sizes": [], "verdicts": {}}
    if "dropout" in parts:
        for case, bank in _banks(study, store, place, workers or cores(), train, on_event).items():
            rows += _dropout_rows(case, bank, rng, tables)
    settings = {
        "method": study.method.model_dump(mode="json"),
        "training": study.training.model_dump(mode="json"),
        "size": size,
        "part": part,
        "seconds": round(time.monotonic() - started),
        "versions": versions(),
    }
    content = {"settings": settings, "rows": [asdict(row) for row in rows], **tables}
    out.mkdir(parents=True, exist_ok=True)
    (out / "calibration.json").write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
    write_page(content, out)
    return rows


def _banks(
    study: Study, store: Store, place: Place, workers: int, train: bool, on_event: Callable[[Event], None]
) -> dict[str, Bank]:
    """Return the bank of every case, from its decodable sessions that have all their runs."""
    plan = Plan(study, find_sessions(study, place.base))
    results = measure(plan, store, place, workers, on_event, needed).results if train else store.results(plan.runs)
    findings = session_findings(plan, results)
    grouped: dict[str, list[SessionLosses]] = {}
    for name, losses in read_losses(plan, results).items():
        if findings[name].decodable and all(_effect(losses, e).complete for e in (*NAMES, "noise")):
            grouped.setdefault(losses.session.group, []).append(losses)
    return {case: _bank(members) for case, members in grouped.items() if len(members) >= SESSIONS}


def _effect(losses: SessionLosses, name: str) -> Effect:
    return losses.noise() if name == "noise" else losses.effect(name, AXIS, DOSE)


def _bank(members: list[SessionLosses]) -> Bank:
    effects = {name: [_effect(losses, name) for losses in members] for name in (*NAMES, "noise")}
    return Bank(
        {name: np.array([e.values.mean() for e in found]) for name, found in effects.items()},
        {name: np.array([e.range.mean() for e in found]) for name, found in effects.items()},
        np.array([losses.retention(losses.ssl(IDENTITY)) for losses in members]),
        np.array([losses.retention(losses.ssl(at(AXIS, DOSE, "shared"))) for losses in members]),
    )


def _dropout_rows(case: str, bank: Bank, rng: np.random.Generator, tables: dict[str, Any]) -> list[Row]:
    studies = draw(rng, len(bank), SESSIONS)
    share = verdicts(bank, studies, MARGIN)
    tables["verdicts"][case] = share
    tables.setdefault("means", {})[case] = {
        **{name: (bank.mean(name), float((bank.effects[name] / bank.ranges[name].mean()).std(ddof=1))) for name in NAMES},
        "retention": (float(bank.retained.mean()), float(bank.retained.std(ddof=1))),
    }
    rows = []

    def row(figure: str, asked: str, reached: float, met: bool) -> None:
        rows.append(Row(case, figure, asked, reached, *_spread(bank, figure, rng), len(bank), met))

    wrong = {"one-neuron": ("invariant", "recoverable"), "distributed": ("sensitive",), "redundant": ("sensitive",)}[case]
    right = {"one-neuron": ("sensitive",), "distributed": ("recoverable", "invariant"), "redundant": ("invariant",)}[case]
    false, true = (sum(share.get(v, 0.0) for v in names) for names in (wrong, right))
    row(" or ".join(wrong), "<= .05", false, false <= 0.05)
    row(" or ".join(right), ">= .80", true, true >= 0.8)
    if case == "one-neuron":
        paired = naive(bank, studies, MARGIN, "delta_paired")
        row("naive rule, paired draws: invariant", ">= .80", paired, paired >= 0.8)
        independent = naive(bank, studies, MARGIN, "delta")
        rows.append(Row(case, "naive rule, independent draws: invariant", "printed", independent, None, None, len(bank), None))
    for sessions in (5, 8, 12):
        for name in ("C_info", "D", "H", "delta"):
            at_most, more, coverage = sizes(bank, name, sessions, rng)
            tables["sizes"] += [{"case": case, **asdict(at_most)}, {"case": case, **asdict(more)}]
            for counted in (at_most, more):
                figure, kept = (
                    f"false '{name} {counted.claim}', {sessions} sessions",
                    counted.rate <= 0.07 and counted.upper <= 0.1,
                )
                rows.append(Row(case, figure, "<= .07, upper <= .10", counted.rate, None, counted.upper, len(bank), kept))
            figure = f"coverage of the 90 % interval of {name}, {sessions} sessions"
            rows.append(Row(case, figure, ".88 to .92", coverage, None, None, len(bank), 0.88 <= coverage <= 0.92))
    return rows


def _spread(bank: Bank, figure: str, rng: np.random.Generator) -> tuple[float, float]:
    """Return the 95 % interval of a rate over resampled banks."""
    found = []
    for _ in range(100):
        chosen = rng.integers(0, len(bank), len(bank))
        again = Bank({n: x[chosen] for n, x in bank.effects.items()}, {n: x[chosen] for n, x in bank.ranges.items()},
                     bank.retained[chosen], bank.retained_shared[chosen])  # fmt: skip
        studies = draw(rng, len(bank), SESSIONS, STUDIES // 10)
        if figure.startswith("naive"):
            found.append(naive(again, studies, MARGIN, "delta_paired"))
        else:
            share = verdicts(again, studies, MARGIN)
            found.append(sum(share.get(v, 0.0) for v in figure.split(" or ")))
    low, high = np.quantile(found, [0.025, 0.975])
    return float(low), float(high)
