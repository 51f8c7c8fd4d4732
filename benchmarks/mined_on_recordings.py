"""Benefit of mined pairs on a night of CA1 and on three reach sessions.

    invariance-probe run studies/mined_sleep.yaml && invariance-probe run studies/mined_reach.yaml
    python benchmarks/mined_on_recordings.py [--out reports/mined] [--runs runs] [--workers N]

The first tables of a study repeat the contrasts of its report. The last ones are about
MYOW's own mining: MYOW (Azabou et al. 2021, arXiv:2102.10106), MYOW whose mined views
are any views beyond the gap, at the same weight, and BYOL, which is MYOW without mined
views, on the same folds and with the same baselines. Gains are mean differences of the
loss in units of the decodable range R, with 90 % intervals for these recordings (seeds
and test blocks crossed, as in the verdicts). Purity, nuisance distance and what both
would be by chance describe the pairs that MYOW mined in its last steps. The tables are
written to reports/mined/.
"""

import argparse
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from invariance_probe.executors.jobs import WorkerSettings
from invariance_probe.executors.local import run_local
from invariance_probe.inference.evidence.estimands import Effect, SessionLosses, at, read_losses
from invariance_probe.inference.findings import Findings, HypothesisFinding
from invariance_probe.inference.infer import infer
from invariance_probe.inference.rules.intervals import Sample
from invariance_probe.plan.figures.decoded import DecodedFigures
from invariance_probe.plan.plan import Plan
from invariance_probe.plan.run import Run, RunResult
from invariance_probe.results.store import Store
from invariance_probe.runner import cores, measure, read_results
from invariance_probe.study.load import open_study
from invariance_probe.study.study import Study

STUDIES = {
    "A night of CA1": "studies/mined_sleep.yaml",
    "Reaches of M1": "studies/mined_reach.yaml",
}
FEW = "two seeds; nothing is claimed of what pairs share, and no benefit can be"
NOTES = {
    "A night of CA1": f"One recording, {FEW}.",
    "Reaches of M1": f"Three recordings of two animals, {FEW}. The study was first run in three "
    "folds, where one fold of chewie-1 kept nothing and the retention gate failed (a unit that is "
    "nearly silent where that fold trains: `validate` says so now); six folds were chosen after "
    "that. Steps were cut from 500 to 200 for time, before any result of reaches was seen.",
}
"""What a reader has to know of how a study came about."""
LABELS = {"MYOW": "", "MYOW, random views": "method=myow", "BYOL": "method=byol"}
"""Label of each method's setting, up to the fields given beside its kind.

The study's own method is MYOW.
"""
PURITY = {
    "agreement": "purity",
    "agreement_expected": "by chance",
    "nuisance_distance": "nuisance distance",
    "nuisance_distance_expected": "by chance",
    "distance_s": "distance in s",
}
"""What runs of MYOW say of the pairs that they mined."""


def with_myow(study: Study) -> Study:
    """Variant of a mined-pairs study that compares MYOW with BYOL.

    MYOW takes the place of the study's method, and MYOW with random views and BYOL
    stand beside it, all at local pairs.
    """
    encoder = study.method.model_dump()["encoder"]
    own = {"encoder": encoder, "target_decay": 0.5, "training": {"learning_rate": 1e-2}}
    myow = {"kind": "myow", "gap_s": study.views.pairing.model_dump()["gap_s"], **own}
    others = [{**myow, "partners": "random"}, {"kind": "byol", **own}]
    changed = {"method": myow, "sweeps": [{"path": "method", "values": others}], "quick": True}
    return Study.model_validate({**study.model_dump(), **changed})


def contrast_lines(findings: Findings) -> list[str]:
    """Return the contrasts and pairs of a study's findings, in Markdown."""
    lines = []
    for found in findings.hypotheses:
        lines += [f"Verdict: **{found.verdict.text}** ({found.scope}). {found.sentence}", ""]
        lines += ["| contrast | estimate | 90 % interval |", "|---|---|---|"]
        own = [(e.name, e) for e in found.estimands] + [
            (f"{e.name}, {e.setting}", e) for e in found.swept
        ]
        lines += [
            f"| {name} | {e.estimate:+.3f} | {e.ci_low:+.3f} to {e.ci_high:+.3f} |"
            for name, e in own
        ]
        lines += ["", *_pair_lines(found), ""]
        lines += [f"- {gate.name}: {_PASSED[gate.passed]}, {gate.detail}" for gate in found.gates]
        lines += ["", f"Cannot support: {found.cannot_support}", ""]
    return lines


_PASSED = {True: "passed", False: "failed", None: "no say"}


def _pair_lines(found: HypothesisFinding) -> list[str]:
    arms = list(dict.fromkeys(pair.arm for pair in found.pairs))
    lines = [f"| pairs | {' | '.join(arms)} |", "|---" * (len(arms) + 1) + "|"]
    for name in dict.fromkeys(pair.name for pair in found.pairs):
        by_arm = {pair.arm: pair.estimate for pair in found.pairs if pair.name == name}
        lines.append(
            f"| {name} | "
            f"{' | '.join(f'{by_arm[arm]:.3f}' if arm in by_arm else '' for arm in arms)} |"
        )
    return lines


def myow_lines(plan: Plan, results: dict[str, RunResult]) -> list[str]:
    """Return what MYOW keeps and gains, and what it mined, in Markdown."""
    losses = list(read_losses(plan, results).values())
    labels = {
        name: next(setting.label for setting in plan.settings if setting.label.startswith(label))
        if label
        else ""
        for name, label in LABELS.items()
    }
    lines = ["| method | keeps of the range |", "|---|---|"]
    for name, label in labels.items():
        kept = [each.retention(each.ssl(at("", 0.0, "none", label))) for each in losses]
        lines.append(
            f"| {name} | {np.mean(kept):.3f} ({', '.join(f'{value:.2f}' for value in kept)}) |"
        )
    lines += ["", "| gain of MYOW over | R | 90 % interval |", "|---|---|---|"]
    for name in ("BYOL", "MYOW, random views"):
        sample = Sample(
            tuple(_gain(each, labels["MYOW"], labels[name]) for each in losses),
            tuple(_subjects(losses)),
        )
        low, high = sample.interval()
        lines.append(f"| {name} | {sample.estimate:+.3f} | {low:+.3f} to {high:+.3f} |")
    lines += [
        "",
        f"| pairs of | session | {' | '.join(PURITY.values())} |",
        "|---|---|" + "---|" * len(PURITY),
    ]
    for name in ("MYOW", "MYOW, random views"):
        for session in plan.sessions:
            figures = _mined(plan, results, session.name, labels[name])
            lines.append(
                f"| {name} | {session.name} | "
                + " | ".join(f"{figures[own]:.3f}" for own in PURITY)
                + " |"
            )
    return [*lines, ""]


def _gain(losses: SessionLosses, own: str, other: str) -> Effect:
    values = losses.ssl(at("", 0.0, "none", other)) - losses.ssl(at("", 0.0, "none", own))
    return Effect(values, losses.range_for(values))


def _subjects(losses: list[SessionLosses]) -> list[str]:
    return [each.session.subject for each in losses]


def _mined(plan: Plan, results: dict[str, RunResult], session: str, label: str) -> dict[str, float]:
    """Figures of mined pairs, averaged over a session's seeds and folds."""
    own = [
        run for run in plan.grid if _needed(run) and (run.session, run.setting) == (session, label)
    ]
    decoded = [results[run.key()].measured(DecodedFigures) for run in own if run.key() in results]
    found = [asdict(one.mined) for one in decoded if one is not None and one.mined is not None]
    return {name: float(np.mean([each[name] for each in found])) for name in PURITY}


def _needed(run: Run) -> bool:
    """Say whether a run of the study with MYOW is shown: local pairs, all of the data."""
    return run.axis == "" and run.fraction == 1


def measured(plan: Plan, store: Store, workers: int) -> dict[str, RunResult]:
    """Measure what the table of MYOW lacks.

    That is decoders without SSL, and local pairs at the study's own seeds.
    """
    seeds = plan.study.training.seeds

    def needed(run: Run) -> bool:
        kinds = ("myow", "byol", "raw", "square_roots", "supervised", "code", "shift_null")
        return _needed(run) and run.method.kind in kinds and run.seed < seeds

    settings = WorkerSettings(Path.cwd() / "studies", store.root.resolve())
    return measure(
        plan, store, settings, partial(run_local, workers=workers), _tell, needed
    ).results


def _tell(event: dict[str, Any]) -> None:
    if event.get("event") == "stage":
        print(event, flush=True)


def main() -> None:
    """Read both studies, measure MYOW beside them, print the tables and write them."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--out", type=Path, default=Path("reports/mined"))
    parser.add_argument("--runs", type=Path, default=Path("runs"))
    parser.add_argument("--workers", type=int, default=cores())
    given = parser.parse_args()
    store = Store(given.runs)
    lines = ["# Mined pairs on recordings", "", str(__doc__), ""]
    for title, path in STUDIES.items():
        file = open_study(path)
        plan, results = read_results(file, given.runs)
        lines += [
            f"## {title}",
            "",
            f"[{path}](../../{path}): {file.study.question} {NOTES[title]}",
            "",
            *contrast_lines(infer(plan, results, {})),
        ]
        beside = Plan(with_myow(plan.study), plan.sessions)
        lines += [
            "### MYOW's own mining",
            "",
            *myow_lines(beside, measured(beside, store, given.workers)),
        ]
    given.out.mkdir(parents=True, exist_ok=True)
    (given.out / "README.md").write_text("\n".join(lines), encoding="utf-8")
    print("\n".join(lines))


if __name__ == "__main__":
    main()
