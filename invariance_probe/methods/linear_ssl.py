"""Closed-form linear SSL: the directions that two views share best.

The representation is W' x with the leading generalised eigenvectors of (across,
within). `across` is the covariance between the two views and `within` that inside one
view. Both are expectations over all splits, lags and draws, so nothing is sampled and
nothing is tuned.

In: activity, the pairs of training windows of one bin, and the declared views. Out:
directions (unit, dimension) of standardised activity.

References
----------
Lin, Kaushik, Dyer & Muthukumar 2022, arXiv:2210.05021 (dropout as a spectral ridge).
The moments of split counts follow from Bin(x, 1/2): E[x1 x2] = (x^2 - x) / 4 and
E[x1^2] = (x^2 + x) / 4.
"""

from dataclasses import dataclass, replace

import numpy as np
from scipy.linalg import eigh

from invariance_probe.augmentations.mining import Distant
from invariance_probe.augmentations.pairing import Partners
from invariance_probe.errors import TrainingError
from invariance_probe.plan.run import Arm
from invariance_probe.study.transforms import (
    GaussianNoise,
    SpikeThinning,
    Transform,
    UnitDropout,
    is_idle,
)
from invariance_probe.study.views import Views


@dataclass(frozen=True, eq=False)
class Moments:
    """First and second moments of a pair of views.

    Attributes
    ----------
    mean
        Mean of a view (unit,).
    across
        Covariance between the two views (unit, unit).
    within
        Covariance inside one view (unit, unit).
    """

    mean: np.ndarray
    across: np.ndarray
    within: np.ndarray


def pair_moments(activity: np.ndarray, partners: Partners, split: bool) -> Moments:
    """Moments of local pairs of one-bin windows, before any transform.

    Parameters
    ----------
    activity
        Training activity (time, unit) as the windows index it.
    partners
        Which windows pair, at which lags; every admissible lag of a window has the same
        weight.
    split
        Whether the base splits counts: each view then holds twice one half of every
        count.

    Returns
    -------
    moments
        Expectations over lags and splits.
    """
    x = activity.astype(np.float64)
    mean = x[partners.anchors].mean(axis=0)
    centred = x - mean
    across = np.zeros((x.shape[1], x.shape[1]))
    zero_lag = 0.0
    total = partners.first_count + partners.second_count
    for low, count in (
        (partners.first, partners.first_count),
        (partners.second, partners.second_count),
    ):
        for lag in range(int(low.min()), int((low + count).max())):
            has = (low <= lag) & (lag < low + count)
            weight = 1 / total[has] / len(partners.anchors)
            across += (centred[partners.anchors[has]] * weight[:, None]).T @ centred[
                partners.anchors[has] + lag
            ]
            zero_lag += weight.sum() if lag == 0 else 0.0
    within = centred[partners.anchors].T @ centred[partners.anchors] / len(partners.anchors)
    # With x1 ~ Bin(x, 1/2): E[2 x1 2 x2] = E[x^2] - E[x] in one bin, E[(2 x1)^2] = E[x^2] + E[x].
    poisson = np.diag(mean) if split else np.zeros_like(within)
    return Moments(mean, (across + across.T) / 2 - zero_lag * poisson, within + poisson)


def matched_moments(
    activity: np.ndarray, first: np.ndarray, second: np.ndarray, split: bool
) -> Moments:
    """Moments of explicit pairs of one-bin windows, each in both orders.

    Parameters
    ----------
    activity
        Training activity (time, unit) as the windows index it.
    first, second
        The windows of every pair, each (pair,); a window may stand in many pairs.
    split
        Whether the base splits counts: each view then holds twice one half of every
        count.

    Returns
    -------
    moments
        Over all pairs, before any transform.
    """
    x = activity.astype(np.float64)
    members = np.bincount(np.concatenate([first, second]), minlength=len(x)) / (2 * len(first))
    mean = members @ x
    centred = x - mean
    within = (centred * members[:, None]).T @ centred
    across = centred[first].T @ centred[second] / len(first)
    poisson = np.diag(mean) if split else np.zeros_like(within)
    return Moments(
        mean, (across + across.T) / 2 - float((first == second).mean()) * poisson, within + poisson
    )


def mixed_moments(first: Moments, second: Moments, share: float) -> Moments:
    """Moments of a mixture of two kinds of pairs, about their common mean.

    Parameters
    ----------
    first, second
        Moments of each kind.
    share
        Part of the pairs that are of the second kind, in [0, 1].
    """
    mean = (1 - share) * first.mean + share * second.mean
    apart = second.mean - first.mean
    offset = share * (1 - share) * np.outer(apart, apart)
    across = (1 - share) * first.across + share * second.across + offset
    within = (1 - share) * first.within + share * second.within + offset
    return Moments(mean, across, within)


def with_distant(
    activity: np.ndarray, partners: Partners, distant: Distant, split: bool
) -> Moments:
    """Moments of local pairs, of which a part is replaced by distant pairs.

    Of the anchors that have distant partners, the part `distant.share` of the pairs is
    distant.

    Parameters
    ----------
    activity
        Of all windows that may be shown (window, unit).
    partners
        Local partners of the anchors.
    distant
        Distant partners of the same anchors; anchors that have any have equally many.
    split
        Whether the base splits counts.

    Returns
    -------
    moments
        Before any transform.
    """
    served = distant.count > 0
    first, second = distant.pairs(partners.anchors)
    own = mixed_moments(
        pair_moments(activity, partners.of(served), split),
        matched_moments(activity, first, second, split),
        distant.share,
    )
    return (
        own
        if served.all()
        else mixed_moments(
            pair_moments(activity, partners.of(~served), split), own, float(served.mean())
        )
    )


def corrupted_moments(
    moments: Moments, transform: Transform, arm: Arm, sd: np.ndarray, split: bool
) -> Moments:
    """Moments after one transform of both views.

    The arm says how the transform's draws are shared. With one draw per step (`shared`)
    the moments are those inside a step, so a common offset leaves no trace.

    Parameters
    ----------
    moments
        Before the transform.
    transform
        With its dose.
    arm
        `independent`, `paired` or `shared`.
    sd
        Standard deviation of each unit (unit,), in which noise is measured.
    split
        Whether the base splits counts: each view then shows a half of them, doubled, and
        deleting spikes from it adds twice the variance.

    Returns
    -------
    moments
        After the transform.

    Raises
    ------
    TrainingError
        For thinning by one shared or paired draw, which depends on more than second
        moments, and for transforms without a closed form.
    """
    if not transform.has_closed_form:
        if is_idle(transform):
            return moments
        raise TrainingError(
            f"linear_ssl has no closed form for {transform.kind}; use unit_dropout, "
            "spike_thinning, gaussian_noise or another method"
        )
    if isinstance(transform, GaussianNoise):
        noise = np.diag((transform.sigma * sd) ** 2)
        nothing = np.zeros_like(noise)
        return replace(
            moments,
            across=moments.across + (noise if arm == "paired" else nothing),
            within=moments.within + (nothing if arm == "shared" else noise),
        )
    if isinstance(transform, SpikeThinning):
        if arm in ("shared", "paired") and transform.rate > 0:
            raise TrainingError(
                f"linear_ssl has no closed form for spike_thinning with {arm} draws; use another "
                "method or arm"
            )
        keep = 1 - transform.rate
        doubled = 2.0 if split else 1.0
        extra = np.diag(doubled * keep * (1 - keep) * moments.mean)
        return Moments(
            keep * moments.mean, keep**2 * moments.across, keep**2 * moments.within + extra
        )
    # Unit dropout is the only other transform with a closed form.
    assert isinstance(transform, UnitDropout)
    return _dropped(moments, transform, arm)


def _dropped(moments: Moments, transform: UnitDropout, arm: Arm) -> Moments:
    """Moments after unit dropout, whose draws are shared as the arm says."""
    p = transform.rate
    varies = transform.rate_draw == "uniform"
    # Probabilities that one unit is kept, and that two given units are kept by one draw;
    # with rates from U(0, p) these are the means of 1 - r and (1 - r)^2.
    keep, keep_two = (1 - p / 2, 1 - p + p**2 / 3) if varies else (1 - p, (1 - p) ** 2)
    mean = moments.mean if transform.value == "silent" else np.zeros_like(moments.mean)
    common = arm in ("shared", "paired")

    def masked(covariance: np.ndarray, off_diagonal: float, diagonal: float) -> np.ndarray:
        """Covariance under a mask, from the rates at which it keeps pairs and units."""
        offset = (off_diagonal - keep**2) * np.outer(mean, mean) if arm != "shared" else 0.0
        out = off_diagonal * covariance + offset
        spread = 0.0 if arm == "shared" else (diagonal - keep**2) * mean**2
        np.fill_diagonal(out, diagonal * np.diag(covariance) + spread)
        return out

    across = masked(moments.across, keep_two, keep) if common else keep**2 * moments.across
    new_mean = keep * moments.mean if transform.value == "silent" else moments.mean
    return Moments(new_mean, across, masked(moments.within, keep_two, keep))


def shared_directions(moments: Moments, dimensions: int, ridge: float) -> np.ndarray:
    """Leading generalised eigenvectors of (across, within).

    across w = rho (within + ridge mean(diag within) I) w.

    Parameters
    ----------
    moments
        Of a pair of views.
    dimensions
        Number of directions, fewer where there are fewer units.
    ridge
        Added to `within`, as a fraction of its mean variance; at least 0.

    Returns
    -------
    directions
        (unit, dimension), the best shared first.
    """
    regular = moments.within + ridge * np.trace(moments.within) / len(moments.within) * np.eye(
        len(moments.within)
    )
    dimensions = min(dimensions, len(regular))
    _, vectors = eigh(
        moments.across, regular, subset_by_index=(len(regular) - dimensions, len(regular) - 1)
    )
    return vectors[:, ::-1]


def fit_directions(
    activity: np.ndarray,
    partners: Partners,
    views: Views,
    axis: str,
    arm: Arm,
    sd: np.ndarray,
    dimensions: int,
    ridge: float,
    distant: Distant | None = None,
) -> np.ndarray:
    """Fit directions of standardised activity to the declared views.

    Parameters
    ----------
    activity
        (time, unit), counts or signals.
    partners
        Pairs of training windows of one bin.
    views, axis, arm
        The views, the swept path, and the arm of its transform; other transforms are
        drawn independently.
    sd
        Standard deviation of each unit over the training windows (unit,); units with sd
        0 are left out.
    dimensions
        Number of directions.
    ridge
        As in `shared_directions`.
    distant
        Distant partners of the anchors, as windows of `activity`; None where all pairs
        are local.

    Returns
    -------
    directions
        (unit, dimension).
    """
    live, split = sd > 0, views.base.kind == "count_splitting"
    moments = pair_moments(activity[:, live], partners, split)
    if distant is not None and (distant.count > 0).any():
        moments = with_distant(activity[:, live], partners, distant, split)
    for transform in views.transforms:
        own: Arm = arm if axis.split(".")[0] == transform.kind else "independent"
        moments = corrupted_moments(moments, transform, own, sd[live], split)
    return standardised_directions(moments, sd, dimensions, ridge)


def standardised_directions(
    moments: Moments, sd: np.ndarray, dimensions: int, ridge: float
) -> np.ndarray:
    """Fit directions of standardised activity to moments of live units.

    Every fold has as many columns, whatever units are silent in it: columns of zeros fill
    up for directions that fewer live units cannot have.

    Parameters
    ----------
    moments
        Of the units with sd > 0, before standardisation.
    sd
        Standard deviation of all units (unit,); those with sd 0 get no weight.
    dimensions
        Number of directions.
    ridge
        As in `shared_directions`.

    Returns
    -------
    directions
        (unit, dimension).
    """
    live = sd > 0
    directions = np.zeros((len(sd), min(dimensions, len(sd))))
    if not live.any():
        return directions
    scale = np.outer(sd[live], sd[live])
    found = shared_directions(
        replace(moments, across=moments.across / scale, within=moments.within / scale),
        dimensions,
        ridge,
    )
    directions[live, : found.shape[1]] = found
    return directions
