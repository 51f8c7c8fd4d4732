"""Losses of decoders that read corrupted inputs and are not told where.

In: a session prepared for decoding (`PreparedSession`) and a declared corruption. Out: the sums
of losses from which C_blind is computed, the loss on corrupted inputs less that on
clean ones, over the decodable range (science.md 2.1).

The session is cut into contiguous blocks that are held out in turn. The windows that
remain when some blocks and their embargo are taken out are called a training part. For
each training part one decoder is fitted on several corrupted versions of each window,
and tested on corrupted versions of the blocks that were taken out. No decoder is told
which inputs were corrupted, and no SSL is involved.

Counts and signals are corrupted first; square roots of counts and standardisation come
afterwards. A corruption that is declared for standardised activity acts after
standardisation. The mean and SD are those of the whole session, so that the corrupted
inputs of a block can be used in every fold. Only `cutmix`, which pastes in other
windows, is made again for each fold, from that fold's training windows.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch

from invariance_probe.augmentations.standardisation import Scaling
from invariance_probe.augmentations.views import ViewMaker
from invariance_probe.data.windows import covered_bins
from invariance_probe.plan.conditions import Condition
from invariance_probe.plan.roles import SessionMeasurement
from invariance_probe.probing.bench.size import is_large, window_values
from invariance_probe.probing.bench.workbench import Workbench
from invariance_probe.probing.code.classes import log_losses
from invariance_probe.probing.code.inputs import chunks
from invariance_probe.probing.code.moments import Moments, System
from invariance_probe.probing.code.penalties import LeftOut, choose_penalties, solve, usual
from invariance_probe.probing.code.prepared import PreparedSession
from invariance_probe.probing.measurements.trained import FIRST_EVALUATION_DRAW
from invariance_probe.study.baselines import Code, CodeCorruption
from invariance_probe.study.probes import RidgeProbe
from invariance_probe.study.transforms import CutMix

DRAWN_VALUES = 1 << 27
"""Largest number of corrupted values that are drawn of a large session.

At least one corrupted version of each window is drawn.
"""
CHANGED_VALUES = 1 << 24
"""Largest number of values of a large session whose change by a corruption is averaged."""


@dataclass(frozen=True, eq=False)
class Corrupted:
    """Corrupted inputs of a session, made on demand and the same every time.

    Attributes
    ----------
    prepared
        The session, prepared for decoding.
    maker
        Makes corrupted views of windows.
    draws
        Number of corrupted versions of each window.
    """

    prepared: PreparedSession
    maker: ViewMaker
    draws: int

    @classmethod
    def of(
        cls,
        bench: Workbench,
        run: SessionMeasurement,
        corruption: CodeCorruption,
        prepared: PreparedSession,
        fold: int,
        draws: int,
    ) -> "Corrupted":
        """Prepare a declared corruption of a session's inputs.

        Parameters
        ----------
        bench
            The session with its windows and folds.
        run
            The run that measures the code; its seeds determine the random draws.
        corruption
            The corruption, with its axis and dose.
        prepared
            The same session, prepared for decoding.
        fold
            Number of the fold whose training windows `cutmix` pastes in; other
            corruptions do not depend on it.
        draws
            Number of corrupted versions of each window.
        """
        recording, windows = bench.recording, bench.windows
        bins = covered_bins(windows.starts, windows.length)
        counts = recording.activity_kind == "counts"
        scaling = Scaling.of(
            recording.activity, [bins], torch.float64, torch.device("cpu"), square_roots=counts
        )
        activity, starts = torch.from_numpy(recording.activity), torch.from_numpy(windows.starts)
        keys = bench.keys("views", [run])
        parts = [prepared.folds[fold].train]
        maker = ViewMaker(
            activity,
            windows.length,
            starts,
            [Condition(corruption.views, corruption.axis, corruption.dose)],
            keys,
            scaling,
            parts,
            base=bench.elsewhere.base,
        )
        return cls(prepared, maker, draws)

    def parts(self, windows: np.ndarray) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """Make corrupted inputs of windows, in chunks that fit in memory.

        Parameters
        ----------
        windows
            Numbers of the windows (window,).

        Yields
        ------
        Corrupted inputs (row, feature), and the window of each row (row,). Every window
        appears once per corrupted version.
        """
        for part in chunks(windows, self.prepared.inputs.features):
            for draw in range(self.draws):
                yield self._view(part, draw), part

    def change(self) -> float:
        """Mean squared change of the inputs, relative to their variance.

        It is measured on the first corrupted version of each window; in a large session,
        on that of evenly spaced windows.
        """
        inputs, changed, read = self.prepared.inputs, 0.0, 0
        windows = sum(len(fold.test) for fold in self.prepared.folds)
        step = -(-windows * inputs.features // CHANGED_VALUES) if self.prepared.large else 1
        for fold in self.prepared.folds:
            for part in chunks(fold.test[::step], inputs.features):
                changed += float(((self._view(part, 0) - inputs.rows(part)) ** 2).sum())
                read += len(part)
        total, features = self.prepared.moments.total, self.prepared.moments.features
        spread = (
            np.diagonal(total)[:features].sum()
            - (total[features, :features] ** 2).sum() / total[features, features]
        )
        return changed * (windows / read) / float(spread)

    def _view(self, part: np.ndarray, draw: int) -> np.ndarray:
        """Make one corrupted version of each window (window, feature).

        The random numbers of a view depend on the step and on the window's position in
        the batch. Every batch therefore has its own step. Otherwise windows at the same
        position of two batches would share their random numbers.
        """
        step = FIRST_EVALUATION_DRAW + draw + self.draws * int(part[0])
        view = self.maker.single(step, torch.from_numpy(part).unsqueeze(0))[0].numpy()[
            :, :, self.prepared.varying
        ]
        return np.asarray(view.transpose(0, 2, 1).reshape(len(part), -1))


@dataclass(frozen=True, eq=False)
class BlindLosses:
    """Losses of decoders that cannot see a corruption.

    Attributes
    ----------
    losses
        Sum of the losses over a held-out block, averaged over corrupted versions. The
        key is the training part that the decoder was fitted on, and the block.
    input_change
        Mean squared change of the inputs, relative to their variance.
    """

    losses: dict[tuple[LeftOut, int], float]
    input_change: float


def blind_losses(
    bench: Workbench, run: SessionMeasurement, corruption: CodeCorruption, prepared: PreparedSession
) -> BlindLosses:
    """Fit and score decoders on corrupted inputs, leaving out each block in turn.

    If the measurement includes a jackknife, every pair of blocks is left out as well.

    Parameters
    ----------
    bench
        The session with its windows and folds.
    run
        The run that measures the code; its method is a `Code`.
    corruption
        The corruption, with its axis and dose.
    prepared
        The same session, prepared for decoding.

    Returns
    -------
    Sums of losses, and how much the inputs change. Losses are in nats for classes;
    otherwise they are squared errors divided by the target's variance.
    """
    asked = run.declared(Code)
    own, draws = shows_other_windows(corruption), _draws(bench, asked)
    found: dict[tuple[LeftOut, int], float] = {}
    for fold in range(len(prepared.folds) if own else 1):
        corrupted = Corrupted.of(bench, run, corruption, prepared, fold, draws)
        moments = Moments.of(
            corrupted.parts, prepared.moments.features, prepared.target, prepared.folds
        )
        candidates = RidgeProbe().penalties
        near = candidates[len(candidates) // 2] if prepared.large else None
        for left_out in (1, 2) if asked.jackknife else (1,):
            penalties = choose_penalties(moments, left_out, candidates, near)
            near = usual(penalties) if prepared.large else None
            sums = (_log_losses if prepared.classes else _squares)(corrupted, moments, penalties)
            found |= {
                (part, block): value / draws
                for (part, block), value in sums.items()
                if block == fold or not own
            }
    return BlindLosses(found, corrupted.change())


def _draws(bench: Workbench, asked: Code) -> int:
    """Number of corrupted versions of each window that decoders read.

    In a large session, whose windows are many and overlap, fewer are drawn.
    """
    if not is_large(bench):
        return asked.draws
    return max(1, min(asked.draws, DRAWN_VALUES // window_values(bench)))


def _squares(
    corrupted: Corrupted, moments: Moments, penalties: dict[LeftOut, float]
) -> dict[tuple[LeftOut, int], float]:
    """Sum squared errors on each held-out block, in units of target variance.

    M, the moments of a block, are those of a table with the columns (inputs, 1,
    target). A decoder is written as a vector v over these columns whose product with a
    row is minus the error. So v' M v is the sum of squared errors on the block.

    Returns
    -------
    Sums by training part and block.
    """
    found = {}
    for part, penalty in penalties.items():
        system = System.of(moments.training(part), moments.features, overwrite=True)
        vectors = system.raw(solve(system.ridge(penalty), system.right, overwrite=True)[:, None])[
            :, 0
        ]
        for block in part:
            found[part, block] = (
                float((vectors * (moments.blocks[block] @ vectors)).sum())
                / corrupted.prepared.scale
            )
    return found


def _log_losses(
    corrupted: Corrupted, moments: Moments, penalties: dict[LeftOut, float]
) -> dict[tuple[LeftOut, int], float]:
    """Sum log-losses of linear discriminants on each held-out block.

    Returns
    -------
    Sums (nats) by training part and block.
    """
    prepared, none = corrupted.prepared, np.zeros((0, moments.features), dtype=bool)
    losses = log_losses(
        corrupted.parts, moments, prepared.target.argmax(axis=1), prepared.folds, penalties, none
    )
    return {key: one.everything for key, one in losses.items()}


def shows_other_windows(corruption: CodeCorruption) -> bool:
    """Whether a corruption pastes parts of other windows into a window.

    These come from the training windows, so the corruption is drawn anew for each fold.
    """
    return any(isinstance(transform, CutMix) for transform in corruption.views.transforms)
