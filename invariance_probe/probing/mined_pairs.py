"""Pairs mined across time: whether they help a decoder under a later drift, beyond local pairs and beyond random ones.

In: counts or signals of one bin a window, and a target of classes. A closed-form linear SSL representation is fitted on the
training windows of the last fold with local pairs alone, and with a part of them replaced by distant pairs: random, mined (the
nearest in smoothed principal components, without labels) or oracle (of the same class). A probe is fitted on the first part of
the training windows and tested on the held-out later ones. Out: losses and balanced accuracies,
M_rand(q) = L_random(q) - L_mined(q), M_loc(q) = L_local - L_mined(q), the purity of the pairs and their nuisance distance.

Pairs help where both contrasts are positive and the nuisance distance is near 1; M_rand alone says that mining beats chance.

References
----------
Azabou et al. 2021, arXiv:2102.10106 (mined views).
"""

from dataclasses import dataclass

import numpy as np
import torch
from scipy.ndimage import gaussian_filter1d
from scipy.spatial.distance import cdist
from sklearn.decomposition import PCA
from sklearn.metrics import balanced_accuracy_score
from torch import Tensor

from invariance_probe.augmentations.pairing import find_partners
from invariance_probe.errors import TrainingError
from invariance_probe.methods.linear_ssl import (
    Moments,
    matched_moments,
    mixed_moments,
    pair_moments,
    standardised_directions,
)
from invariance_probe.probing.logistic import fit_logistic
from invariance_probe.probing.readout import Measured
from invariance_probe.probing.trained import Progress
from invariance_probe.probing.workbench import Workbench, inner_folds
from invariance_probe.streams import generator
from invariance_probe.study.baselines import MinedPairs
from invariance_probe.study.run import Run, RunResult
from invariance_probe.study.views import TimeJitter

CHUNK = 500
"""Windows whose neighbours are looked for together."""
KINDS = ("random", "mined", "oracle")


@dataclass(frozen=True, eq=False)
class Pairs:
    """Distant pairs of training windows, by place among them: `first` (pair,) and `second` (pair,)."""

    first: np.ndarray
    second: np.ndarray

    def same(self, values: np.ndarray) -> float:
        """Return how often both windows of a pair have the same value of (window,)."""
        return float((values[self.first] == values[self.second]).mean())

    def distance(self, values: np.ndarray) -> float:
        """Return E|n - n'|^2 / (2 Var n) of (window, column): 1 for pairs that know nothing of n, 0 for pairs alike in it."""
        apart = ((values[self.first] - values[self.second]) ** 2).sum(axis=1).mean()
        return float(apart / (2 * values.var(axis=0).sum()))


def measure_mined_pairs(bench: Workbench, runs: list[Run], on_progress: Progress) -> list[Measured]:
    """Compare local, random, mined and oracle pairs by what a probe decodes later in the session."""
    if bench.windows.length != 1:
        raise TrainingError(f"mined_pairs reads windows of one bin; window.length_bins is {bench.windows.length}")
    return [Measured(run, _measure(bench, run)) for run in runs]


def _measure(bench: Workbench, run: Run) -> RunResult:
    method = run.method
    assert isinstance(method, MinedPairs)
    train, test = bench.folds[-1].train, bench.folds[-1].test
    labelled = train[: max(1, round(method.labelled * len(train)))]
    _check(bench, labelled, test)
    pairs = distant_pairs(bench, train, method, generator("probe", run.study_seed, run.session))
    moments = {"local": _local(bench, train, method)}
    activity, counts = bench.recording.activity[bench.windows.starts[train]], bench.recording.activity_kind == "counts"
    sd = activity.std(axis=0, dtype=np.float64)
    for kind, chosen in pairs.items():
        distant = matched_moments(activity[:, sd > 0], chosen.first, chosen.second, counts)
        for share in method.fractions:
            moments[f"{kind}@{share:g}"] = mixed_moments(moments["local"], distant, share)
    bases = [standardised_directions(m, sd, method.dimensions, method.ridge) for m in moments.values()]
    losses, accuracies = _probed(bench, run, train, labelled, test, bases)
    found = {f"loss_{name}": loss for name, loss in zip(moments, losses, strict=True)}
    found |= {f"accuracy_{name}": accuracy for name, accuracy in zip(moments, accuracies, strict=True)}
    found["loss_floor"] = float(bench.target.floor(torch.from_numpy(labelled))[torch.from_numpy(test)].mean())
    for share in method.fractions:
        found[f"m_rand@{share:g}"] = found[f"loss_random@{share:g}"] - found[f"loss_mined@{share:g}"]
        found[f"m_loc@{share:g}"] = found["loss_local"] - found[f"loss_mined@{share:g}"]
    return RunResult(run.key(), "done", diagnostics=found | _described(bench, train, method, pairs))


def _check(bench: Workbench, labelled: np.ndarray, test: np.ndarray) -> None:
    """Raise TrainingError where the target has no classes, or the probe would meet a class that it has never seen."""
    where = f"session {bench.recording.session!r}"
    if not bench.target.classes:
        raise TrainingError(f"{where}: mined_pairs needs a categorical target; this one is continuous or circular")
    classes = bench.target.values.cpu().numpy()
    missing = sorted(set(classes[test]) - set(classes[labelled]))
    if missing:
        raise TrainingError(
            f"{where}: mined_pairs fits its probe on {len(labelled)} windows without class {missing[0]}; use a larger `labelled`"
        )


def _local(bench: Workbench, train: np.ndarray, method: MinedPairs) -> Moments:
    """Return the moments of the units that vary, under local pairs."""
    activity = bench.recording.activity[bench.windows.starts]
    live = activity[train].std(axis=0) > 0
    partners = find_partners(train, bench.windows.stretch, TimeJitter(window_s=method.local_s), bench.recording.bin_s)
    return pair_moments(activity[:, live], partners, bench.recording.activity_kind == "counts")


def distant_pairs(bench: Workbench, train: np.ndarray, method: MinedPairs, rng: np.random.Generator) -> dict[str, Pairs]:
    """Return as many random, mined and oracle partners of every training window, all at least the gap away."""
    times = bench.windows.starts[train] * bench.recording.bin_s
    classes = bench.target.values.cpu().numpy()[train]
    features = neighbour_features(bench, train, method)
    return {
        "random": drawn_pairs(times, np.zeros_like(classes), method.gap_s, method.neighbours, rng),
        "mined": nearest_pairs(features, times, method.gap_s, method.neighbours),
        "oracle": drawn_pairs(times, classes, method.gap_s, method.neighbours, rng),
    }


def neighbour_features(bench: Workbench, train: np.ndarray, method: MinedPairs) -> np.ndarray:
    """Return principal components (window, component) of the training activity, smoothed inside each piece of successive windows."""
    x = bench.recording.activity[bench.windows.starts[train]].astype(np.float64)
    x = np.sqrt(x) if bench.recording.activity_kind == "counts" else x
    breaks = np.flatnonzero((np.diff(train) != 1) | (np.diff(bench.windows.stretch[train]) != 0)) + 1
    sigma = method.smoothing_s / bench.recording.bin_s
    smooth = np.concatenate([gaussian_filter1d(piece, sigma, axis=0) for piece in np.split(x, breaks)]) if sigma else x
    return PCA(min(method.components, smooth.shape[1]), svd_solver="full").fit_transform(smooth)


def drawn_pairs(times: np.ndarray, groups: np.ndarray, gap_s: float, count: int, rng: np.random.Generator) -> Pairs:
    """Draw `count` partners of the same group for every window, uniformly among those at least the gap away.

    Parameters
    ----------
    times
        Ascending, in seconds (window,).
    groups
        One value for windows that may pair (window,).
    """
    first, second = [], []
    for group in np.unique(groups):
        members = np.flatnonzero(groups == group)
        before = np.searchsorted(times[members], times[members] - gap_s + 1e-9, side="right")
        after = np.searchsorted(times[members], times[members] + gap_s - 1e-9, side="left")
        allowed = before + len(members) - after
        has = np.flatnonzero(allowed > 0)
        drawn = rng.integers(0, allowed[has, None], (len(has), count))
        place = np.where(drawn < before[has, None], drawn, drawn - before[has, None] + after[has, None])
        first.append(np.repeat(members[has], count))
        second.append(members[place].ravel())
    return _checked(Pairs(np.concatenate(first), np.concatenate(second)), gap_s)


def nearest_pairs(features: np.ndarray, times: np.ndarray, gap_s: float, count: int) -> Pairs:
    """Return every window's `count` nearest neighbours in (window, feature) among windows at least the gap away."""
    first, second = [], []
    for start in range(0, len(features), CHUNK):
        rows = np.arange(start, min(start + CHUNK, len(features)))
        distances = cdist(features[rows], features, "sqeuclidean")
        distances[np.abs(times[rows, None] - times) < gap_s - 1e-9] = np.inf
        nearest = np.argpartition(distances, min(count, len(features) - 1), axis=1)[:, :count]
        reached = np.isfinite(np.take_along_axis(distances, nearest, axis=1))
        first.append(np.repeat(rows, count)[reached.ravel()])
        second.append(nearest[reached])
    return _checked(Pairs(np.concatenate(first), np.concatenate(second)), gap_s)


def _checked(pairs: Pairs, gap_s: float) -> Pairs:
    if not len(pairs.first):
        raise TrainingError(
            f"mined_pairs.gap_s is {gap_s:g} s, and no two training windows are that far apart; use a shorter gap"
        )
    return pairs


def _probed(
    bench: Workbench, run: Run, train: np.ndarray, labelled: np.ndarray, test: np.ndarray, bases: list[np.ndarray]
) -> tuple[list[float], list[float]]:
    """Return test losses and balanced accuracies of the run's probe on every linear map (unit, dimension) of activity."""
    x = bench.scaling([train], torch.float64).apply(bench.activity[bench.starts][None, :, None]).flatten(2)
    rows: Tensor = x @ torch.from_numpy(np.stack(bases)).to(x)
    seen, tested = torch.from_numpy(labelled), torch.from_numpy(test)
    inner = inner_folds([np.arange(len(labelled))], len(labelled), run.probe.inner_folds, bench.device).expand(len(bases), -1)
    classes = bench.target.values[seen].expand(len(bases), -1)
    fit = fit_logistic(rows[:, seen], classes, inner, run.probe.penalties, bench.target.classes)
    truth = bench.target.values[tested]
    predictions = fit.predict(rows[:, tested])
    losses = -predictions.gather(2, truth[None, :, None].expand(len(bases), -1, 1)).squeeze(2).mean(1)
    said = predictions.argmax(2).cpu().numpy()
    return losses.tolist(), [float(balanced_accuracy_score(truth.cpu().numpy(), one)) for one in said]


def _described(bench: Workbench, train: np.ndarray, method: MinedPairs, pairs: dict[str, Pairs]) -> dict[str, float]:
    """Return the purity of every kind of pairs, and their nuisance distance where the nuisance is known."""
    classes = bench.target.values.cpu().numpy()[train]
    found = {f"purity_{kind}": chosen.same(classes) for kind, chosen in pairs.items()}
    if method.nuisance:
        if method.nuisance not in bench.recording.targets:
            raise TrainingError(
                f"session {bench.recording.session!r}: mined_pairs.nuisance {method.nuisance!r} is not in the recording; "
                f"it has {', '.join(map(repr, sorted(bench.recording.targets)))}"
            )
        values = np.asarray(bench.recording.targets[method.nuisance], dtype=np.float64)
        values = values.reshape(len(values), -1)[bench.windows.centres[train]]
        found |= {f"nuisance_distance_{kind}": chosen.distance(values) for kind, chosen in pairs.items()}
    return found
