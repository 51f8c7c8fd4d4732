"""What a method mined, held against the target that it did not see."""

import torch
from torch import Tensor

from invariance_probe.probing.workbench import Workbench


def found_by_mining(bench: Workbench, mined: tuple[Tensor, Tensor] | None) -> list[dict[str, float]]:
    """Return each run's diagnostics of the pairs that its method mined; nothing for a method or a run that mined none.

    `mined_distance_s` is how far apart in time mined windows lie on average, in the bins of the recording as it is stored.
    `mined_agreement` is the part of pairs with one class; or, for other targets, 1 - E|y - y'|^2 / (2 Var y): 0 for pairs that know
    nothing of the target, 1 for pairs alike in it, with the variance over the anchors.

    Parameters
    ----------
    mined
        Windows of anchors and of what was mined for them (run, pair), -1 where nothing was.
    """
    return [] if mined is None else [_mined_pairs(bench, *pairs) for pairs in zip(*mined, strict=True)]


def _mined_pairs(bench: Workbench, anchors: Tensor, others: Tensor) -> dict[str, float]:
    first, second = anchors[others >= 0], others[others >= 0]
    if not len(first):
        return {}
    distance = (bench.starts[first] - bench.starts[second]).abs().to(torch.float64).mean() * bench.recording.bin_s
    y, z = bench.target.values[first], bench.target.values[second]
    if bench.target.classes:
        agreement = (y == z).to(torch.float64).mean()
    else:
        spread = (y - y.mean(0)).square().sum(1).mean().clamp_min(1e-30)
        agreement = 1 - (y - z).square().sum(1).mean() / (2 * spread)
    return {"mined_distance_s": float(distance), "mined_agreement": float(agreement)}
