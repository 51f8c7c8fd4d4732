"""How much each adversary raises the SSL loss of trained encoders.

python benchmarks/adversarial_training.py [--out reports/adversaries] [--steps 400]
    [--batches 40]

Adversaries are compared at equal numbers of passes, beside random masks of the same
budget. A forward pass counts as one, and the backward pass of a gradient as two more.
The rise is measured on the batch that was searched, as in training. The scores of a
learned mask have already climbed, on passes of their own; after that they cost no
passes beyond the training's own. A mask that sees the window differs from window to
window, and each of its steps takes about three times as long. An adversary works where
it beats the worst of random masks (MaxUp) at equal passes. A policy is compared with
the worst of as many operations drawn in the same way: it trains on the mean of its
draws, so that it has to learn to win.
"""

import argparse
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np
import torch
from scipy import stats
from torch import Tensor

from invariance_probe.augmentations.operations import CHOICES, operate
from invariance_probe.augmentations.random_bits import position, uniform
from invariance_probe.data.sessions import find_sessions, open_recording
from invariance_probe.methods.base import Batch, Method
from invariance_probe.plan.plan import Plan
from invariance_probe.probing.bench.workbench import Workbench
from invariance_probe.probing.measurements.trained import FIRST_EVALUATION_DRAW, train_ssl
from invariance_probe.study.adversaries import (
    Adversary,
    AscendedMask,
    LearnedMask,
    LearnedPolicy,
    WorstOfMasks,
)
from invariance_probe.study.study import Study
from invariance_probe.training.adversaries import make_adversary

PASSES = 12
"""Of every search of a step: twelve random masks, or four ascents."""
LEARNING = 100
"""Steps in which a learned mask learns."""
BUDGETS = (1, 2, 4, 8, 16)
STRENGTHS = (0.25, 0.5, 1.0)
DRAWS = 4
"""Of a policy, a step."""
HYPOTHESIS = {
    "id": "H",
    "claim": "never judged",
    "predicts": "invariant",
    "axis": "unit_dropout.rate",
    "dose": 0.4,
    "margin": {"fraction_of_range": 0.1, "because": "nothing is judged here"},
}
SIMULATED = {
    "kind": "simulated",
    "generator": "messenger",
    "session": "g5",
    "units": 60,
    "carriers": 6,
    "bins": 4000,
}
REACH = {"kind": "catalog", "name": "m1-reach/chewie-1"}
SOURCES = {
    "G5, 6 messengers of 60 units": (
        SIMULATED,
        {"name": "label"},
        {"scheme": "blocks", "count": 5, "embargo_s": 1.0},
    ),
    "reach, Chewie 2013-10-03": (
        REACH,
        {"name": "hand_velocity"},
        {"scheme": "trials", "count": 5, "embargo_s": 0.5},
    ),
}
ADVERSARIES: dict[str, Adversary] = {
    "worst of 12 random (MaxUp)": WorstOfMasks(tries=PASSES),
    "4 ascents": AscendedMask(ascents=PASSES // 3),
    "learned": LearnedMask(),
    "learned, sees the window": LearnedMask(sees="window"),
}


@dataclass(frozen=True, eq=False)
class Trained:
    """Encoders of two seeds, and the batches of views that they are attacked on."""

    method: Method
    batches: list[Batch]
    units: int
    clean: Callable[[Tensor], Tensor]


def trained(
    source: dict[str, object],
    target: dict[str, str],
    folds: dict[str, object],
    steps: int,
    batches: int,
) -> Trained:
    """Train SimCLR without an adversary, and draw batches from the held-out fold's clean views."""
    study = Study.model_validate(
        {
            "name": "attacked",
            "question": "What raises the loss?",
            "recordings": [source],
            "target": target,
            "folds": folds,
            "method": {
                "kind": "simclr",
                "temperature": 0.2,
                "encoder": {"kind": "mlp", "widths": [64, 64, 16]},
                "projector": [64, 32],
            },
            "training": {"steps": steps, "batch_size": 128, "learning_rate": 3e-3, "seeds": 2},
            "views": {
                "pairing": {"kind": "time_jitter", "window_s": 0.1},
                "transforms": [{"kind": "unit_dropout"}],
            },
            "axes": [{"path": "unit_dropout.rate", "doses": [0, 0.4]}],
            "hypotheses": [HYPOTHESIS],
            "quick": True,
        }
    )
    plan = Plan(study, find_sessions(study, Path("studies")))
    session = plan.sessions[0]
    runs = [
        run
        for run in plan.grid
        if run.arm == "none" and run.optimisation and run.fold == 0 and run.method.kind == "simclr"
    ]
    runs = [
        run
        for run in runs
        if run.optimisation.steps == steps and run.fraction == 1 and run.seed < 2
    ][:2]  # type: ignore[union-attr]
    bench = Workbench.of(
        open_recording(session.source, session.name, Path("studies")), runs[0], torch.device("cpu")
    )
    method, views, _ = train_ssl(bench, runs, lambda steps: None)
    held = bench.folds[0].test
    rng = np.random.default_rng(0)
    drawn = []
    for i in range(batches + LEARNING):
        windows = torch.from_numpy(
            np.stack([rng.choice(held, min(128, len(held)), replace=False) for _ in runs])
        )
        made = views.pair(FIRST_EVALUATION_DRAW + i, windows, windows)
        drawn.append(
            Batch(
                made,
                torch.cat([windows, windows], dim=1),
                bench.timeline,
                views.keys,
                FIRST_EVALUATION_DRAW + i,
            )
        )
    return Trained(method, drawn, views.shape[1], views.clean_of)


def rises(given: Trained, adversary: Adversary) -> np.ndarray:
    """Rise of the loss under an adversary, batch by batch (batch, run).

    Only the batches that come after those it may learn on are measured.
    """
    keys = given.batches[0].keys
    attack = make_adversary(
        [adversary] * 2,
        ["shared"] * 2,
        given.units,
        _no_modes,
        torch.device("cpu"),
        keys,
        given.clean,
    )
    assert attack is not None
    found = []
    learns = adversary.kind in ("learned_mask", "learned_policy")
    for i, batch in enumerate(given.batches):
        if i < LEARNING and not learns:
            continue
        loss = attack.loss(given.method, batch)
        if i < LEARNING:
            if (
                loss.requires_grad and adversary.kind == "learned_mask"
            ):  # a policy moves without a gradient
                loss.sum().backward()
            continue
        with torch.no_grad():
            found.append((loss - given.method.loss(batch)).double().numpy())
    return np.stack(found)


def _no_modes(count: int) -> Tensor:
    raise ValueError("masks have no modes")


def table(given: Trained) -> list[str]:
    """Table rows of one source: the mean rise by adversary and budget.

    Rises are in nats. Each cell also says whether the adversary works.
    """
    random = {b: rises(given, WorstOfMasks(budget=b, tries=1)) for b in BUDGETS}
    found = {
        name: {b: rises(given, one.model_copy(update={"budget": b})) for b in BUDGETS}
        for name, one in ADVERSARIES.items()
    }
    rows = [
        "| adversary | " + " | ".join(f"b = {b}" for b in BUDGETS) + " |",
        "|---" * (len(BUDGETS) + 1) + "|",
    ]
    band = [
        f"{random[b].mean():.3f} (95 % below {np.quantile(random[b], 0.95):.3f})" for b in BUDGETS
    ]
    rows.append("| random | " + " | ".join(band) + " |")
    maxup = found["worst of 12 random (MaxUp)"]
    for name, by_budget in found.items():
        cells = [f"{x.mean():.3f}{_mark(x, maxup[b], name)}" for b, x in by_budget.items()]
        rows.append(f"| {name} | " + " | ".join(cells) + " |")
    return rows


def policy_table(given: Trained) -> list[str]:
    """Table rows of one source for the learned policy: mean rise by strength.

    Policies that know nothing stand beside it.
    """
    found = {s: {name: rise(given, s) for name, rise in POLICIES.items()} for s in STRENGTHS}
    rows = [
        "| policy | " + " | ".join(f"strength {s:g}" for s in STRENGTHS) + " |",
        "|---" * (len(STRENGTHS) + 1) + "|",
    ]
    for name in POLICIES:
        cells = [
            f"{found[s][name].mean():.3f}"
            f"{_mark(found[s][name], found[s]['worst of 4 random (MaxUp)'], name)}"
            for s in STRENGTHS
        ]
        rows.append(f"| {name} | " + " | ".join(cells) + " |")
    return rows


def learned_rises(given: Trained, strength: float) -> np.ndarray:
    """Rise of the loss under the learned policy (batch, run).

    This is the loss that encoders would train on, after the policy learned on earlier
    batches.
    """
    return rises(given, LearnedPolicy(strength=strength, draws=DRAWS, rate=0.3))


def random_rises(given: Trained, strength: float, worst: bool) -> np.ndarray:
    """Rise under random operations: mean or worst of `DRAWS` (batch, run).

    The operations are drawn as those of the policy are.
    """
    found = []
    for batch in given.batches[LEARNING:]:
        runs, rows = batch.views.shape[:2]
        at = torch.arange(rows).expand(runs, -1) % (rows // 2)
        losses = []
        for draw in range(DRAWS):
            start = position(batch.keys, batch.step, 99, draw)  # type: ignore[arg-type]
            choice = (
                uniform(position(start, 0), torch.zeros(runs, 1, dtype=torch.int64), 1).squeeze(2)
                * CHOICES
            ).to(torch.int64)
            shown = operate(
                batch.views, choice.expand(-1, rows), torch.full((runs,), strength), start, at
            )
            with torch.no_grad():
                losses.append(
                    given.method.loss(replace(batch, views=shown)) - given.method.loss(batch)
                )
        stacked = torch.stack(losses).double()
        found.append((stacked.max(0).values if worst else stacked.mean(0)).numpy())
    return np.stack(found)


POLICIES = {
    "random operations": partial(random_rises, worst=False),
    "worst of 4 random (MaxUp)": partial(random_rises, worst=True),
    "learned policy": learned_rises,
}


def _mark(rise: np.ndarray, maxup: np.ndarray, name: str) -> str:
    """Say whether a rise beats MaxUp's on the same batches.

    The test is a paired t over batches at .05, one-sided.
    """
    if name.endswith("(MaxUp)") or name.startswith("random"):
        return ""
    return (
        " beats MaxUp"
        if stats.ttest_1samp((rise - maxup).mean(axis=1), 0.0, alternative="greater").pvalue <= 0.05
        else " does not"
    )


def main() -> None:
    """Measure, print and write the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path)
    parser.add_argument("--steps", type=int, default=400)
    parser.add_argument("--batches", type=int, default=40)
    given = parser.parse_args()
    torch.set_num_threads(1)
    how = " ".join(__doc__.split("\n\n")[2].split())
    lines = [
        "# Adversaries of the SSL loss, at equal passes",
        "",
        f"Mean rise of the SSL loss in nats. {how}",
        "",
    ]
    for title, (source, target, folds) in SOURCES.items():
        measured = trained(source, target, folds, given.steps, given.batches)
        lines += [f"## {title}", "", *table(measured), "", *policy_table(measured), ""]
    text = "\n".join(lines).rstrip() + "\n"
    print(text)
    if given.out:
        given.out.mkdir(parents=True, exist_ok=True)
        (given.out / "training.md").write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
