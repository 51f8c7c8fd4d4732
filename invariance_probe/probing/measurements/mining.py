"""How mined pairs of windows relate to the target and to a nuisance variable.

Some SSL methods and some pairings look for windows that are alike and make them a
positive pair. In: the pairs that were found in this way, without access to the target.
Out: their `PairFigures`. The two main ones, for a target y and a nuisance n, are:

* agreement: the proportion of pairs with the same class or, for other targets,
  1 - E|y - y'|^2 / (2 Var y). It is 0 if the pairs are independent of the target, and 1
  if both windows have the same value.
* nuisance distance: E|n - n'|^2 / (2 Var n). It is 1 if the pairs are independent of
  the nuisance, and 0 if both windows have the same value.
"""

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from invariance_probe.augmentations.mining import Distant
from invariance_probe.plan.figures.decoded import PairFigures
from invariance_probe.plan.roles import FoldRun
from invariance_probe.probing.bench.workbench import Workbench
from invariance_probe.study.pairing import TIME, MinedPairing


def found_by_mining(
    bench: Workbench, runs: Sequence[FoldRun], mined: tuple[Tensor, Tensor] | None
) -> list[PairFigures | None]:
    """Describe the pairs of windows that each run's method mined.

    Of the quantities returned, `distance_s` is the mean distance in time of pairs
    within one session, in seconds; times that were not recorded do not count.
    `elsewhere` is the proportion of pairs whose windows are from two sessions, for a
    model that is trained on several. For `agreement` the variance is taken over the
    anchors. `nuisance_distance` is computed only if the run's pairing names a nuisance.
    The quantities whose names end in `_expected` are the values for independent draws
    of anchors and of mined windows.

    Parameters
    ----------
    bench
        The bench that the runs were trained on.
    runs
        Stacked runs (trained together).
    mined
        Two tensors (run, pair): the windows (anchors) for which a partner was searched,
        and the windows mined for them, -1 if none was found. None for a method that
        does not mine.

    Returns
    -------
    Description of each run's pairs; None for a run or a method without mined pairs.
    """
    return (
        [None] * len(runs)
        if mined is None
        else [_mined_pairs(bench, run, *pairs) for run, *pairs in zip(runs, *mined, strict=True)]
    )


def _mined_pairs(
    bench: Workbench, run: FoldRun, anchors: Tensor, others: Tensor
) -> PairFigures | None:
    """Describe the pairs that one run's method mined.

    Parameters
    ----------
    bench
        The bench that the run was trained on.
    run
        The run.
    anchors, others
        Windows of each pair (pair,); `others` is -1 if no partner was found.
    """
    first, second = anchors[others >= 0], others[others >= 0]
    if not len(first):
        return None
    pairing = run.condition.views.pairing
    nuisance = pairing.nuisance if isinstance(pairing, MinedPairing) else ""
    return _against_draws(
        bench, nuisance, bench.train_windows(run), first.cpu().numpy(), second.cpu().numpy()
    )


def _against_draws(
    bench: Workbench,
    nuisance: str,
    train: np.ndarray,
    first: np.ndarray,
    second: np.ndarray,
    share: float | None = None,
) -> PairFigures:
    """Describe pairs of windows, beside what independent draws would give.

    Parameters
    ----------
    bench
        The bench that the run was trained on.
    nuisance
        Name of the nuisance; empty if there is none.
    train
        Training windows (window,), over which the nuisance's variance is taken.
    first, second
        Windows of each pair (pair,).
    share
        Proportion of all pairs of the training that are distant; None if not known.
    """
    one, other = (torch.from_numpy(windows).to(bench.device) for windows in (first, second))
    elsewhere, distance_s = _distances(bench, one, other)
    apart, unrelated = _nuisance_distances(bench, nuisance, train, first, second)
    return PairFigures(
        share=share,
        distance_s=distance_s,
        elsewhere=elsewhere,
        agreement=_agreement(bench, one, other),
        agreement_expected=_agreement_expected(bench, one, other),
        nuisance_distance=apart,
        nuisance_distance_expected=unrelated,
    )


def distant_pairs(bench: Workbench, run: FoldRun) -> PairFigures | None:
    """Describe the distant pairs that a run's training draws from.

    The quantities are those of `found_by_mining`, computed over all distant pairs.
    `share` is the proportion of all pairs that are distant; it falls below the declared
    share if some windows have no distant partner. `nuisance_distance` is computed only
    if the pairing names a nuisance that varies over the training windows. For
    wake-sleep pairs, only `share` and `partners` are computed. `partners` is the
    effective number of different sleep windows used as partners.

    Parameters
    ----------
    bench
        The bench that the run was trained on.
    run
        The run; its pairing is read.

    Returns
    -------
    The quantities; None if all pairs of the run are local (near in time).

    Raises
    ------
    DataError
        If the recording lacks the nuisance variable, or it contains NaN or text.
    """
    train = bench.train_windows(run)
    distant = bench.distant(run, train)
    if distant is None:
        return None
    pairing = run.condition.views.pairing
    if not isinstance(pairing, MinedPairing):
        return _asleep(distant)
    first, second = distant.pairs(train)
    share = distant.share * float((distant.count > 0).mean())
    if not len(first):
        return PairFigures(share=share)
    return _against_draws(bench, pairing.nuisance, train, first, second, share)


def _asleep(distant: Distant) -> PairFigures:
    """Describe wake-sleep pairs: their share and the variety of their partners.

    `share` is the proportion of all pairs whose partner is a sleep window. `partners`
    is the effective number of different sleep windows used as partners: exp of the
    entropy of how often each one is used.
    """
    used = distant.partners[distant.partners >= 0]
    often = np.unique(used, return_counts=True)[1] / max(len(used), 1)
    share = distant.share * float((distant.count > 0).mean())
    return PairFigures(share=share, partners=float(np.exp(-(often * np.log(often)).sum())))


def _nuisance_distances(
    bench: Workbench, name: str, train: np.ndarray, first: np.ndarray, second: np.ndarray
) -> tuple[float, float] | tuple[None, None]:
    """Compute the nuisance distance of pairs, and that of independent draws.

    Parameters
    ----------
    bench
        The bench that the run was trained on.
    name
        Name of the nuisance; empty if there is none.
    train
        Training windows (window,), over which the nuisance's variance is taken.
    first, second
        Windows of each pair (pair,).

    Returns
    -------
    Both distances. The second is that of independent draws from the first and from the
    second windows. Both are None if no nuisance is named, or if it does not vary over
    the training windows.
    """
    if not name:
        return None, None
    values = _nuisance(bench, name)
    spread = float(values[train].var(axis=0).sum())
    if not spread > 0:
        return None, None
    a, b = values[first], values[second]
    apart, unrelated = float(((a - b) ** 2).sum(axis=1).mean()), _expected_squared_distance(a, b)
    return apart / (2 * spread), unrelated / (2 * spread)


def _nuisance(bench: Workbench, name: str) -> np.ndarray:
    """Return the values of a nuisance at the windows' centres (window, column).

    The nuisance is an array of the recording. The name `time` stands for the time in
    the recording in seconds, unless the recording has an array of that name.
    """
    if name == TIME and TIME not in bench.recording.targets:
        seconds = np.arange(len(bench.recording.activity)) * bench.recording.bin_s
        return seconds[bench.windows.centres, None]
    return bench.recording.numbers(name, "mined.nuisance")[bench.windows.centres]


def _expected_squared_distance(a: np.ndarray, b: np.ndarray) -> float:
    """Mean squared distance E|a - b|^2 of independent draws from two samples.

    It equals Var a + Var b + |E a - E b|^2.

    Parameters
    ----------
    a, b
        The samples, each (row, column).
    """
    return float(
        a.var(axis=0).sum() + b.var(axis=0).sum() + ((a.mean(axis=0) - b.mean(axis=0)) ** 2).sum()
    )


def _distances(
    bench: Workbench, first: Tensor, second: Tensor
) -> tuple[float | None, float | None]:
    """Measure how far apart the windows of pairs lie.

    Returns
    -------
    Proportion of pairs whose windows are from two sessions, None if there is only one
    session; and the mean distance in time of the other pairs in seconds, None if there
    are no others.
    """
    sessions, elsewhere = bench.timeline.sessions, None
    if sessions is not None:
        together = sessions[first] == sessions[second]
        elsewhere = 1 - float(together.to(torch.float64).mean())
        first, second = first[together], second[together]
    if not len(first):
        return elsewhere, None
    apart = (bench.starts[first] - bench.starts[second]).abs().to(torch.float64)
    return elsewhere, float(apart.mean() * bench.recording.bin_s)


def _agreement(bench: Workbench, first: Tensor, second: Tensor) -> float:
    """Compute the agreement of pairs in the target.

    It is the proportion of pairs with the same class or, for other targets,
    1 - E|y - y'|^2 / (2 Var y), with the variance over the first windows.
    """
    y, z = bench.target.values[first], bench.target.values[second]
    if bench.target.classes:
        return float((y == z).to(torch.float64).mean())
    spread = (y - y.mean(0)).square().sum(1).mean().clamp_min(1e-30)
    return float(1 - (y - z).square().sum(1).mean() / (2 * spread))


def _agreement_expected(bench: Workbench, first: Tensor, second: Tensor) -> float:
    """Compute the agreement of independent draws of first and second windows."""
    y, z = (bench.target.values[windows].cpu().numpy() for windows in (first, second))
    if bench.target.classes:
        often = [
            np.bincount(values, minlength=bench.target.classes) / len(values) for values in (y, z)
        ]
        return float(often[0] @ often[1])
    spread = max(float(y.var(axis=0).sum()), 1e-30)
    return 1 - _expected_squared_distance(y, z) / (2 * spread)
