"""Batches of views that a method's loss is taken of: in training, and afterwards on windows of its choice.

In: stacked runs, their view maker, and examples of windows. Out: batches. Examples of single runs are drawn apart and stacked, so that
what a run is asked does not depend on its partners.
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
    """Return the batch of a step's windows, with all that a method without labels asks for."""
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
    """Return examples of some of one run's windows.

    Parameters
    ----------
    kind
        A name in `training.examples.EXAMPLES`.
    part
        The windows, ascending.
    size
        Windows a batch, in one view.
    repeats
        Whether an example may come twice in a batch.

    Raises
    ------
    TrainingError
        Where the part holds too few.
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
