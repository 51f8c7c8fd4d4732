"""Baselines without gradient: activity, PCA, linear SSL, random weights.

In: an opened session and the runs of one kind. Out: for each run, the decoding loss of
a probe (a decoder fitted on the representation). Trained networks are measured in
`trained` and `supervised`.

Two losses bound what a model can reach. The floor is the loss of the best constant
prediction. The ceiling is the loss of the best decoder without SSL, which is chosen
among several candidates: activity, its square roots and a supervised network.
"""

from typing import Any

import numpy as np
import torch
from torch import Tensor

from invariance_probe.augmentations.views import Scaling
from invariance_probe.encoders import build_encoder
from invariance_probe.errors import TrainingError
from invariance_probe.methods.linear_ssl import fit_directions
from invariance_probe.plan.figures.decoded import DecodedFigures, RepresentationFigures
from invariance_probe.plan.run import Run, RunResult, Status
from invariance_probe.probing.bench.workbench import Workbench
from invariance_probe.probing.decoders.readout import (
    Measurement,
    probe_scored,
    result_of,
    selection_losses,
)
from invariance_probe.probing.measurements.mining import distant_pairs
from invariance_probe.probing.measurements.trained import COLLAPSED, Progress, freeze
from invariance_probe.probing.representation.diagnostics import rank_me


def measure_raw(bench: Workbench, runs: list[Run], on_progress: Progress) -> list[Measurement]:
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
    parts = [bench.train_windows(run) for run in runs]
    return _ceilings(bench, runs, parts, _clean(bench, runs, parts), with_floor=True)


def measure_square_roots(
    bench: Workbench, runs: list[Run], on_progress: Progress
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
    parts = [bench.train_windows(run) for run in runs]
    roots = np.sqrt(bench.recording.activity + 0.25)
    scaling = Scaling.of(
        roots, [bench.bins_of(part) for part in parts], torch.float64, bench.device
    )
    windows = torch.from_numpy(roots).to(bench.device)[_bins(bench)].unsqueeze(0)
    return _ceilings(
        bench, runs, parts, scaling.apply(windows).flatten(2).unsqueeze(1), with_floor=False
    )


def _ceilings(
    bench: Workbench, runs: list[Run], parts: list[np.ndarray], features: Tensor, with_floor: bool
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


def measure_pca(bench: Workbench, runs: list[Run], on_progress: Progress) -> list[Measurement]:
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
    parts = [bench.train_windows(run) for run in runs]
    features = _clean(bench, runs, parts)
    bases = []
    for i, (run, part) in enumerate(zip(runs, parts, strict=True)):
        rows = features[i, 0, torch.from_numpy(part)]
        # Eigenvalues ascend, so the last vectors are the leading components.
        _, vectors = torch.linalg.eigh(rows.T @ rows)
        bases.append(vectors[:, -min(run.method.dimensions, vectors.shape[1]) :])  # type: ignore[union-attr]
    return _linear(bench, runs, parts, features, bases)


def measure_linear_ssl(
    bench: Workbench, runs: list[Run], on_progress: Progress
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
    shown, timeline = bench.shown(runs)
    activity = shown[timeline.starts.cpu().numpy()]
    parts = [bench.train_windows(run) for run in runs]
    features = _clean(bench, runs, parts)
    bases = []
    for run, part in zip(runs, parts, strict=True):
        assert run.views is not None
        partners, sd = bench.partners(run, part), activity[part].std(axis=0, dtype=np.float64)
        method = run.method
        distant = bench.distant(run, part)
        found = fit_directions(
            activity, partners, run.views, run.axis, run.arm, sd,
            method.dimensions, method.ridge, distant,  # type: ignore[union-attr]
        )  # fmt: skip
        bases.append(torch.from_numpy(found).to(bench.device))
    return _linear(bench, runs, parts, features, bases)


def _linear(
    bench: Workbench,
    runs: list[Run],
    parts: list[np.ndarray],
    features: Tensor,
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
    features
        (run, 1, window, feature).
    bases
        Linear map of each run, each (feature, dim).
    """
    representation = torch.bmm(features.squeeze(1), torch.stack(bases))
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
    bench: Workbench, runs: list[Run], on_progress: Progress
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
    parts = [bench.train_windows(run) for run in runs]
    rows = bench.views(runs, parts, torch.float64).clean(bench.all_windows)
    declared: Any = runs[0].method
    network = build_encoder(
        declared.encoder, (rows.shape[2], rows.shape[3]), bench.generators("init", runs)
    ).to(bench.device)
    representation = freeze(bench, network, declared.encoder, rows, parts)(rows)
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


def failed(runs: list[Run], error: Exception) -> list[Measurement]:
    """Make the results of runs that could not be measured, with the reason.

    Parameters
    ----------
    runs
        The runs.
    error
        What went wrong; its text becomes the message of each result.
    """
    return [Measurement(run, RunResult(run.key(), "failed", message=str(error))) for run in runs]


def _clean(bench: Workbench, runs: list[Run], parts: list[np.ndarray]) -> Tensor:
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
