"""How well a trained method solves its own task on test windows, where the task has right answers."""

import torch
from torch import Tensor

from invariance_probe.augmentations.views import ViewMaker
from invariance_probe.methods.base import Method, PretextTask
from invariance_probe.probing.batches import asked_of
from invariance_probe.probing.workbench import Workbench
from invariance_probe.study.run import Run

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
    tests = [bench.folds[run.fold].test for run in runs]  # type: ignore[index]
    asked, batches = asked_of(bench, runs, method, views, tests, range(first_step, first_step + BATCHES))
    total = torch.zeros_like(nothing)
    for batch in batches:
        total += method.pretext_accuracy(batch)
    return torch.where(torch.tensor(asked, device=bench.device), total / BATCHES, nothing)
