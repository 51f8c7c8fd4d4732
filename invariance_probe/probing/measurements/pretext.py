"""How well a trained method solves its own pretext task on test windows.

A pretext task asks a question about windows whose answer is known without labels, for
example whether three windows are in their order in time. In: trained stacked models
(one per run), with the session and views they were trained on. Out: the proportion of
correct answers of each run, for methods whose task has correct answers.
"""

from collections.abc import Sequence

import torch
from torch import Tensor

from invariance_probe.augmentations.views import ViewMaker
from invariance_probe.errors import TrainingError
from invariance_probe.methods.base import Method, PretextTask
from invariance_probe.plan.roles import TrainedModel
from invariance_probe.probing.bench.batches import batch_of, examples_of, stacked
from invariance_probe.probing.bench.workbench import Workbench
from invariance_probe.training.examples import Examples

BATCHES = 16
"""Number of batches of examples drawn from each run's test windows."""


@torch.no_grad()
def pretext_accuracy(
    bench: Workbench,
    runs: Sequence[TrainedModel],
    method: Method,
    views: ViewMaker,
    first_step: int,
) -> Tensor:
    """Measure each run's accuracy on its pretext task, on test windows.

    Parameters
    ----------
    bench, runs
        The session and runs of the training.
    method
        Trained stacked models. Batch normalisation uses the statistics of the batches
        that are evaluated here.
    views
        Draws the augmented views, as in the training.
    first_step
        Step number at which the random draws of the evaluation start.

    Returns
    -------
    Accuracy in [0, 1], float64 (run,). NaN if the method has no pretext task with
    correct answers, or if the test windows are too few to form an example.
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
        # Runs without examples are given another run's; their answers are discarded below.
        example = stacked([(one or stand_in).at(step) for one in each])
        total += method.pretext_accuracy(
            batch_of(runs[0].method, views, bench.timeline, example, step)
        )
    asked = torch.tensor([one is not None for one in each], device=bench.device)
    return torch.where(asked, total / BATCHES, nothing)


def _test_examples(bench: Workbench, run: TrainedModel, kind: str) -> Examples | None:
    """Make a source of examples from one run's test windows.

    An example may occur twice in a batch. None if there are too few test windows.
    """
    try:
        return examples_of(
            bench, run, kind, bench.folds[run.fold].test, run.optimisation.batch_size, repeats=True
        )
    except TrainingError:
        return None
