"""Messengers: the few units whose removal harms decoding most.

In: counts (their square roots are decoded) or signals of one bin per window, and the
target. A budget b is the number of units in a set. There are two epochs A and B: the
halves of the session, or those that an array of the recording names. Each is cut into
blocks, which are used alternately to choose a set and to score it. The decoders that
score are fitted and tested within the scoring blocks, so neither the set nor a decoder
profits from how the set was chosen.

Out: for each epoch the chosen units and their gain G(b): by how much more the loss
rises without this set than without random sets with similar rates, in units of the
decodable range (loss of the best constant minus loss of the decoder). Then the transfer
ratio T_AB = G(set of A in B) / G(set of B in B), and T_BA likewise: near 1 if the same
units matter in both epochs. If a study names several budgets, also the damage at each
of them over the whole session (`selectors/curve.py`). If it asks for a test of
switching, also whether the units change between epochs, of which there may then be more
than two (`selectors/switching.py`).

There are two ways (modes) to score without units. `refit`: the decoder is fitted again
without them; this measures information. `fixed`: the units are held at their mean; this
measures how far this decoder relies on them. Everything is computed from Gram matrices.
Nothing here is a statement about causes.
"""

import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from scipy import stats

from invariance_probe.errors import TrainingError
from invariance_probe.plan.figures.units import (
    MODES,
    Interval,
    MessengerFigures,
    Mode,
    SwitchingFigures,
    Transfer,
)
from invariance_probe.plan.roles import SessionMeasurement
from invariance_probe.plan.run import RunResult
from invariance_probe.probing.bench.workbench import Workbench
from invariance_probe.probing.decoders.readout import Measurement
from invariance_probe.probing.measurements.trained import Progress
from invariance_probe.probing.selectors.curve import curve
from invariance_probe.probing.selectors.damage import (
    decodable_range,
    losses_if_removed,
    losses_without,
)
from invariance_probe.probing.selectors.greedy import choose
from invariance_probe.probing.selectors.halves import Halves, features_of, moments_of
from invariance_probe.probing.selectors.moments import FoldMoments
from invariance_probe.probing.selectors.random_sets import matched_sets
from invariance_probe.probing.selectors.switching import blocks_of, memory_bins, switching
from invariance_probe.randomness import generator
from invariance_probe.study.baselines import Messengers
from invariance_probe.study.budgets import most_messengers

CONFIDENCE = 0.95
"""Confidence of the transfer ratio's interval."""
LEVEL = 0.05
"""Level of the test that the gain of an epoch's own set exceeds the margin.

If it does not, no transfer ratio to that epoch is computed.
"""


def measure_messengers(
    bench: Workbench, runs: list[SessionMeasurement], on_progress: Progress
) -> list[Measurement]:
    """Choose each epoch's messenger units, and score them in both epochs.

    Parameters
    ----------
    bench
        The opened session: its windows, folds and target.
    runs
        Runs of this measurement.
    on_progress
        Not called: no encoder is trained.

    Raises
    ------
    TrainingError
        When windows have more than one bin, the budget leaves too few other units, or
        the embargo leaves a scoring block empty.
    """
    if bench.windows.length != 1:
        raise TrainingError(
            "messengers needs windows of one bin, but window.length_bins is "
            f"{bench.windows.length}; set it to 1, or remove the measurement"
        )
    return [Measurement(run, _measure(bench, run)) for run in runs]


def _measure(bench: Workbench, run: SessionMeasurement) -> RunResult:
    method, units = run.declared(Messengers), bench.activity.shape[1]
    budgets = method.budgets or (method.budget,)
    if max(budgets) > most_messengers(units):
        raise TrainingError(
            f"session {run.session!r}: messengers.budget is {max(budgets)}, but the session has "
            f"only {units} units, and each chosen unit needs two others to be compared with; use "
            f"at most {most_messengers(units)}"
        )
    windows, embargo = (
        np.arange(len(bench.windows.starts)),
        round(run.folds.embargo_s / bench.recording.bin_s),
    )
    named = _named_epochs(bench, method.epochs)
    parts = (
        (named[0], named[-1])
        if named
        else (windows[: len(windows) // 2], windows[len(windows) // 2 :])
    )
    epochs = [Halves.of(bench, rows, method.blocks, embargo) for rows in parts]
    rates = bench.recording.activity.mean(axis=0)
    asked = [method.model_copy(update={"budget": budget}) for budget in budgets]
    found = MessengerFigures(
        transfers=tuple(
            transfer(epochs, mode, one, rates, generator("probe", run.study_seed, run.session))
            for one in asked
            for mode in MODES
        ),
        switching=None if method.switching is None else _switching(bench, run, method, named),
    )
    if method.budgets:
        whole = Halves.of(bench, windows, method.blocks, embargo)
        rng = generator("probe", run.study_seed, run.session)
        worst, localisations, alone = curve(whole, method, rates, rng)
        found = replace(found, worst=worst, localisations=localisations, units=alone)
    return RunResult(run.key(), "done", figures=found)


def _named_epochs(bench: Workbench, array: str) -> list[np.ndarray]:
    """Return the windows of each epoch that an array of the recording names.

    Parameters
    ----------
    bench
        The opened session: its windows, folds and target.
    array
        Name of an array with the epoch of each bin; empty if there is none.

    Returns
    -------
    Windows of each epoch (window,), epochs in order of appearance; an empty list if no
    array is named.
    """
    if not array:
        return []
    values = np.asarray(bench.recording.targets[array])[bench.windows.centres]
    _, first, of = np.unique(values, return_index=True, return_inverse=True)
    return [np.flatnonzero(of == kind) for kind in np.argsort(first)]


def _switching(
    bench: Workbench, run: SessionMeasurement, method: Messengers, named: list[np.ndarray]
) -> SwitchingFigures:
    """Test whether the decoder relies on different units in different epochs.

    Epochs are the named ones, or equal parts of the session if none are named. Each has
    at most `method.blocks` blocks. Activity is centred within named epochs, so that a
    shift of mean activity between them changes neither the estimate of how long
    activity stays correlated nor the reliance on units.
    """
    assert method.switching is not None
    rows = named or np.array_split(np.arange(len(bench.windows.starts)), method.switching.parts)
    apart = np.repeat(np.arange(len(rows)), [len(own) for own in rows]) if named else None
    memory = memory_bins(features_of(bench, np.concatenate(rows), apart).numpy())
    blocks = blocks_of(min(map(len, rows)), memory, method.blocks)
    about = SwitchingFigures(epochs=len(rows), blocks=int(blocks), memory_s=memory * bench.step_s)
    if not blocks:
        return about
    block = [
        number * blocks + np.arange(len(own)) * blocks // len(own)
        for number, own in enumerate(rows)
    ]
    moments, penalty = moments_of(bench, np.concatenate(rows), np.concatenate(block), apart)
    epoch = np.repeat(np.arange(len(rows)), blocks)
    rng = generator("null", run.study_seed, run.session)
    tested = switching(moments, epoch, penalty, method.switching.permutations, rng)
    return replace(about, tests=tuple(tested.values()))


def transfer(
    epochs: Sequence[Halves],
    mode: Mode,
    method: Messengers,
    rates: np.ndarray,
    rng: np.random.Generator,
) -> Transfer:
    """Choose a set of units in each epoch, and score both sets in both epochs.

    Parameters
    ----------
    epochs
        Epochs A and B, each with its choosing and its scoring blocks.
    mode
        Whether the decoder is fitted again without the units (`refit`) or not
        (`fixed`).
    method
        The declared measurement: budget, random sets, resamples and margin.
    rates
        Mean activity of each unit (unit,), by which random sets are matched.
    rng
        Random generator for the random sets and the resamples.

    Returns
    -------
    Both sets and their gains. A transfer ratio to an epoch is computed only if the gain
    of that epoch's own set was shown to exceed the margin.
    """
    units = len(rates)
    chosen = [
        choose(losses_if_removed(e.choosing.parts(e.choosing_penalty), mode), units, method.budget)
        for e in epochs
    ]
    scoring = [e.scoring.parts(e.scoring_penalty) for e in epochs]
    others = [u for u in range(units) if u not in {*chosen[0], *chosen[1]}]
    key = int(rng.integers(2**63))

    def gain(units_chosen: Sequence[int], epoch: int) -> np.ndarray:
        """Loss without a set minus mean loss without random sets (block,).

        This is the gain G(b) before it is divided by the decodable range.
        """
        sets = matched_sets(units_chosen, others, rates, method.masks, np.random.default_rng(key))
        random = np.mean(
            [losses_without(scoring[epoch], removed, mode) for removed in sets], axis=0
        )
        return losses_without(scoring[epoch], units_chosen, mode) - random

    own_a, crossed, own_b, back = (
        gain(chosen[0], 0),
        gain(chosen[0], 1),
        gain(chosen[1], 1),
        gain(chosen[1], 0),
    )
    ranges = [decodable_range(parts) for parts in scoring]
    found = Transfer(
        mode=mode,
        budget=method.budget,
        set_a=tuple(int(unit) for unit in chosen[0]),
        set_b=tuple(int(unit) for unit in chosen[1]),
        jaccard=len(set(chosen[0]) & set(chosen[1])) / len(set(chosen[0]) | set(chosen[1])),
        gain_a=float(own_a.mean() / ranges[0].mean()),
        gain_b=float(own_b.mean() / ranges[1].mean()),
        gain_a_in_b=float(crossed.mean() / ranges[1].mean()),
        gain_a_p=_p_gain_exceeds(own_a, ranges[0], method.margin),
        gain_b_p=_p_gain_exceeds(own_b, ranges[1], method.margin),
    )
    a_carries, b_carries = found.gain_a_p <= LEVEL, found.gain_b_p <= LEVEL
    if not (a_carries or b_carries):
        return found
    forth, turned = _choice_covariances(epochs, scoring, mode, method, rng)
    return replace(
        found,
        transfer=_ratio(crossed, own_b, forth) if b_carries else None,
        transfer_back=_ratio(back, own_a, turned) if a_carries else None,
    )


def _ratio(there: np.ndarray, own: np.ndarray, choice: np.ndarray) -> Interval:
    """Estimate the transfer ratio with its 95 % interval.

    Parameters
    ----------
    there
        Gain of the other epoch's set (block,).
    own
        Gain of the epoch's own set on the same blocks (block,).
    choice
        Covariance (2, 2) of the two mean gains that is due to the choice of the sets.
    """
    low, high = ratio_interval(there, own, CONFIDENCE, choice)
    return Interval(estimate=float(there.mean() / own.mean()), low=low, high=high)


def _p_gain_exceeds(gain: np.ndarray, ranges: np.ndarray, margin: float) -> float:
    """P value of a one-sided t test that a set's gain exceeds the margin.

    The test is over blocks.

    Parameters
    ----------
    gain
        Loss without the set minus mean loss without random sets (block,).
    ranges
        Decodable range (block,).
    margin
        The fraction of the range that the gain must exceed.
    """
    return float(stats.ttest_1samp(gain - margin * ranges, 0.0, alternative="greater").pvalue)


def _choice_covariances(
    epochs: Sequence[Halves],
    scoring: Sequence[Sequence[FoldMoments]],
    mode: str,
    method: Messengers,
    rng: np.random.Generator,
) -> list[np.ndarray]:
    """Bootstrap how losses without the sets vary with the choice of the sets.

    Sets are chosen anew from reweighted choosing blocks. The weights are standard
    exponential draws (Bayesian bootstrap). Blocks are not drawn with replacement, since
    the same block could then be in the training and in the test part of a fold.

    Parameters
    ----------
    epochs
        Epochs A and B, each with its choosing and its scoring blocks.
    scoring
        Moments of the scoring blocks of A and of B.
    mode
        `refit` or `fixed`.
    method
        The declared measurement: budget and number of resamples.
    rng
        Random generator for the weights.

    Returns
    -------
    Covariance (2, 2) of two mean losses, without the other epoch's set and without the
    epoch's own set: first as scored in B, then as scored in A.

    References
    ----------
    Rubin 1981, doi:10.1214/aos/1176345338 (Bayesian bootstrap).
    """
    units, found = (
        len(scoring[0][0].with_target),
        np.empty((method.resamples, 2, 2)),  # (resample, scored in, chosen in)
    )
    for i in range(method.resamples):
        for number, epoch in enumerate(epochs):
            weights = rng.exponential(size=len(epoch.choosing.rows))
            again = choose(
                losses_if_removed(epoch.choosing.parts(epoch.choosing_penalty, weights), mode),
                units,
                method.budget,
            )
            found[i, :, number] = [losses_without(parts, again, mode).mean() for parts in scoring]
    return [np.cov(found[:, 1].T), np.cov(found[:, 0, ::-1].T)]


def ratio_interval(
    numerator: np.ndarray,
    denominator: np.ndarray,
    confidence: float,
    more: np.ndarray | None = None,
) -> tuple[float, float]:
    """Fieller's interval of mean(numerator) / mean(denominator).

    Parameters
    ----------
    numerator, denominator
        Paired values (block,).
    confidence
        Two-sided confidence level, in (0, 1).
    more
        Covariance (2, 2) of the two means that is added to the one estimated from the
        blocks; none if omitted.

    Returns
    -------
    Lower and upper end; infinite if the interval is not bounded.

    References
    ----------
    Fieller 1954, J R Stat Soc B 16:175.
    """
    blocks = len(numerator)
    square = float(stats.t.ppf((1 + confidence) / 2, blocks - 1)) ** 2
    covariance = square * (
        np.cov(numerator, denominator) / blocks + (0.0 if more is None else more)
    )
    mean_n, mean_d = float(numerator.mean()), float(denominator.mean())
    a = mean_d * mean_d - float(covariance[1, 1])
    b = mean_n * mean_d - float(covariance[0, 1])
    c = mean_n * mean_n - float(covariance[0, 0])
    if a <= 0:
        return -math.inf, math.inf
    reach = math.sqrt(max(b * b - a * c, 0.0))
    return (b - reach) / a, (b + reach) / a
