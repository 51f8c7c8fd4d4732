"""Batches of views on which a method computes its loss.

They are used in training, and afterwards to measure the loss on chosen windows. In:
stacked runs, their view maker, and examples of windows. Out: batches. The examples of
each run are drawn separately and then stacked, so that a run's examples do not depend
on its partners in the stack.
"""

from collections.abc import Sequence

import numpy as np
import torch

from invariance_probe.augmentations.random_bits import key_tensor
from invariance_probe.augmentations.views import ViewMaker
from invariance_probe.methods.base import Batch, Timeline
from invariance_probe.plan.run import Run
from invariance_probe.probing.bench.workbench import Workbench
from invariance_probe.study.declaration import MethodDeclaration
from invariance_probe.study.views import TimeJitter
from invariance_probe.training.examples import EXAMPLES, Example, Examples, Material


def batch_of(
    declared: MethodDeclaration, views: ViewMaker, timeline: Timeline, example: Example, step: int
) -> Batch:
    """Make the batch of one step for a method without labels.

    Parameters
    ----------
    declared
        The method; it decides whether the batch holds counts.
    views
        View maker of the stacked runs.
    timeline
        Where the windows lie in time.
    example
        Windows of the first and second views, and labels of a pretext task.
    step
        Update step, which addresses the random numbers.
    """
    halves = views.halves(step, example.first, example.second) if declared.reads_counts else None
    return Batch(
        views.pair(step, example.first, example.second),
        torch.cat([example.first, example.second], dim=1),
        timeline,
        views.keys,
        step,
        labels=example.labels,
        counts=None if halves is None else torch.cat(halves, dim=1),
    )


def examples_of(
    bench: Workbench, run: Run, kind: str, part: np.ndarray, size: int, repeats: bool
) -> Examples:
    """Draw examples from some of one run's windows.

    Parameters
    ----------
    bench
        The opened session.
    run
        The run.
    kind
        A name in `training.examples.EXAMPLES`.
    part
        Windows to draw from (window,), ascending.
    size
        Windows per batch, in one view.
    repeats
        Whether an example may occur twice in a batch.

    Raises
    ------
    TrainingError
        When the part holds too few windows.
    """
    jitter = run.views.jitter if run.views else TimeJitter()
    keys = key_tensor(bench.keys("order", [run]), bench.device)
    return EXAMPLES[kind](
        run.method,
        Material(
            bench.windows, [part], [jitter], bench.recording.bin_s, keys, size, repeats=repeats
        ),
    )


def stacked(examples: Sequence[Example]) -> Example:
    """Stack the examples of single runs."""
    labels = [example.labels for example in examples if example.labels is not None]
    return Example(
        torch.cat([example.first for example in examples]),
        torch.cat([example.second for example in examples]),
        torch.cat(labels) if labels else None,
    )
