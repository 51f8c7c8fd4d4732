"""How near representations of sleep lie to those of waking, without labels.

In: representations of windows awake and asleep. Out: for each kind of sleep, its mean
Euclidean distance to the nearest waking training window, with each dimension divided by
its standard deviation over these. The unit is the same distance for waking test
windows. So a value of 1 means that sleep lies as near to waking as waking itself.
"""

from collections.abc import Sequence

import numpy as np
from scipy.spatial import KDTree

from invariance_probe.data.states import PERMUTED, RECORDED
from invariance_probe.plan.figures.decoded import SleepDistances
from invariance_probe.plan.roles import FoldRun
from invariance_probe.probing.bench.workbench import Workbench
from invariance_probe.study.state_pairing import StatePairing

MOST = 400
"""Largest number of windows measured per state, evenly spaced."""


def sleeping_windows(
    bench: Workbench, run: FoldRun
) -> tuple[np.ndarray, np.ndarray, np.ndarray] | None:
    """Select the sleep windows that are compared with windows of waking.

    Parameters
    ----------
    bench
        The session with its windows and folds.
    run
        The run; its pairing names the sleep states in which waking windows find
        partners, and control states.

    Returns
    -------
    Numbers of the windows (window,) in the states of the partners, in the control
    states, and in the states of the partners with units permuted; None for a run that
    does not pair windows across states.
    """
    pairing = run.condition.views.pairing
    if not isinstance(pairing, StatePairing):
        return None
    asleep = bench.asleep(run)
    sleep = asleep.sleep(pairing, run)
    partners, others = (
        few(windows[pool]) for windows, pool in zip(sleep.windows, sleep.pools, strict=True)
    )
    recorded = asleep.numbered(RECORDED)
    return recorded[partners], recorded[others], asleep.numbered(PERMUTED)[partners]


def few(windows: np.ndarray) -> np.ndarray:
    """Select at most `MOST` windows, evenly spaced.

    Parameters
    ----------
    windows
        Numbers of the windows (window,).
    """
    return windows[
        np.linspace(0, len(windows) - 1, min(MOST, len(windows))).round().astype(np.int64)
    ]


def sleep_distances(
    train: np.ndarray, test: np.ndarray, asleep: Sequence[np.ndarray]
) -> SleepDistances | None:
    """Distance of each kind of sleep from waking.

    Parameters
    ----------
    train, test
        Representations of waking training and test windows (window, dim).
    asleep
        Representations of sleeping windows (window, dim), in the order of
        `sleeping_windows`.

    Returns
    -------
    Distances, in units of the distance of waking test windows; None where these lie
    exactly on training windows.
    """
    sd = train.std(axis=0)
    live = sd > 0
    tree = KDTree(train[:, live] / sd[live])
    own = float(tree.query(test[:, live] / sd[live])[0].mean())
    if not own > 0:
        return None
    partners, others, permuted = (
        float(tree.query(rows[:, live] / sd[live])[0].mean()) / own for rows in asleep
    )
    return SleepDistances(partners=partners, others=others, permuted=permuted)
