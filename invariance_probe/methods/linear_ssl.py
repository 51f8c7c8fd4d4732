"""Closed-form linear SSL: the directions that two views share best.

The representation of activity x is W' x. The columns of W are the leading generalised
eigenvectors of the matrix pair (across, within): `across` is the covariance between the
two views, `within` the covariance inside one view. Both are computed as expectations
over all splits of the counts, all lags between the views and all draws of the
augmentations, so no views are sampled and no network is trained.

In: activity, the pairs of training windows (each one bin long), and the declared views.
Out: directions (unit, dimension), to be applied to standardised activity.

References
----------
Lin, Kaushik, Dyer & Muthukumar 2022, arXiv:2210.05021 (dropout as a spectral ridge).
If x1 ~ Bin(x, 1/2) and x2 = x - x1 are the halves of a count, then
E[x1 x2] = (x^2 - x) / 4 and E[x1^2] = (x^2 + x) / 4.
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
    """Mean and covariances of a pair of views.

    Attributes
    ----------
    mean
        Mean of a view, the same for both (unit,).
    across
        Covariance between the two views (unit, unit).
    within
        Covariance inside one view (unit, unit).
    """

    mean: np.ndarray
    across: np.ndarray
    within: np.ndarray


def pair_moments(activity: np.ndarray, partners: Partners, split: bool) -> Moments:
    """Moments of pairs of neighbouring one-bin windows, before any transform.

    Parameters
    ----------
    activity
        Activity (time, unit); the windows are indices of its rows.
    partners
        Which windows are paired, at which lags. Every admissible lag of a window has
        the same weight.
    split
        Whether views are made by count splitting. Each view then shows one random half
        of every count, multiplied by 2.

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
    """Moments of an explicit list of pairs of one-bin windows.

    Each pair counts once in either order.

    Parameters
    ----------
    activity
        Activity (time, unit); the windows are indices of its rows.
    first, second
        The two windows of each pair, (pair,) each. A window may occur in many pairs.
    split
        Whether views are made by count splitting. Each view then shows one random half
        of every count, multiplied by 2.

    Returns
    -------
    moments
        Moments over all pairs, before any transform.
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
        Moments of each kind of pairs.
    share
        Fraction of the pairs that are of the second kind, in [0, 1].
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
    """Moments of local pairs, some of which are replaced by distant pairs.

    A local partner is a neighbour in time; a distant partner was mined at another time.
    An anchor that has distant partners takes one of them in the fraction
    `distant.share` of its pairs, and a local partner in the rest.

    Parameters
    ----------
    activity
        Activity of all windows, each one bin long (window, unit).
    partners
        Local partners of the anchors.
    distant
        Distant partners of the same anchors. All anchors that have any have the same
        number of them.
    split
        Whether views are made by count splitting.

    Returns
    -------
    moments
        Moments before any transform.
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
    """Moments of a pair of views after both were corrupted by one transform.

    The arm says how random draws are shared: each view has its own (`independent`), the
    two views of a pair have one (`paired`), or all views of a training step have one
    (`shared`). In the shared arm the moments are taken within a step, so an offset that
    is common to all its views has no effect.

    Parameters
    ----------
    moments
        Moments before the transform.
    transform
        The transform, with its dose.
    arm
        `independent`, `paired` or `shared`.
    sd
        Standard deviation of each unit (unit,). The dose of added noise is in units of
        it.
    split
        Whether views are made by count splitting. Each view then shows a random half of
        every count, times 2, so deleting spikes adds twice as much variance as without
        splitting.

    Returns
    -------
    moments
        Moments after the transform.

    Raises
    ------
    TrainingError
        If the transform has no closed form. Spike thinning has none when draws are
        shared or paired, because the result depends on more than second moments.
    """
    if not transform.has_closed_form:
        if is_idle(transform):
            return moments
        raise TrainingError(
            f"linear_ssl has no closed-form solution with {transform.kind}; use "
            "unit_dropout, spike_thinning, gaussian_noise or another method"
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
                f"linear_ssl has no closed-form solution with spike_thinning in the arm {arm!r}; "
                "use another method or arm"
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
    """Moments after unit dropout; the arm says how masks are shared."""
    p = transform.rate
    varies = transform.rate_draw == "uniform"
    # Probability that a mask keeps a given unit, and that it keeps two given units. If the
    # rate r is drawn from U(0, p), they are the means of 1 - r and (1 - r)^2.
    keep, keep_two = (1 - p / 2, 1 - p + p**2 / 3) if varies else (1 - p, (1 - p) ** 2)
    mean = moments.mean if transform.value == "silent" else np.zeros_like(moments.mean)
    common = arm in ("shared", "paired")

    def masked(covariance: np.ndarray, off_diagonal: float, diagonal: float) -> np.ndarray:
        """Covariance of masked views, given how often pairs and units are kept."""
        offset = (off_diagonal - keep**2) * np.outer(mean, mean) if arm != "shared" else 0.0
        out = off_diagonal * covariance + offset
        spread = 0.0 if arm == "shared" else (diagonal - keep**2) * mean**2
        np.fill_diagonal(out, diagonal * np.diag(covariance) + spread)
        return out

    across = masked(moments.across, keep_two, keep) if common else keep**2 * moments.across
    new_mean = keep * moments.mean if transform.value == "silent" else moments.mean
    return Moments(new_mean, across, masked(moments.within, keep_two, keep))


def shared_directions(moments: Moments, dimensions: int, ridge: float) -> np.ndarray:
    """Directions that two views share best, as generalised eigenvectors.

    They solve across w = rho (within + ridge mean(diag within) I) w for the largest
    eigenvalues rho.

    Parameters
    ----------
    moments
        Moments of a pair of views.
    dimensions
        Number of directions; at most one per unit is returned.
    ridge
        Added to the diagonal of `within`, as a fraction of its mean variance; at least
        0.

    Returns
    -------
    directions
        (unit, dimension), in descending order of rho.
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
    """Fit linear SSL to a recording under the declared views.

    Parameters
    ----------
    activity
        Counts or continuous signals (time, unit).
    partners
        Pairs of training windows, each one bin long.
    views
        The declared base and transforms, at their doses.
    axis, arm
        The axis that the study sweeps, such as `unit_dropout.rate`, and how the draws
        of its transform are shared between views. All other transforms are drawn
        independently for each view.
    sd
        Standard deviation of each unit over the training windows (unit,). Units with sd
        0 are ignored.
    dimensions
        Number of directions.
    ridge
        As in `shared_directions`.
    distant
        Partners mined at other times, as row indices of `activity`; None if all
        partners are neighbours in time.

    Returns
    -------
    directions
        Directions of standardised activity (unit, dimension).
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
    """Directions of standardised activity, from moments of the unscaled activity.

    If fewer units vary than there are dimensions, the missing directions are columns of
    zeros. The number of columns is thus the same in every fold.

    Parameters
    ----------
    moments
        Moments of the units with sd > 0, before standardisation.
    sd
        Standard deviation of all units (unit,). Units with sd 0 get no weight.
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
