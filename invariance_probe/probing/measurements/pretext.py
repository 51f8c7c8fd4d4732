"""How well a trained method solves its own pretext task on test windows.

In: trained stacked models and what they were trained on. Out: the proportion of right
answers per run, for methods whose task has right answers.
"""

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
"""Number of batches of examples drawn from the test part."""


@torch.no_grad()
def pretext_accuracy(
    bench: Workbench, runs: list[Run], method: Method, views: ViewMaker, first_step: int
) -> Tensor:
    """Accuracy on the pretext task, on examples drawn from each run's test windows.

    Parameters
    ----------
    bench, runs, views
        The session, runs and view maker of the training; views are corrupted as they
        were then.
    method
        Trained stacked models; batch norm uses the statistics of these examples'
        batches.
    first_step
        Step number at which the random draws of the evaluation start.

    Returns
    -------
    Accuracy in [0, 1], float64 (run,). NaN if the method has no pretext task with correct
    answers, or the test set is too short to form an example.
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
        # Runs without examples get another run's; their answers are discarded below.
        example = stacked([(one or stand_in).at(step) for one in each])
        total += method.pretext_accuracy(
            batch_of(runs[0].method, views, bench.timeline, example, step)
        )
    asked = torch.tensor([one is not None for one in each], device=bench.device)
    return torch.where(asked, total / BATCHES, nothing)


def _test_examples(bench: Workbench, run: Run, kind: str) -> Examples | None:
    """Examples of one run's test windows, which may repeat; None if it has none."""
    assert run.fold is not None and run.optimisation is not None
    try:
        return examples_of(
            bench, run, kind, bench.folds[run.fold].test, run.optimisation.batch_size, repeats=True
        )
    except TrainingError:
        return None
