"""Model-steps a second: a tuned one-model-at-a-time PyTorch loop against the stacked ensemble, one core, interleaved.

Both train SimCLR on the quickstart's own size: 60 units, MLP 64-64-16, projector 64-32, batches of 128, count splitting,
and unit dropout at 0.4. The plain loop has fused AdamW, no loader (one gather a batch) and torch's own layers.
Prints the median ratio over rounds.
"""

import statistics
import time
from pathlib import Path

import torch
from torch import nn
from torch.nn import functional

from invariance_probe.data.sessions import find_sessions, open_recording
from invariance_probe.probing.trained import train_ssl
from invariance_probe.probing.workbench import Workbench
from invariance_probe.study.load import load_study
from invariance_probe.study.plan import Plan

ROUNDS, STEPS, STACK = 7, 60, 16
HERE = Path(__file__).resolve().parent.parent / "studies" / "quickstart.yaml"


def plain_loop(counts: torch.Tensor, steps: int, batch: int, rate: float, temperature: float, lr: float) -> None:
    """Train one model the ordinary way."""
    units = counts.shape[1]
    mean, sd = counts.mean(0), counts.std(0)

    def block(a: int, b: int) -> list[nn.Module]:
        return [nn.Linear(a, b, bias=False), nn.BatchNorm1d(b), nn.ReLU()]

    encoder = nn.Sequential(*block(units, 64), *block(64, 64), nn.Linear(64, 16))
    network = nn.Sequential(encoder, *block(16, 64), nn.Linear(64, 32))
    optimizer = torch.optim.AdamW(network.parameters(), lr=lr, fused=True)
    labels = torch.arange(2 * batch).roll(batch)
    diagonal = torch.eye(2 * batch, dtype=torch.bool)
    order = torch.randperm(len(counts))
    for step in range(steps):
        at = (step * batch) % (len(counts) - batch)
        if at < batch:
            order = torch.randperm(len(counts))
        x = counts[order[at : at + batch]]
        half = torch.binomial(x, torch.full_like(x, 0.5))
        views = torch.cat([half, x - half])
        views = (views * (torch.rand_like(views) >= rate) * 2 - mean) / sd
        z = functional.normalize(network(views), dim=1)
        logits = (z @ z.T / temperature).masked_fill(diagonal, -torch.inf)
        loss = functional.cross_entropy(logits, labels)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        optimizer.step()


def main() -> None:
    """Measure both, turn by turn."""
    torch.set_num_threads(1)
    study = load_study(HERE)
    plan = Plan(study, find_sessions(study.model_copy(update={"recordings": study.recordings[:1]}), HERE.parent))
    session = plan.sessions[0]
    recording = open_recording(session.source, session.name, HERE.parent)
    trained = [r for r in plan.grid if r.session == session.name and r.method.kind == "simclr"][:STACK]
    runs = [r.model_copy(update={"optimisation": r.optimisation.model_copy(update={"steps": STEPS})}) for r in trained]
    bench = Workbench.of(recording, runs[0], torch.device("cpu"))
    counts = torch.from_numpy(recording.activity[bench.folds[0].train]).float()
    batch, lr = study.training.batch_size, study.training.learning_rate
    plain, stacked = [], []
    for _ in range(ROUNDS):
        started = time.perf_counter()
        plain_loop(counts, STEPS * 4, batch, 0.4, 0.2, lr)
        plain.append(STEPS * 4 / (time.perf_counter() - started))
        started = time.perf_counter()
        train_ssl(bench, runs, lambda steps: None)
        stacked.append(STEPS * len(runs) / (time.perf_counter() - started))
    ratios = [s / p for s, p in zip(stacked, plain, strict=True)]
    print(
        f"plain loop {statistics.median(plain):.0f} model-steps/s, stacked (K = {len(runs)}) {statistics.median(stacked):.0f} model-steps/s"
    )
    print(f"ratio {statistics.median(ratios):.2f} (of {ROUNDS} interleaved rounds: {min(ratios):.2f} to {max(ratios):.2f})")


if __name__ == "__main__":
    main()
