"""Check that a change left every number alone, bit by bit.

Shortened studies are run by the package of each of two commits, in a checkout and a run
store of its own. Every measured loss (results.csv) and every number and verdict word of
report.json must be equal; sentences may differ. What differs is listed by name, and the
exit status is then 1. It takes minutes per commit.

    python benchmarks/same_numbers.py BEFORE [AFTER] [--study NAME ...]

Without AFTER, the working tree is compared. Studies of real recordings need the
recordings at hand.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandas as pd

ROOT = Path(__file__).parents[1]
SHORT = ("training.steps=12", "training.seeds=1")
FEWER = ("recordings.0.sessions=3",)
BY_TORCH = "training.kernels=torch"
STUDIES: dict[str, tuple[str, ...]] = {
    "states": (),
    "quickstart": (*SHORT, *(f"recordings.{i}.sessions=3" for i in range(3))),
    "reach_redundancy": (*SHORT, "quick=true"),
    "corruptions": (*SHORT, *FEWER, "quick=true"),
    "recurring_states": (*SHORT, *FEWER, "recordings.0.bins=2000"),
    "mined_reach": SHORT,
    "shared_reach": SHORT,
    "messengers_reach": (
        "measurements.0.budgets=[1, 4]",
        "measurements.0.switching.permutations=199",
    ),
    "reliance_reach": ("training.steps=12", "training.seeds=1", "measurements.0.budgets=[1, 4]"),
}
"""Studies, and what makes those of `studies/` short."""
WORDS = {"verdict", "word", "finding", "outcome", "status", "carriers_word", "flags", "says"}
"""Fields of report.json whose strings must be equal."""
FREE = {"provenance", "settings"}
"""Parts of report.json that say when and where a study was run."""


def values(content: Any, place: str = "", field: str = "") -> Iterator[tuple[str, Any]]:
    """Yield every number and every verdict word of a report, with its place."""
    if isinstance(content, dict):
        for name, inner in content.items():
            if name not in FREE:
                yield from values(inner, f"{place}.{name}", name)
    elif isinstance(content, list):
        for number, inner in enumerate(content):
            yield from values(inner, f"{place}[{number}]", field)
    elif not isinstance(content, str) or field in WORDS:
        yield place, content


def run(checkout: Path, name: str, folder: Path) -> Path:
    """Run a shortened study by the package of a checkout, and return the folder of its report."""
    out = folder / "reports" / name
    changes = [word for change in (*STUDIES[name], BY_TORCH) for word in ("--set", change)]
    code = "from invariance_probe.cli import main; main()"
    paths = ["--runs", str(folder / "runs"), "--out", str(out)]
    shipped = ROOT / "studies" / f"{name}.yaml"
    study = str(shipped if shipped.exists() else ROOT / "benchmarks" / f"{name}.yaml")
    data = {"INVARIANCE_PROBE_DATA": str(ROOT.parent / "shared" / "data")}
    subprocess.run(
        [sys.executable, "-c", code, "run", study, *changes, *paths, "--workers", "1"],
        env={**data, **os.environ, "PYTHONPATH": str(checkout)},
        stdout=subprocess.DEVNULL,
        check=True,
    )
    return out


def differences(before: Path, after: Path) -> list[str]:
    """Name what differs between two reports: rows of results.csv, and values of report.json."""
    found = [f"results.csv: {row}" for row in _other_rows(before, after)]
    told = [dict(values(json.loads((out / "report.json").read_text()))) for out in (before, after)]
    for place in sorted(told[0].keys() | told[1].keys()):
        one, other = (side.get(place, "absent") for side in told)
        if one != other:
            found.append(f"report.json{place}: {one} -> {other}")
    return found


def _other_rows(before: Path, after: Path) -> list[str]:
    """Rows that one of the tables lacks, over the columns that both have."""
    tables = [pd.read_csv(out / "results.csv", dtype=str) for out in (before, after)]
    shared = [column for column in tables[0].columns if column in tables[1].columns]
    rows = [set(table[shared].fillna("").agg(",".join, axis=1)) for table in tables]
    return sorted(rows[0] ^ rows[1])


def main() -> None:
    """Compare the studies one after another."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("before")
    parser.add_argument("after", nargs="?")
    parser.add_argument("--study", action="append", choices=list(STUDIES))
    asked = parser.parse_args()
    failed = False
    with tempfile.TemporaryDirectory() as made:
        checkouts = [_checkout(ref, Path(made) / side) for ref, side in
                     ((asked.before, "before"), (asked.after, "after"))]  # fmt: skip
        for name in asked.study or STUDIES:
            reports = [
                run(checkout, name, Path(made) / f"{side} files")
                for checkout, side in zip(checkouts, ("before", "after"), strict=True)
            ]
            found = differences(*reports)
            failed |= bool(found)
            rows = len((reports[0] / "results.csv").read_text().splitlines()) - 1
            print(f"{name}: {rows} measured rows, {len(found)} differences", flush=True)
            print("".join(f"    {line}\n" for line in found[:50]), end="", flush=True)
    sys.exit(failed)


def _checkout(ref: str | None, folder: Path) -> Path:
    """Return a folder that holds a commit's files; the working tree for none."""
    if ref is None:
        return ROOT
    folder.mkdir(parents=True)
    archive = subprocess.run(
        ["git", "-C", str(ROOT), "archive", ref], stdout=subprocess.PIPE, check=True
    )
    subprocess.run(["tar", "-x", "-C", str(folder)], input=archive.stdout, check=True)
    return folder


if __name__ == "__main__":
    main()
