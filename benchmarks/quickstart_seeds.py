"""How often the quickstart recognises its three simulated codes.

Every study draws its own recordings and training from its seed; seed 1 is the
quickstart itself up to its world. A study counts as right where the verdict and the
word about the number of units are those that its generators have. Models are trained;
what the store already has is not trained again. A seed takes about two minutes on two
cores.

    python benchmarks/quickstart_seeds.py [--seeds 20] [--runs runs/quickstart-seeds]
"""

import argparse
from collections.abc import Mapping
from pathlib import Path

from invariance_probe.inference.findings import HypothesisFinding
from invariance_probe.runner import run
from invariance_probe.study.load import load_study

STUDY = Path(__file__).parent.parent / "studies" / "quickstart.yaml"
TRUTH = {
    "one-neuron": ("sensitive", "few"),
    "distributed": ("tolerated", "spread"),
    "redundant": ("invariant", "spread"),
}
"""Verdict and word about the number of units of each hypothesis."""


def worded(finding: HypothesisFinding) -> tuple[str, str]:
    """Return a finding's verdict and its word about the number of units."""
    return finding.verdict.text, finding.code.carriers_word if finding.code else ""


def found(seed: int, runs: Path, workers: int | None) -> Mapping[str, HypothesisFinding]:
    """Run the quickstart with one seed, and return its findings by hypothesis.

    The seed sets its worlds and its training.
    """
    worlds = [f"recordings.{number}.seed={seed}" for number in range(len(TRUTH))]
    study = load_study(STUDY, [f"training.study_seed={seed}", *worlds])
    result = run(study, runs, workers=workers)
    return {finding.id: finding for finding in result.findings.hypotheses}


def main() -> None:
    """Run the studies one after another, and count."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seeds", type=int, default=20)
    parser.add_argument("--runs", type=Path, default=Path("runs/quickstart-seeds"))
    parser.add_argument("--workers", type=int, default=None)
    asked = parser.parse_args()
    right = dict.fromkeys(TRUTH, 0)
    for seed in range(1, asked.seeds + 1):
        findings = found(seed, asked.runs, asked.workers)
        for name, truth in TRUTH.items():
            right[name] += worded(findings[name]) == truth
        print(
            f"seed {seed}: "
            + "; ".join(f"{name} {', '.join(worded(findings[name]))}" for name in TRUTH),
            flush=True,
        )
    for name, count in right.items():
        print(f"{name}: right in {count} of {asked.seeds}")


if __name__ == "__main__":
    main()
