"""Baselines without gradient: activity, PCA, linear SSL, random weights.

In: an opened session and the runs of one kind. Out: for each run, the decoding loss of
a probe (a decoder fitted on the representation). Trained networks are measured in
`trained` and `supervised`.

Two losses bound what a model can reach. The floor is the loss of the best constant
prediction. The ceiling is the loss of the best decoder without SSL, which is chosen
among several candidates: activity, its square roots and a supervised network.
"""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import torch
from scipy.linalg import eigh
from torch import Tensor

from invariance_probe.augmentations.standardisation import Scaling
from invariance_probe.encoders import build_encoder
from invariance_probe.encoders.frozen import Frozen
from invariance_probe.errors import TrainingError
from invariance_probe.methods.linear_ssl import fit_directions
from invariance_probe.plan.figures.decoded import DecodedFigures, RepresentationFigures
from invariance_probe.plan.roles import ClosedFormModel, DecoderBaseline, FoldRun
from invariance_probe.plan.run import Run, RunResult, Status
from invariance_probe.probing.bench.size import groups, is_large
from invariance_probe.probing.bench.workbench import Workbench, score_part
from invariance_probe.probing.decoders.overlapping import SetMoments, WindowInputs
from invariance_probe.probing.decoders.readout import (
    Measurement,
    fit_large,
    held_out_scores,
    probe_scored,
    result_of,
    selection_losses,
)
from invariance_probe.probing.measurements.mining import distant_pairs
from invariance_probe.probing.measurements.trained import COLLAPSED, Progress
from invariance_probe.probing.representation.diagnostics import rank_me
from invariance_probe.probing.representation.encoding import encode_clean, normed_rows
from invariance_probe.study.baselines import PCA, Untrained


def measure_raw(
    bench: Workbench, runs: list[DecoderBaseline], on_progress: Progress
) -> list[Measurement]:
    """Decode from the standardised activity itself.

    The results also hold the floor, the loss of the best constant prediction.

    Parameters
    ----------
    bench
        The opened session: its windows, folds and target.
    runs
        Runs of raw activity.
    on_progress
        Not called: nothing is trained.
    """
    if is_large(bench):
        return _ceilings_of_large(bench, runs, square_roots=False)
    measured = []
    for group in groups(bench, runs):
        parts = [bench.train_windows(run) for run in group]
        measured += _ceilings(bench, group, parts, _clean(bench, group, parts), with_floor=True)
    return measured


def measure_square_roots(
    bench: Workbench, runs: list[DecoderBaseline], on_progress: Progress
) -> list[Measurement]:
    """Decode from standardised square roots of counts, sqrt(n + 1/4).

    Parameters
    ----------
    bench
        The opened session: its windows, folds and target.
    runs
        Runs of square roots.
    on_progress
        Not called: nothing is trained.

    Raises
    ------
    TrainingError
        When activity is a signal, whose values may be negative.
    """
    if bench.recording.activity_kind != "counts":
        raise TrainingError(
            f"session {bench.recording.session!r}: square_roots needs spike counts, but "
            f"activity_kind is {bench.recording.activity_kind!r}; use a recording of spike counts"
        )
    if is_large(bench):
        return _ceilings_of_large(bench, runs, square_roots=True)
    roots, measured = np.sqrt(bench.recording.activity + 0.25), []
    for group in groups(bench, runs):
        parts = [bench.train_windows(run) for run in group]
        scaling = Scaling.of(
            roots, [bench.bins_of(part) for part in parts], torch.float64, bench.device
        )
        windows = torch.from_numpy(roots).to(bench.device)[_bins(bench)].unsqueeze(0)
        features = scaling.apply(windows).flatten(2).unsqueeze(1)
        measured += _ceilings(bench, group, parts, features, with_floor=False)
    return measured


def _ceilings(
    bench: Workbench,
    runs: list[DecoderBaseline],
    parts: list[np.ndarray],
    features: Tensor,
    with_floor: bool,
) -> list[Measurement]:
    """Decode from features whose decoder is a candidate for the ceiling.

    Each result also holds a loss on a part of the training windows, by which the
    ceiling is chosen among the candidates.

    Parameters
    ----------
    bench
        The opened session: its windows, folds and target.
    runs
        Runs of one kind.
    parts
        Training windows of each run, each (window,).
    features
        (run, 1, window, feature).
    with_floor
        Whether to record the loss of the best constant prediction as well.
    """
    losses, scores = probe_scored(bench, runs, features.squeeze(1), parts)
    selected = selection_losses(bench, runs, features, parts)
    return [
        Measurement(
            run,
            result_of(
                bench,
                run,
                losses[i],
                with_floor=with_floor,
                selection_loss=selected[i],
                figures=DecodedFigures(scores=scores[i]),
            ),
        )
        for i, run in enumerate(runs)
    ]


def _ceilings_of_large(
    bench: Workbench, runs: list[DecoderBaseline], square_roots: bool
) -> list[Measurement]:
    """Do the same as `_ceilings` where windows are too many to be held as one table.

    Parameters
    ----------
    bench
        The opened session: its windows, folds and target.
    runs
        Runs of one kind.
    square_roots
        Whether square roots of counts are decoded.
    """
    inputs = WindowInputs.of(bench, np.arange(len(bench.windows.starts)), square_roots)
    parts = [bench.train_windows(run) for run in runs]
    cuts = [bench.validation(part, run) for part, run in zip(parts, runs, strict=True)]
    probes = fit_large(bench, runs[0].probe, inputs, [*parts, *(fitted for fitted, _ in cuts)])
    everything = np.arange(len(bench.windows.starts))
    measured = []
    # The first probes are fitted on all training windows, the others without their last fifth.
    for run, predict in zip(runs, probes, strict=False):
        predictions = torch.from_numpy(predict(everything)).to(bench.device).unsqueeze(0)
        result = result_of(
            bench,
            run,
            bench.target.losses(predictions)[0],
            with_floor=not square_roots,
            figures=DecodedFigures(scores=held_out_scores(bench, run, predictions[0])),
        )
        measured.append(Measurement(run, result))
    for i, (predict, (_, held)) in enumerate(zip(probes, cuts, strict=True)):
        windows = torch.from_numpy(score_part(held)).to(bench.device)
        read = torch.from_numpy(predict(score_part(held))).to(bench.device)
        loss = float(bench.target.losses(read.unsqueeze(0), windows.unsqueeze(0)).mean())
        result = replace(measured[i].result, selection_loss=loss)
        measured[i] = replace(measured[i], result=result)
    return measured


def measure_pca(
    bench: Workbench, runs: list[DecoderBaseline], on_progress: Progress
) -> list[Measurement]:
    """Decode from the leading principal components of standardised activity.

    The components are fitted on the training windows.

    Parameters
    ----------
    bench
        The opened session: its windows, folds and target.
    runs
        Runs of PCA, all with the same number of dimensions.
    on_progress
        Not called: nothing is trained by gradient.
    """
    if is_large(bench):
        return _pca_of_large(bench, runs)
    measured = []
    for group in groups(bench, runs):
        parts = [bench.train_windows(run) for run in group]
        features = _clean(bench, group, parts)
        rows = [features[i, 0, torch.from_numpy(part)] for i, part in enumerate(parts)]
        # Eigenvalues ascend, so the last vectors are the leading components.
        bases = [
            (vectors := torch.linalg.eigh(own.T @ own)[1])[
                :,
                -min(run.declared(PCA).dimensions, vectors.shape[1]) :,
            ]
            for run, own in zip(group, rows, strict=True)
        ]
        representation = torch.bmm(features.squeeze(1), torch.stack(bases))
        measured += _linear(bench, group, parts, representation, bases)
    return measured


def _pca_of_large(bench: Workbench, runs: Sequence[DecoderBaseline]) -> list[Measurement]:
    """Do the same as `measure_pca` where windows are too many to be held as one table.

    The windows are read once for the Gram matrices of all runs.
    """
    parts = [bench.train_windows(run) for run in runs]
    inputs = WindowInputs.of(bench, np.arange(len(bench.windows.starts)))
    moments = SetMoments(inputs, np.zeros((len(inputs.starts), 0)), parts)
    measured = []
    for number, (run, part) in enumerate(zip(runs, parts, strict=True)):
        own = WindowInputs.of(bench, part)
        gram = own.gram_from(inputs, moments.gram(number))
        first = max(0, len(gram) - run.declared(PCA).dimensions)
        _, vectors = eigh(gram, subset_by_index=[first, len(gram) - 1], overwrite_a=True)
        bases = [torch.from_numpy(vectors).to(bench.device)]
        measured += _linear(bench, [run], [part], _mapped(bench, [own], bases), bases)
    return measured


def _mapped(bench: Workbench, inputs: list[WindowInputs], bases: list[Tensor]) -> Tensor:
    """Map the windows of a large session linearly (run, window, dim).

    Parameters
    ----------
    bench
        The opened session: its windows, folds and target.
    inputs
        Windows, standardised for each run.
    bases
        Linear map of each run, each (feature, dim).
    """
    everything = np.arange(len(bench.windows.starts))
    return torch.stack(
        [
            torch.from_numpy(own.mapped(basis.cpu().numpy(), everything))
            for own, basis in zip(inputs, bases, strict=True)
        ]
    ).to(bench.device)


def measure_linear_ssl(
    bench: Workbench, runs: list[ClosedFormModel], on_progress: Progress
) -> list[Measurement]:
    """Fit linear SSL in closed form, and decode from its representation.

    Parameters
    ----------
    bench
        The opened session: its windows, folds and target.
    runs
        Runs of linear SSL.
    on_progress
        Not called: nothing is trained by gradient.

    Raises
    ------
    TrainingError
        When windows have more than one bin.
    """
    if bench.windows.length != 1:
        raise TrainingError(
            "linear_ssl needs windows of one bin, but window.length_bins is "
            f"{bench.windows.length}; set it to 1, or use another method"
        )
    measured = []
    for group in groups(bench, runs):
        parts = [bench.train_windows(run) for run in group]
        bases = _directions(bench, group, parts)
        if is_large(bench):
            representation = _mapped(bench, [WindowInputs.of(bench, part) for part in parts], bases)
        else:
            features = _clean(bench, group, parts).squeeze(1)
            representation = torch.bmm(features, torch.stack(bases))
        measured += _linear(bench, group, parts, representation, bases)
    return measured


def _directions(
    bench: Workbench, runs: list[ClosedFormModel], parts: list[np.ndarray]
) -> list[Tensor]:
    """Fit the directions of linear SSL of each run, each (unit, dim)."""
    shown, timeline = bench.shown(runs)
    activity = shown[timeline.starts.cpu().numpy()]
    bases = []
    for run, part in zip(runs, parts, strict=True):
        partners, sd = bench.partners(run, part), activity[part].std(axis=0, dtype=np.float64)
        distant = bench.distant(run, part)
        found = fit_directions(
            activity, partners, run.views, run.axis, run.arm, sd,
            run.method.dimensions, run.method.ridge, distant,
        )  # fmt: skip
        bases.append(torch.from_numpy(found).to(bench.device))
    return bases


def _linear(
    bench: Workbench,
    runs: Sequence[FoldRun],
    parts: list[np.ndarray],
    representation: Tensor,
    bases: list[Tensor],
) -> list[Measurement]:
    """Decode from a linear map of the features, one map per run.

    Parameters
    ----------
    bench
        The opened session: its windows, folds and target.
    runs
        Runs of one kind.
    parts
        Training windows of each run, each (window,).
    representation
        The features, mapped (run, window, dim).
    bases
        Linear map of each run, each (feature, dim).
    """
    losses, scores = probe_scored(bench, runs, representation, parts)
    ranks = rank_me(representation)
    measured = []
    for i, run in enumerate(runs):
        # A map to one dimension has rank 1 without being collapsed.
        status: Status = "collapsed" if ranks[i] < COLLAPSED and bases[i].shape[1] > 1 else "done"
        found = DecodedFigures(
            scores=scores[i],
            representation=RepresentationFigures(rank_me=float(ranks[i])),
            distant=distant_pairs(bench, run),
        )
        result = result_of(bench, run, losses[i], status, figures=found)
        measured.append(Measurement(run, result, {"weight0": bases[i].cpu().numpy()}))
    return measured


def measure_untrained(
    bench: Workbench, runs: list[DecoderBaseline], on_progress: Progress
) -> list[Measurement]:
    """Decode from encoders with their initial random weights.

    As in trained encoders, batch normalisation uses the statistics of clean
    (uncorrupted) training windows.

    Parameters
    ----------
    bench
        The opened session: its windows, folds and target.
    runs
        Runs of untrained encoders.
    on_progress
        Not called: nothing is trained.
    """
    return [found for group in groups(bench, runs) for found in _untrained(bench, group)]


def _untrained(bench: Workbench, runs: list[DecoderBaseline]) -> list[Measurement]:
    """Decode from untrained encoders of as many runs as fit into memory."""
    parts = [bench.train_windows(run) for run in runs]
    views = bench.views(runs, parts, torch.float64)
    declared = runs[0].declared(Untrained)
    network = build_encoder(declared.encoder, views.shape, bench.generators("init", runs)).to(
        bench.device
    )
    frozen = Frozen.freeze(network, declared.encoder, *normed_rows(bench, views, parts))
    representation = encode_clean(views, frozen, bench.all_windows)
    losses, scores = probe_scored(bench, runs, representation, parts)
    ranks = rank_me(representation)
    return [
        Measurement(
            run,
            result_of(
                bench,
                run,
                losses[i],
                figures=DecodedFigures(
                    scores=scores[i],
                    representation=RepresentationFigures(rank_me=float(ranks[i])),
                ),
            ),
        )
        for i, run in enumerate(runs)
    ]


def failed(runs: Sequence[Run], error: Exception) -> list[Measurement]:
    """Make the results of runs that could not be measured, with the reason.

    Parameters
    ----------
    runs
        The runs.
    error
        What went wrong; its text becomes the message of each result.
    """
    return [Measurement(run, RunResult(run.key(), "failed", message=str(error))) for run in runs]


def _clean(bench: Workbench, runs: Sequence[FoldRun], parts: list[np.ndarray]) -> Tensor:
    """Standardise the clean activity of all windows, in double precision.

    Returns
    -------
    (run, 1, window, feature) float64; a feature is one unit in one bin of the window.
    """
    return (
        bench.scaling(parts, torch.float64)
        .apply(bench.activity[_bins(bench)].unsqueeze(0))
        .flatten(2)
        .unsqueeze(1)
    )


def _bins(bench: Workbench) -> Tensor:
    """Return the bins of each window (window, bin of the window)."""
    return bench.starts.unsqueeze(1) + torch.arange(bench.windows.length, device=bench.device)
