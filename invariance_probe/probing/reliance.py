"""Which few units an SSL objective, a refitted and a fixed decoder each rest on: three targets of removal, kept apart.

In: one session and stacked runs of one SSL method, a fold and a seed each. Out: for every budget and target the set whose removal harms it
most, chosen on training windows, and what each of these sets costs each of the targets on test windows, beside random sets with like rates.

`objective`: the loss that the trained model minimises, without the units in both views: structure that the views share. `refit` and `fixed`:
ridge decoders of the target (square roots of counts, or signals) as in `probing/messengers.py`: information, and reliance of one decoder.
A set that carries the target need not carry the objective, and the other way round. Nothing here is about causes.
"""

from dataclasses import dataclass

import numpy as np

from invariance_probe.errors import TrainingError
from invariance_probe.probing.adversaries import REFERENCE, SELECTORS
from invariance_probe.probing.adversaries.acceptance import BAND
from invariance_probe.probing.adversaries.attack import Attack
from invariance_probe.probing.adversaries.damage import MODES, decodable_range, losses_without, set_losses
from invariance_probe.probing.adversaries.halves import columns_of, features_of, moments_of
from invariance_probe.probing.adversaries.moments import BlockMoments, Part
from invariance_probe.probing.adversaries.objective import ObjectiveLoss, forward_path
from invariance_probe.probing.adversaries.random_sets import matched_sets
from invariance_probe.probing.batches import asked_of
from invariance_probe.probing.readout import Measured
from invariance_probe.probing.trained import EVALUATION_STEP, Progress, settings_of, train_ssl
from invariance_probe.probing.workbench import Workbench
from invariance_probe.streams import generator
from invariance_probe.study.budgets import most_messengers
from invariance_probe.study.methods import Reliance
from invariance_probe.study.run import Run, RunResult

OBJECTIVE = "objective"
TARGETS = (OBJECTIVE, *MODES)
"""What sets are chosen for, and scored by."""
BLOCKS = 12
"""Blocks of training windows that a decoder's set is chosen on."""
Sets = dict[tuple[int, str], list[tuple[int, ...]]]
"""The set of every run, by budget and the target that it is chosen for."""


@dataclass(frozen=True, eq=False)
class Decoder:
    """The moments of one fold's ridge decoder: of parts of its training windows, and of its test windows."""

    choosing: list[Part]
    scoring: Part

    @classmethod
    def of(cls, bench: Workbench, run: Run) -> "Decoder":
        """Fit by a run's training windows."""
        train, fold = bench.train_windows(run), bench.folds[run.fold]  # type: ignore[index]
        moments, penalty = moments_of(bench, train, np.arange(len(train)) * BLOCKS // len(train))
        _, block = np.unique(fold.test_blocks, return_inverse=True)
        rows = np.concatenate([train, fold.test])
        blocks = np.concatenate([np.zeros(len(train), dtype=np.int64), 1 + block])
        x, y = (values.cpu().numpy() for values in (features_of(bench, rows), columns_of(bench, rows)))
        return cls(moments.parts(penalty), BlockMoments.of(x, y, blocks).held_out(penalty, np.arange(1, blocks.max() + 1)))


def measure_reliance(bench: Workbench, runs: list[Run], on_progress: Progress) -> list[Measured]:
    """Train the models, choose sets for each target, and score all of them by all targets."""
    asked = runs[0].method
    assert isinstance(asked, Reliance)
    _refuse(bench, asked)
    models = [run.model_copy(update={"method": asked.of}) for run in runs]
    method, views, training = train_ssl(bench, models, on_progress, [run.train_key() for run in runs])
    tests = [bench.folds[run.fold].test for run in runs]  # type: ignore[index]
    losses, first = [], EVALUATION_STEP
    for parts, count in (([bench.train_windows(run) for run in runs], asked.choosing * asked.batches), (tests, asked.batches)):
        there, batches = asked_of(bench, models, method, views, parts, range(first, first + count))
        first += count
        if not all(there):
            raise TrainingError(
                f"session {bench.recording.session!r}: a fold's windows hold no example of {asked.of.kind}; use fewer folds, or another method"
            )
        losses.append(ObjectiveLoss(method, list(batches)))
    found = _scored(bench, runs, *losses)
    steps = settings_of(runs).steps
    results = [_result(run, int(training.failed_at[i]), found[i], steps) for i, run in enumerate(runs)]
    return [Measured(run, result) for run, result in zip(runs, results, strict=True)]


def _refuse(bench: Workbench, asked: Reliance) -> None:
    if bench.windows.length != 1:
        raise TrainingError(f"reliance reads windows of one bin; window.length_bins is {bench.windows.length}")
    most = most_messengers(bench.activity.shape[1])
    if max(asked.budgets) > most:
        raise TrainingError(
            f"session {bench.recording.session!r}: a budget is {max(asked.budgets)}, but there are only {bench.activity.shape[1]} units; "
            f"at most {most} leave enough others to compare with"
        )


def _result(run: Run, failed_at: int, found: dict[str, float], steps: int) -> RunResult:
    if failed_at >= 0 or not np.isfinite(list(found.values())).all():
        message = (
            f"the loss was not finite at step {failed_at}" if failed_at >= 0 else "the loss without some units is not finite"
        )
        return RunResult(run.key(), "failed", message=message, model_steps=steps)
    return RunResult(run.key(), "done", diagnostics=found, model_steps=steps)


def _scored(bench: Workbench, runs: list[Run], choosing: ObjectiveLoss, scoring: ObjectiveLoss) -> list[dict[str, float]]:
    asked, units = runs[0].method, bench.activity.shape[1]
    assert isinstance(asked, Reliance)
    decoders = [Decoder.of(bench, run) for run in runs]
    rngs = [generator("probe", run.study_seed, run.session, run.seed, run.fold) for run in runs]
    chosen = _chosen(asked, choosing, decoders, rngs)
    rates = bench.recording.activity.mean(axis=0)
    whole = scoring.without(np.zeros(scoring.shape, dtype=bool))
    found = [
        _ranges(decoder, float(own)) | {"units": float(units)} for decoder, own in zip(decoders, scoring.range(), strict=True)
    ]
    for (budget, target), own in chosen.items():
        sets = np.stack([_beside(units, rates, one, asked.masks, rng) for one, rng in zip(own, rngs, strict=True)])
        rises = scoring.of_sets(sets) - whole[:, None]
        for i, decoder in enumerate(decoders):
            damages = {OBJECTIVE: rises[i]} | {
                mode: set_losses([decoder.scoring], mode)(sets[i]) - losses_without([decoder.scoring], (), mode).mean()
                for mode in MODES
            }
            for scored, values in damages.items():
                found[i] |= {f"b{budget}_{target}_{scored}_{name}": value for name, value in _banded(values).items()}
            found[i] |= {f"b{budget}_{target}_unit@{k + 1}": float(unit) for k, unit in enumerate(own[i])}
    return found


def _chosen(asked: Reliance, loss: ObjectiveLoss, decoders: list[Decoder], rngs: list[np.random.Generator]) -> Sets:
    path = forward_path(loss, max(asked.budgets), asked.screening, asked.finalists)
    sets: Sets = {}
    for budget in asked.budgets:
        sets[budget, OBJECTIVE] = [tuple(sorted(own[:budget].tolist())) for own in path]
        for mode in MODES:
            pairs = zip(decoders, rngs, strict=True)
            sets[budget, mode] = [SELECTORS[REFERENCE](Attack(own.choosing, mode, budget), rng) for own, rng in pairs]
    return sets


def _beside(units: int, rates: np.ndarray, chosen: tuple[int, ...], masks: int, rng: np.random.Generator) -> np.ndarray:
    """Return a set, and random sets of other units with like rates after it (set, unit of the set)."""
    others = [unit for unit in range(units) if unit not in set(chosen)]
    return np.array([chosen, *matched_sets(chosen, others, rates, masks, rng)])


def _ranges(decoder: Decoder, objective: float) -> dict[str, float]:
    """Return what each target can lose; both decoders lose the same."""
    return {"range_objective": objective, "range_decoder": float(decodable_range([decoder.scoring]).mean())}


def _banded(damages: np.ndarray) -> dict[str, float]:
    """Return the damage of the first set, and the mean and the 95 % band of the others (set,)."""
    low, high = np.quantile(damages[1:], BAND)
    return {"chosen": float(damages[0]), "random": float(damages[1:].mean()), "low": float(low), "high": float(high)}
