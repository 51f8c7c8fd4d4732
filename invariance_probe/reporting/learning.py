"""Report tables about learning: training recipes, and corrupted inputs.

In: one of the hypotheses of report.json, with its finding of learning. Out: tables.
Nothing is computed here, and nothing is said about the code.

Losses are in units of R, the range from the best constant to the best decoder without
SSL; only C_code and C_blind, shown for comparison, are of decoders without SSL and in
units of their own range R_code. delta is the loss that training with the corruption adds
when it is drawn independently for the two views; H is the loss that it adds when all
windows share one draw per step; D = delta - H. T and L(d, d) are losses on corrupted
inputs, of representations trained at dose 0 and at the dose d of the corruption.
"""

from typing import Any

from invariance_probe.inference.evidence.estimands import CORRUPTED_TWICE
from invariance_probe.reporting.table import Table
from invariance_probe.reporting.words import two_decimals

ON_CORRUPTED = ("T", CORRUPTED_TWICE)
"""Estimands measured on corrupted test inputs: T and L(d, d)."""
TESTED = {
    "C_code": ("no SSL; refitted on what survives", "R_code"),
    "C_blind": ("no SSL; one decoder that cannot see the corruption", "R_code"),
    "T": ("representation trained at dose 0, tested on corrupted inputs", "R"),
    CORRUPTED_TWICE: ("representation trained at the dose, tested on corrupted inputs", "R"),
}
"""For each loss on corrupted inputs: which decoder it is of, and its unit."""


def recipe_table(hypothesis: dict[str, Any]) -> Table | None:
    """Build the table of the recipes under which learning was judged.

    A recipe is a method with its optimisation and its encoder's width.

    Parameters
    ----------
    hypothesis
        One of the report's hypotheses.

    Returns
    -------
    Table or None
        One row per recipe: its settings, the part of R that dose 0 keeps, the estimates of
        D, H and delta, and the finding; None if there is no finding of learning.
    """
    learning = hypothesis["learning"]
    if learning is None:
        return None
    names = [
        name
        for name in ("D", "H", "delta")
        if any(recipe[name] for recipe in learning["panel"]["recipes"])
    ]
    rows = tuple(
        (
            recipe["name"],
            recipe["method"],
            *(
                _plain(recipe[key])
                for key in ("steps", "learning_rate", "batch_size", "dimensions")
            ),
            two_decimals(recipe["retention"]),
            *(two_decimals(recipe[name] and recipe[name]["estimate"]) for name in names),
            recipe["finding"],
            recipe["reason"],
        )
        for recipe in learning["panel"]["recipes"]
    )
    one_method = learning["panel"]["one_method"]
    note = f"Why these: {learning['panel']['reason']}." + (
        f" {one_method[0].upper()}{one_method[1:]}." if one_method else ""
    )
    columns = (
        "recipe",
        "method",
        "steps",
        "lr",
        "batch",
        "dims",
        "keeps of R",
        *names,
        "finding",
        "remark",
    )
    return Table("Every recipe", note, columns, rows, ("method", "finding", "remark"))


def corrupted_table(hypothesis: dict[str, Any]) -> Table | None:
    """Build the table of losses on corrupted inputs at the primary dose.

    Parameters
    ----------
    hypothesis
        One of the report's hypotheses.

    Returns
    -------
    Table or None
        One row per quantity, with its 90 % interval; None if neither T nor L(d, d) was
        measured.
    """
    found = {
        e["name"]: e for e in hypothesis["estimands"] if e["dose"] == hypothesis["primary_dose"]
    }
    if not any(name in found for name in ON_CORRUPTED):
        return None
    rows = tuple(
        (
            name,
            what,
            unit,
            *(two_decimals(found[name][end]) for end in ("estimate", "ci_low", "ci_high")),
        )
        for name, (what, unit) in TESTED.items()
        if name in found
    )
    note = (
        "Loss on corrupted inputs at the primary dose over that on clean ones, with 90 % "
        f"intervals, each in units of its own range. Read {CORRUPTED_TWICE} beside C_blind: "
        "both are of decoders that read corrupted inputs and cannot see what is lost."
    )
    columns = ("quantity", "of", "in units of", "estimate", "low", "high")
    return Table(
        "What the representation makes of corrupted inputs",
        note,
        columns,
        rows,
        ("of", "in units of"),
    )


def _plain(value: float | None) -> str:
    return "\N{EN DASH}" if value is None else f"{value:g}"
