"""One figure of the calibration."""

from dataclasses import dataclass

import numpy as np
from scipy import stats


@dataclass(frozen=True)
class Row:
    """What was asked, what was reached, its 95 % interval, and on how many sessions; `met` is None where it is only printed."""

    about: str
    figure: str
    asked: str
    reached: float
    low: float | None
    high: float | None
    bank: int
    met: bool | None


def met(asked: str, reached: float) -> bool | None:
    """Say whether a figure keeps its bound: `<= x`, `>= x`, `x to y`, or `printed`."""
    if asked == "printed":
        return None
    if " to " in asked:
        low, high = map(float, asked.split(" to "))
        return low <= reached <= high
    bound = float(asked.split()[-1])
    return reached <= bound if asked.startswith("<=") else reached >= bound


def median_row(about: str, figure: str, asked: str, values: np.ndarray) -> Row | None:
    """Return the median of a bank (session,) with its bootstrap interval, or None for fewer than three sessions."""
    if len(values) < 3:
        return None
    spread = stats.bootstrap(
        (values,), np.median, n_resamples=999, rng=np.random.default_rng(2), method="percentile"
    )
    reached, interval = float(np.median(values)), spread.confidence_interval
    return Row(
        about,
        figure,
        asked,
        reached,
        float(interval.low),
        float(interval.high),
        len(values),
        met(asked, reached),
    )


def rate_row(about: str, figure: str, asked: str, hits: np.ndarray) -> Row | None:
    """Return the share of hits (session,) with its exact binomial interval, or None without sessions."""
    if not len(hits):
        return None
    interval = stats.binomtest(int(hits.sum()), len(hits)).proportion_ci()
    reached = float(hits.mean())
    return Row(
        about,
        figure,
        asked,
        reached,
        float(interval.low),
        float(interval.high),
        len(hits),
        met(asked, reached),
    )
