"""Lower bounds on mutual information from the scores of a learned critic.

A critic f(x, y) scores how well x and y belong together. On a batch of pairs (x_i, y_i)
its scores form a matrix f[i, j] = f(x_i, y_j). The diagonal holds the true pairs; the
other entries are mismatched pairs, whose x and y are called strangers. All values are
in nats.

In: pairs (x, y) of vectors; the caller chooses what x and y are. Out: the value of a
bound for each run. Several critics (runs) are trained together, so the first axis of
every tensor is the run.

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
"""Names of all bounds."""
MEMORY = 0.99
"""Decay of the moving average in MINE's bias-corrected gradient.

Belghazi et al. 2018, arXiv:1801.04062, section 3.2.
"""
SHARE = 0.1
"""Alpha of the interpolated bound: weight of the batch mean in its baseline."""


def infonce(scores: Tensor) -> Tensor:
    """InfoNCE lower bound: low variance, but it cannot exceed log(batch size).

    van den Oord et al. 2018, arXiv:1807.03748.

    Parameters
    ----------
    scores
        Critic scores f(x_i, y_j) (run, i, j).

    Returns
    -------
    bound
        (run,), in nats.
    """
    return (_joint(scores) - scores.logsumexp(1) + math.log(scores.shape[1])).mean(1)


def nwj(scores: Tensor) -> Tensor:
    """Nguyen-Wainwright-Jordan (NWJ) lower bound: no bias, but high variance.

    It is unbiased for the optimal critic, 1 + log density ratio. Nguyen, Wainwright &
    Jordan 2010, arXiv:0809.0853.

    Parameters
    ----------
    scores
        Critic scores f(x_i, y_j) (run, i, j).

    Returns
    -------
    bound
        (run,), in nats.
    """
    return _joint(scores).mean(1) - (log_mean_of_strangers(scores) - 1).exp()


def dv(scores: Tensor) -> Tensor:
    """Donsker-Varadhan (DV) bound from one batch.

    It is biased upwards, because it takes the logarithm of a mean over the few
    mismatched pairs of a batch. Donsker & Varadhan 1983; Belghazi et al. 2018,
    arXiv:1801.04062 (MINE).

    Parameters
    ----------
    scores
        Critic scores f(x_i, y_j) (run, i, j).

    Returns
    -------
    bound
        (run,), in nats.
    """
    return _joint(scores).mean(1) - log_mean_of_strangers(scores)


def jensen_shannon(scores: Tensor) -> Tensor:
    """Log-likelihood of classifying pairs as true or mismatched.

    The critic that maximises it is the log density ratio. It is not itself a bound on
    mutual information; `nwj(scores + 1)` is one. Nowozin, Cseke & Tomioka 2016,
    arXiv:1606.00709.

    Parameters
    ----------
    scores
        Critic scores f(x_i, y_j) (run, i, j).

    Returns
    -------
    objective
        (run,).
    """
    belong = -softplus(-_joint(scores)).mean(1)
    return belong - _strangers(softplus(scores)).sum((1, 2)) / _pairs(scores)


def tuba(scores: Tensor, baseline: Tensor) -> Tensor:
    """Tractable unnormalised Barber-Agakov (TUBA) lower bound.

    It needs a learned baseline exp a(y), for which every value gives a valid bound.

    Poole et al. 2019, section 2.2.

    Parameters
    ----------
    scores
        Critic scores f(x_i, y_j) (run, i, j).
    baseline
        Learned logarithm of the baseline, a(y_j) (run, batch).

    Returns
    -------
    bound
        (run,), in nats.
    """
    above = scores - baseline.unsqueeze(1)
    return 1 + _joint(above).mean(1) - log_mean_of_strangers(above).exp()


def interpolated(scores: Tensor, baseline: Tensor, share: float = SHARE) -> Tensor:
    """Lower bound between InfoNCE (share 1) and TUBA (share 0).

    It has less bias than InfoNCE and less variance than TUBA. The baseline of y_j is
    share times the mean of exp f over batch - 1 of the x, plus (1 - share) exp a(y_j).
    One x is always omitted from that mean: for a true pair each of the other x in turn,
    for a mismatched pair the x that belongs to y_j. Both terms of the bound thus
    average over equally many x (Poole et al. 2019, section 2.4).

    Parameters
    ----------
    scores
        Critic scores f(x_i, y_j) (run, i, j).
    baseline
        Learned logarithm of the baseline, a(y_j) (run, batch).
    share
        Alpha of the paper, above 0 and below 1.

    Returns
    -------
    bound
        (run,), in nats.
    """
    batch = scores.shape[1]
    wide = scores.to(torch.float64)
    top = wide.amax(1, keepdim=True)
    raised = (wide - top).exp()
    # without[i, j]: log of the mean of exp f(., y_j) over all x except x_i.
    without = (
        (raised.sum(1, keepdim=True) - raised).clamp_min(1e-300).log() + top - math.log(batch - 1)
    )
    mixed = torch.logaddexp(
        without + math.log(share), baseline.to(torch.float64).unsqueeze(1) + math.log(1 - share)
    )
    together = _strangers(_joint(wide).unsqueeze(1) - mixed).sum((1, 2)) / _pairs(scores)
    # Mean of exp f over mismatched pairs, divided by the baseline without the x of y_j.
    apart = (_joint(without) - _joint(mixed)).exp().mean(1)
    return (1 + together - apart).to(scores.dtype)


def log_mean_of_strangers(scores: Tensor) -> Tensor:
    """Logarithm of the mean of exp f over all mismatched pairs.

    Parameters
    ----------
    scores
        Critic scores f(x_i, y_j) (run, i, j).

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
    """Scores of the true pairs (run, batch)."""
    return scores.diagonal(dim1=1, dim2=2)


def _strangers(values: Tensor) -> Tensor:
    """Set the values of the true pairs, on the diagonal, to 0."""
    return values.masked_fill(
        torch.eye(values.shape[1], dtype=torch.bool, device=values.device), 0.0
    )


def _pairs(scores: Tensor) -> int:
    """Number of mismatched pairs in a batch."""
    return scores.shape[1] * (scores.shape[1] - 1)


class Critics(Method):
    """Critics f(x, y) = g(x) . h(y), one per run, trained to maximise a bound.

    A batch passes x as its views and y as its targets.

    Parameters
    ----------
    bound
        What is maximised: the bound itself; for `js` the objective of the classifier
        (`jensen_shannon`); for `dv` the bound with MINE's bias-corrected gradient.
    inputs
        Width of x and width of y.
    widths
        Widths of the hidden layers and of the output layer, for both networks.
    generators
        One random-number generator per run, which draws the initial weights.
    """

    memory: Tensor
    """Moving average of the mean of exp f over mismatched pairs (run,), for `dv`."""

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
        """Compute minus the bound, or minus its training objective, of each run."""
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
        """Compute a value (run,) whose gradient is MINE's bias-corrected gradient.

        That is the gradient of the mean score of true pairs, minus the gradient of the
        mean of exp f over mismatched pairs divided by its moving average.
        """
        mean = log_mean_of_strangers(scores).exp()
        with torch.no_grad():
            old = self.memory.to(mean)
            now = torch.where(old > 0, MEMORY * old + (1 - MEMORY) * mean, mean)
            self.memory.copy_(now)
        return _joint(scores).mean(1) - mean / now

    @torch.no_grad()
    def freeze(self, x: Tensor, y: Tensor) -> "FrozenCritics":
        """Return critics that no longer learn.

        Their batch-norm layers use the statistics of the given pairs from then on.

        Parameters
        ----------
        x, y
            The pairs, (run, pair, width) each.
        """
        rows = x.new_full((len(x), 1, x.shape[1]), 1 / x.shape[1])
        baseline = None if self.baseline is None else self.baseline.folded(y, rows)
        return FrozenCritics(
            self.bound, self.first.folded(x, rows), self.second.folded(y, rows), baseline
        )


@dataclass(frozen=True, eq=False)
class FrozenCritics:
    """Critics that no longer learn.

    Attributes
    ----------
    bound
        Name of the bound whose value is computed.
    first, second
        Weights of the network of x and of that of y, with batch norm merged into them.
    baseline
        Weights of the network that gives the logarithm of the baseline; None for bounds
        without a baseline.
    """

    bound: Bound
    first: Parameters
    second: Parameters
    baseline: Parameters | None

    @torch.no_grad()
    def value(self, x: Tensor, y: Tensor) -> Tensor:
        """Evaluate the bound on a batch of pairs.

        Parameters
        ----------
        x, y
            The pairs (x_i, y_i), each (run, i, width).

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

    The dot products are divided by the root of the width, so that the scores of
    untrained networks are of order one.
    """
    return torch.bmm(first, second.transpose(1, 2)) / first.shape[2] ** 0.5


def bound_of(bound: Bound, scores: Tensor, baseline: Tensor | None = None) -> Tensor:
    """Evaluate a bound, given by name, on a critic's scores.

    Parameters
    ----------
    bound
        Name of the bound.
    scores
        Critic scores f(x_i, y_j) (run, i, j).
    baseline
        Learned logarithm of the baseline (run, batch), for `tuba` and `interpolated`.

    Returns
    -------
    value
        (run,), in nats.
    """
    if bound in ("tuba", "interpolated"):
        assert baseline is not None
        return tuba(scores, baseline) if bound == "tuba" else interpolated(scores, baseline)
    return {"infonce": infonce, "nwj": nwj, "dv": dv, "js": lambda raw: nwj(raw + 1)}[bound](scores)
