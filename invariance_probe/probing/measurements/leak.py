"""Test whether training data leak into test data, by decoding random walks.

In: an opened session. Out: the held-out R2 of random walks, which no activity can
encode. The gate "leak" of a verdict rests on it (docs/science.md, Gates).

A random walk and slow activity both change little from one window to the next. If a
test window lies between training windows, a decoder can recognise from the activity
which training windows are near in time, and predict their value. R2 is then above 0
although the activity does not encode the walk.
"""

import numpy as np

from invariance_probe.plan.figures.session import LeakFigures
from invariance_probe.plan.roles import SessionMeasurement
from invariance_probe.plan.run import RunResult
from invariance_probe.probing.bench.workbench import Workbench
from invariance_probe.probing.decoders.readout import Measurement
from invariance_probe.probing.decoders.refitting import refit_all
from invariance_probe.probing.measurements.trained import Progress
from invariance_probe.randomness import generator
from invariance_probe.study.baselines import Leak


def measure_leak(
    bench: Workbench, runs: list[SessionMeasurement], on_progress: Progress
) -> list[Measurement]:
    """Decode independent random walks from activity, in the study's folds.

    The decoder is ridge regression on standardised activity. The results hold two
    values for each walk: `r2`, the held-out R2 about the walk's mean over the session;
    and `beyond`, the held-out R2 about the mean of the training part. The second is
    also above 0 when slow activity happens to follow a slow target throughout a test
    block.

    Parameters
    ----------
    bench
        The opened session: its windows, folds and target.
    runs
        Runs of this measurement.
    on_progress
        Not called: no encoder is trained.
    """
    return [
        Measurement(run, RunResult(run.key(), "done", figures=_leak(bench, run))) for run in runs
    ]


def _leak(bench: Workbench, run: SessionMeasurement) -> LeakFigures:
    draws = run.declared(Leak).draws
    steps = generator("leak", run.study_seed, run.session).standard_normal(
        (len(bench.recording.activity), draws)
    )
    walks = np.cumsum(steps, axis=0)[bench.windows.centres]
    refitted = refit_all(bench, np.arange(len(walks)), walks.T[:, :, None])
    r2 = 1 - refitted.errors / ((walks - walks.mean(axis=0)) ** 2).sum(axis=0)
    return LeakFigures(r2=tuple(r2.tolist()), beyond=tuple((1 - refitted.fractions).tolist()))
