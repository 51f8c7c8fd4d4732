"""MYOW: BYOL, and beside it predict views mined among similar windows of other times.

References
----------
Azabou et al. 2021, Mine your own view: self-supervised learning through across-sample prediction, arXiv:2102.10106.
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
"""Purpose under which one of the nearest windows is picked."""
NOTHING = -1
"""Window mined for an anchor that no window of the pool could be mined for."""
PAIR = ("anchors", "others")
KEPT = 8
"""Steps whose mined pairs are kept for the diagnostics."""


def minable(timeline: Timeline, anchors: Tensor, pool: Tensor, gap_s: float, enough: int) -> Tensor:
    """Say which windows of a pool may be mined for which anchors (run, anchor, place), boolean.

    Those at least `gap_s` away that share no bin with the anchor, and of another trial or stretch. Where the pool has fewer than `enough`
    windows of other stretches, as in a recording of one stretch, the gap alone keeps trivial neighbours out.

    Parameters
    ----------
    timeline
        Where windows lie.
    anchors, pool
        Windows (run, anchor) and (run, place).
    gap_s, enough
        The gap in seconds, and how many candidates an anchor wants.
    """
    apart = admissible(Negatives(gap_s=gap_s), timeline, anchors, pool)
    elsewhere = admissible(Negatives(gap_s=gap_s, same_trial=False), timeline, anchors, pool)
    return torch.where(elsewhere.sum(2, keepdim=True) >= enough, elsewhere, apart)


def picked_neighbours(
    anchors: Tensor, pool: Tensor, allowed: Tensor, count: int, number: Tensor
) -> tuple[Tensor, Tensor]:
    """Return the place of one of each anchor's `count` nearest in the pool (run, anchor), and where there is one, boolean.

    Parameters
    ----------
    anchors, pool
        Representations (run, anchor, dim) and (run, place, dim), compared by their cosine.
    allowed
        Which places may be mined (run, anchor, place).
    count
        At least 1; fewer where fewer are allowed.
    number
        Uniform on (0, 1), to pick by (run, anchor).
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
    """Return the place of one of each anchor's admitted places in the pool (run, anchor), and where there is one, boolean.

    Parameters
    ----------
    allowed
        Which places may be mined (run, anchor, place).
    number
        Uniform on (0, 1), to pick by (run, anchor).
    """
    among = allowed.sum(2)
    rank = torch.minimum((number * among).to(torch.int64), (among - 1).clamp_min(0))
    return (allowed.cumsum(2) > rank.unsqueeze(2)).to(torch.uint8).argmax(2), among > 0


def mined_error(predictions: Tensor, targets: Tensor, found: Tensor) -> Tensor:
    """Return 2 - 2 cos(prediction, target), averaged over the anchors with a mined view (run,); 0 without any.

    Predictions and targets are (run, anchor, width), `found` is boolean (run, anchor).
    """
    errors = 2 - 2 * functional.cosine_similarity(predictions, targets, dim=2)
    weights = found.to(errors.dtype)
    return (errors * weights).sum(1) / weights.sum(1).clamp_min(1)


class MYOW(Method):
    """BYOL with a second projector on top of the first, and a predictor of the mined view's second projection.

    Anchors are the first views, by the online encoder; the pool is both views of the batch, by the target encoder. The loss is
    (1 - w) times BYOL's, averaged over its directions, plus w times the mined one; w is 0 until part `mining_from` of the steps and
    rises to `mined_weight` over as many steps again. With random partners the mined view is any that may be mined.
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
        """Predict the other view, and once mining has begun a mined one."""
        seen = self.byol(batch.views)
        error = self.byol.prediction_error(seen)
        if self._weight == 0:
            return error
        return (1 - self._weight) * error + self._weight * self._mined_error(batch, seen)

    def after_update(self, step: int, steps: int) -> None:
        """Move both targets, and the weight of mined views for the next step."""
        self.byol.after_update(step, steps)
        decay = risen_decay(self.byol.decay, step, steps)
        follow(self.mined_target.parameters(), self.mined_projector.parameters(), decay)
        self._weight = self._weight_after(step / steps)

    def more_state(self) -> dict[str, Tensor]:
        """Return the weight of mined views and the pairs that were last mined."""
        pairs = {
            f"{i}.{name}": value
            for i, pair in enumerate(self._pairs)
            for name, value in zip(PAIR, pair, strict=True)
        }
        return {"weight": torch.tensor(self._weight, dtype=torch.float64), **pairs}

    def set_more_state(self, state: Mapping[str, Tensor]) -> None:
        """Take them back."""
        self._weight = float(state["weight"])
        kept = (len(state) - 1) // len(PAIR)
        self._pairs.extend((state[f"{i}.{PAIR[0]}"], state[f"{i}.{PAIR[1]}"]) for i in range(kept))

    def mined(self) -> tuple[Tensor, Tensor] | None:
        """Return the windows of the last steps' anchors and of what was mined for them (run, pair), -1 where nothing was."""
        if not self._pairs:
            return None
        anchors, others = zip(*self._pairs, strict=True)
        return torch.cat(anchors, dim=1), torch.cat(others, dim=1)

    def _weight_after(self, done: float) -> float:
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
        """Return the places of the mined views in the pool (run, anchor), and which anchors have one; keep the pairs."""
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
