"""What can be said of messenger units in recordings of reach and sleep.

python benchmarks/messengers_on_recordings.py [--studies studies] [--out reports/messengers]
    [--keep FOLDER]

The recordings are of reaches, of learning and of sleep. Only the `messengers`
measurement of each ready study is run, not its SSL models; earlier measurements are
read from the folder that is kept. The results are reports/messengers/README.md and its
figures. `invariance-probe run studies/messengers_reach.yaml` gives the whole report.
"""

import argparse
import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch

from invariance_probe.data.sessions import open_recording
from invariance_probe.inference.description.messengers import messengers, switching
from invariance_probe.plan.run import RunResult
from invariance_probe.planning import make_plan
from invariance_probe.probing import MEASURES
from invariance_probe.probing.bench.workbench import Workbench
from invariance_probe.reporting.figures.messengers import damage_curves
from invariance_probe.reporting.messengers import NOTE, messenger_tables
from invariance_probe.reporting.model import finite
from invariance_probe.reporting.table import Table
from invariance_probe.study.baselines import Messengers
from invariance_probe.study.load import open_study

STUDIES = ("learning", "sleep", "reach")
LEVEL = 0.05


@dataclass(frozen=True)
class Found:
    """A study's question, and its part of report.json."""

    name: str
    question: str
    report: dict[str, Any]


def found_in(name: str, folder: Path, keep: Path) -> Found:
    """Measure every session of a study, or read what was measured."""
    file = open_study(folder / f"messengers_{name}.yaml")
    plan = make_plan(file)
    sources = {session.name: session.source for session in plan.sessions}
    results: dict[str, RunResult] = {}
    for run in (run for run in plan.baselines if isinstance(run.method, Messengers)):
        stored = keep / f"{run.key()}.json"
        if not stored.exists():
            bench = Workbench.of(
                open_recording(sources[run.session], run.session, file.base),
                run,
                torch.device("cpu"),
            )
            measured = MEASURES["messengers"](bench, [run], lambda steps: None)[0].result
            keep.mkdir(parents=True, exist_ok=True)
            stored.write_text(json.dumps(measured.to_json()), encoding="utf-8")
        results[run.key()] = RunResult.from_json(json.loads(stored.read_text(encoding="utf-8")))
        print(f"{name}: {run.session}", flush=True)
    report = {
        "messengers": [asdict(point) for point in messengers(plan, results)],
        "switching": [asdict(point) for point in switching(plan, results)],
        "settings": plan.study.model_dump(mode="json"),
    }
    return Found(name, plan.study.question, finite(report))


def in_words(found: Found) -> list[str]:
    """Return what can and what cannot be said of each session, from its figures alone."""
    lines = []
    for session in dict.fromkeys(p["session"] for p in found.report["messengers"]):
        points = [p for p in found.report["messengers"] if p["session"] == session]
        taken = sorted(
            {p["budget"] for p in points if p["chosen_with"] == "refit" and p["accepted"]}
        )
        budgets = sorted({p["budget"] for p in points})
        largest = next(
            p for p in points if (p["budget"], p["chosen_with"]) == (budgets[-1], "refit")
        )
        said = (
            f"sets of {_and(taken)} units cost more than random ones, by both decoders"
            if taken
            else "no set costs more than random ones by both decoders"
        )
        said += (
            f"; the best {budgets[-1]} cost {largest['refit']['chosen']:.2f} of the range when the "
            "decoder is fitted again"
        )
        said += (
            f", and it takes {largest['localisation']:.1f} times as many random units as chosen "
            "ones to lose half"
        )
        lines.append(
            f"* **{session}**. {said[0].upper()}{said[1:]}. {_later(points)} "
            f"{_moves(found, session)}"
        )
    return lines


def _later(points: list[dict[str, Any]]) -> str:
    """Say whether sets transfer to the later epoch.

    Only an interval, by both ways, that leaves out 0 or 1 says something.
    """
    known = [p for p in points if p["transfer"] is not None]
    if not known:
        return (
            "Whether they transfer cannot be said: the later epoch's own sets are not shown to "
            "carry more than a tenth of the range."
        )
    bounded = [p for p in known if p["transfer_low"] is not None and p["transfer_high"] is not None]
    serve = sum(p["transfer_low"] > 0 for p in bounded)
    less = sum(p["transfer_high"] < 1 for p in bounded)
    return (
        f"Of {len(known)} sets whose T could be taken, {serve} are shown to serve in the later "
        f"epoch (interval above 0), and {less} to serve less well than its own set (below 1)."
    )


def _moves(found: Found, session: str) -> str:
    own = {p["mode"]: p["p_value"] for p in found.report["switching"] if p["session"] == session}
    if None in own.values():
        return (
            "Whether reliance moves between epochs is not tested: four blocks an epoch are too "
            "short for what its activity remembers."
        )
    word = "is shown" if max(own.values()) <= LEVEL else "is not shown"
    return (
        f"That reliance moves between epochs {word} "
        f"(p = {own['refit']:.3f} refitted, {own['fixed']:.3f} fixed)."
    )


def _and(numbers: list[int]) -> str:
    return (
        " and ".join([", ".join(map(str, numbers[:-1])), str(numbers[-1])])
        if len(numbers) > 1
        else str(numbers[0])
    )


def written(table: Table) -> list[str]:
    """Return a table in Markdown."""
    heads = ["| " + " | ".join(table.columns) + " |", "|---" * len(table.columns) + "|"]
    title = table.title if table.title.endswith("?") else f"{table.title}."
    return [
        f"**{title}** {table.note}".rstrip(),
        "",
        *heads,
        *("| " + " | ".join(row) + " |" for row in table.rows),
        "",
    ]


def page(all_found: list[Found], out: Path) -> str:
    """Return the page, and write its figures."""
    lines = [
        f"""# Messenger units in real recordings

{NOTE} How it is done, and what the words mean: [docs/messengers.md](../../docs/messengers.md). \
Whether the test of switching keeps its
level: [switching.md](switching.md). What a trained SSL objective rests on beside decoders: \
[objective.md](objective.md).
Made by `python benchmarks/messengers_on_recordings.py` from the ready studies `messengers_*.yaml`.

**What none of this says.** That units cause or transmit anything (that takes a perturbation); \
that unrecorded units carry less; that
a set is the only one. An accepted set is no sign of a sparse code: \
in a code of all units the most informative ones are accepted too, with
small damage. Units of two days are compared only where a file matches them. \
The reach files do not (174 units on one day and 155 on the
other, with no common names), so reach is compared between the halves of a session, \
and never between days or animals. Monkey J's file has
the same 86 units before and after learning. Each row is a recording; \
three reach sessions are two animals, and nothing here is about
animals in general.
"""
    ]
    for found in all_found:
        chart = damage_curves(found.report["messengers"])
        (out / f"{found.name}.svg").write_text(chart.svg, encoding="utf-8")
        lines += [
            f"## {found.question}",
            "",
            *in_words(found),
            "",
            f"![{chart.alt}]({found.name}.svg)",
            "",
        ]
        for table in messenger_tables(found.report):
            lines += written(table)
    return "\n".join(lines)


def main(studies: Path, out: Path, keep: Path) -> None:
    """Measure, and write the page."""
    torch.set_num_threads(1)
    out.mkdir(parents=True, exist_ok=True)
    all_found = [found_in(name, studies, keep) for name in STUDIES]
    (out / "README.md").write_text(page(all_found, out), encoding="utf-8")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--studies", type=Path, default=Path("studies"))
    parser.add_argument("--out", type=Path, default=Path("reports/messengers"))
    parser.add_argument("--keep", type=Path, default=Path("runs/messengers"))
    arguments = parser.parse_args()
    main(arguments.studies, arguments.out, arguments.keep)
