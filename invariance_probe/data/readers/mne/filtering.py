"""Filter samples without phase shift, through MNE.

In: samples of an unbroken stretch. Out: the filtered samples. This file is imported only
where a study declares a filter.
"""

import mne
import numpy as np

from invariance_probe.errors import DataError
from invariance_probe.study.signals import Filter


def check_filter(declared: Filter, rate_hz: float) -> None:
    """Raise DataError unless a rate is high enough for a filter."""
    if declared.high_hz is None or declared.high_width_hz is None:
        fastest = declared.low_hz or 0.0
    else:
        fastest = declared.high_hz + declared.high_width_hz
    if fastest > rate_hz / 2:
        raise DataError(
            f"a filter up to {fastest:g} Hz, transition included, needs more than {rate_hz:g} "
            "samples per second; lower high_hz or low_hz"
        )


def filtered(values: np.ndarray, rate_hz: float, declared: Filter) -> np.ndarray:
    """Filter each channel of an unbroken stretch.

    Parameters
    ----------
    values
        Samples (sample, channel).
    rate_hz
        Samples per second.
    declared
        The filter.

    Returns
    -------
    (sample, channel), of the type of `values`.
    """
    found = np.empty_like(values)
    for channel in range(values.shape[1]):
        found[:, channel] = mne.filter.filter_data(
            np.asarray(values[:, channel], dtype=np.float64),
            rate_hz,
            declared.low_hz,
            declared.high_hz,
            filter_length=f"{2 * declared.reach_s}s",
            l_trans_bandwidth=declared.low_width_hz or "auto",
            h_trans_bandwidth=declared.high_width_hz or "auto",
            verbose="ERROR",
        )
    return found
