"""Measure what a session's code holds, with refitted linear decoders.

In: a session with its windows and folds, and the declared measurement (`Code`). Out:
held-out sums of errors (`CodeFigures`), from which follow the dropping curves, the
redundancy, and what is lost with corrupted inputs (science.md 2.1). Every decoder is
linear and refitted; nothing here is trained by SSL. Every choice (units, penalties,
temperatures) is made on training windows only.
"""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from invariance_probe.data.windows import covered_bins
from invariance_probe.plan.figures.code import CodeFigures, HeldOutErrors, information
from invariance_probe.plan.roles import SessionMeasurement
from invariance_probe.plan.run import RunResult
from invariance_probe.probing.bench.autocorrelation import first_lag, first_lag_of_classes
from invariance_probe.probing.bench.workbench import Workbench
from invariance_probe.probing.code.blind import blind_losses
from invariance_probe.probing.code.copies import find_repeated
from invariance_probe.probing.code.dropping import WHOLE, CurveRequest
from invariance_probe.probing.code.masks import declared_masks, halves, masking
from invariance_probe.probing.code.prepared import PreparedSession
from invariance_probe.probing.code.scored import Scored, held_out, measure_parts, tested_blocks
from invariance_probe.probing.decoders.readout import Measurement
from invariance_probe.probing.measurements.trained import Progress
from invariance_probe.randomness import generator
from invariance_probe.study.baselines import Code
from invariance_probe.study.transforms import UnitDropout

USUAL_RATE = 0.4
"""Rate of unit dropout at which N_eff and RedIdx are computed.

The nearest swept rate is used.
"""
RANDOM_ORDERS = 3
"""Number of random orders of loss that a curve is averaged over.

With more than `WHOLE` units one order is used, because the curve then hardly depends on
the order.
"""


def measure_code(
    bench: Workbench, runs: list[SessionMeasurement], on_progress: Progress
) -> list[Measurement]:
    """Measure dropping curves, redundancy, and the losses under corruptions.

    Parameters
    ----------
    bench
        The session with its windows and folds.
    runs
        Runs whose method is `Code`.
    on_progress
        Not called: the measurement has no steps to report.
    """
    return [Measurement(run, _measure(bench, run)) for run in runs]


def _measure(bench: Workbench, run: SessionMeasurement) -> RunResult:
    prepared = PreparedSession.of(bench, run, run.declared(Code).blocks)
    if not prepared.units:
        return RunResult(run.key(), "done", message="no unit varies in every training part")
    figures = _beside_distinct(bench, run, prepared, code_figures(bench, run, prepared))
    return RunResult(run.key(), "done", figures=figures)


def _beside_distinct(
    bench: Workbench, run: SessionMeasurement, prepared: PreparedSession, figures: CodeFigures
) -> CodeFigures:
    """Name the units that repeat others, and add the results without them.

    Parameters
    ----------
    bench
        The session with its windows and folds.
    run
        The run; its method is a `Code` that says what is measured.
    prepared
        The session, prepared for decoding.
    figures
        The results with all units, to which names and results are added.
    """
    seen = covered_bins(bench.windows.starts, bench.windows.length)
    activity = bench.recording.activity
    if (len(seen), len(prepared.varying)) != activity.shape:  # else a copy of everything
        activity = activity[np.ix_(seen, prepared.varying)]
    repeated = find_repeated(activity, bench.recording.activity_kind == "counts")
    if not repeated.removed:
        return figures
    units = np.array(prepared.units)
    # Only the finding `few` or `spread` is checked without repeats, which needs no corruptions.
    alone = run.model_copy(update={"method": run.method.model_copy(update={"corruptions": ()})})
    return replace(
        figures,
        copies=tuple((str(one), str(other)) for one, other in units[list(repeated.copies)])
        if repeated.copies
        else (),
        sums=tuple(tuple(map(str, units[list(places)])) for places in repeated.sums),
        distinct=code_figures(bench, alone, prepared.without(repeated.removed)),
    )


def code_figures(
    bench: Workbench, run: SessionMeasurement, prepared: PreparedSession
) -> CodeFigures:
    """Measure the code of a prepared session.

    Parameters
    ----------
    bench
        The session with its windows and folds.
    run
        The run; its method is a `Code` that says what is measured.
    prepared
        The session, prepared for decoding, with all units or without some.
    """
    asked = run.declared(Code)
    rng = generator("probe", run.study_seed, run.session)
    masks = _masks(bench, asked, run, prepared, rng)
    units = len(prepared.units)
    orders = np.array(
        [rng.permutation(units) for _ in range(RANDOM_ORDERS if units <= WHOLE else 1)]
    )
    blind = [blind_losses(bench, run, corruption, prepared) for corruption in asked.corruptions]
    everything = measure_parts(prepared, 1, masks, CurveRequest(at_random=orders, every_order=True))
    whole = held_out(prepared, everything, asked, blind, None)
    deleted: tuple[HeldOutErrors, ...] = ()
    if asked.jackknife:
        pairs = measure_parts(prepared, 2, masks, CurveRequest(), near=everything.penalty)
        deleted = tuple(
            held_out(prepared, pairs, asked, blind, block) for block in range(len(prepared.folds))
        )
    parts = list(everything.squares.values())
    n_eff, red_idx = exploratory(prepared, everything, asked)
    return CodeFigures(
        units=prepared.units,
        window_count=len(prepared.target),
        length_bins=prepared.inputs.length,
        bin_s=bench.recording.bin_s,
        stride_bins=bench.windows.stride,
        loss="nats" if prepared.classes else "squared error",
        whole=whole,
        deleted=deleted,
        gained_by=_chosen([part.dropped.gained for part in parts], whole.k_s, units),
        lost_by=_chosen([part.dropped.lost for part in parts], whole.k_n, units),
        autocorrelation_s=autocorrelation_s(prepared, everything, bench.step_s),
        n_eff=n_eff,
        red_idx=red_idx,
    )


def _chosen(orders: Sequence[np.ndarray], crossing: float | None, units: int) -> tuple[int, ...]:
    """Count the orders in which each unit comes before the crossing (unit,).

    Parameters
    ----------
    orders
        Units (step,) in the order of each training part.
    crossing
        Number of units at which the pooled curve crosses half; None without a crossing.
    units
        Number of units.
    """
    first = 0 if crossing is None else int(np.ceil(crossing))
    counts = np.bincount(np.concatenate([order[:first] for order in orders]), minlength=units)
    return tuple(int(count) for count in counts)


def _masks(
    bench: Workbench,
    asked: Code,
    run: SessionMeasurement,
    prepared: PreparedSession,
    rng: np.random.Generator,
) -> list[np.ndarray]:
    """Draw the masks (mask, feature) on which decoders are refitted.

    Returns
    -------
    One group of masks of the halves of the units, then one group per corruption. The
    group of a corruption that leaves no inputs intact is empty.
    """
    units, bins = len(prepared.units), prepared.inputs.length
    split = halves(rng, asked.splits, units).reshape(-1, units)
    found = [np.repeat(split, bins, axis=1)]
    for corruption in asked.corruptions:
        transform = masking(corruption.views)
        if transform is None:
            found.append(np.zeros((0, units * bins), dtype=bool))
        else:
            rates = bench.recording.activity.mean(axis=0)
            drawn = declared_masks(transform, run, rates, bins, asked.masks, rng)[
                :, prepared.varying
            ]
            found.append(drawn.reshape(len(drawn), -1))
    return found


def exploratory(
    prepared: PreparedSession, found: Scored, asked: Code
) -> tuple[float | None, float | None]:
    """Compute N_eff and RedIdx of a session from the masks of unit dropout.

    Of the swept rates of unit dropout, the one nearest to `USUAL_RATE` is used. If
    linear information J adds up over units, its variance over masks says how many units
    carry it, N_eff = p / (1 - p) / CV^2, and its mean says how redundantly, RedIdx = 1
    - (1 - J(p) / J(0)) / p. Here p is the rate and CV the coefficient of variation of
    J. N_eff is at most the number of units.

    Parameters
    ----------
    prepared
        The session, prepared for decoding.
    found
        Errors of each training part that leaves out one block.
    asked
        The declared measurement.

    Returns
    -------
    N_eff and RedIdx; both None without masks of unit dropout at a fixed rate, or where
    no information is decoded.
    """
    rates = {
        place: transform.rate
        for place, corruption in enumerate(asked.corruptions)
        if isinstance(transform := masking(corruption.views), UnitDropout)
        and transform.rate_draw == "fixed"
    }
    if not rates:
        return None, None
    place = min(rates, key=lambda one: abs(rates[one] - USUAL_RATE))
    tested = tested_blocks(prepared, None)
    masked = sum(found.squares[part].masked[0] for _, part, _ in tested)
    floor, linear = (
        sum(values)
        for values in zip(
            *((f.floors[0], f.linear[0]) for f in found.squares.values()), strict=True
        )
    )
    parts = np.array(
        [information(1 - error / floor) for error in found.by_group(masked)[place + 1]]
    )
    whole, rate = information(1 - linear / floor), rates[place]
    if not whole or not parts.mean():
        return None, None
    squared_cv = float(parts.var(ddof=1) / parts.mean() ** 2)
    units = len(prepared.units)
    n_eff = min(float(units), rate / (1 - rate) / squared_cv) if squared_cv > 0 else float(units)
    return n_eff, 1 - (1 - float(parts.mean()) / whole) / rate


def autocorrelation_s(prepared: PreparedSession, found: Scored, step_s: float) -> float:
    """Autocorrelation time (s) of the target or of the decoder's errors.

    It is the first lag at which the autocorrelation is below 1/e; the longer of the two
    is returned.

    Parameters
    ----------
    prepared
        The session, prepared for decoding.
    found
        Errors of each training part that leaves out one block.
    step_s
        Length of a bin (s).
    """
    errors = np.zeros_like(prepared.target)
    for fold, part, _ in tested_blocks(prepared, None):
        weights, features = found.squares[part].weights, prepared.moments.features
        for x, windows in prepared.inputs.parts(prepared.folds[fold].test):
            errors[windows] = x @ weights[:features] + weights[features] - prepared.target[windows]
    if prepared.classes:
        of_target = first_lag_of_classes(prepared.target.argmax(axis=1), prepared.stretch)
    else:
        of_target = first_lag(prepared.target, prepared.stretch)
    return max(of_target, first_lag(errors, prepared.stretch)) * step_s
