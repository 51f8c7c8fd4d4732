"""One figure of the calibration: what was asked, and what was reached.

Values of a bank go in; a row of calibration.json comes out.
"""

from dataclasses import dataclass

import numpy as np
from scipy import stats


@dataclass(frozen=True)
class Row:
    """One figure of the calibration.

    Attributes
    ----------
    about
        The case or world.
    figure
        What was measured or counted, in words.
    asked
        The bound: `<= x`, `>= x`, `x to y`, or `printed`.
    reached
        The figure.
    low, high
        Its 95 % interval; None where an end is not given.
    bank
        Number of sessions that it rests on.
    met
        Whether it keeps the bound; None where it is only printed.
    """

    about: str
    figure: str
    asked: str
    reached: float
    low: float | None
    high: float | None
    bank: int
    met: bool | None


def met(asked: str, reached: float) -> bool | None:
    """Whether a figure keeps its bound; None where it is only printed.

    Parameters
    ----------
    asked
        `<= x`, `>= x`, `x to y`, or `printed`.
    reached
        The figure.

    Returns
    -------
    met
        True, False or None.
    """
    if asked == "printed":
        return None
    if " to " in asked:
        low, high = map(float, asked.split(" to "))
        return low <= reached <= high
    bound = float(asked.split()[-1])
    return reached <= bound if asked.startswith("<=") else reached >= bound


def median_row(about: str, figure: str, asked: str, values: np.ndarray) -> Row | None:
    """The median of a bank with its bootstrap interval, as a row.

    Parameters
    ----------
    about, figure, asked
        See `Row`.
    values
        One value per session (session,).

    Returns
    -------
    row
        None for fewer than three sessions.
    """
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
    """The share of hits with its exact binomial interval, as a row.

    Parameters
    ----------
    about, figure, asked
        See `Row`.
    hits
        One hit or miss per session (session,).

    Returns
    -------
    row
        None without sessions.
    """
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
