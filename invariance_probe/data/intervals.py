"""Sets of intervals in time.

In: start and stop of each interval (interval, 2). Out: the same stretches of time, in
another form. Intervals hold their start and not their stop.
"""

import numpy as np


def union(intervals: np.ndarray, touching: bool = True) -> np.ndarray:
    """Join intervals that overlap, and order them.

    Parameters
    ----------
    intervals
        Start and stop of each interval (interval, 2), in any order.
    touching
        Whether intervals are also joined where one starts at the other's stop.

    Returns
    -------
    (interval, 2) float64, ascending and disjoint.
    """
    found: list[list[float]] = []
    for start, stop in sorted(intervals.tolist()):
        if found and (start < found[-1][1] or (touching and start == found[-1][1])):
            found[-1][1] = max(stop, found[-1][1])
        else:
            found.append([start, stop])
    return np.array(found, dtype=np.float64).reshape(-1, 2)
