"""How near representations of windows asleep lie to those of waking windows: a distance between manifolds, which needs no label.

The measure is the mean Euclidean distance to the nearest waking training window, each dimension divided by its standard deviation over
these, in units of the same distance of waking test windows: 1 where sleep lies where waking lies.
"""

import numpy as np
from scipy.spatial import KDTree

from invariance_probe.data.states import PERMUTED, RECORDED
from invariance_probe.plan.run import Run
from invariance_probe.probing.bench.workbench import Workbench
from invariance_probe.study.state_pairing import StatePairing

MOST = 400
"""At most this many windows of a state are measured, evenly over it."""


def sleeping_windows(bench: Workbench, run: Run) -> dict[str, np.ndarray]:
    """Return the windows asleep whose distance is measured, by the name of the measure; nothing of a run that pairs within a state."""
    pairing = run.views.pairing if run.views else None
    if not isinstance(pairing, StatePairing):
        return {}
    asleep = bench.asleep(run)
    sleep = asleep.sleep(pairing, run)
    partners, others = (
        few(windows[pool]) for windows, pool in zip(sleep.windows, sleep.pools, strict=True)
    )
    return {
        "sleep_distance": asleep.numbered(RECORDED)[partners],
        "sleep_distance_other": asleep.numbered(RECORDED)[others],
        "sleep_distance_permuted": asleep.numbered(PERMUTED)[partners],
    }


def few(windows: np.ndarray) -> np.ndarray:
    """Return at most `MOST` windows, evenly over all."""
    return windows[
        np.linspace(0, len(windows) - 1, min(MOST, len(windows))).round().astype(np.int64)
    ]


def sleep_distances(
    train: np.ndarray, test: np.ndarray, asleep: dict[str, np.ndarray]
) -> dict[str, float]:
    """Return the distance of every kind of sleep, given representations (window, dim) of waking and of sleeping windows."""
    sd = train.std(axis=0)
    live = sd > 0
    tree = KDTree(train[:, live] / sd[live])
    own = float(tree.query(test[:, live] / sd[live])[0].mean())
    return (
        {
            name: float(tree.query(rows[:, live] / sd[live])[0].mean()) / own
            for name, rows in asleep.items()
        }
        if own > 0
        else {}
    )
