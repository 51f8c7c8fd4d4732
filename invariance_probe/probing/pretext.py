"""How well a trained method solves its own task on test windows, where the task has right answers."""

import numpy as np
import torch
from torch import Tensor

from invariance_probe.augmentations.random_bits import key_tensor
from invariance_probe.augmentations.views import ViewMaker
from invariance_probe.errors import TrainingError
from invariance_probe.methods.base import Batch, Method, PretextTask
from invariance_probe.probing.workbench import Workbench
from invariance_probe.study.run import Run
from invariance_probe.study.views import TimeJitter
from invariance_probe.training.examples import EXAMPLES, Example, Examples, Material

BATCHES = 16
"""How many batches of examples from the test part are asked."""


@torch.no_grad()
def pretext_accuracy(bench: Workbench, runs: list[Run], method: Method, views: ViewMaker, first_step: int) -> Tensor:
    """Return each run's part of right answers on examples drawn from its fold's test windows (run,), float64.

    NaN where the method's task has no right answers, or the test part is too short for its examples.

    Parameters
    ----------
    bench, runs, views
        What the method was trained on; views are corrupted as in training.
    method
        Trained stacked models; batch norm goes by the statistics of the batches asked.
    first_step
        Where the draws of evaluation are addressed from.
    """
    nothing = torch.full((len(runs),), torch.nan, dtype=torch.float64, device=bench.device)
    if not isinstance(method, PretextTask):
        return nothing
    each = [_test_examples(bench, run, method.examples) for run in runs]
    if not any(each):
        return nothing
    total = torch.zeros_like(nothing)
    for step in range(first_step, first_step + BATCHES):
        example = _together([None if examples is None else examples.at(step) for examples in each])
        windows = torch.cat([example.first, example.second], dim=1)
        pair = views.pair(step, example.first, example.second)
        total += method.pretext_accuracy(Batch(pair, windows, bench.timeline, views.keys, step, labels=example.labels))
    asked = torch.tensor([examples is not None for examples in each], device=bench.device)
    return torch.where(asked, total / BATCHES, nothing)


def _test_examples(bench: Workbench, run: Run, kind: str) -> Examples | None:
    """Return examples of one run's test windows, which may repeat; None where there are none. They do not depend on other runs."""
    assert run.fold is not None and run.optimisation is not None
    test: np.ndarray = bench.folds[run.fold].test
    jitter = run.views.jitter if run.views else TimeJitter()
    keys = key_tensor(bench.keys("order", [run]), bench.device)
    material = Material(bench.windows, [test], [jitter], bench.recording.bin_s, keys, run.optimisation.batch_size, repeats=True)
    try:
        return EXAMPLES[kind](run.method, material)
    except TrainingError:
        return None


def _together(each: list[Example | None]) -> Example:
    """Stack the examples of single runs; a run without any takes the first one's, whose answers are not used."""
    stand_in = next(example for example in each if example is not None)
    found = [example or stand_in for example in each]
    labels = [example.labels for example in found if example.labels is not None]
    return Example(
        torch.cat([example.first for example in found]),
        torch.cat([example.second for example in found]),
        torch.cat(labels) if labels else None,
    )
