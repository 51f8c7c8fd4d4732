"""How well a trained method solves its own task on test windows, where the task has right answers."""

import torch
from torch import Tensor

from invariance_probe.augmentations.views import ViewMaker
from invariance_probe.errors import TrainingError
from invariance_probe.methods.base import Method, PretextTask
from invariance_probe.plan.run import Run
from invariance_probe.probing.bench.batches import batch_of, examples_of, stacked
from invariance_probe.probing.bench.workbench import Workbench
from invariance_probe.training.examples import Examples

BATCHES = 16
"""How many batches of examples from the test part are asked."""


@torch.no_grad()
def pretext_accuracy(
    bench: Workbench, runs: list[Run], method: Method, views: ViewMaker, first_step: int
) -> Tensor:
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
    stand_in = next((one for one in each if one is not None), None)
    if stand_in is None:
        return nothing
    total = torch.zeros_like(nothing)
    for step in range(first_step, first_step + BATCHES):
        example = stacked(
            [(one or stand_in).at(step) for one in each]
        )  # those without any are asked another's, to no avail
        total += method.pretext_accuracy(
            batch_of(runs[0].method, views, bench.timeline, example, step)
        )
    asked = torch.tensor([one is not None for one in each], device=bench.device)
    return torch.where(asked, total / BATCHES, nothing)


def _test_examples(bench: Workbench, run: Run, kind: str) -> Examples | None:
    """Return examples of one run's test windows, which may repeat; None where there are none."""
    assert run.fold is not None and run.optimisation is not None
    try:
        return examples_of(
            bench, run, kind, bench.folds[run.fold].test, run.optimisation.batch_size, repeats=True
        )
    except TrainingError:
        return None
