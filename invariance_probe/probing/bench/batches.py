"""Batches of views on which a method computes its loss.

They are used in training, and afterwards to measure the loss on chosen windows. An
example is the set of windows that a step takes together, such as the two windows of a
positive pair.

In: runs that train together as a stack, the object that draws their augmented views,
and examples. Out: batches. The examples of each run are drawn separately and then
stacked, so that a run's examples do not depend on the other runs in the stack.
"""

from collections.abc import Sequence

import numpy as np
import torch

from invariance_probe.augmentations.random_bits import key_tensor
from invariance_probe.augmentations.views import ViewMaker
from invariance_probe.methods.base import Batch, Timeline
from invariance_probe.plan.roles import TrainedModel
from invariance_probe.probing.bench.workbench import Workbench
from invariance_probe.study.declaration import MethodDeclaration
from invariance_probe.study.methods import asks_for
from invariance_probe.training.examples import EXAMPLES, Example, Examples, TrainingWindows


def batch_of(
    declared: MethodDeclaration, views: ViewMaker, timeline: Timeline, example: Example, step: int
) -> Batch:
    """Make the batch of one training step, without decoding targets.

    Parameters
    ----------
    declared
        The declared method. If it reads counts, the batch also holds the counts of both
        views before any augmentation.
    views
        Draws the augmented views of the stacked runs.
    timeline
        Where the windows lie in time.
    example
        Windows of the first and second views, and the right answers of a pretext task.
    step
        Number of the training step. The random draws of the views depend on it.
    """
    halves = views.halves(step, example.first, example.second) if declared.reads_counts else None
    shown, second = views.shown(step, example.first, example.second)
    return Batch(
        shown,
        torch.cat([example.first, example.second], dim=1),
        timeline,
        views.keys,
        step,
        labels=example.labels,
        counts=None if halves is None else torch.cat(halves, dim=1),
        second=second,
    )


def examples_of(
    bench: Workbench, run: TrainedModel, kind: str, part: np.ndarray, size: int, repeats: bool
) -> Examples:
    """Make a source of examples that are drawn from given windows of one run.

    Parameters
    ----------
    bench
        The opened session: its windows, folds and target.
    run
        The run.
    kind
        Kind of example, such as `pairs`: a key of `training.examples.EXAMPLES`.
    part
        Windows to draw from (window,), ascending.
    size
        Number of windows per batch in each view.
    repeats
        Whether an example may occur twice in a batch.

    Returns
    -------
    The source; `at(step)` draws the windows of one step.

    Raises
    ------
    TrainingError
        When there are too few windows.
    """
    keys = key_tensor(bench.keys("order", [run]), bench.device)
    return EXAMPLES[kind](
        asks_for(run.method),
        TrainingWindows(
            bench.windows, [part], [run.views.jitter], bench.step_s, keys, size, repeats=repeats
        ),
    )


def stacked(examples: Sequence[Example]) -> Example:
    """Concatenate the examples of individual runs along the run axis."""
    labels = [example.labels for example in examples if example.labels is not None]
    return Example(
        torch.cat([example.first for example in examples]),
        torch.cat([example.second for example in examples]),
        torch.cat(labels) if labels else None,
    )
