"""Whether SSL pairs mined across time help a decoder when activity drifts.

In: counts or signals of one bin per window, and a target of classes. Linear SSL is
fitted in closed form on the training windows of the last fold. Its positive pairs are
local (windows near in time), or a proportion q of them is replaced by distant pairs,
which lie at least a declared gap apart. There are three kinds of distant pairs: random;
mined (nearest neighbours in smoothed principal components, without labels); and oracle
(random windows of the same class). A decoder (probe) is fitted on the first part of the
training windows and tested on the held-out windows, which come later.

Out: losses L and balanced accuracies; the contrasts M_rand(q) = L_random(q) -
L_mined(q) and M_loc(q) = L_local - L_mined(q); the purity of each kind of distant pairs
(proportion of pairs of one class); and their nuisance distance, the mean squared
difference of a nuisance variable within pairs, relative to that of random pairs. Mined
pairs help if both contrasts are positive and the nuisance distance is near 1. M_rand
alone only says that mining is better than random pairs.

References
----------
Azabou et al. 2021, arXiv:2102.10106 (mined views).
"""

import numpy as np
import torch
from sklearn.metrics import balanced_accuracy_score
from torch import Tensor

from invariance_probe.augmentations.mining import (
    Pairs,
    drawn_pairs,
    nearest_pairs,
    neighbour_features,
)
from invariance_probe.augmentations.pairing import find_partners
from invariance_probe.errors import TrainingError
from invariance_probe.methods.linear_ssl import (
    Moments,
    matched_moments,
    mixed_moments,
    pair_moments,
    standardised_directions,
)
from invariance_probe.plan.figures.session import (
    MinedPairsFigures,
    PairsFound,
    PairsKind,
    PairsTested,
)
from invariance_probe.plan.roles import SessionMeasurement
from invariance_probe.plan.run import RunResult
from invariance_probe.probing.bench.workbench import Workbench, inner_folds
from invariance_probe.probing.decoders.logistic import fit_logistic
from invariance_probe.probing.decoders.readout import Measurement
from invariance_probe.probing.measurements.trained import Progress
from invariance_probe.randomness import generator
from invariance_probe.study.baselines import MinedPairs
from invariance_probe.study.views import TimeJitter


def measure_mined_pairs(
    bench: Workbench, runs: list[SessionMeasurement], on_progress: Progress
) -> list[Measurement]:
    """Compare local, random, mined and oracle pairs by decoding of later windows.

    Parameters
    ----------
    bench
        The opened session: its windows, folds and target.
    runs
        Runs of this measurement.
    on_progress
        Not called: nothing is trained by gradient.

    Raises
    ------
    TrainingError
        When windows have more than one bin, the target has no classes, a test class is
        missing where the probe is fitted, no two windows lie the declared gap apart, or
        the recording lacks the nuisance.
    """
    if bench.windows.length != 1:
        raise TrainingError(
            "mined_pairs needs windows of one bin, but window.length_bins is "
            f"{bench.windows.length}; set it to 1, or remove the measurement"
        )
    return [Measurement(run, _measure(bench, run)) for run in runs]


def _measure(bench: Workbench, run: SessionMeasurement) -> RunResult:
    method = run.declared(MinedPairs)
    train, test = bench.folds[-1].train, bench.folds[-1].test
    labelled = train[: max(1, round(method.labelled * len(train)))]
    _check(bench, labelled, test)
    pairs = distant_pairs(bench, train, method, generator("probe", run.study_seed, run.session))
    moments, asked = [_local(bench, train, method)], []
    activity, counts = (
        bench.recording.activity[bench.windows.starts[train]],
        bench.recording.activity_kind == "counts",
    )
    sd = activity.std(axis=0, dtype=np.float64)
    for kind, chosen in pairs.items():
        distant = matched_moments(activity[:, sd > 0], chosen.first, chosen.second, counts)
        for share in method.fractions:
            moments.append(mixed_moments(moments[0], distant, share))
            asked.append((kind, share))
    bases = [standardised_directions(m, sd, method.dimensions, method.ridge) for m in moments]
    losses, accuracies = _probed(bench, run, train, labelled, test, bases)
    floor = bench.target.floor(torch.from_numpy(labelled))[torch.from_numpy(test)]
    found = MinedPairsFigures(
        floor=float(floor.mean()),
        local_loss=losses[0],
        local_accuracy=accuracies[0],
        found=_described(bench, train, method, pairs),
        tested=tuple(
            PairsTested(pairs=kind, share=share, loss=loss, accuracy=accuracy)
            for (kind, share), loss, accuracy in zip(asked, losses[1:], accuracies[1:], strict=True)
        ),
    )
    return RunResult(run.key(), "done", figures=found)


def _check(bench: Workbench, labelled: np.ndarray, test: np.ndarray) -> None:
    """Refuse a target without classes, or one with a class missing in training.

    Parameters
    ----------
    bench
        The opened session: its windows, folds and target.
    labelled
        Windows that the probe is fitted on (window,).
    test
        Test windows (window,).
    """
    where = f"session {bench.recording.session!r}"
    if not bench.target.classes:
        raise TrainingError(
            f"{where}: mined_pairs needs a categorical target, but this one is continuous or "
            "circular; use a categorical target, or remove the measurement"
        )
    classes = bench.target.values.cpu().numpy()
    missing = sorted(set(classes[test]) - set(classes[labelled]))
    if missing:
        raise TrainingError(
            f"{where}: mined_pairs fits its probe on {len(labelled)} labelled windows, none of "
            f"which has class {missing[0]}; use a larger `labelled`"
        )


def _local(bench: Workbench, train: np.ndarray, method: MinedPairs) -> Moments:
    """Compute the second moments of local pairs, over the units that vary."""
    activity = bench.recording.activity[bench.windows.starts]
    live = activity[train].std(axis=0, dtype=np.float64) > 0
    partners = find_partners(
        train, bench.windows.stretch, TimeJitter(window_s=method.local_s), bench.step_s
    )
    return pair_moments(activity[:, live], partners, bench.recording.activity_kind == "counts")


def distant_pairs(
    bench: Workbench, train: np.ndarray, method: MinedPairs, rng: np.random.Generator
) -> dict[PairsKind, Pairs]:
    """Find random, mined and oracle partners of each training window.

    The number of partners per window is the same for every kind. All partners are at
    least the declared gap away.

    Parameters
    ----------
    bench
        The opened session: its windows, folds and target.
    train
        Training windows (window,).
    method
        The declared measurement: gap, number of neighbours, smoothing, components.
    rng
        Random generator for the random and oracle partners.

    Returns
    -------
    The pairs of each kind, as positions in `train`.
    """
    times = bench.windows.starts[train] * bench.recording.bin_s
    classes = bench.target.values.cpu().numpy()[train]
    activity, stretch = (
        bench.recording.activity[bench.windows.starts[train]],
        bench.windows.stretch[train],
    )
    sigma, counts = (
        method.smoothing_s / bench.step_s,
        bench.recording.activity_kind == "counts",
    )
    features = neighbour_features(activity, counts, train, stretch, sigma, method.components)
    return {
        "random": drawn_pairs(times, np.zeros_like(classes), method.gap_s, method.neighbours, rng),
        "mined": nearest_pairs(features, times, method.gap_s, method.neighbours),
        "oracle": drawn_pairs(times, classes, method.gap_s, method.neighbours, rng),
    }


def _probed(
    bench: Workbench,
    run: SessionMeasurement,
    train: np.ndarray,
    labelled: np.ndarray,
    test: np.ndarray,
    bases: list[np.ndarray],
) -> tuple[list[float], list[float]]:
    """Decode test windows from linear maps of the activity.

    Parameters
    ----------
    bench
        The opened session: its windows, folds and target.
    run
        The run, whose probe is used.
    train
        Training windows (window,), over which activity is standardised.
    labelled
        Windows that the probe is fitted on (window,).
    test
        Test windows (window,).
    bases
        The linear maps, each (unit, dimension).

    Returns
    -------
    Test loss (nats) and balanced accuracy for each map.
    """
    x = (
        bench.scaling([train], torch.float64)
        .apply(bench.activity[bench.starts][None, :, None])
        .flatten(2)
    )
    rows: Tensor = x @ torch.from_numpy(np.stack(bases)).to(x)
    seen, tested = torch.from_numpy(labelled), torch.from_numpy(test)
    inner = inner_folds(
        [np.arange(len(labelled))], len(labelled), run.probe.inner_folds, bench.device
    ).expand(len(bases), -1)
    classes = bench.target.values[seen].expand(len(bases), -1)
    fit = fit_logistic(rows[:, seen], classes, inner, run.probe.penalties, bench.target.classes)
    truth = bench.target.values[tested]
    predictions = fit.predict(rows[:, tested])
    losses = (
        -predictions.gather(2, truth[None, :, None].expand(len(bases), -1, 1)).squeeze(2).mean(1)
    )
    said = predictions.argmax(2).cpu().numpy()
    return losses.tolist(), [
        float(balanced_accuracy_score(truth.cpu().numpy(), one)) for one in said
    ]


def _described(
    bench: Workbench, train: np.ndarray, method: MinedPairs, pairs: dict[PairsKind, Pairs]
) -> tuple[PairsFound, ...]:
    """Describe every kind of distant pairs: their purity and nuisance distance.

    The nuisance distance is None if the measurement names no nuisance.
    """
    classes = bench.target.values.cpu().numpy()[train]
    nuisance = None
    if method.nuisance:
        values = bench.recording.numbers(method.nuisance, "mined_pairs.nuisance")
        nuisance = values[bench.windows.centres[train]]
    return tuple(
        PairsFound(
            pairs=kind,
            purity=chosen.same(classes),
            nuisance_distance=None if nuisance is None else chosen.distance(nuisance),
        )
        for kind, chosen in pairs.items()
    )
