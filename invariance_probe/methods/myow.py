"""MYOW: BYOL, and beside it predict views mined at other times.

The mined views are of similar windows.

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
"""Purpose under which the choice among the nearest windows is drawn."""
NOTHING = -1
"""Stands for a mined window where the pool had none for an anchor."""
PAIR = ("anchors", "others")
"""Names of the two parts of a mined pair in a saved state."""
KEPT = 8
"""Number of steps whose mined pairs are kept for its figures."""


def minable(timeline: Timeline, anchors: Tensor, pool: Tensor, gap_s: float, enough: int) -> Tensor:
    """Say which windows of a pool may be mined for which anchors.

    These are windows that start at least `gap_s` from the anchor, share no bin with it
    (for a gap above 0), and are of another trial or stretch. Where the pool has fewer
    than `enough` windows of other stretches, as in a recording of one stretch, the gap
    alone keeps trivial neighbours out.

    Parameters
    ----------
    timeline
        Where windows lie.
    anchors, pool
        Windows (run, anchor) and (run, place).
    gap_s
        The gap in seconds.
    enough
        Number of candidates that an anchor needs.

    Returns
    -------
    allowed
        Boolean (run, anchor, place).
    """
    apart = admissible(Negatives(gap_s=gap_s), timeline, anchors, pool)
    elsewhere = admissible(Negatives(gap_s=gap_s, same_trial=False), timeline, anchors, pool)
    return torch.where(elsewhere.sum(2, keepdim=True) >= enough, elsewhere, apart)


def picked_neighbours(
    anchors: Tensor, pool: Tensor, allowed: Tensor, count: int, number: Tensor
) -> tuple[Tensor, Tensor]:
    """Pick one of each anchor's nearest windows in the pool, at random.

    Parameters
    ----------
    anchors, pool
        Representations (run, anchor, dim) and (run, place, dim), compared by their
        cosine.
    allowed
        Which places may be mined (run, anchor, place).
    count
        Number of nearest windows to pick from, at least 1; fewer where fewer are
        allowed.
    number
        Uniform on (0, 1), to pick by (run, anchor).

    Returns
    -------
    places
        Place in the pool (run, anchor).
    found
        Whether there is one, boolean (run, anchor).
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
    """Pick one of each anchor's allowed places in the pool, at random.

    Parameters
    ----------
    allowed
        Which places may be mined (run, anchor, place).
    number
        Uniform on (0, 1), to pick by (run, anchor).

    Returns
    -------
    places
        Place in the pool (run, anchor).
    found
        Whether there is one, boolean (run, anchor).
    """
    among = allowed.sum(2)
    rank = torch.minimum((number * among).to(torch.int64), (among - 1).clamp_min(0))
    return (allowed.cumsum(2) > rank.unsqueeze(2)).to(torch.uint8).argmax(2), among > 0


def mined_error(predictions: Tensor, targets: Tensor, found: Tensor) -> Tensor:
    """2 - 2 cos(prediction, target), averaged over anchors with a mined view.

    Parameters
    ----------
    predictions, targets
        (run, anchor, width).
    found
        Whether an anchor has a mined view, boolean (run, anchor).

    Returns
    -------
    error
        (run,); 0 where no anchor has one.
    """
    errors = 2 - 2 * functional.cosine_similarity(predictions, targets, dim=2)
    weights = found.to(errors.dtype)
    return (errors * weights).sum(1) / weights.sum(1).clamp_min(1)


class MYOW(Method):
    """BYOL with a second projector on the first, which predicts mined views.

    Anchors are the first views, by the online encoder. The pool is both views of the
    batch, by the target encoder. The loss is (1 - w) times BYOL's, averaged over its
    two directions, plus w times the mined one. The weight w is 0 until part
    `mining_from` of the steps, and rises to `mined_weight` over as many steps again.
    With random partners, the mined view is any that may be mined.

    Parameters
    ----------
    declared
        Settings of the method.
    shape
        Bins and units of a window.
    generators
        The `init` stream of every run; there is one model per generator.
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
        """Predict the other view and, once mining has begun, a mined one."""
        seen = self.byol(batch.views)
        error = self.byol.prediction_error(seen)
        if self._weight == 0:
            return error
        return (1 - self._weight) * error + self._weight * self._mined_error(batch, seen)

    def after_update(self, step: int, steps: int) -> None:
        """Move both targets, and set the weight of mined views for the next step.

        Parameters
        ----------
        step, steps
            Updates done, and updates of the whole training.
        """
        self.byol.after_update(step, steps)
        decay = risen_decay(self.byol.decay, step, steps)
        follow(self.mined_target.parameters(), self.mined_projector.parameters(), decay)
        self._weight = self._weight_after(step / steps)

    def more_state(self) -> dict[str, Tensor]:
        """Weight of mined views, and the pairs that were last mined."""
        pairs = {
            f"{i}.{name}": value
            for i, pair in enumerate(self._pairs)
            for name, value in zip(PAIR, pair, strict=True)
        }
        return {"weight": torch.tensor(self._weight, dtype=torch.float64), **pairs}

    def set_more_state(self, state: Mapping[str, Tensor]) -> None:
        """Restore the weight and the pairs."""
        self._weight = float(state["weight"])
        kept = (len(state) - 1) // len(PAIR)
        self._pairs.extend((state[f"{i}.{PAIR[0]}"], state[f"{i}.{PAIR[1]}"]) for i in range(kept))

    def mined(self) -> tuple[Tensor, Tensor] | None:
        """Anchors of the last steps and the windows mined for them.

        Returns
        -------
        anchors, found
            Windows (run, pair), -1 where nothing was mined; None before mining has
            begun.
        """
        if not self._pairs:
            return None
        anchors, others = zip(*self._pairs, strict=True)
        return torch.cat(anchors, dim=1), torch.cat(others, dim=1)

    def _weight_after(self, done: float) -> float:
        """Weight of mined views after a part of the steps."""
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
        """Mine a view for each anchor, and keep the pairs.

        Returns the places in the pool (run, anchor), and which anchors have one.
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
