"""Units that are nearly silent where a fold trains and then fire where it tests: standardised, one spike is hundreds of SDs."""

import numpy as np

from invariance_probe.data.folds import make_folds
from invariance_probe.data.recording import Recording
from invariance_probe.data.states import restricted
from invariance_probe.data.windows import cut_windows
from invariance_probe.errors import DataError
from invariance_probe.study.session import Extreme
from invariance_probe.study.study import Study

FAR = 50.0
"""SDs from which on a unit's activity is called extreme: a code that is Poisson in training comes nowhere near."""


def extreme_units(recording: Recording, study: Study) -> tuple[Extreme, ...]:
    """Return the worst unit of every fold that has one beyond `FAR` in its test part; nothing where no folds can be cut."""
    try:
        seen = restricted(recording, study.window)
        windows = cut_windows(seen, study.window.length_bins)
        folds = make_folds(seen, windows, study.folds)
    except DataError:  # which is reported elsewhere, with its place
        return ()
    activity, reach = seen.activity.astype(np.float64), np.arange(windows.length)
    trains = np.zeros((len(folds), len(activity)))
    for weights, fold in zip(trains, folds, strict=True):
        weights[windows.starts[fold.train][:, None] + reach] = 1
    trains /= trains.sum(axis=1, keepdims=True)
    means = trains @ activity
    sds = np.sqrt(np.maximum(trains @ activity**2 - means**2, 0))
    found = []
    for number, (fold, mean, sd) in enumerate(zip(folds, means, sds, strict=True)):
        tested = activity[np.unique(windows.starts[fold.test][:, None] + reach)]
        most = np.maximum(tested.max(axis=0) - mean, mean - tested.min(axis=0))
        sizes = np.divide(
            most, sd, out=np.zeros_like(sd), where=sd > 1e-6 * (1 + np.abs(mean))
        )  # constant: networks read it as 0
        if sizes.max() > FAR:
            found.append(Extreme(number, seen.unit_ids[int(sizes.argmax())], float(sizes.max())))
    return tuple(found)
