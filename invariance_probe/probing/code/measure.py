"""The finding of a session's code: dropping curves, redundancy, and what is lost with corrupted inputs.

In: a session and the declared measurement. Out: held-out sums of errors (`CodeFigures`). Every decoder is linear and refitted;
nothing here is trained by SSL. Every choice (units, penalties, temperatures) is made inside the training part.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from invariance_probe.probing.code.autocorrelation import first_lag, first_lag_of_classes
from invariance_probe.probing.code.blind import Blind
from invariance_probe.probing.code.classes import Losses, log_losses
from invariance_probe.probing.code.copies import find_repeated
from invariance_probe.probing.code.dropping import LOST, WHOLE, Wanted
from invariance_probe.probing.code.ground import Ground
from invariance_probe.probing.code.masks import declared_masks, halves, masking
from invariance_probe.probing.code.parts import PartErrors, part_errors, pooled
from invariance_probe.probing.code.penalties import Part, choose_penalties
from invariance_probe.probing.readout import Measured
from invariance_probe.probing.trained import Progress
from invariance_probe.probing.workbench import Workbench
from invariance_probe.streams import generator
from invariance_probe.study.baselines import Code
from invariance_probe.study.code_figures import (
    CodeFigures,
    CorruptionErrors,
    CurveName,
    DroppingCurve,
    HeldOutErrors,
    Scale,
    information,
)
from invariance_probe.study.probes import RidgeProbe
from invariance_probe.study.run import Run, RunResult
from invariance_probe.study.transforms import UnitDropout

Held = tuple[int, Part, int]
"""A held-out block, its training part, and its place among the blocks that this part leaves out."""
SCALES: tuple[Scale, ...] = ("r2", "information")
USUAL_RATE = 0.4
RANDOM_ORDERS = 3
"""Random orders of loss that a curve is the mean of; of more than `WHOLE` units one, whose curve hardly varies."""


def measure_code(bench: Workbench, runs: list[Run], on_progress: Progress) -> list[Measured]:
    """Measure dropping curves, redundancy, and what is lost with corrupted inputs."""
    return [Measured(run, _measure(bench, run)) for run in runs]


def _measure(bench: Workbench, run: Run) -> RunResult:
    assert isinstance(run.method, Code)
    ground = Ground.of(bench, run, run.method.blocks)
    found = {"units": float(len(ground.units))}
    if not ground.units:
        return RunResult(run.key(), "done", diagnostics=found, message="no unit varies in every training part")
    figures = code_figures(bench, run, ground)
    seen = np.unique(bench.windows.starts[:, None] + np.arange(bench.windows.length))
    activity = bench.recording.activity[np.ix_(seen, ground.varying)]
    repeated = find_repeated(activity, bench.recording.activity_kind == "counts")
    if repeated.removed:
        alone = run.model_copy(update={"method": run.method.model_copy(update={"corruptions": ()})})
        figures = replace(
            figures,
            copies=tuple((ground.units[i], ground.units[j]) for i, j in repeated.copies),
            sums=tuple(tuple(ground.units[i] for i in found) for found in repeated.sums),
            distinct=code_figures(bench, alone, ground.without(repeated.removed)),
        )
    exploratory = {"n_eff": figures.n_eff, "red_idx": figures.red_idx}
    found |= {name: value for name, value in exploratory.items() if value is not None}
    return RunResult(run.key(), "done", diagnostics=found, code=figures)


def code_figures(bench: Workbench, run: Run, ground: Ground) -> CodeFigures:
    """Measure the code of a prepared session."""
    asked = run.method
    assert isinstance(asked, Code)
    rng = generator("probe", run.study_seed, run.session)
    masks = _masks(bench, asked, run, ground, rng)
    units = len(ground.units)
    orders = np.array([rng.permutation(units) for _ in range(RANDOM_ORDERS if units <= WHOLE else 1)])
    blind = [Blind.of(bench, run, corruption, ground, asked.draws) for corruption in asked.corruptions]
    everything = measure_parts(ground, 1, masks, Wanted(at_random=orders, every_order=True))
    whole = held_out(ground, everything, asked, [one.losses(1) for one in blind], None)
    deleted: tuple[HeldOutErrors, ...] = ()
    if asked.jackknife:
        pairs = measure_parts(ground, 2, masks, Wanted())
        of_pairs = [one.losses(2) for one in blind]
        deleted = tuple(held_out(ground, pairs, asked, of_pairs, block) for block in range(len(ground.folds)))
    whole = replace(
        whole, corruptions=tuple(replace(c, input_change=one.change) for c, one in zip(whole.corruptions, blind, strict=True))
    )
    parts = list(everything.squares.values())
    n_eff, red_idx = exploratory(ground, everything, asked)
    return CodeFigures(
        units=ground.units,
        window_count=len(ground.target),
        length_bins=ground.inputs.length,
        bin_s=bench.recording.bin_s,
        loss="nats" if ground.classes else "squared error",
        whole=whole,
        deleted=deleted,
        gained_by=_chosen([part.dropped.gained for part in parts], whole.k_s, units),
        lost_by=_chosen([part.dropped.lost for part in parts], whole.k_n, units),
        autocorrelation_s=autocorrelation_s(ground, everything, bench.recording.bin_s),
        n_eff=n_eff,
        red_idx=red_idx,
    )


def _chosen(orders: Sequence[np.ndarray], crossing: float | None, units: int) -> tuple[int, ...]:
    """In how many orders each unit (unit,) comes before a crossing."""
    first = 0 if crossing is None else int(np.ceil(crossing))
    counts = np.bincount(np.concatenate([order[:first] for order in orders]), minlength=units)
    return tuple(int(count) for count in counts)


def _masks(bench: Workbench, asked: Code, run: Run, ground: Ground, rng: np.random.Generator) -> list[np.ndarray]:
    """Halves of the units, then the masks of every corruption that has some: each (mask, feature)."""
    units, bins = len(ground.units), ground.inputs.length
    split = halves(rng, asked.splits, units).reshape(-1, units)
    found = [np.repeat(split, bins, axis=1)]
    for corruption in asked.corruptions:
        transform = masking(corruption.views)
        if transform is None:
            found.append(np.zeros((0, units * bins), dtype=bool))
        else:
            rates = bench.recording.activity.mean(axis=0)
            drawn = declared_masks(transform, run, rates, bins, asked.masks, rng)[:, ground.varying]
            found.append(drawn.reshape(len(drawn), -1))
    return found


@dataclass(frozen=True, eq=False)
class Scored:
    """Errors of every training part that leaves out so many blocks.

    Attributes
    ----------
    squares
        Squared errors and dropping curves of every part.
    losses
        Losses of every part on each block that it leaves out.
    masks
        The masks that decoders were refitted on: halves of the units, then those of each corruption (mask, feature).
    """

    squares: dict[Part, PartErrors]
    losses: dict[tuple[Part, int], Losses]
    masks: list[np.ndarray]

    def by_group(self, masked: np.ndarray) -> list[np.ndarray]:
        """Cut what was found for every mask (..., mask) into halves and corruptions."""
        return np.split(masked, np.cumsum([len(group) for group in self.masks])[:-1], axis=-1)


def measure_parts(ground: Ground, left_out: int, masks: list[np.ndarray], wanted: Wanted) -> Scored:
    """Fit and score every training part that leaves out so many blocks, until all pooled curves have crossed."""
    moments, bins = ground.moments, ground.inputs.length
    penalties = choose_penalties(moments, left_out, RidgeProbe().penalties)
    stacked = np.concatenate(masks)
    found = {part: part_errors(moments, part, penalty, bins, stacked, wanted) for part, penalty in penalties.items()}
    while steps := _lacking(ground, found, left_out):
        longer = replace(wanted, steps=steps)
        for part, penalty in penalties.items():
            again = part_errors(moments, part, penalty, bins, stacked[:0], longer)
            found[part] = replace(found[part], dropped=again.dropped)
    if ground.classes:
        labels = ground.target.argmax(axis=1)
        losses = log_losses(ground.inputs.parts, moments, labels, ground.folds, penalties, stacked)
    else:
        losses = {
            (part, block): Losses(
                one.floors[place] / ground.scale, one.linear[place] / ground.scale, one.masked[place] / ground.scale
            )
            for part, one in found.items()
            for place, block in enumerate(sorted(part))
        }
    return Scored(found, losses, masks)


def _lacking(ground: Ground, found: dict[Part, PartErrors], left_out: int) -> dict[CurveName, int]:
    """How far curves must run that have not crossed, empty where all have."""
    units = len(ground.units)
    steps: dict[CurveName, int] = {}
    for deleted in [None] if left_out == 1 else range(len(ground.folds)):
        tested = _tested(ground, deleted)
        taken = [(found[part], place) for _, part, place in tested]
        known = _errors_of_all(ground, tested, taken)
        for name in (name for name in taken[0][0].dropped.errors if name not in LOST):
            curve = _curve(ground, name, taken)
            made = len(curve.errors) - 1
            if known.information and made < units and _end(known, curve) is None:
                steps[name] = max(steps.get(name, 0), min(units, 2 * made))
    return steps


def _tested(ground: Ground, deleted: int | None) -> list[Held]:
    """Each held-out block with its training part, and its place among the blocks that this part leaves out."""
    folds = [fold for fold in range(len(ground.folds)) if fold != deleted]
    sets = [frozenset({fold} if deleted is None else {fold, deleted}) for fold in folds]
    return [(fold, part, sorted(part).index(fold)) for fold, part in zip(folds, sets, strict=True)]


def held_out(
    ground: Ground, found: Scored, asked: Code, blind: Sequence[dict[tuple[Part, int], float]], deleted: int | None
) -> HeldOutErrors:
    """Put the errors of all folds together, of the whole session or without a block."""
    tested = _tested(ground, deleted)
    taken = [(found.squares[part], place) for _, part, place in tested]
    losses = [found.losses[part, fold] for fold, part, _ in tested]
    squares = np.array([part.masked[place] / ground.scale for part, place in taken])
    split = found.by_group(squares)[0].T.reshape(asked.splits, 2, -1)
    masked = found.by_group(np.array([one.masked for one in losses]))[1:]
    known = _errors_of_all(ground, tested, taken)
    curves = [_curve(ground, name, taken) for name in taken[0][0].dropped.errors]
    return replace(
        known,
        floor=_fold(one.floor for one in losses),
        everything=_fold(one.everything for one in losses),
        curves=tuple(replace(curve, errors=curve.errors[: _end(known, curve)]) for curve in curves),
        halves=tuple((_fold(one), _fold(other)) for one, other in split),
        corruptions=tuple(
            CorruptionErrors(
                axis=corruption.axis,
                dose=corruption.dose,
                masked=_fold(group.mean(axis=1)) if group.shape[1] else (),
                blind=_fold(one[part, fold] for fold, part, _ in tested),
                input_change=0.0,
            )
            for corruption, group, one in zip(asked.corruptions, masked, blind, strict=True)
        ),
    )


def _errors_of_all(ground: Ground, tested: Sequence[Held], taken: Sequence[tuple[PartErrors, int]]) -> HeldOutErrors:
    """Errors of the best constant and of all units."""
    floor = _fold(part.floors[place] / ground.scale for part, place in taken)
    linear = _fold(part.linear[place] / ground.scale for part, place in taken)
    folds = tuple(fold for fold, _, _ in tested)
    return HeldOutErrors(folds, tuple(len(ground.folds[fold].test) for fold in folds), floor, linear, floor, linear, (), (), ())


def _curve(ground: Ground, name: CurveName, taken: Sequence[tuple[PartErrors, int]]) -> DroppingCurve:
    """A curve pooled over folds, as far as all of them run."""
    errors = pooled([part.dropped.errors[name][place] for part, place in taken]) / ground.scale
    orders = tuple(part.dropped.scored for part, _ in taken) if name == "lost" else ()
    return DroppingCurve(name, tuple(_fold(step) for step in errors), orders)


def _end(known: HeldOutErrors, curve: DroppingCurve) -> int | None:
    """How many steps of a curve reach one beyond its later crossing; None where it has not crossed."""
    with_curve = replace(known, curves=(curve,))
    crossings = [with_curve.crossing(curve.name, scale) for scale in SCALES]
    return None if None in crossings else int(np.ceil(max(found for found in crossings if found is not None))) + 2


def _fold(values: object) -> tuple[float, ...]:
    return tuple(float(value) for value in values)  # type: ignore[attr-defined]


def exploratory(ground: Ground, found: Scored, asked: Code) -> tuple[float | None, float | None]:
    """N_eff and RedIdx from the masks of unit dropout at the rate next to `USUAL_RATE`; None without such masks.

    With additive information J, its variance over masks says how many units carry it, N_eff = p / (1 - p) / CV^2, and its mean
    how redundantly, RedIdx = 1 - (1 - J(p) / J(0)) / p.
    """
    rates = {
        place: transform.rate
        for place, corruption in enumerate(asked.corruptions)
        if isinstance(transform := masking(corruption.views), UnitDropout) and transform.rate_draw == "fixed"
    }
    if not rates:
        return None, None
    place = min(rates, key=lambda one: abs(rates[one] - USUAL_RATE))
    tested = _tested(ground, None)
    masked = sum(found.squares[part].masked[0] for _, part, _ in tested)
    floor, linear = (sum(values) for values in zip(*((f.floors[0], f.linear[0]) for f in found.squares.values()), strict=True))
    parts = np.array([information(1 - error / floor) for error in found.by_group(masked)[place + 1]])
    whole, rate = information(1 - linear / floor), rates[place]
    if not whole or not parts.mean():
        return None, None
    squared_cv = float(parts.var(ddof=1) / parts.mean() ** 2)
    units = len(ground.units)
    n_eff = min(float(units), rate / (1 - rate) / squared_cv) if squared_cv > 0 else float(units)
    return n_eff, 1 - (1 - float(parts.mean()) / whole) / rate


def autocorrelation_s(ground: Ground, found: Scored, bin_s: float) -> float:
    """First lag at which the autocorrelation of the target, or of the decoder's errors, is below 1/e: the longer one."""
    errors = np.zeros_like(ground.target)
    for fold, part, _ in _tested(ground, None):
        weights, features = found.squares[part].weights, ground.moments.features
        for x, windows in ground.inputs.parts(ground.folds[fold].test):
            errors[windows] = x @ weights[:features] + weights[features] - ground.target[windows]
    if ground.classes:
        of_target = first_lag_of_classes(ground.target.argmax(axis=1), ground.stretch)
    else:
        of_target = first_lag(ground.target, ground.stretch)
    return max(of_target, first_lag(errors, ground.stretch)) * bin_s
