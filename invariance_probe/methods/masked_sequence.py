"""Masked sequence contrast (the BENDR objective).

An encoder turns each window of a sequence into a latent. Spans of latents are masked,
and a transformer must identify each masked latent among other latents of the same
sequence (distractors). The loss is computed over masked windows only, and a distractor
is never the masked window itself. Several models (runs) are trained together: the first
axis of every tensor is the run.

Latents are layer-normalised before they enter the transformer, and a convolution over
neighbouring windows serves as position embedding, as in wav2vec 2.0 (sections 2 and
3.1). With fixed sinusoids instead, nothing was learned on simulated populations in 400
steps.

References
----------
Kostas, Aroca-Ouellette & Rudzicz 2021, BENDR, arXiv:2101.12037; after Baevski et al.
2020, wav2vec 2.0, arXiv:2006.11477, section 3.2.
"""

from typing import ClassVar

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from invariance_probe.encoders import build_encoder
from invariance_probe.encoders.convolution import taps
from invariance_probe.encoders.layers import StackedLinear, initial_weight
from invariance_probe.encoders.transformer import Block
from invariance_probe.methods.base import Batch, Method, PretextTask
from invariance_probe.study.methods import MaskedSequence as MaskedSequenceDeclaration

SPAN_START, SPAN_FORCED, DISTRACTOR = 131, 132, 133
"""Integers that keep the method's three uses of random numbers apart."""


def masked_spans(starts: Tensor, forced: Tensor, length: int) -> Tensor:
    """Mark the masked windows, at least one in every sequence.

    Parameters
    ----------
    starts
        Boolean (run, sequence, window): whether a span starts at the window. A span
        that reaches the end of its sequence is cut off there.
    forced
        Window at which a span starts in a sequence without any start (run, sequence).
    length
        Windows per span.

    Returns
    -------
    masked
        Boolean (run, sequence, window).
    """
    alone = torch.arange(starts.shape[2], device=starts.device) == forced.unsqueeze(2)
    begun = (starts | (alone & ~starts.any(2, keepdim=True))).to(torch.int64).cumsum(2)
    ended = functional.pad(begun, (length, 0))[..., : begun.shape[2]]
    return begun > ended


def distractor_mask(numbers: Tensor, count: int) -> Tensor:
    """Choose distractors for each window at random within its sequence.

    They are the `count` other windows with the smallest random numbers.

    Parameters
    ----------
    numbers
        Random numbers (run, sequence, window, other window).
    count
        Distractors per window. If the sequence has fewer other windows, all are chosen.

    Returns
    -------
    distractors
        Boolean (run, sequence, window, other window).
    """
    windows = numbers.shape[3]
    own = torch.eye(windows, dtype=torch.bool, device=numbers.device)
    order = numbers.masked_fill(own, torch.inf).argsort(3).argsort(3)
    return (order < min(count, windows - 1)) & ~own


def masked_info_nce(similarity: Tensor, distractors: Tensor, masked: Tensor) -> Tensor:
    """Cross-entropy of identifying masked latents among their distractors.

    A context is the transformer's output for a window. The loss is averaged over the
    masked windows.

    Parameters
    ----------
    similarity
        Cosine similarity of contexts and latents, divided by the temperature
        (run, sequence, context, latent). The correct latent is on the diagonal.
    distractors
        Boolean (run, sequence, context, latent): which latents are distractors.
    masked
        Boolean (run, sequence, window): which windows are masked.

    Returns
    -------
    loss
        (run,), in nats.
    """
    entropy = -_held_against(similarity, distractors).log_softmax(3).diagonal(dim1=2, dim2=3)
    weights = masked.to(entropy.dtype)
    return (entropy * weights).sum((1, 2)) / weights.sum((1, 2))


def _held_against(similarity: Tensor, distractors: Tensor) -> Tensor:
    """Set similarities to -inf except those to correct latents and distractors."""
    own = torch.eye(similarity.shape[3], dtype=torch.bool, device=similarity.device)
    return similarity.masked_fill(~(distractors | own), -torch.inf)


class MaskedSequence(Method, PretextTask):
    """Encoder, and a transformer over sequences of latents with masked spans.

    The transformer reads the masked sequence of one view and must identify the masked
    latents of the other view.

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

    examples: ClassVar[str] = "sequences"

    def __init__(
        self,
        declared: MaskedSequenceDeclaration,
        shape: tuple[int, int],
        generators: list[np.random.Generator],
    ) -> None:
        super().__init__()
        self.declared = declared
        dimensions, width = declared.encoder.dimensions, declared.context_width
        self.encoder = build_encoder(declared.encoder, shape, generators)
        self.mask = nn.Parameter(initial_weight(generators, 1, dimensions, gain=1.0))
        self.inward = StackedLinear(initial_weight(generators, dimensions, width, gain=1.0))
        self.beside = StackedLinear(
            initial_weight(generators, declared.position_windows * width, width)
        )
        self.blocks = nn.ModuleList(
            Block(width, declared.heads, generators) for _ in range(declared.layers)
        )
        self.outward = StackedLinear(initial_weight(generators, width, dimensions, gain=1.0))

    def contexts(self, latents: Tensor, masked: Tensor) -> Tensor:
        """Apply the transformer to sequences whose masked latents are hidden.

        Parameters
        ----------
        latents
            (run, sequence, window, dim).
        masked
            Boolean (run, sequence, window): which latents are hidden.

        Returns
        -------
        contexts
            The transformer's outputs (run, sequence, window, dim).
        """
        windows, reach = latents.shape[2], self.declared.position_windows // 2
        seen = torch.where(
            masked.unsqueeze(3),
            self.mask.unsqueeze(1),
            functional.layer_norm(latents, latents.shape[3:]),
        )
        tokens = self.inward(seen.flatten(1, 2)).unflatten(1, (-1, windows))
        neighbours = taps(
            functional.pad(tokens, (0, 0, reach, reach)), self.declared.position_windows, 1
        )
        tokens = tokens + self.beside(neighbours.flatten(1, 2)).relu().unflatten(1, (-1, windows))
        for block in self.blocks:
            tokens = block(tokens)
        return self.outward(tokens.flatten(1, 2)).unflatten(1, (-1, windows))

    def tasks(self, batch: Batch) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Prepare the pretext task for all sequences of a batch.

        Returns
        -------
        similarity, distractors, masked
            Arguments for `masked_info_nce`.
        latents
            Outputs of the encoder (run, sequence, window, dim).
        """
        windows = self.declared.sequence_windows
        latents = self.encoder(batch.views).unflatten(1, (-1, windows))
        rows = torch.arange(latents.shape[1], device=latents.device).expand(latents.shape[0], -1)
        starts = batch.uniform(SPAN_START, rows, windows) < self.declared.span_start
        forced = (batch.uniform(SPAN_FORCED, rows, 1).squeeze(2) * windows).to(torch.int64)
        masked = masked_spans(starts, forced, self.declared.span_windows)
        numbers = batch.uniform(DISTRACTOR, rows, windows * windows).unflatten(
            2, (windows, windows)
        )
        sought = functional.normalize(torch.roll(latents, latents.shape[1] // 2, dims=1), dim=3)
        found = functional.normalize(self.contexts(latents, masked), dim=3)
        similarity = torch.matmul(found, sought.transpose(2, 3)) / self.declared.temperature
        return similarity, distractor_mask(numbers, self.declared.distractors), masked, latents

    def loss(self, batch: Batch) -> Tensor:
        """Compute each run's contrastive loss plus a penalty on large latents."""
        similarity, distractors, masked, latents = self.tasks(batch)
        return masked_info_nce(
            similarity, distractors, masked
        ) + self.declared.activation * latents.square().mean((1, 2, 3))

    def pretext_accuracy(self, batch: Batch) -> Tensor:
        """Fraction of masked windows whose correct latent is most similar (run,).

        Chance level is 1 / (distractors + 1).
        """
        similarity, distractors, masked, _ = self.tasks(batch)
        first = _held_against(similarity, distractors).argmax(3) == torch.arange(
            similarity.shape[3], device=similarity.device
        )
        return (first & masked).sum((1, 2)).double() / masked.sum((1, 2))
