"""Multinomial logistic regression for stacked runs, by damped Newton steps.

In: features and classes of several runs that are computed together (stacked; the run is
the first axis), and inner folds, which split each run's training rows. Out:
coefficients of each run, with the penalty that does best over its inner folds. Newton
steps start from the solution of the next larger penalty.

References
----------
Hastie, Tibshirani & Friedman 2009, The elements of statistical learning, section 4.4
(Newton steps of the multinomial likelihood).
"""

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from invariance_probe.probing.decoders.ridge import LANES, UNIT

MOST_STEPS = 50
"""Largest number of Newton steps of a fit."""
TOLERANCE = 1e-7
"""Newton steps end when no gradient entry exceeds this, in nats per row."""


@dataclass(frozen=True, eq=False)
class LogisticFit:
    """Fitted multinomial regressions of stacked runs.

    Attributes
    ----------
    coefficients
        Coefficients (run, padded + 1, class): of the standardised features, of the
        zeros that features are padded with, and of the intercept in the last row.
    mean, inverse_sd
        Mean and inverse standard deviation of the padded features over the training
        rows (run, 1, padded).
    penalties
        Chosen penalties (run,).
    features
        Number of features, without the padding, whose weights are 0.
    """

    coefficients: Tensor
    mean: Tensor
    inverse_sd: Tensor
    penalties: Tensor
    features: int

    def predict(self, x: Tensor) -> Tensor:
        """Log-probabilities of the classes (run, row, class).

        Parameters
        ----------
        x
            Features (run, row, dim).
        """
        design = _design(_filled(x.to(torch.float64)), self.mean, self.inverse_sd)
        return torch.log_softmax(torch.bmm(design, self.coefficients), dim=2)[:, : x.shape[1]]

    def weights(self) -> Tensor:
        """Weights on features before standardisation (run, dim, class).

        They sum to 0 over classes, since a weight that all classes share changes no
        probability.
        """
        read = (self.coefficients[:, :-1] * self.inverse_sd.transpose(1, 2))[:, : self.features]
        return read - read.mean(2, keepdim=True)

    def chosen(self, runs: list[int]) -> "LogisticFit":
        """Select the fits of some runs.

        Parameters
        ----------
        runs
            Positions of the runs in the stack; a position may be repeated.
        """
        return LogisticFit(
            self.coefficients[runs],
            self.mean[runs],
            self.inverse_sd[runs],
            self.penalties[runs],
            self.features,
        )


def fit_logistic(
    x: Tensor, classes: Tensor, inner: Tensor, penalties: tuple[float, ...], count: int
) -> LogisticFit:
    """Fit multinomial regressions, each with its best penalty over inner folds.

    Parameters
    ----------
    x
        Features (run, row, dim).
    classes
        Class of each row (run, row), 0 .. count - 1.
    inner
        Inner fold of each row (run, row); -1 for rows that are not used.
    penalties
        Candidate penalties on half the squared coefficients, in units of `UNIT` times
        the number of training rows.
    count
        Number of classes.
    """
    features = x.shape[2]
    x, more = _filled(x.to(torch.float64)), -x.shape[1] % LANES
    classes, inner = functional.pad(classes, (0, more)), functional.pad(inner, (0, more), value=-1)
    used = (inner >= 0).to(torch.float64)
    rows = used.sum(1)[:, None, None]
    mean = (x * used.unsqueeze(2)).sum(1, keepdim=True) / rows
    variance = ((x - mean).square() * used.unsqueeze(2)).sum(1, keepdim=True) / rows
    inverse_sd = torch.where(variance > 1e-20, variance.clamp_min(1e-300).rsqrt(), 0.0)
    design = _design(x, mean, inverse_sd)
    labels = functional.one_hot(classes, count).to(torch.float64)
    ordered = sorted(penalties, reverse=True)
    best = _best_penalty(design, labels, inner, ordered)
    coefficients = design.new_zeros(len(x), design.shape[2], count)
    result = coefficients.clone()
    for i, penalty in enumerate(ordered):
        coefficients = _newton(design, labels, used, penalty, coefficients)
        result = torch.where((best == i)[:, None, None], coefficients, result)
    return LogisticFit(
        result,
        mean,
        inverse_sd,
        torch.tensor(ordered, dtype=torch.float64, device=x.device)[best],
        features,
    )


def _filled(x: Tensor) -> Tensor:
    """Pad rows and features with zeros, so that runs have one memory layout.

    The numbers of rows, and of features with the intercept, become multiples of
    `LANES`.
    """
    return functional.pad(x, (0, -(x.shape[2] + 1) % LANES, 0, -x.shape[1] % LANES))


def _design(x: Tensor, mean: Tensor, inverse_sd: Tensor) -> Tensor:
    """Standardised features, then a column of ones (run, row, dim + 1)."""
    standardised = (x.to(torch.float64) - mean) * inverse_sd
    return torch.cat([standardised, torch.ones_like(standardised[..., :1])], dim=2)


def _best_penalty(design: Tensor, labels: Tensor, inner: Tensor, penalties: list[float]) -> Tensor:
    """Index of the penalty with the smallest held-out loss (run,).

    Penalties are in descending order, and each fit starts from the one before.
    """
    losses = design.new_zeros(len(penalties), len(design))
    for fold in range(int(inner.max()) + 1):
        training = ((inner >= 0) & (inner != fold)).to(torch.float64)
        held_out = (inner == fold).to(torch.float64)
        coefficients = design.new_zeros(len(design), design.shape[2], labels.shape[2])
        for i, penalty in enumerate(penalties):
            coefficients = _newton(design, labels, training, penalty, coefficients)
            losses[i] += _row_losses(design, labels, coefficients).mul(held_out).sum(1)
    return losses.argmin(0)


def _row_losses(design: Tensor, labels: Tensor, coefficients: Tensor) -> Tensor:
    """Log-loss of each row (run, row), in nats."""
    return -(torch.log_softmax(torch.bmm(design, coefficients), dim=2) * labels).sum(2)


def _newton(
    design: Tensor, labels: Tensor, weights: Tensor, penalty: float, start: Tensor
) -> Tensor:
    """Minimise the mean penalised loss from given coefficients (run, dim, class).

    A run that has converged is not changed any more.

    Parameters
    ----------
    design
        Standardised features with a column of ones (run, row, dim).
    labels
        One-hot classes (run, row, class).
    weights
        Weight of each row in the loss (run, row); 0 for rows that are not fitted.
    penalty
        Ridge penalty, in units of `UNIT`.
    start
        Coefficients to start from (run, dim, class).
    """
    runs, dim, count = start.shape
    rows = weights.sum(1)
    ridge = torch.full((dim, 1), UNIT * penalty, dtype=design.dtype, device=design.device)
    ridge[-1] = 1e-9  # intercepts are free; this fixes only their common level
    share = weights / rows.unsqueeze(1)

    def objective(b: Tensor) -> Tensor:
        return (_row_losses(design, labels, b) * share).sum(1) + 0.5 * (ridge * b.square()).sum(
            (1, 2)
        )

    current, loss = start, objective(start)
    for _ in range(MOST_STEPS):
        probability = torch.softmax(torch.bmm(design, current), dim=2)
        gradient = (
            torch.bmm(design.transpose(1, 2), (probability - labels) * share.unsqueeze(2))
            + ridge * current
        )
        going = gradient.abs().amax((1, 2)) > TOLERANCE
        if not going.any():
            break
        hessian = _hessian(design, probability, share, ridge)
        flat = gradient.transpose(1, 2).reshape(runs, count * dim, 1)
        direction = torch.linalg.solve(hessian, flat).view(runs, count, dim).transpose(1, 2)
        # Halve the step of each run whose loss would rise.
        length = torch.ones_like(loss)
        for _ in range(12):
            proposal = current - length[:, None, None] * direction
            proposed = objective(proposal)
            worse = proposed > loss + 1e-12
            if not (worse & going).any():
                break
            length = torch.where(worse, length / 2, length)
        accept = going & ~(proposed > loss + 1e-12)
        current = torch.where(accept[:, None, None], proposal, current)
        loss = torch.where(accept, proposed, loss)
        if not accept.any():
            break
    return current


def _hessian(design: Tensor, probability: Tensor, share: Tensor, ridge: Tensor) -> Tensor:
    """Hessian of the mean penalised loss (run, class x dim, class x dim)."""
    runs, _, dim = design.shape
    count = probability.shape[2]
    hessian = design.new_zeros(runs, count, dim, count, dim)
    for a in range(count):
        for b in range(a, count):
            curvature = share * probability[..., a] * (float(a == b) - probability[..., b])
            block = torch.bmm(design.transpose(1, 2), design * curvature.unsqueeze(2))
            hessian[:, a, :, b] = block
            hessian[:, b, :, a] = block
        hessian[:, a, :, a] += torch.diag(ridge.squeeze(1))
    return hessian.view(runs, count * dim, count * dim)
