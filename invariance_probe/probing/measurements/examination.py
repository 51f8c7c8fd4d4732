"""Examinations: measurements on stored encoders, without any training.

There are four kinds: how corrupted inputs are decoded and move the representation,
whether the representation shows a corruption, how similar it is to that of a model
trained without corruption, and the decoding loss of each class.

In: an opened session, the runs that declare an examination (study/examinations.py) and
the stored weights. Out: one result per run. No verdict rests on these measurements.
"""

from collections.abc import Iterator

import numpy as np
import torch

from invariance_probe.augmentations.views import ViewMaker
from invariance_probe.data.folds import Fold
from invariance_probe.plan.figures.examined import (
    ClassFigures,
    ClassLoss,
    DetectionFigures,
    SimilarityFigures,
)
from invariance_probe.plan.roles import EncoderExamination
from invariance_probe.plan.run import RunResult
from invariance_probe.probing.bench.size import groups
from invariance_probe.probing.bench.stored import Encoders, Weights
from invariance_probe.probing.bench.workbench import Workbench
from invariance_probe.probing.decoders.readout import Measurement, block_means
from invariance_probe.probing.measurements.trained import FIRST_EVALUATION_DRAW
from invariance_probe.probing.representation.detection import MOST_FITTED, detectability
from invariance_probe.probing.representation.encoding import encode_corrupted
from invariance_probe.probing.representation.invariance import invariance, moved, row_space
from invariance_probe.probing.representation.similarity import debiased_cka, shape_distance
from invariance_probe.study.examinations import Corruption, Detection


@torch.no_grad()
def examine(
    bench: Workbench, runs: list[EncoderExamination], weights: Weights
) -> list[Measurement]:
    """Examine stored encoders of one session and architecture.

    Parameters
    ----------
    bench
        The opened session: its windows, folds and target.
    runs
        Runs that declare one examination each.
    weights
        Stored weights of the encoders that the runs read. A run whose encoder is
        missing gets a failed result, whose message says so.
    """
    models: dict[str, list[EncoderExamination]] = {}
    for run in runs:
        models.setdefault(run.train_key(), []).append(run)
    measured: dict[str, Measurement] = {}
    for together in groups(bench, [some[0] for some in models.values()]):
        some = [run for one in together for run in models[one.train_key()]]
        measured |= {one.run.key(): one for one in _examine(bench, some, weights)}
    return [measured[run.key()] for run in runs]


def _examine(
    bench: Workbench, runs: list[EncoderExamination], weights: Weights
) -> list[Measurement]:
    """Examine as many encoders as fit into memory."""
    found = {
        run.key(): RunResult(run.key(), "failed", message=why)
        for run in runs
        if (why := _missing(run, weights))
    }
    asked: dict[bool, dict[str, list[EncoderExamination]]] = {True: {}, False: {}}
    for run in runs:
        if run.key() not in found:
            probed = run.examination.kind in PROBED
            asked[probed].setdefault(run.examination.kind, []).append(run)
    # Two groups, so that no probe is fitted for an encoder whose examinations need none.
    for kinds in asked.values():
        models = [run.model() for same in kinds.values() for run in same]
        encoders = Encoders.of(bench, models, weights)
        for kind, same in kinds.items():
            found |= {result.key: result for result in EXAMINATIONS[kind](encoders, same)}
    return [Measurement(run, found[run.key()]) for run in runs]


def _missing(run: EncoderExamination, weights: Weights) -> str:
    """Say which encoder of a run is not in the store, and what to do.

    The message is empty if no encoder is missing.
    """
    reference = run.reference()
    needed = [(run.train_key(), "the encoder")]
    if reference is not None:
        needed.append((reference.train_key(), "the encoder that it is compared with"))
    gone = [name for key, name in needed if key not in weights]
    if not gone:
        return ""
    return (
        f"session {run.session}: {' and '.join(gone)} is not in the store: its training failed, "
        "or its folder was deleted; to examine it, delete the result of its training and this one "
        "(their keys are in results.csv) and run the study again"
    )


def corrupted(encoders: Encoders, runs: list[EncoderExamination]) -> Iterator[RunResult]:
    """Measure decoding from corrupted inputs, and how far representations move.

    Each encoder was trained at a dose d, and its inputs are now corrupted at a dose e.
    L(d, e) is the loss of the probe that was fitted on clean inputs. S(e) is 1 if the
    corruption does not move the representation, and 0 if it moves a window as far as
    two different windows lie apart (`representation.invariance`).

    Parameters
    ----------
    encoders
        Stored encoders of the session, with their probes.
    runs
        Runs that declare this examination.
    """
    together: dict[tuple[Corruption, Fold], list[EncoderExamination]] = {}
    # Runs of one fold have the same test windows, so no run needs rows to match its partners.
    for run in runs:
        assert isinstance(run.examination, Corruption)
        together.setdefault((run.examination, _fold(encoders.bench, run)), []).append(run)
    for (examination, fold), same in together.items():
        yield from _corrupted(encoders, same, examination, fold)


def _corrupted(
    encoders: Encoders, runs: list[EncoderExamination], examination: Corruption, fold: Fold
) -> Iterator[RunResult]:
    """Measure L(d, e) and S(e) of runs with the same corruption and fold."""
    target, slots = encoders.bench.target, encoders.slots_of(runs)
    frozen, probe = encoders.frozen.chosen(slots), encoders.probe.chosen(slots)
    test = torch.from_numpy(fold.test).to(encoders.bench.device)
    windows = test.expand(len(runs), -1)
    clean, rows = encoders.representation[slots][:, test], row_space(probe.weights())
    losses = torch.zeros(windows.shape, dtype=torch.float64, device=test.device)
    moves = (losses.clone(), losses.clone())
    views = _views(encoders, runs, examination)
    for draw in range(examination.draws):
        shown = encode_corrupted(views, frozen, FIRST_EVALUATION_DRAW + draw, windows)
        losses += target.losses(probe.predict(shown), windows) / examination.draws
        for total, move in zip(moves, moved(shown - clean, rows), strict=True):
            total += move / examination.draws
    classes = target.values[test] if target.classes else None
    for i, run in enumerate(runs):
        blocks, means = block_means(fold, losses[i].cpu().numpy())
        s = invariance(clean[i], rows[i], (moves[0][i], moves[1][i]), classes)
        yield RunResult(run.key(), "done", blocks, means, figures=s)


def detected(encoders: Encoders, runs: list[EncoderExamination]) -> Iterator[RunResult]:
    """Measure how well a classifier tells corrupted from clean inputs.

    It reads the representations of a window with and without the corruption, and says
    which is which. It is fitted on training windows and scored on test windows.

    Parameters
    ----------
    encoders
        Stored encoders of the session.
    runs
        Runs that declare this examination.
    """
    for run in runs:
        examination = run.examination
        assert isinstance(examination, Detection)
        slot = encoders.slots_of([run])[0]
        part, test = encoders.parts[slot], _fold(encoders.bench, run).test
        fitted = part[
            np.linspace(0, len(part) - 1, min(MOST_FITTED, len(part))).round().astype(np.int64)
        ]
        views = _views(encoders, [run], examination)
        draws = [
            _pair(encoders, slot, views, FIRST_EVALUATION_DRAW + 1 + draw, test)
            for draw in range(examination.draws)
        ]
        scored = (
            np.concatenate([clean for clean, _ in draws]),
            np.concatenate([shown for _, shown in draws]),
        )
        found = detectability(_pair(encoders, slot, views, FIRST_EVALUATION_DRAW, fitted), scored)
        yield RunResult(run.key(), "done", figures=DetectionFigures(detection=found))


def _pair(
    encoders: Encoders, slot: int, views: ViewMaker, step: int, windows: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Represent windows by one encoder, clean and corrupted.

    Parameters
    ----------
    encoders
        Stored encoders of the session.
    slot
        Position of the encoder in their stack.
    views
        Draws the corrupted windows.
    step
        Number of the draw.
    windows
        The windows (window,).

    Returns
    -------
    Representations of the clean and of the corrupted windows, each (window, dim).
    """
    index = torch.from_numpy(windows).to(encoders.bench.device)
    shown = encode_corrupted(views, encoders.frozen.chosen([slot]), step, index.unsqueeze(0))[0]
    return encoders.representation[slot, index].cpu().numpy(), shown.cpu().numpy()


def compared(encoders: Encoders, runs: list[EncoderExamination]) -> Iterator[RunResult]:
    """Measure how similar representations are to those of a dose-0 encoder.

    Similarity is CKA, and the shape distance of two representations of clean test
    windows. The other encoder, the reference, was trained at dose 0.

    Parameters
    ----------
    encoders
        Stored encoders of the session.
    runs
        Runs that declare this examination; each names its reference.
    """
    references = [reference for run in runs if (reference := run.reference()) is not None]
    others = Encoders.of(encoders.bench, references, encoders.weights)
    for run, own, other in zip(
        runs, encoders.slots_of(runs), others.slots_of(references), strict=True
    ):
        test = torch.from_numpy(_fold(encoders.bench, run).test).to(encoders.bench.device)
        x, y = encoders.representation[own, test], others.representation[other, test]
        yield RunResult(
            run.key(),
            "done",
            figures=SimilarityFigures(cka=debiased_cka(x, y), shape_distance=shape_distance(x, y)),
        )


def by_class(encoders: Encoders, runs: list[EncoderExamination]) -> Iterator[RunResult]:
    """Average the clean decoding loss per class and test block.

    Parameters
    ----------
    encoders
        Stored encoders of the session, with their probes.
    runs
        Runs that declare this examination; their target has classes.
    """
    bench = encoders.bench
    losses = bench.target.losses(encoders.probe.predict(encoders.representation)).cpu().numpy()
    classes = bench.target.values.cpu().numpy()
    for run, slot in zip(runs, encoders.slots_of(runs), strict=True):
        fold, found = _fold(bench, run), []
        for label, name in enumerate(class_names(bench, run)):
            for block in np.unique(fold.test_blocks):
                windows = fold.test[(fold.test_blocks == block) & (classes[fold.test] == label)]
                loss = float(losses[slot, windows].mean()) if len(windows) else None
                found.append(
                    ClassLoss(label=name, block=int(block), windows=len(windows), loss=loss)
                )
        yield RunResult(run.key(), "done", figures=ClassFigures(losses=tuple(found)))


EXAMINATIONS = {
    "corruption": corrupted,
    "detection": detected,
    "comparison": compared,
    "by_class": by_class,
}
"""The measuring function of each kind of examination."""
PROBED = {"corruption", "by_class"}
"""Kinds of examination for which a probe has to be fitted."""


def class_names(bench: Workbench, run: EncoderExamination) -> list[str]:
    """Return the names of a categorical target's classes.

    Parameters
    ----------
    bench
        The opened session: its windows, folds and target.
    run
        A run with this target.

    Returns
    -------
    One name per class, in the order in which classes are numbered.
    """
    recording, target = bench.recording, run.target.name
    return [
        str(name) for name in np.unique(recording.targets[target][recording.known_bins(target)])
    ]


def _fold(bench: Workbench, run: EncoderExamination) -> Fold:
    return bench.folds[run.fold]


def _views(
    encoders: Encoders, runs: list[EncoderExamination], examination: Corruption | Detection
) -> ViewMaker:
    """Make the object that corrupts inputs as an examination declares.

    Inputs are standardised as in each encoder's training. Encoders that were trained at
    different doses see the same random draws of the corruption.
    """
    put = {
        "views": examination.inputs,
        "axis": examination.axis,
        "dose": examination.dose,
        "arm": "independent",
    }
    shown = [run.model().model_copy(update=put) for run in runs]
    return encoders.bench.views(
        shown, [encoders.parts[slot] for slot in encoders.slots_of(runs)], encoders.dtype
    )
