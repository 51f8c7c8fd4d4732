"""Batches of views that a method's loss is taken of: in training, and afterwards on windows of its choice.

In: stacked runs, their view maker, and examples of windows. Out: batches. Those of single runs are drawn apart and stacked, so that
what a run is asked does not depend on its partners.
"""

from collections.abc import Iterator, Sequence

import numpy as np
import torch

from invariance_probe.augmentations.random_bits import key_tensor
from invariance_probe.augmentations.views import ViewMaker
from invariance_probe.errors import TrainingError
from invariance_probe.methods.base import Batch, Method, Timeline
from invariance_probe.probing.workbench import Workbench
from invariance_probe.study.run import Run
from invariance_probe.study.views import TimeJitter
from invariance_probe.training.examples import EXAMPLES, Example, Examples, Material


def batch_of(method: Method, views: ViewMaker, timeline: Timeline, example: Example, step: int) -> Batch:
    """Return the batch of a step's windows, with all that a method without labels asks for."""
    halves = views.halves(step, example.first, example.second) if method.reads_counts else None
    return Batch(
        views.pair(step, example.first, example.second),
        torch.cat([example.first, example.second], dim=1),
        timeline,
        views.keys,
        step,
        labels=example.labels,
        counts=None if halves is None else torch.cat(halves, dim=1),
    )


def asked_of(
    bench: Workbench, runs: list[Run], method: Method, views: ViewMaker, parts: Sequence[np.ndarray], steps: range
) -> tuple[list[bool], Iterator[Batch]]:
    """Return which runs have examples in their part, and batches of these; others are shown the first such run's, to no avail.

    Parameters
    ----------
    bench, runs, views
        What the method was trained on; views are corrupted as in training.
    parts
        The windows that each run's examples are drawn from, which may repeat.
    steps
        Where the draws of the batches are addressed.
    """
    each = [examples_of(bench, run, method.examples, part) for run, part in zip(runs, parts, strict=True)]
    if not any(each):
        return [False] * len(runs), iter(())
    return (
        [examples is not None for examples in each],
        (
            batch_of(method, views, bench.timeline, _together([None if one is None else one.at(step) for one in each]), step)
            for step in steps
        ),
    )


def examples_of(bench: Workbench, run: Run, kind: str, part: np.ndarray) -> Examples | None:
    """Return examples of some of one run's windows, which may repeat; None where there are none."""
    assert run.optimisation is not None
    jitter = run.views.jitter if run.views else TimeJitter()
    keys = key_tensor(bench.keys("order", [run]), bench.device)
    material = Material(bench.windows, [part], [jitter], bench.recording.bin_s, keys, run.optimisation.batch_size, repeats=True)
    try:
        return EXAMPLES[kind](run.method, material)
    except TrainingError:
        return None


def _together(each: list[Example | None]) -> Example:
    """Stack the examples of single runs; a run without any takes the first one's."""
    stand_in = next(example for example in each if example is not None)
    found = [example or stand_in for example in each]
    labels = [example.labels for example in found if example.labels is not None]
    return Example(
        torch.cat([example.first for example in found]),
        torch.cat([example.second for example in found]),
        torch.cat(labels) if labels else None,
    )
