"""Which parts of the method contract each method passes.

python benchmarks/contract_table.py [OUT]

The answers are those of the tests themselves and of the measured table recordings.json;
run methods_on_recordings.py, which writes that table, first. The result is
reports/methods/README.md.
"""

import json
import subprocess
import sys
import tempfile
import xml.etree.ElementTree as ET
from pathlib import Path

from methods_on_recordings import CEILINGS, ROLES, TASKS

from invariance_probe.plan.licences import LICENCES

LOSS = {
    "simclr": "nt_xent_equals_cross_entropy",
    "vicreg": "vicreg_terms",
    "byol": "byol_regression",
    "moco": "moco_contrasts",
    "simsiam": "simsiam_is_the_mean",
    "barlow_twins": "barlow_twins_equals",
    "myow": "myow_is_byol_until",
    "swap_vae": "swap_vae_reconstructs",
    "supcon": "supervised_contrast_is_l_out",
    "y_aware": "y_aware_contrast_weighs",
    "cpc": "cpc_is_the_cross_entropy",
    "pbl": "pbl_is_the_distance",
    "relative_positioning": "relative_positioning_is",
    "temporal_shuffling": "unsigned_temporal_shuffling_is",
    "masked_sequence": "masked_sequence_is",
}
"""What the name of each method's loss test begins with."""
CONTRACT = {
    "stacked = one by one": "test_stacked_equals_one_by_one",
    "bits whatever the partners": "test_single_precision_is_bit_identical",
    "dose 0 is no transform": "test_dose_zero_is_training_without",
    "a stopped study goes on": "test_a_stopped_study_goes_on",
}
RETENTION = {
    "keeps, reach": ("reach: hand velocity", "reach, every bin: hand velocity"),
    "keeps, sleep": ("sleep: state",),
    "keeps, G1": ("G1: a smooth label",),
    "keeps, G2, 60 units": ("G2: sixty carriers",),
    "keeps, G2, 1 unit": ("G2: one carrier",),
}
OPENING = """# Every method against the contract

The loss column is a test of the method's loss against an independent reference; \
the next four are the contract tests of
`tests/contracts/test_ensemble.py`, all run by this script. \
"Keeps" is the part of the decodable range that a representation keeps (the retention
gate asks for .5), from [the table of scores](recordings.md): \
reach is three sessions of moving bins, or one with every bin for methods that
choose their windows in time. Beside it: [bounds on mutual information](mutual_information.md),
[calibration](../calibration/simclr/README.md). Made by `python benchmarks/contract_table.py`.

"""


def outcomes() -> dict[str, bool]:
    """Run the tests, and return whether each passed by its name with its parameter."""
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "tests.xml"
        paths = [
            "tests/contracts/test_ensemble.py",
            *map(str, sorted(Path("tests/methods").glob("test_*losses.py"))),
        ]
        subprocess.run(
            [sys.executable, "-m", "pytest", "-q", "-n", "0", f"--junitxml={report}", *paths],
            check=False,
        )
        return {case.attrib["name"]: len(case) == 0 for case in ET.parse(report).iter("testcase")}


def passed(found: dict[str, bool], begins: str, kind: str = "") -> str:
    """`yes` where every test of that beginning (and kind) passed, else `no`.

    The result is empty where there is no such test.
    """
    own = [ok for name, ok in found.items() if begins in name and (not kind or f"[{kind}" in name)]
    return ("yes" if all(own) else "**no**") if own else ""


def keeps(rows: list[dict], kind: str, tasks: tuple[str, ...]) -> str:
    """Return the part of the range that a method keeps, the mean over a task's sessions."""
    for task in tasks:
        found = {
            (row["method"], row["session"]): row
            for row in rows
            if row["task"] == task and "loss" in row
        }
        kept = []
        for (method, session), row in found.items():
            if method == kind:
                floor = found[ROLES["raw"], session]["floor"]
                ceiling = min(
                    found[ROLES[role], session]["loss"]
                    for role in CEILINGS
                    if (ROLES[role], session) in found
                )
                kept.append((floor - row["loss"]) / (floor - ceiling))
        if kept:
            return f"{sum(kept) / len(kept):.2f}"
    return ""


def licence(kind: str) -> str:
    """Say on which axes a method may give verdicts."""
    if kind not in LICENCES:
        return "no"
    return "; ".join(
        one.axis + (f", from {one.fewest_sessions} sessions" if one.fewest_sessions > 1 else "")
        for one in LICENCES[kind].counted
    )


def main(out: Path) -> None:
    """Run the tests, read what was measured, and write the page."""
    rows = json.loads((out / "recordings.json").read_text(encoding="utf-8"))
    assert {row["task"] for row in rows} <= set(TASKS)
    found = outcomes()
    heads = ["method", "loss = reference", *CONTRACT, *RETENTION, "licensed"]
    lines = ["| " + " | ".join(heads) + " |", "|---" * len(heads) + "|"]
    for kind, begins in LOSS.items():
        cells = [passed(found, begins), *(passed(found, test, kind) for test in CONTRACT.values())]
        cells += [keeps(rows, kind, tasks) for tasks in RETENTION.values()]
        lines.append(f"| {kind} | " + " | ".join([*cells, licence(kind)]) + " |")
    (out / "README.md").write_text(OPENING + "\n".join([*lines, ""]), encoding="utf-8")
    print("\n".join(lines))


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else Path("reports/methods"))
