"""The bench on which a run's SSL model is trained.

In: an opened session and a run. Out: the bench itself, or one with more windows: those of
the session that have no target (`probing.bench.unlabelled`), or those of other sessions
(`probing.bench.pooled`). Only training uses them. Decoders, folds, baselines and
examinations use the windows of the run's own session that have a target.
"""

from invariance_probe.plan.roles import TrainedModel
from invariance_probe.probing.bench.pooled import pooled_bench
from invariance_probe.probing.bench.unlabelled import bench_of_every_window
from invariance_probe.probing.bench.workbench import Workbench


def training_bench(bench: Workbench, run: TrainedModel) -> Workbench:
    """Return the bench on which a run's SSL model is trained.

    Parameters
    ----------
    bench
        The run's own opened session.
    run
        The run.

    Returns
    -------
    training
        With companions, a bench that joins the session with them. Else, if some windows
        have no target and the method does not read it, a bench of all windows of the
        session. Else the bench unchanged.
    """
    if (companions := run.companions) is not None:
        return bench.cached(companions.canonical(), lambda: pooled_bench(bench, run, companions))
    cut = bench.cut
    if cut is None or cut.labelled.all() or run.method.reads_target or run.arm == "oracle":
        return bench
    return bench.cached("every window", lambda: bench_of_every_window(bench, cut, run))
