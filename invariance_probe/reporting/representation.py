"""Report tables about trained representations, apart from overall decoding.

In: one of the hypotheses of report.json, and the whole report. Out: a table of how
representations change with the training dose, and a table of the cost by class. Means
over sessions are taken here; nothing else is computed.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np

from invariance_probe.reporting.table import Table


def representation_tables(hypothesis: dict[str, Any], report: dict[str, Any]) -> list[Table]:
    """Build the tables about the representations behind a hypothesis.

    One table is about invariance, detection of the corruption and similarity by training
    dose, the other about the cost by class.

    Parameters
    ----------
    hypothesis
        One of the report's hypotheses.
    report
        The content of report.json.

    Returns
    -------
    tables
        The tables for which there are measurements, at most two.
    """
    found = [_response_table(hypothesis, report), _classes(hypothesis, report)]
    return [table for table in found if table is not None]


def _response_table(hypothesis: dict[str, Any], report: dict[str, Any]) -> Table | None:
    """Build the table of invariance, detection and similarity by training dose.

    Invariance S says how little a representation moves when its input is corrupted,
    detection how often a classifier recognises the corrupted input, and similarity how
    close a representation of clean inputs is to that at dose 0. The result is None if none
    of them was measured.
    """
    sessions, axis, primary = (
        set(hypothesis["sessions"]),
        hypothesis["axis"],
        hypothesis["primary_dose"],
    )
    examined = [
        p
        for p in report["examined"]
        if p["session"] in sessions and p["axis"] == axis and p["test_dose"] == primary
    ]
    alike = [
        p for p in report["similarity"] if p["session"] in sessions and p["axis"] in (axis, "")
    ]
    if not axis or (not examined and not alike):
        return None
    within = any(p["invariance_within_class"] is not None for p in examined)
    names = (
        [
            "invariance",
            "invariance_row_space",
            *(["invariance_within_class"] if within else []),
            "detection",
        ]
        if examined
        else []
    )
    doses = sorted(
        {p["train_dose"] for p in examined} | {p["dose"] for p in alike if p["against"] == "dose 0"}
    )
    rows = []
    for dose in doses:
        own = [p for p in examined if p["train_dose"] == dose]
        same = [p for p in alike if p["against"] == "dose 0" and p["dose"] == dose]
        rows.append(
            (
                f"trained at {dose:g}",
                *(_over(own, n) for n in names),
                _over(same, "cka"),
                _over(same, "shape_distance"),
            )
        )
    ceiling = [p for p in alike if p["against"] == "another seed"]
    if ceiling:
        nothing = (_number(None),) * len(names)
        rows.append(
            ("dose 0, two seeds", *nothing, _over(ceiling, "cka"), _over(ceiling, "shape_distance"))
        )
    heads = {
        "invariance": "S",
        "invariance_row_space": "S read by the probe",
        "invariance_within_class": "S within a class",
        "detection": "corruption detected",
    }
    return Table(
        "What the representation looks like",
        _how_to_read(primary, bool(examined), bool(ceiling), len(sessions)),
        ("encoder", *(heads[name] for name in names), "CKA with dose 0", "distance to dose 0"),
        tuple(rows),
    )


def _how_to_read(primary: float, corrupted: bool, ceiling: bool, sessions: int) -> str:
    """Write the note on how to read the table of `_response_table`.

    Parameters
    ----------
    primary
        The primary dose, at which inputs are corrupted.
    corrupted
        Whether representations of corrupted inputs were measured.
    ceiling
        Whether two seeds at dose 0 were compared.
    sessions
        Number of sessions.
    """
    moved = (
        f"On inputs corrupted at {primary:g}: S is 1 where the representation does not move and "
        "0 where a corrupted window is as far from itself as a stranger; “read by the probe” "
        "keeps only what the fitted probe reads of the target. “Corruption detected” is how "
        "often a classifier picks the corrupted one of two representations of a window: .5 is "
        "chance, 1 plainly visible. "
        if corrupted
        else ""
    )
    alike = (
        "On clean inputs: debiased CKA (1 alike, 0 unrelated) and shape distance (0 alike, at "
        "most 1.57 rad). "
    )
    two = (
        "Read both against two seeds at dose 0, which share neither start nor order of windows. "
        if ceiling
        else ""
    )
    spread = "Means over sessions, with the lowest and the highest. " if sessions > 1 else ""
    return f"{moved}{alike}{two}{spread}No verdict rests on these."


def _classes(hypothesis: dict[str, Any], report: dict[str, Any]) -> Table | None:
    """Build the table of delta, the cost of the primary dose, by class.

    The result is None if it was not measured, as for a target without classes.
    """
    own = [p for p in report["classes"] if p["hypothesis"] == hypothesis["id"] and not p["session"]]
    if not own:
        return None
    rows = tuple(
        (
            p["label"],
            *(_number(p[name]) for name in ("estimate", "ci_low", "ci_high")),
            str(p["n_sessions"]),
        )
        for p in own
    )
    note = (
        f"delta at {hypothesis['primary_dose']:g} for the windows of each class, in units of "
        "the range of all classes; the classes, weighted by their windows, come to delta. "
        "Invariance may hold for one class and not for another."
    )
    return Table(
        "The cost by class", note, ("class", "delta", "90 % low", "90 % high", "sessions"), rows
    )


def _over(points: Sequence[dict[str, Any]], name: str) -> str:
    """Format the mean over sessions, with the lowest and highest if several."""
    values = [p[name] for p in points if p[name] is not None]
    if not values:
        return _number(None)
    mean = _number(float(np.mean(values)))
    return (
        mean if len(values) == 1 else f"{mean} ({_number(min(values))} to {_number(max(values))})"
    )


def _number(value: float | None) -> str:
    return "\N{EN DASH}" if value is None else f"{value:.2f}".replace("-", "\N{MINUS SIGN}")
