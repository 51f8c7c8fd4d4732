"""Which units a trained SSL objective and two decoders rely on.

python benchmarks/reliance_on_recordings.py [--out reports/messengers] [--runs runs] [--workers 2]

The recordings are reach sessions and a night of sleep. Only the `reliance` measurement
of the ready studies is run. The result is reports/messengers/objective.md.
`invariance-probe run studies/reliance_reach.yaml` gives the whole report.
"""

import argparse
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

from messengers_on_recordings import written

from invariance_probe.executors.jobs import WorkerSettings
from invariance_probe.executors.local import run_local
from invariance_probe.inference.description.reliance import reliance
from invariance_probe.inference.entry import session_findings
from invariance_probe.planning import make_plan
from invariance_probe.reporting.figures.reliance import reliance_curves
from invariance_probe.reporting.model import finite
from invariance_probe.reporting.reliance import MEANING, NOTE, reliance_tables
from invariance_probe.results.store import Store
from invariance_probe.runner import cores, measure
from invariance_probe.study.baselines import Code, Raw, ShiftNull
from invariance_probe.study.load import open_study
from invariance_probe.study.methods import Reliance

STUDIES = ("reach", "sleep")
NAMES = {"objective": "objective", "refit": "refitted decoder", "fixed": "fixed decoder"}


def found_in(name: str, runs: Path, workers: int) -> tuple[str, dict[str, Any]]:
    """Measure a study's reliance; return its question and its part of report.json."""
    file = open_study(Path("studies") / f"reliance_{name}.yaml")
    plan, store = make_plan(file), Store(runs)
    store.root.mkdir(parents=True, exist_ok=True)
    settings = WorkerSettings(file.base, store.root.resolve())
    measured = measure(
        plan,
        store,
        settings,
        partial(run_local, workers=workers),
        lambda event: None,
        lambda run: isinstance(
            run.method, Reliance | Raw | Code | ShiftNull
        ),  # the latter say whether a session can be decoded
    )
    report = {
        "reliance": [
            asdict(point) for point in reliance(plan, measured.results, measured.left_out)
        ],
        "sessions": [
            asdict(finding) for finding in session_findings(plan, measured.results).values()
        ],
        "settings": plan.study.model_dump(mode="json"),
    }
    return plan.study.question, finite(report)


def in_words(points: list[dict[str, Any]]) -> list[str]:
    """Say what the largest sets cost the target they were not chosen for.

    There is one line per session, from its figures alone.
    """
    lines = []
    for session in dict.fromkeys(p["session"] for p in points):
        largest = max(p["budget"] for p in points)
        of = {
            p["chosen_for"]: p for p in points if (p["session"], p["budget"]) == (session, largest)
        }
        said = [
            _cost(of["refit"], "refit", "objective"),
            _cost(of["objective"], "objective", "refit"),
        ]
        overlap = (
            f"{of['refit']['overlap']:.2f} of their units are common "
            f"({of['refit']['overlap_chance']:.2f} by chance)"
        )
        lines.append(f"* **{session}**. {said[0]} {said[1]} By Jaccard index {overlap}.")
    return lines


def _cost(point: dict[str, Any], chosen_for: str, scored: str) -> str:
    own, other = point[chosen_for], point[scored]
    if own is None or other is None:
        return (
            f"What the sets for the {NAMES[chosen_for]} cost the {NAMES[scored]} "
            "cannot be said: a range is not shown."
        )
    word = (
        f"in {round(other['beyond'] * point['models'])} of {point['models']} models "
        "beyond like random sets"
    )
    return (
        f"The {point['budget']} units chosen for the {NAMES[chosen_for]} cost it "
        f"{own['chosen']:.2f} on its scale, and the {NAMES[scored]} {other['chosen']:.2f} "
        f"on that one's (random sets {other['random']:.2f}; {word})."
    )


def main() -> None:
    """Measure, and write the page and its figures."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--out", type=Path, default=Path("reports/messengers"))
    parser.add_argument("--runs", type=Path, default=Path("runs"))
    parser.add_argument("--workers", type=int, default=cores())
    given = parser.parse_args()
    lines = ["# What a trained objective and two decoders rest on", "", NOTE, "", MEANING, ""]
    lines += [
        "Made by `python benchmarks/reliance_on_recordings.py` from the ready studies "
        "`reliance_*.yaml` ([how](../../docs/messengers.md)).",
        "",
    ]
    for name in STUDIES:
        question, report = found_in(name, given.runs, given.workers)
        chart = reliance_curves(report["reliance"])
        (given.out / f"objective-{name}.svg").write_text(chart.svg, encoding="utf-8")
        lines += [
            f"## {question}",
            "",
            *in_words(report["reliance"]),
            "",
            f"![{chart.alt}](objective-{name}.svg)",
            "",
        ]
        for table in reliance_tables(report):
            lines += written(table)
    (given.out / "objective.md").write_text("\n".join(lines), encoding="utf-8")


if __name__ == "__main__":
    main()
