"""Masked sequence contrast (the BENDR objective).

The latents behind masked spans of a sequence of windows are told from other latents of
the sequence. Windows are the tokens. The loss is over masked positions only, and a
distractor is never the masked window itself.

Latents enter the transformer layer-normed, and a convolution over neighbouring tokens
stands for their places, as in wav2vec 2.0 (sections 2 and 3.1). With fixed sinusoids
instead, nothing was learned on simulated populations in 400 steps.

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
"""Purposes under which random numbers are read."""


def masked_spans(starts: Tensor, forced: Tensor, length: int) -> Tensor:
    """Mark the masked windows, at least one in every sequence.

    Parameters
    ----------
    starts
        Where spans start (run, row, time); they end with the sequence.
    forced
        Where a span starts in sequences that would have none (run, row).
    length
        Windows per span.

    Returns
    -------
    masked
        Boolean (run, row, time).
    """
    alone = torch.arange(starts.shape[2], device=starts.device) == forced.unsqueeze(2)
    begun = (starts | (alone & ~starts.any(2, keepdim=True))).to(torch.int64).cumsum(2)
    ended = functional.pad(begun, (length, 0))[..., : begun.shape[2]]
    return begun > ended


def distractor_mask(numbers: Tensor, count: int) -> Tensor:
    """Choose the windows that each window is told from.

    These are the `count` other windows of the sequence with the smallest numbers.

    Parameters
    ----------
    numbers
        Random numbers (run, row, time, time).
    count
        Distractors per window; all others where there are fewer.

    Returns
    -------
    distractors
        Boolean (run, row, time, time).
    """
    windows = numbers.shape[3]
    own = torch.eye(windows, dtype=torch.bool, device=numbers.device)
    order = numbers.masked_fill(own, torch.inf).argsort(3).argsort(3)
    return (order < min(count, windows - 1)) & ~own


def masked_info_nce(similarity: Tensor, distractors: Tensor, masked: Tensor) -> Tensor:
    """Cross entropy of a context's own latent against its distractors.

    It is averaged over masked windows.

    Parameters
    ----------
    similarity
        Of contexts and latents of one sequence, over the temperature
        (run, row, time, time); a context's own latent is on the diagonal.
    distractors
        Which latents it is told from (run, row, time, time).
    masked
        Which windows are masked (run, row, time).

    Returns
    -------
    loss
        (run,), in nats.
    """
    entropy = -_held_against(similarity, distractors).log_softmax(3).diagonal(dim1=2, dim2=3)
    weights = masked.to(entropy.dtype)
    return (entropy * weights).sum((1, 2)) / weights.sum((1, 2))


def _held_against(similarity: Tensor, distractors: Tensor) -> Tensor:
    """Similarities to the own latent and the distractors; -inf elsewhere."""
    own = torch.eye(similarity.shape[3], dtype=torch.bool, device=similarity.device)
    return similarity.masked_fill(~(distractors | own), -torch.inf)


class MaskedSequence(Method, PretextTask):
    """Encoder, and a transformer that reads sequences with masked latents.

    It reads the sequence of one view with spans masked, and must find the latents of
    the other view behind the masks.

    Parameters
    ----------
    declared
        Settings of the method.
    shape
        Bins and units of a window.
    generators
        The `init` stream of every run; there is one model per generator.
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
        """Read sequences of latents with the masked ones hidden.

        Parameters
        ----------
        latents
            (run, row, time, dim).
        masked
            Which are hidden (run, row, time).

        Returns
        -------
        contexts
            (run, row, time, dim).
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
        """Set the pretext task for all sequences of a batch.

        Returns
        -------
        similarity, distractors, masked
            As `masked_info_nce` takes them.
        latents
            (run, row, time, dim).
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
        """Find the latents behind the masks, and keep latents small."""
        similarity, distractors, masked, latents = self.tasks(batch)
        return masked_info_nce(
            similarity, distractors, masked
        ) + self.declared.activation * latents.square().mean((1, 2, 3))

    def pretext_accuracy(self, batch: Batch) -> Tensor:
        """Part of masked windows whose own latent is most similar (run,).

        Chance is 1 / (distractors + 1).
        """
        similarity, distractors, masked, _ = self.tasks(batch)
        first = _held_against(similarity, distractors).argmax(3) == torch.arange(
            similarity.shape[3], device=similarity.device
        )
        return (first & masked).sum((1, 2)).double() / masked.sum((1, 2))
