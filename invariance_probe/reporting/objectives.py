"""Report table of what each SSL objective finds about a hypothesis.

In: one of the hypotheses of report.json. Out: a table with one row per SSL method.
Nothing is computed here.
"""

from typing import Any

from invariance_probe.reporting.table import Table


def objective_table(hypothesis: dict[str, Any]) -> Table | None:
    """Build the table that compares the findings of several SSL methods.

    Parameters
    ----------
    hypothesis
        One of the report's hypotheses.

    Returns
    -------
    Table or None
        Each method's finding (`free`, `costly` or `undecided`), whether the method is
        licensed for such a claim, and its estimates; None if the study compares no methods.
    """
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
