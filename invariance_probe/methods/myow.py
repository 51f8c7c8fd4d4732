"""MYOW: BYOL that also predicts views mined at other times.

A mined view shows a window whose representation is similar to the anchor's, and is
chosen from the batch. Several models (runs) are trained together: the first axis of
every tensor is the run.

References
----------
Azabou et al. 2021, Mine your own view: self-supervised learning through across-sample
prediction, arXiv:2102.10106.
"""

import copy
from collections import deque
from collections.abc import Mapping

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from invariance_probe.encoders.mlp import MLP
from invariance_probe.methods.base import Batch, Method, Timeline
from invariance_probe.methods.byol import BYOL, Seen, risen_decay
from invariance_probe.methods.moving_average import follow
from invariance_probe.methods.negatives import admissible
from invariance_probe.study import methods as declared_methods
from invariance_probe.study.methods import Negatives

PICK = 110
"""Integer that keeps the random choice of mined views apart from other draws."""
NOTHING = -1
"""Stored instead of a window's index if none could be mined for an anchor."""
PAIR = ("anchors", "others")
"""Names of the two windows of a mined pair in a saved state."""
KEPT = 8
"""Number of latest training steps whose mined pairs `MYOW.mined` reports."""


def minable(timeline: Timeline, anchors: Tensor, pool: Tensor, gap_s: float, enough: int) -> Tensor:
    """Find which windows of a pool may be mined for which anchors.

    A window may be mined if it starts at least `gap_s` from the anchor, shares no bin
    with it (for a gap above 0), and lies in another trial or gap-free segment. If the
    pool has fewer than `enough` such windows for an anchor, as in a recording of one
    segment, windows of the anchor's own segment are allowed too, and only the gap
    excludes trivial neighbours.

    Parameters
    ----------
    timeline
        Where the windows lie in time.
    anchors, pool
        Indices of windows, (run, anchor) and (run, candidate).
    gap_s
        The gap in seconds.
    enough
        Number of candidates that an anchor needs.

    Returns
    -------
    allowed
        Boolean (run, anchor, candidate).
    """
    apart = admissible(Negatives(gap_s=gap_s), timeline, anchors, pool)
    elsewhere = admissible(Negatives(gap_s=gap_s, same_trial=False), timeline, anchors, pool)
    return torch.where(elsewhere.sum(2, keepdim=True) >= enough, elsewhere, apart)


def picked_neighbours(
    anchors: Tensor, pool: Tensor, allowed: Tensor, count: int, number: Tensor
) -> tuple[Tensor, Tensor]:
    """Pick one of each anchor's nearest candidates in the pool, at random.

    Parameters
    ----------
    anchors, pool
        Representations (run, anchor, dim) and (run, candidate, dim), compared by their
        cosine.
    allowed
        Boolean (run, anchor, candidate): which candidates may be mined.
    count
        Number of nearest candidates to pick from, at least 1. If fewer are allowed, one
        of these is picked.
    number
        Random number that decides the pick, uniform on (0, 1) (run, anchor).

    Returns
    -------
    places
        Index of the picked candidate in the pool (run, anchor).
    found
        Boolean (run, anchor): whether the anchor had an allowed candidate at all.
    """
    similarity = torch.bmm(
        functional.normalize(anchors, dim=2), functional.normalize(pool, dim=2).transpose(1, 2)
    )
    nearest = (
        similarity.masked_fill(~allowed, -torch.inf).topk(min(count, pool.shape[1]), dim=2).indices
    )
    among = allowed.sum(2).clamp(1, nearest.shape[2])
    chosen = torch.minimum((number * among).to(torch.int64), among - 1)
    return nearest.gather(2, chosen.unsqueeze(2)).squeeze(2), allowed.any(2)


def picked_at_random(allowed: Tensor, number: Tensor) -> tuple[Tensor, Tensor]:
    """Pick one of each anchor's allowed candidates in the pool, at random.

    Parameters
    ----------
    allowed
        Boolean (run, anchor, candidate): which candidates may be mined.
    number
        Random number that decides the pick, uniform on (0, 1) (run, anchor).

    Returns
    -------
    places
        Index of the picked candidate in the pool (run, anchor).
    found
        Boolean (run, anchor): whether the anchor had an allowed candidate at all.
    """
    among = allowed.sum(2)
    rank = torch.minimum((number * among).to(torch.int64), (among - 1).clamp_min(0))
    return (allowed.cumsum(2) > rank.unsqueeze(2)).to(torch.uint8).argmax(2), among > 0


def mined_error(predictions: Tensor, targets: Tensor, found: Tensor) -> Tensor:
    """Error of predicting the projections of mined views.

    It is 2 - 2 cos(prediction, target), averaged over the anchors with a mined view.

    Parameters
    ----------
    predictions, targets
        (run, anchor, width).
    found
        Boolean (run, anchor): whether the anchor has a mined view.

    Returns
    -------
    error
        (run,); 0 if no anchor has a mined view.
    """
    errors = 2 - 2 * functional.cosine_similarity(predictions, targets, dim=2)
    weights = found.to(errors.dtype)
    return (errors * weights).sum(1) / weights.sum(1).clamp_min(1)


class MYOW(Method):
    """BYOL with a second projector and predictor, for mined views.

    The anchors are the first views of the batch, embedded by the online encoder. Views
    are mined from a pool: all views of the batch, embedded by the slowly moving target
    encoder. The second projector takes the output of the first.

    The loss is (1 - w) times BYOL's, averaged over its two directions, plus w times the
    error of predicting mined views. The weight w is 0 for the fraction `mining_from` of
    the training steps and then rises to `mined_weight` over as many steps again. With
    `partners: random` the mined view is any view that may be mined, not a similar one.

    Parameters
    ----------
    declared
        The method's settings, as the study declares them.
    shape
        Number of bins and number of units of a window.
    generators
        One random-number generator per run, which draws the initial weights of its
        model.
    """

    def __init__(
        self,
        declared: declared_methods.MYOW,
        shape: tuple[int, int],
        generators: list[np.random.Generator],
    ) -> None:
        super().__init__()
        self.declared = declared
        self.byol = BYOL(declared, shape, generators)
        self.encoder = self.byol.encoder
        widths = declared.mined_projector
        self.mined_projector = MLP(declared.projector[-1], widths, generators)
        self.mined_predictor = MLP(widths[-1], (*declared.mined_predictor, widths[-1]), generators)
        self.mined_target = copy.deepcopy(self.mined_projector).requires_grad_(False)
        self._weight = self._weight_after(0.0)
        self._pairs: deque[tuple[Tensor, Tensor]] = deque(maxlen=KEPT)

    def loss(self, batch: Batch) -> Tensor:
        """Compute the loss: BYOL's and, once mining has begun, that of mined views."""
        seen = self.byol(batch.views)
        error = self.byol.prediction_error(seen)
        if self._weight == 0:
            return error
        return (1 - self._weight) * error + self._weight * self._mined_error(batch, seen)

    def after_update(self, step: int, steps: int) -> None:
        """Move the target networks, and set the weight w for the next step.

        Parameters
        ----------
        step, steps
            Number of updates done so far, and of the whole training.
        """
        self.byol.after_update(step, steps)
        decay = risen_decay(self.byol.decay, step, steps)
        follow(self.mined_target.parameters(), self.mined_projector.parameters(), decay)
        self._weight = self._weight_after(step / steps)

    def more_state(self) -> dict[str, Tensor]:
        """State to save in a checkpoint: the weight w and the latest mined pairs."""
        pairs = {
            f"{i}.{name}": value
            for i, pair in enumerate(self._pairs)
            for name, value in zip(PAIR, pair, strict=True)
        }
        return {"weight": torch.tensor(self._weight, dtype=torch.float64), **pairs}

    def set_more_state(self, state: Mapping[str, Tensor]) -> None:
        """Restore the weight and the pairs that `more_state` returned."""
        self._weight = float(state["weight"])
        kept = (len(state) - 1) // len(PAIR)
        self._pairs.extend((state[f"{i}.{PAIR[0]}"], state[f"{i}.{PAIR[1]}"]) for i in range(kept))

    def mined(self) -> tuple[Tensor, Tensor] | None:
        """Anchors of the latest training steps and the windows mined for them.

        Returns
        -------
        anchors, found
            Indices of windows (run, pair), -1 if nothing was mined for an anchor. None
            before mining has begun.
        """
        if not self._pairs:
            return None
        anchors, others = zip(*self._pairs, strict=True)
        return torch.cat(anchors, dim=1), torch.cat(others, dim=1)

    def _weight_after(self, done: float) -> float:
        """Weight w of mined views after the fraction `done` of all steps."""
        start = self.declared.mining_from
        risen = 1.0 if start == 0 else min(1.0, max(0.0, done / start - 1))
        return self.declared.mined_weight * risen

    def _mined_error(self, batch: Batch, seen: Seen) -> Tensor:
        with torch.no_grad():
            places, found = self._mine(batch, seen)
            projected = self.mined_target(seen.target_projection)
        targets = projected.gather(1, places.unsqueeze(2).expand(-1, -1, projected.shape[2]))
        predictions = self.mined_predictor(self.mined_projector(seen.projection.chunk(2, dim=1)[0]))
        return mined_error(predictions, targets, found)

    def _mine(self, batch: Batch, seen: Seen) -> tuple[Tensor, Tensor]:
        """Mine a view for each anchor, and store the pairs of windows.

        Returns the index of each mined view in the pool, and whether the anchor has a
        mined view, both (run, anchor).
        """
        assert batch.timeline is not None and batch.windows is not None
        anchors = batch.windows.chunk(2, dim=1)[0]
        allowed = minable(
            batch.timeline, anchors, batch.windows, self.declared.gap_s, self.declared.neighbours
        )
        number = batch.uniform(
            PICK, torch.arange(anchors.shape[1], device=anchors.device).expand_as(anchors), 1
        ).squeeze(2)
        first = seen.representation.chunk(2, dim=1)[0]
        if self.declared.partners == "random":
            places, found = picked_at_random(allowed, number)
        else:
            places, found = picked_neighbours(
                first, seen.target_representation, allowed, self.declared.neighbours, number
            )
        self._pairs.append((anchors, torch.where(found, batch.windows.gather(1, places), NOTHING)))
        return places, found
