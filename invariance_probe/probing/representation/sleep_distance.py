"""How near representations of sleep lie to those of waking, without labels.

In: representations of windows awake and asleep. Out: a distance between manifolds for
every kind of sleep. It is the mean Euclidean distance to the nearest waking training
window, with each dimension divided by its standard deviation over these, in units of
the same distance of waking test windows: 1 where sleep lies where waking lies.
"""

import numpy as np
from scipy.spatial import KDTree

from invariance_probe.data.states import PERMUTED, RECORDED
from invariance_probe.plan.run import Run
from invariance_probe.probing.bench.workbench import Workbench
from invariance_probe.study.state_pairing import StatePairing

MOST = 400
"""Most windows of a state that are measured, evenly spaced over it."""


def sleeping_windows(bench: Workbench, run: Run) -> dict[str, np.ndarray]:
    """Windows asleep whose distance is measured, by the name of the measure.

    Parameters
    ----------
    bench
        The opened session.
    run
        The run; its pairing is read.

    Returns
    -------
    Windows (window,) by name; empty for a run that pairs within a state.
    """
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
    """At most `MOST` windows, evenly spaced."""
    return windows[
        np.linspace(0, len(windows) - 1, min(MOST, len(windows))).round().astype(np.int64)
    ]


def sleep_distances(
    train: np.ndarray, test: np.ndarray, asleep: dict[str, np.ndarray]
) -> dict[str, float]:
    """Distance of every kind of sleep from waking.

    Parameters
    ----------
    train, test
        Representations of waking training and test windows (window, dim).
    asleep
        Representations of sleeping windows (window, dim) by the name of the measure.

    Returns
    -------
    Distance by name, in units of that of waking test windows; empty where these lie
    exactly on training windows.
    """
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
