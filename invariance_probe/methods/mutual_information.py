"""Lower bounds on mutual information from the scores of a learned critic.

Scores are f[i, j] = f(x_i, y_j) of a batch of pairs. The diagonal holds pairs that
belong together; all other entries are pairs of strangers. All values are in nats.

In: pairs (x, y) of vectors. Out: values of the bounds (run,). Which x and y are of
interest is the caller's choice.

References
----------
Poole, Ozair, van den Oord, Alemi & Tucker 2019, On variational bounds of mutual
information, arXiv:1905.06922.
"""

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from torch import Tensor

from invariance_probe.encoders.base import Parameters
from invariance_probe.encoders.layers import softplus
from invariance_probe.encoders.mlp import MLP
from invariance_probe.methods.base import Batch, Method
from invariance_probe.study.encoders import MLPEncoder

Bound = Literal["infonce", "nwj", "dv", "js", "tuba", "interpolated"]
BOUNDS: tuple[Bound, ...] = ("infonce", "nwj", "dv", "js", "tuba", "interpolated")
"""All bounds by name."""
MEMORY = 0.99
"""Decay of the moving average in MINE's gradient.

Belghazi et al. 2018, arXiv:1801.04062, section 3.2.
"""
SHARE = 0.1
"""Alpha of the interpolated bound: part of the batch mean in its baseline."""


def infonce(scores: Tensor) -> Tensor:
    """InfoNCE bound: little variance, and never above log(batch).

    van den Oord et al. 2018, arXiv:1807.03748.

    Parameters
    ----------
    scores
        (run, batch, batch).

    Returns
    -------
    bound
        (run,), in nats.
    """
    return (_joint(scores) - scores.logsumexp(1) + math.log(scores.shape[1])).mean(1)


def nwj(scores: Tensor) -> Tensor:
    """Bound of Nguyen, Wainwright & Jordan: no bias, but high variance.

    It is without bias at its best critic, 1 + log density ratio. Nguyen, Wainwright &
    Jordan 2010, arXiv:0809.0853.

    Parameters
    ----------
    scores
        (run, batch, batch).

    Returns
    -------
    bound
        (run,), in nats.
    """
    return _joint(scores).mean(1) - (log_mean_of_strangers(scores) - 1).exp()


def dv(scores: Tensor) -> Tensor:
    """Donsker-Varadhan bound from one batch.

    It is biased upwards, because it takes the logarithm of a mean over few strangers.
    Donsker & Varadhan 1983; Belghazi et al. 2018, arXiv:1801.04062 (MINE).

    Parameters
    ----------
    scores
        (run, batch, batch).

    Returns
    -------
    bound
        (run,), in nats.
    """
    return _joint(scores).mean(1) - log_mean_of_strangers(scores)


def jensen_shannon(scores: Tensor) -> Tensor:
    """Objective of a classifier that tells pairs from strangers.

    Its best critic is the log density ratio. It is no bound on the information; the
    bound is `nwj(scores + 1)`. Nowozin, Cseke & Tomioka 2016, arXiv:1606.00709.

    Parameters
    ----------
    scores
        (run, batch, batch).

    Returns
    -------
    objective
        (run,).
    """
    belong = -softplus(-_joint(scores)).mean(1)
    return belong - _strangers(softplus(scores)).sum((1, 2)) / _pairs(scores)


def tuba(scores: Tensor, baseline: Tensor) -> Tensor:
    """TUBA bound with a learned log baseline a(y).

    Poole et al. 2019, section 2.2.

    Parameters
    ----------
    scores
        (run, batch, batch).
    baseline
        Log baseline a(y_j) (run, batch).

    Returns
    -------
    bound
        (run,), in nats.
    """
    above = scores - baseline.unsqueeze(1)
    return 1 + _joint(above).mean(1) - log_mean_of_strangers(above).exp()


def interpolated(scores: Tensor, baseline: Tensor, share: float = SHARE) -> Tensor:
    """Bound between InfoNCE (share 1) and TUBA (share 0).

    It has less bias than InfoNCE and less variance than TUBA. The baseline of y_j is
    share times the mean of exp f over batch - 1 of the x, plus (1 - share) exp a(y_j).
    A pair's baseline leaves out each stranger in turn, and a stranger's leaves out the
    partner, so that both sides rest on equally many x (Poole et al. 2019, section 2.4).

    Parameters
    ----------
    scores
        (run, batch, batch).
    baseline
        Log baseline (run, batch).
    share
        Alpha, above 0 and below 1.

    Returns
    -------
    bound
        (run,), in nats.
    """
    batch = scores.shape[1]
    wide = scores.to(torch.float64)
    top = wide.amax(1, keepdim=True)
    raised = (wide - top).exp()
    # without[i, j]: log of the mean of exp f(., y_j) with x_i left out
    without = (
        (raised.sum(1, keepdim=True) - raised).clamp_min(1e-300).log() + top - math.log(batch - 1)
    )
    mixed = torch.logaddexp(
        without + math.log(share), baseline.to(torch.float64).unsqueeze(1) + math.log(1 - share)
    )
    together = _strangers(_joint(wide).unsqueeze(1) - mixed).sum((1, 2)) / _pairs(scores)
    # The mean of exp f over strangers, divided by the baseline without the partner.
    apart = (_joint(without) - _joint(mixed)).exp().mean(1)
    return (1 + together - apart).to(scores.dtype)


def log_mean_of_strangers(scores: Tensor) -> Tensor:
    """Log of the mean of exp f over all pairs of strangers.

    Parameters
    ----------
    scores
        (run, batch, batch).

    Returns
    -------
    mean
        (run,).
    """
    runs, batch, _ = scores.shape
    diagonal = torch.eye(batch, dtype=torch.bool, device=scores.device)
    return scores.masked_fill(diagonal, -torch.inf).view(runs, -1).logsumexp(1) - math.log(
        batch * (batch - 1)
    )


def _joint(scores: Tensor) -> Tensor:
    """Scores of the pairs that belong together (run, batch)."""
    return scores.diagonal(dim1=1, dim2=2)


def _strangers(values: Tensor) -> Tensor:
    """Values with the diagonal set to 0."""
    return values.masked_fill(
        torch.eye(values.shape[1], dtype=torch.bool, device=values.device), 0.0
    )


def _pairs(scores: Tensor) -> int:
    """Number of pairs of strangers in a batch."""
    return scores.shape[1] * (scores.shape[1] - 1)


class Critics(Method):
    """K separable critics f(x, y) = g(x) . h(y), trained on one bound.

    A batch has x as its views and y as its targets.

    Parameters
    ----------
    bound
        What is maximised: the bound itself; for `js` the classifier's objective; for
        `dv` the bound with MINE's moving average in the gradient.
    inputs
        Width of x and of y.
    widths
        Hidden widths and last width of both networks.
    generators
        The `init` stream of every run.
    """

    memory: Tensor
    """Moving average of the mean of exp f over strangers (run,), for `dv`."""

    def __init__(
        self,
        bound: Bound,
        inputs: tuple[int, int],
        widths: tuple[int, ...],
        generators: list[np.random.Generator],
    ) -> None:
        super().__init__()
        self.bound = bound
        self.first = MLP(inputs[0], widths, generators)
        self.second = MLP(inputs[1], widths, generators)
        self.baseline = (
            MLP(inputs[1], (*widths[:-1], 1), generators)
            if bound in ("tuba", "interpolated")
            else None
        )
        self.register_buffer("memory", torch.zeros(len(generators), dtype=torch.float64))

    def loss(self, batch: Batch) -> Tensor:
        """The negative bound or objective of each run (run,)."""
        assert batch.targets is not None
        scores = _products(self.first(batch.views), self.second(batch.targets))
        if self.bound == "dv":
            return -self._corrected(scores)
        if self.bound == "js":
            return -jensen_shannon(scores)
        return -bound_of(
            self.bound,
            scores,
            None if self.baseline is None else self.baseline(batch.targets).squeeze(2),
        )

    def _corrected(self, scores: Tensor) -> Tensor:
        """A value whose gradient is MINE's corrected gradient.

        It is the gradient of the joint term, minus that of the mean of exp f over its
        moving average.
        """
        mean = log_mean_of_strangers(scores).exp()
        with torch.no_grad():
            old = self.memory.to(mean)
            now = torch.where(old > 0, MEMORY * old + (1 - MEMORY) * mean, mean)
            self.memory.copy_(now)
        return _joint(scores).mean(1) - mean / now

    @torch.no_grad()
    def freeze(self, x: Tensor, y: Tensor) -> "FrozenCritics":
        """Fix the critics at the batch-norm statistics of the given pairs.

        Parameters
        ----------
        x, y
            (run, row, width).
        """
        rows = x.new_full((len(x), 1, x.shape[1]), 1 / x.shape[1])
        baseline = None if self.baseline is None else self.baseline.folded(y, rows)
        return FrozenCritics(
            self.bound, self.first.folded(x, rows), self.second.folded(y, rows), baseline
        )


@dataclass(frozen=True, eq=False)
class FrozenCritics:
    """Critics that no longer learn, as folded weights of their networks.

    Attributes
    ----------
    bound
        The bound whose value is computed.
    first, second
        Networks of x and of y.
    baseline
        Network of the log baseline; None for bounds without one.
    """

    bound: Bound
    first: Parameters
    second: Parameters
    baseline: Parameters | None

    @torch.no_grad()
    def value(self, x: Tensor, y: Tensor) -> Tensor:
        """Value of the bound on a batch of pairs.

        Parameters
        ----------
        x, y
            (run, batch, width).

        Returns
        -------
        bound
            (run,), in nats.
        """
        shape = MLPEncoder()
        scores = _products(MLP.encode(shape, self.first, x), MLP.encode(shape, self.second, y))
        return bound_of(
            self.bound,
            scores,
            None if self.baseline is None else MLP.encode(shape, self.baseline, y).squeeze(2),
        )


def _products(first: Tensor, second: Tensor) -> Tensor:
    """Scores (run, batch, batch) from embeddings (run, batch, width).

    They are scaled so that they start near one.
    """
    return torch.bmm(first, second.transpose(1, 2)) / first.shape[2] ** 0.5


def bound_of(bound: Bound, scores: Tensor, baseline: Tensor | None = None) -> Tensor:
    """Value of a bound from a critic's scores.

    Parameters
    ----------
    bound
        Name of the bound.
    scores
        (run, batch, batch).
    baseline
        Log baseline (run, batch), for `tuba` and `interpolated`.

    Returns
    -------
    value
        (run,), in nats.
    """
    if bound in ("tuba", "interpolated"):
        assert baseline is not None
        return tuba(scores, baseline) if bound == "tuba" else interpolated(scores, baseline)
    return {"infonce": infonce, "nwj": nwj, "dv": dv, "js": lambda raw: nwj(raw + 1)}[bound](scores)
