"""Do the folds let a decoder read the time? Decoding of random walks.

In: an opened session. Out: the held-out R2 of random walks, which no activity can know
(gate "leak", science.md 3.4).

A walk and any slow activity both change little from one window to the next. Where a
test window stands between training windows, its value can be read off its neighbours by
way of the activity, so R2 is above 0 without any code.
"""

import numpy as np

from invariance_probe.plan.figures.session import LeakFigures
from invariance_probe.plan.run import Run, RunResult
from invariance_probe.probing.bench.workbench import Workbench
from invariance_probe.probing.decoders.readout import Measured
from invariance_probe.probing.decoders.refitting import refit_all
from invariance_probe.probing.measurements.trained import Progress
from invariance_probe.randomness import generator


def measure_leak(bench: Workbench, runs: list[Run], on_progress: Progress) -> list[Measured]:
    """Decode independent random walks by the raw decoder in the study's folds.

    `leak@i` is the held-out R2 of walk i about its mean over the session. `beyond@i` is
    R2 about the training parts' means; it is above 0 also where slow activity follows a
    slow target across a whole test block.

    Parameters
    ----------
    bench
        The opened session.
    runs
        Runs of this measurement.
    on_progress
        Not called.
    """
    return [Measured(run, RunResult(run.key(), "done", figures=_leak(bench, run))) for run in runs]


def _leak(bench: Workbench, run: Run) -> LeakFigures:
    draws = run.method.draws  # type: ignore[union-attr]
    steps = generator("leak", run.study_seed, run.session).standard_normal(
        (len(bench.recording.activity), draws)
    )
    walks = np.cumsum(steps, axis=0)[bench.windows.centres]
    refitted = refit_all(bench, np.arange(len(walks)), walks.T[:, :, None])
    r2 = 1 - refitted.errors / ((walks - walks.mean(axis=0)) ** 2).sum(axis=0)
    return LeakFigures(r2=tuple(r2.tolist()), beyond=tuple((1 - refitted.fractions).tolist()))
