"""SimCLR: identify the other view of a window among all views of the batch.

Several models (runs) are trained together: the first axis of every tensor is the run.

References
----------
Chen, Kornblith, Norouzi & Hinton 2020, A simple framework for contrastive learning of
visual representations, arXiv:2002.05709.
"""

from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from invariance_probe.encoders import build_encoder
from invariance_probe.encoders.mlp import MLP
from invariance_probe.kernels.arithmetic import PLAIN, Arithmetic
from invariance_probe.kernels.functions import contrast
from invariance_probe.methods.base import Batch, Method
from invariance_probe.methods.negatives import admissible
from invariance_probe.study.methods import Negatives
from invariance_probe.study.methods import SimCLR as SimCLRDeclaration


class _NTXent(torch.autograd.Function):
    """NT-Xent loss of unit vectors, with a hand-written backward pass.

    Because the similarity matrix is symmetric, the backward pass needs only two
    products with it.
    """

    @staticmethod
    def forward(ctx: Any, z: Tensor, temperature: float, arithmetic: Arithmetic) -> Tensor:
        rows = z.shape[1]
        scaled = z / temperature
        weights = arithmetic.product(scaled, z.transpose(1, 2)).sub_(1 / temperature).exp_()
        weights.diagonal(dim1=1, dim2=2).zero_()
        total = weights.sum(2, keepdim=True)
        partner = torch.roll(z, rows // 2, dims=1)
        positive = (scaled * partner).sum(2).sub_(1 / temperature)
        ctx.save_for_backward(z, weights, total, partner)
        ctx.temperature, ctx.arithmetic = temperature, arithmetic
        return (total.squeeze(2).log() - positive).mean(1)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None, None]:
        z, weights, total, partner = ctx.saved_tensors
        pulled = ctx.arithmetic.product(weights, torch.cat([z, z / total], dim=2))
        width = z.shape[2]
        grad = pulled[..., :width] / total + pulled[..., width:] - 2 * partner
        return grad * (gradients[0] / (ctx.temperature * z.shape[1])).view(-1, 1, 1), None, None


def nt_xent(embeddings: Tensor, temperature: float, arithmetic: Arithmetic = PLAIN) -> Tensor:
    """Normalised temperature-scaled cross entropy (NT-Xent) of each run.

    Eq. (1) of Chen et al. 2020.

    Parameters
    ----------
    embeddings
        (run, 2 batch, width): the first views of all windows, then their second views
        in the same order.
    temperature
        Positive; divides the cosine similarities.
    arithmetic
        How matrix products are computed.

    Returns
    -------
    loss
        (run,), in nats.

    Examples
    --------
    >>> z = torch.eye(4).reshape(1, 4, 4)[:, [0, 1, 0, 1]]
    >>> round(float(nt_xent(z, 0.5)), 6) == round(float(np.log(np.exp(2.0) + 2.0) - 2.0), 6)
    True
    """
    z = functional.normalize(embeddings, dim=2)
    return (
        contrast(z, temperature, arithmetic.halves)
        if arithmetic.native
        else _NTXent.apply(z, temperature, arithmetic)
    )


def masked_nt_xent(embeddings: Tensor, temperature: float, negatives: Tensor) -> Tensor:
    """NT-Xent loss of each run, with only the negatives that a mask allows.

    An anchor without any negative contributes a loss of 0.

    Parameters
    ----------
    embeddings
        (run, 2 batch, width), in the order that `nt_xent` expects.
    temperature
        Positive; divides the cosine similarities.
    negatives
        Boolean (run, 2 batch, 2 batch): whether the second row may be a negative of the
        first. Entries for a row itself and for the other view of its window are
        ignored.

    Returns
    -------
    loss
        (run,), in nats.
    """
    z = functional.normalize(embeddings, dim=2)
    rows = torch.arange(z.shape[1], device=z.device)
    partners = torch.roll(rows, z.shape[1] // 2)
    contrasted = negatives.clone()
    contrasted[:, rows, rows] = False
    contrasted[:, rows, partners] = True
    logits = torch.bmm(z / temperature, z.transpose(1, 2))
    return (
        logits.masked_fill(~contrasted, -torch.inf).logsumexp(2) - logits[:, rows, partners]
    ).mean(1)


class SimCLR(Method):
    """Encoder and projector, trained with the NT-Xent loss.

    By default all other views of the batch are negatives, as published. With pairs
    jittered in time, these may include views of the anchor's own window that belong to
    other pairs. If `negatives` is declared, or if a model is trained on several
    sessions, the rule of `negatives` decides which views are negatives.

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
        declared: SimCLRDeclaration,
        shape: tuple[int, int],
        generators: list[np.random.Generator],
    ) -> None:
        super().__init__()
        self.temperature = declared.temperature
        self.negatives = declared.negatives
        self.encoder = build_encoder(declared.encoder, shape, generators)
        self.projector = MLP(declared.encoder.dimensions, declared.projector, generators)

    def loss(self, batch: Batch) -> Tensor:
        """Compute the NT-Xent loss of each run on a batch of pairs."""
        embeddings = self.projector(self.represent(batch))
        of_one_session = batch.timeline is None or batch.timeline.sessions is None
        if of_one_session and self.negatives == Negatives():
            return nt_xent(embeddings, self.temperature, self.arithmetic)
        assert batch.timeline is not None and batch.windows is not None
        mask = admissible(self.negatives, batch.timeline, batch.windows, batch.windows)
        return masked_nt_xent(embeddings, self.temperature, mask)
