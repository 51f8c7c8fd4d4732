"""What a method or a pairing mined, compared with the target and a nuisance.

In: the pairs of windows that were mined, without sight of the target. Out: their
`PairFigures`. Nuisance distance is E|n - n'|^2 / (2 Var n): 1 for pairs that know nothing of
the nuisance, 0 for pairs that are alike in it.
"""

import numpy as np
import torch
from torch import Tensor

from invariance_probe.augmentations.mining import Distant
from invariance_probe.plan.figures.decoded import PairFigures
from invariance_probe.plan.run import Run
from invariance_probe.probing.bench.workbench import Workbench
from invariance_probe.study.pairing import TIME, MinedPairing
from invariance_probe.study.state_pairing import StatePairing


def found_by_mining(
    bench: Workbench, runs: list[Run], mined: tuple[Tensor, Tensor] | None
) -> list[PairFigures | None]:
    """Figures of the pairs that each run's method mined.

    `distance_s` is how far apart in time mined windows of one session lie on average,
    in the bins of the recording as it is stored. `elsewhere` is the proportion of pairs
    in two sessions, where a model sees several. `agreement` is the proportion of pairs
    of one class; or, for other targets, 1 - E|y - y'|^2 / (2 Var y): 0 for pairs that
    know nothing of the target, 1 for pairs alike in it, with the variance over the
    anchors. `nuisance_distance` is there where the run's pairing names a nuisance. Each
    `_expected` is the value of independent draws from the marginals of anchors and of
    found windows.

    Parameters
    ----------
    bench
        The bench that the runs were trained on.
    runs
        Stacked runs.
    mined
        Windows of anchors and of what was mined for them (run, pair), -1 where nothing
        was; None for a method that mines nothing.

    Returns
    -------
    One per run; None for a run or a method that mined nothing.
    """
    return (
        [None] * len(runs)
        if mined is None
        else [_mined_pairs(bench, run, *pairs) for run, *pairs in zip(runs, *mined, strict=True)]
    )


def _mined_pairs(bench: Workbench, run: Run, anchors: Tensor, others: Tensor) -> PairFigures | None:
    """Figures of the pairs (pair,) that one run's method mined."""
    first, second = anchors[others >= 0], others[others >= 0]
    if not len(first):
        return None
    nuisance = getattr(run.views.pairing, "nuisance", "") if run.views else ""
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
    """Compare pairs (pair,) with the target and a nuisance, beside independent draws."""
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


def distant_pairs(bench: Workbench, run: Run) -> PairFigures | None:
    """Figures of a run's distant pairs; None where all its pairs are local.

    `agreement` and `distance_s` are defined as those of mined pairs are
    (`found_by_mining`), over all distant pairs that training draws from. `share` is the
    proportion of all pairs that is distant: less than declared where windows have no
    distant partner. `nuisance_distance` is there where the
    pairing names a nuisance that varies over the training windows. Each `_expected` is
    the value of independent draws from the marginals of anchors and partners.

    Parameters
    ----------
    bench
        The bench that the run was trained on.
    run
        The run; its pairing is read.

    Raises
    ------
    DataError
        When the recording lacks the nuisance, or has NaN or words in it.
    """
    train = bench.train_windows(run)
    distant = bench.distant(run, train)
    if distant is None:
        return None
    if run.views is not None and isinstance(run.views.pairing, StatePairing):
        return _asleep(distant)
    assert run.views is not None and isinstance(run.views.pairing, MinedPairing)
    first, second = distant.pairs(train)
    share = distant.share * float((distant.count > 0).mean())
    if not len(first):
        return PairFigures(share=share)
    return _against_draws(bench, run.views.pairing.nuisance, train, first, second, share)


def _asleep(distant: Distant) -> PairFigures:
    """Proportion of pairs across states, and how many windows asleep serve.

    The number is effective: each window asleep is weighed by how often it serves (exp
    of the entropy).
    """
    used = distant.partners[distant.partners >= 0]
    often = np.unique(used, return_counts=True)[1] / max(len(used), 1)
    share = distant.share * float((distant.count > 0).mean())
    return PairFigures(share=share, partners=float(np.exp(-(often * np.log(often)).sum())))


def _nuisance_distances(
    bench: Workbench, name: str, train: np.ndarray, first: np.ndarray, second: np.ndarray
) -> tuple[float, float] | tuple[None, None]:
    """Nuisance distance of pairs, and that of independent draws.

    The draws are from the marginals of both sides of the pairs. None where no nuisance
    is named, or it does not vary over the training windows.
    """
    if not name:
        return None, None
    values = _nuisance(bench, name)
    spread = float(values[train].var(axis=0).sum())
    if not spread > 0:
        return None, None
    a, b = values[first], values[second]
    apart, unrelated = float(((a - b) ** 2).sum(axis=1).mean()), _unrelated(a, b)
    return apart / (2 * spread), unrelated / (2 * spread)


def _nuisance(bench: Workbench, name: str) -> np.ndarray:
    """A nuisance at every window's centre (window, column).

    It is an array of the recording, or its recorded time in seconds.
    """
    if name == TIME and TIME not in bench.recording.targets:
        seconds = np.arange(len(bench.recording.activity)) * bench.recording.bin_s
        return seconds[bench.windows.centres, None]
    return bench.recording.numbers(name, "mined.nuisance")[bench.windows.centres]


def _unrelated(a: np.ndarray, b: np.ndarray) -> float:
    """E|a - b|^2 of independent draws from the rows of both (draw, column).

    It equals Var a + Var b + |E a - E b|^2.
    """
    return float(
        a.var(axis=0).sum() + b.var(axis=0).sum() + ((a.mean(axis=0) - b.mean(axis=0)) ** 2).sum()
    )


def _distances(
    bench: Workbench, first: Tensor, second: Tensor
) -> tuple[float | None, float | None]:
    """Proportion of pairs in two sessions, and mean distance (s) of those in one.

    The proportion is there only where windows come from several sessions.
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
    """Proportion of pairs of one class, or 1 - E|y - y'|^2 / (2 Var y)."""
    y, z = bench.target.values[first], bench.target.values[second]
    if bench.target.classes:
        return float((y == z).to(torch.float64).mean())
    spread = (y - y.mean(0)).square().sum(1).mean().clamp_min(1e-30)
    return float(1 - (y - z).square().sum(1).mean() / (2 * spread))


def _agreement_expected(bench: Workbench, first: Tensor, second: Tensor) -> float:
    """`_agreement` of independent draws from the marginals of both sides."""
    y, z = (bench.target.values[windows].cpu().numpy() for windows in (first, second))
    if bench.target.classes:
        often = [
            np.bincount(values, minlength=bench.target.classes) / len(values) for values in (y, z)
        ]
        return float(often[0] @ often[1])
    spread = max(float(y.var(axis=0).sum()), 1e-30)
    return 1 - _unrelated(y, z) / (2 * spread)
