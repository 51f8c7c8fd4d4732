"""Compute every estimate, interval, p value and word of a report again, without the package.

python benchmarks/recompute_report.py STUDY.yaml REPORT_FOLDER

In go the study file (hypotheses, margins, doses, seeds) and the tables of the report: results.csv
(losses by run and test block), dropping_curves.csv (held-out sums of the code), sessions.csv
(subjects, groups, p values of the nulls), recipes.csv and gates.csv. Nothing is imported from
invariance_probe; all is written from the definitions of docs/science.md. Out comes the largest
difference from report.json for each kind of figure; above 1e-9 the exit status is 1. Numbers
above 1 are compared relative to their size.

Taken from the tables as measured, because a table of losses cannot show it: the p value of each
null (computed again where report.json holds its draws), units that repeat others, and the
outcomes of the gates `leak`, `movement`, `distinct`, `licence` and `planted targets`. From
report.json come the registration and the p values of contrasts, which enter Holm's procedure;
all else of it is only compared with. Studies with several looks at the seeds are refused.
"""

import sys
from pathlib import Path
from typing import Any

from recompute.comparison import TOLERANCE, difference, rows_of
from recompute.hypothesis import Hypothesis
from recompute.judgement import Judgement
from recompute.tables import Tables


def recompute(study: Path, folder: Path) -> int:
    """Compare a report with what its tables give; returns the number of figures that differ."""
    tables = Tables.read(study, folder)
    if "adaptive" in tables.study.get("training", {}):
        sys.exit(
            "several looks at the seeds (training.adaptive) are not recomputed; "
            "use a study with a fixed number"
        )
    declared = [h for h in tables.study["hypotheses"] if h.get("kind") != "contrast"]
    for h in tables.study["hypotheses"]:
        if h.get("kind") == "contrast":
            print(
                f"{h['id']}: a contrast; not recomputed, "
                "its p value enters Holm's procedure as reported"
            )
    worst: dict[str, list[tuple[float, str, Any, Any]]] = {}
    for kind, where, reported, found in rows_of(
        tables, [Judgement(Hypothesis(tables, h)) for h in declared]
    ):
        worst.setdefault(kind, []).append((difference(reported, found), where, reported, found))
    wrong = 0
    print(f"{'figures':45} {'number':>6} {'largest difference':>18}")
    for kind, rows in sorted(worst.items()):
        print(f"{kind:45} {len(rows):6d} {max(row[0] for row in rows):18.3g}")
        for far, where, reported, found in rows:
            if far > TOLERANCE:
                wrong += 1
                print(f"    differs: {where}: reported {reported}, computed {found}")
    return wrong


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(
            f"usage: {sys.argv[0]} STUDY.yaml REPORT_FOLDER, got {len(sys.argv) - 1} arguments"
        )
    sys.exit(1 if recompute(Path(sys.argv[1]), Path(sys.argv[2])) else 0)
