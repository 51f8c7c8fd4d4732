"""Decoders that cannot see a corruption: one fit on several corrupted versions of the training part, tested on corrupted inputs.

The corruption acts on the activity itself; square roots of counts are taken afterwards. What acts on standardised activity does
so after standardisation by the statistics of the whole session's inputs, so that a block's corrupted moments serve every fold.
Only `cutmix`, which shows other windows, is made again for each fold, from the fold's own training windows.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch

from invariance_probe.augmentations.views import Scaling, ViewMaker
from invariance_probe.plan.run import Run
from invariance_probe.probing.bench.workbench import Workbench
from invariance_probe.probing.code.classes import log_losses
from invariance_probe.probing.code.ground import Ground
from invariance_probe.probing.code.inputs import chunks, rooted
from invariance_probe.probing.code.moments import Moments, System
from invariance_probe.probing.code.penalties import Part, choose_penalties, solve
from invariance_probe.probing.measurements.trained import EVALUATION_STEP
from invariance_probe.study.baselines import Code, CodeCorruption
from invariance_probe.study.probes import RidgeProbe
from invariance_probe.study.transforms import CutMix


@dataclass(frozen=True, eq=False)
class Corrupted:
    """Corrupted inputs of a session, made on demand and the same every time.

    Attributes
    ----------
    ground
        The session.
    maker
        Makes corrupted views of windows.
    draws
        How many versions of each window there are.
    """

    ground: Ground
    maker: ViewMaker
    draws: int

    @classmethod
    def of(
        cls,
        bench: Workbench,
        run: Run,
        corruption: CodeCorruption,
        ground: Ground,
        fold: int,
        draws: int,
    ) -> "Corrupted":
        """Prepare the corruption of a session; other windows are those of a fold's training part."""
        recording, windows = bench.recording, bench.windows
        corrupting = run.model_copy(
            update={"views": corruption.views, "axis": corruption.axis, "dose": corruption.dose}
        )
        bins = np.unique(windows.starts[:, None] + np.arange(windows.length))
        counts = recording.activity_kind == "counts"
        measured = Scaling.of(
            rooted(recording.activity, counts), [bins], torch.float64, torch.device("cpu")
        )
        scaling = Scaling(measured.mean, measured.inverse_sd, square_roots=counts)
        activity, starts = torch.from_numpy(recording.activity), torch.from_numpy(windows.starts)
        keys = bench.keys("views", [corrupting])
        parts = [ground.folds[fold].train]
        return cls(
            ground,
            ViewMaker(activity, windows.length, starts, [corrupting], keys, scaling, parts),
            draws,
        )

    def parts(self, windows: np.ndarray) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """Corrupted inputs of windows (row, feature) in parts, with the window of each row (row,)."""
        for part in chunks(windows, self.ground.inputs.features):
            for draw in range(self.draws):
                yield self._view(part, draw), part

    def change(self) -> float:
        """Mean squared change of the inputs over their variance, in the first version of every window."""
        inputs, changed = self.ground.inputs, 0.0
        for fold in self.ground.folds:
            for part in chunks(fold.test, inputs.features):
                changed += float(((self._view(part, 0) - inputs.rows(part)) ** 2).sum())
        total, features = self.ground.moments.total, self.ground.moments.features
        spread = (
            np.diagonal(total)[:features].sum()
            - (total[features, :features] ** 2).sum() / total[features, features]
        )
        return changed / float(spread)

    def _view(self, part: np.ndarray, draw: int) -> np.ndarray:
        """One corrupted version of windows (row, feature).

        A view's random numbers are addressed by its place in the batch, so every batch has a step of its own.
        """
        step = EVALUATION_STEP + draw + self.draws * int(part[0])
        view = self.maker.single(step, torch.from_numpy(part).unsqueeze(0))[0].numpy()[
            :, :, self.ground.varying
        ]
        return np.asarray(view.transpose(0, 2, 1).reshape(len(part), -1))


@dataclass(frozen=True, eq=False)
class BlindLosses:
    """What decoders lose that cannot see a corruption.

    Attributes
    ----------
    losses
        Sum of losses, mean over draws, of each training part on each block that it leaves out.
    input_change
        Mean squared change of the inputs over their variance.
    """

    losses: dict[tuple[Part, int], float]
    input_change: float


def blind_losses(
    bench: Workbench, run: Run, corruption: CodeCorruption, ground: Ground
) -> BlindLosses:
    """Fit and score decoders on corrupted inputs, with every block left out, and every pair of blocks for a jackknife."""
    asked = run.method
    assert isinstance(asked, Code)
    own = shows_other_windows(corruption)
    found: dict[tuple[Part, int], float] = {}
    for fold in range(len(ground.folds) if own else 1):
        corrupted = Corrupted.of(bench, run, corruption, ground, fold, asked.draws)
        moments = Moments.of(corrupted.parts, ground.moments.features, ground.target, ground.folds)
        for left_out in (1, 2) if asked.jackknife else (1,):
            penalties = choose_penalties(moments, left_out, RidgeProbe().penalties)
            sums = (_log_losses if ground.classes else _squares)(corrupted, moments, penalties)
            found |= {
                (part, block): value / asked.draws
                for (part, block), value in sums.items()
                if block == fold or not own
            }
    return BlindLosses(found, corrupted.change())


def _squares(
    corrupted: Corrupted, moments: Moments, penalties: dict[Part, float]
) -> dict[tuple[Part, int], float]:
    found = {}
    for part, penalty in penalties.items():
        system = System.of(moments.training(part), moments.features)
        vectors = system.raw(solve(system.ridge(penalty), system.right)[:, None])[:, 0]
        for block in part:
            found[part, block] = (
                float((vectors * (moments.blocks[block] @ vectors)).sum()) / corrupted.ground.scale
            )
    return found


def _log_losses(
    corrupted: Corrupted, moments: Moments, penalties: dict[Part, float]
) -> dict[tuple[Part, int], float]:
    ground, none = corrupted.ground, np.zeros((0, moments.features), dtype=bool)
    losses = log_losses(
        corrupted.parts, moments, ground.target.argmax(axis=1), ground.folds, penalties, none
    )
    return {key: one.everything for key, one in losses.items()}


def shows_other_windows(corruption: CodeCorruption) -> bool:
    """Whether a corruption has to be made again for each fold."""
    return any(isinstance(transform, CutMix) for transform in corruption.views.transforms)
