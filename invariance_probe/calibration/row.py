"""Rows of the calibration's report: a quantity, and the bound it should meet.

In: one value per simulated session. Out: a row of calibration.json with their median or
mean.
"""

from dataclasses import dataclass

import numpy as np
from scipy import stats


@dataclass(frozen=True)
class Row:
    """One quantity of the calibration's report.

    Attributes
    ----------
    about
        Name of the simulated code or world.
    figure
        What was measured or counted, in words.
    asked
        The bound to meet: `<= x`, `>= x`, `x to y`, or `printed` if there is none.
    reached
        Value of the quantity.
    low, high
        Ends of its 95 % interval; None if an end was not computed.
    bank
        Number of simulated sessions that the value is based on.
    met
        Whether the quantity meets the bound; None if there is none.
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
    """Whether a quantity meets its bound.

    Parameters
    ----------
    asked
        The bound: `<= x`, `>= x`, `x to y`, or `printed` if there is none.
    reached
        Value of the quantity.

    Returns
    -------
    met
        True or False; None if there is no bound.
    """
    if asked == "printed":
        return None
    if " to " in asked:
        low, high = map(float, asked.split(" to "))
        return low <= reached <= high
    bound = float(asked.split()[-1])
    return reached <= bound if asked.startswith("<=") else reached >= bound


def median_row(about: str, figure: str, asked: str, values: np.ndarray) -> Row | None:
    """Return the row with the median over sessions and its bootstrap interval.

    Parameters
    ----------
    about, figure, asked
        See `Row`.
    values
        One value per session (session,).

    Returns
    -------
    row
        The row; None if there are fewer than three sessions.
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
    """Return the row with the fraction of sessions in which something is true.

    Its interval is the exact binomial one.

    Parameters
    ----------
    about, figure, asked
        See `Row`.
    hits
        Boolean (session,): whether it is true in each session.

    Returns
    -------
    row
        The row; None if there are no sessions.
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
