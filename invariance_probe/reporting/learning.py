"""Tables of the finding of learning: recipes, and corrupted inputs.

A hypothesis of report.json with its finding of learning goes in; tables come out.
Nothing is computed here, and no word about the code stands here.
"""

from typing import Any

from invariance_probe.inference.evidence.estimands import CORRUPTED_TWICE
from invariance_probe.reporting.table import Table
from invariance_probe.reporting.words import two_decimals

ON_CORRUPTED = ("T", CORRUPTED_TWICE)
"""Estimands of probes that are tested on corrupted inputs."""
TESTED = {
    "C_code": ("no SSL; refitted on what survives", "R_code"),
    "C_blind": ("no SSL; one decoder that cannot see the corruption", "R_code"),
    "T": ("representation trained at dose 0, tested on corrupted inputs", "R"),
    CORRUPTED_TWICE: ("representation trained at the dose, tested on corrupted inputs", "R"),
}
"""What is decoded from corrupted inputs, and the unit of its loss."""


def recipe_table(hypothesis: dict[str, Any]) -> Table | None:
    """Table of every recipe of the panel; None where nothing was trained."""
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
    """Table of what is decoded from corrupted inputs; None without T and L(d, d)."""
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
