"""The table of what every SSL objective says about a hypothesis.

A hypothesis of report.json goes in; a table comes out. Nothing is computed here.
"""

from typing import Any

from invariance_probe.reporting.table import Table


def objective_table(hypothesis: dict[str, Any]) -> Table | None:
    """Table of every method's word; None where no method was swept."""
    found = hypothesis["objectives"]
    if found is None:
        return None
    rows = tuple(
        (
            row["method"],
            row["word"] or "runs are missing",
            "yes" if row["licensed"] else "no",
            *(
                "" if row[name] is None else f"{row[name]:.2f}"
                for name in ("retention", "delta", "D", "H")
            ),
        )
        for row in found["methods"]
    )
    columns = ("objective", "the rule's word", "licensed", "keeps of the range", "delta", "D", "H")
    return Table("Does the verdict depend on the objective?", found["sentence"], columns, rows)
