"""Linear discriminants of classes, refitted on subsets of the inputs.

In: the second moments of a session's inputs and one-hot classes (`Moments`), the class
labels, and masks that say which inputs a decoder may read. Out: sums of log-losses on
held-out blocks. They are computed for each training part: the windows that remain when
one or two blocks and their embargo are taken out of the session. The discriminants
follow from the same moments as the ridge regressions; no other classifier is fitted
here.

With m_k the mean of class k and S the within-class covariance of standardised inputs,
plus `UNIT` times the fold's ridge penalty on its diagonal (the shrinkage), class k has
the evidence x' S^-1 m_k - m_k' S^-1 m_k / 2, and the probability softmax(log pi_k + b x
evidence_k), where pi_k is its frequency. The inverse temperature b is fitted once per
training part, with all units, on blocks inside the part that the discriminant was not
fitted on. All refits on fewer units use the same b. With b = 0 the loss is that of the
class frequencies.

References
----------
Friedman 1989, doi:10.1080/01621459.1989.10478752 (regularised discriminants).
Guo et al. 2017, arXiv:1706.04599 (temperature scaling).
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from invariance_probe.data.folds import Fold
from invariance_probe.probing.code.inputs import chunks
from invariance_probe.probing.code.moments import Moments, Rows, System, forbidden_by
from invariance_probe.probing.code.penalties import LeftOut
from invariance_probe.probing.code.refitting import Refittable

LARGEST_SCALE = 20.0
"""Largest inverse temperature."""
ITERATIONS = 100
"""Largest number of Newton steps in the search for the inverse temperature."""
RAREST = 0.5
"""Number of windows assumed for a class that is absent from a training part."""


@dataclass(frozen=True, eq=False)
class Discriminants:
    """Discriminants of one training part, each on its own subset of the inputs.

    Attributes
    ----------
    weights
        Weights on the inputs before standardisation (feature, decoder, class).
    offsets
        Constant term of the evidence (decoder, class).
    prior
        Log frequencies of the classes (class,).
    """

    weights: np.ndarray
    offsets: np.ndarray
    prior: np.ndarray

    @classmethod
    def of(
        cls, moments: np.ndarray, features: int, penalty: float, masks: np.ndarray
    ) -> "Discriminants":
        """Fit a discriminant on all inputs, and one on the inputs each mask keeps.

        Parameters
        ----------
        moments
            Second moments of the training windows, as `Moments.training` returns them:
            a square matrix over the columns (inputs, 1, one-hot classes).
        features
            Number of input columns.
        penalty
            Ridge penalty that shrinks the within-class covariance.
        masks
            Inputs that are kept (mask, feature).

        Returns
        -------
        Decoder 0 reads all inputs; decoder i + 1 reads those that mask i keeps.
        """
        system = System.of(moments, features)
        counts = moments[features, features + 1 :]
        means = (
            moments[:features, features + 1 :] / np.maximum(counts, RAREST) - system.mean[:, None]
        )
        means = np.where(counts > 0, means, 0.0) * system.inverse_sd[:, None]
        frequencies = np.maximum(counts, RAREST) / counts.sum()
        within = system.ridge(penalty) - (means * (counts / counts.sum())) @ means.T
        found = Refittable(within, means)
        weights = np.concatenate([found.weights[:, None], found.on(masks)], axis=1)
        offsets = -(means[:, None] * weights).sum(axis=0) / 2
        unscaled = weights * system.inverse_sd[:, None, None]
        return cls(unscaled, offsets - np.tensordot(system.mean, unscaled, 1), np.log(frequencies))

    def evidence(self, x: np.ndarray) -> np.ndarray:
        """Compute the evidence for each class, before the inverse temperature.

        Parameters
        ----------
        x
            Inputs (row, feature).

        Returns
        -------
        (row, decoder, class).
        """
        return (x @ self.weights.reshape(len(self.weights), -1)).reshape(
            len(x), *self.offsets.shape
        ) + self.offsets


@dataclass(frozen=True, eq=False)
class Losses:
    """Decoding losses, each summed over the windows of a held-out block.

    Attributes
    ----------
    floor
        Loss of the best constant prediction: the class frequencies in the training
        windows (for a continuous target, its mean over them).
    everything
        Loss of the decoder that reads all inputs.
    masked
        Loss of a decoder that reads only the inputs that a mask keeps, for each mask
        (mask,).
    """

    floor: float
    everything: float
    masked: np.ndarray


def log_losses(
    rows: Rows,
    moments: Moments,
    labels: np.ndarray,
    folds: tuple[Fold, ...],
    penalties: dict[LeftOut, float],
    masks: np.ndarray,
) -> dict[tuple[LeftOut, int], Losses]:
    """Score each training part's discriminants on the blocks it leaves out.

    Parameters
    ----------
    rows
        Returns the inputs of given windows. It may return several versions of a window,
        each as a row of its own.
    moments
        Second moments of the same inputs, with one-hot classes as target.
    labels
        Class of each window (window,).
    folds
        The blocks that are held out in turn.
    penalties
        Ridge penalty of each training part.
    masks
        Inputs that are kept (mask, feature).

    Returns
    -------
    Sums of log-losses (nats), for each training part and each block that it leaves out.
    """
    scales = _inverse_temperatures(rows, moments, labels, folds, penalties)
    found = {}
    fitted = {
        part: Discriminants.of(moments.training(part), moments.features, penalty, masks)
        for part, penalty in penalties.items()
    }
    for block, fold in enumerate(folds):
        leaving = [part for part in penalties if block in part]
        sums = {part: np.zeros(len(masks) + 1) for part in leaving}
        floors = dict.fromkeys(leaving, 0.0)
        for x, windows in rows(fold.test):
            for part in leaving:
                one, known = fitted[part], labels[windows]
                floors[part] -= float(one.prior[known].sum())
                for some in chunks(np.arange(len(x)), one.offsets.size):
                    evidence = scales[part] * one.evidence(x[some])
                    sums[part] += _losses(one.prior, evidence, known[some]).sum(axis=0)
        for part in leaving:
            found[part, block] = Losses(floors[part], float(sums[part][0]), sums[part][1:])
    return found


def _inverse_temperatures(
    rows: Rows,
    moments: Moments,
    labels: np.ndarray,
    folds: tuple[Fold, ...],
    penalties: dict[LeftOut, float],
) -> dict[LeftOut, float]:
    """Fit the inverse temperature of each training part.

    Each of the part's blocks is held out in turn and scored by a discriminant fitted on
    the others. Windows within the embargo of a block that the part leaves out are not
    scored.
    """
    forbidden = forbidden_by(folds, len(labels))
    none = np.zeros((0, moments.features), dtype=bool)
    scored: dict[LeftOut, list[tuple[np.ndarray, np.ndarray, np.ndarray]]] = {
        part: [] for part in penalties
    }
    for block, fold in enumerate(folds):
        inner = {
            part: Discriminants.of(
                moments.training(part | {block}), moments.features, penalty, none
            )
            for part, penalty in penalties.items()
            if block not in part
        }
        for x, windows in rows(fold.test):
            for part, one in inner.items():
                clear = ~forbidden[windows][:, sorted(part)].any(axis=1)
                scored[part].append(
                    (one.prior, one.evidence(x[clear])[:, 0], labels[windows[clear]])
                )
    return {part: inverse_temperature(found) for part, found in scored.items()}


def inverse_temperature(scored: Sequence[tuple[np.ndarray, np.ndarray, np.ndarray]]) -> float:
    """Find the inverse temperature with the smallest log-loss.

    The log-loss is convex in the inverse temperature, so a Newton search with bisection
    as its fallback finds the one minimum in [0, `LARGEST_SCALE`].

    Parameters
    ----------
    scored
        Log frequencies (class,), evidence (row, class) and true classes (row,) of rows
        that the discriminants were not fitted on; one triple per batch of rows.

    Returns
    -------
    Inverse temperature in [0, `LARGEST_SCALE`].
    """
    prior = np.concatenate(
        [np.broadcast_to(frequencies, evidence.shape) for frequencies, evidence, _ in scored]
    )
    evidence = np.concatenate([evidence for _, evidence, _ in scored])
    known = np.concatenate([known for _, _, known in scored])
    reached = float(evidence[np.arange(len(known)), known].sum())
    low, high, scale = 0.0, LARGEST_SCALE, 1.0
    if _slope(prior, evidence, 0.0)[0] >= reached:
        return 0.0
    for _ in range(ITERATIONS):
        expected, curvature = _slope(prior, evidence, scale)
        low, high = (scale, high) if expected < reached else (low, scale)
        step = scale + (reached - expected) / max(curvature, 1e-300)
        if abs(step - scale) <= 1e-10:
            break
        scale = step if low < step < high else (low + high) / 2
    return scale


def _slope(prior: np.ndarray, evidence: np.ndarray, scale: float) -> tuple[float, float]:
    """Expected evidence summed over rows, and its derivative in the scale.

    The expectation is over the classes with the probabilities softmax(prior + scale x
    evidence). The log-loss is smallest where it equals the summed evidence of the true
    classes.
    """
    weights = prior + scale * evidence
    weights = np.exp(weights - weights.max(axis=1, keepdims=True))
    weights /= weights.sum(axis=1, keepdims=True)
    mean = (weights * evidence).sum(axis=1)
    return float(mean.sum()), float(((weights * evidence**2).sum(axis=1) - mean**2).sum())


def _losses(prior: np.ndarray, evidence: np.ndarray, known: np.ndarray) -> np.ndarray:
    """Log-loss of each decoder on each row, in nats (row, decoder).

    Parameters
    ----------
    prior
        Log frequencies of the classes (class,).
    evidence
        Evidence times the inverse temperature (row, decoder, class).
    known
        True classes (row,).
    """
    scores = prior + evidence
    scores -= scores.max(axis=2, keepdims=True)
    taken = np.take_along_axis(scores, known[:, None, None], axis=2)[:, :, 0]
    return np.asarray(np.log(np.exp(scores).sum(axis=2)) - taken)
