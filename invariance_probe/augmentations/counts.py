"""Binomial thinning of spike counts by counting random bits.

Bin(x, 1/2) is the number of ones among x fair random bits, so a count is split with one
AND and one bit count. Counts are packed four to a 64-bit word, which gives each count a
lane of 16 bits for up to sixteen spikes. Larger counts take several words.

In: non-negative integer counts, and the address of random bits (`random_bits`). Out:
thinned counts. Nothing here knows of views or windows.
"""

import torch
from torch import Tensor

from invariance_probe.augmentations.random_bits import LANES, position, words_at

LANE_BITS = 16
"""Bits of one lane: the most spikes of one unit that a word holds."""
_BYTES = 0x00FF00FF00FF00FF


def packed_ones(counts: Tensor) -> list[Tensor]:
    """Pack counts into words: the lane of a count x holds x ones.

    Parameters
    ----------
    counts
        Non-negative integers (..., unit).

    Returns
    -------
    words
        A list of int64 tensors (..., word) with `ceil(unit / 4)` words: one tensor for
        each sixteen spikes of the largest count.
    """
    units = counts.shape[-1]
    padded = torch.zeros(
        *counts.shape[:-1], -(-units // LANES) * LANES, dtype=torch.int32, device=counts.device
    )
    padded[..., :units] = counts
    largest = int(counts.max()) if counts.numel() else 0
    chunks = [
        (padded - LANE_BITS * i).clamp_(0, LANE_BITS)
        for i in range(max(1, -(-largest // LANE_BITS)))
    ]
    return [((1 << chunk) - 1).to(torch.int16).view(torch.int64) for chunk in chunks]


def lane_popcount(words: Tensor) -> Tensor:
    """Count the ones in each 16-bit lane of int64 words.

    The words are overwritten. The sums of neighbouring bits, pairs, nibbles and bytes
    are added in turn.

    Parameters
    ----------
    words
        (..., word), int64.

    Returns
    -------
    ones
        (..., 4 word), int16.
    """
    words.sub_((words >> 1).bitwise_and_(0x5555555555555555))
    words = (words & 0x3333333333333333).add_((words >> 2).bitwise_and_(0x3333333333333333))
    words.add_(words >> 4).bitwise_and_(0x0F0F0F0F0F0F0F0F)
    words = (words & _BYTES).add_((words >> 8).bitwise_and_(_BYTES))
    return words.view(torch.int16)


def fair_halves(ones: list[Tensor], start: Tensor, rows: Tensor, units: int) -> Tensor:
    """Draw Bin(x, 1/2) for packed counts.

    Parameters
    ----------
    ones
        What `packed_ones` returned, gathered to (run, ..., word).
    start, rows
        Address of the random bits: starts (run,), rows (run, ...).
    units
        Number of units, since the last word may have lanes to spare.

    Returns
    -------
    halves
        (run, ..., unit), int16.
    """
    words = ones[0].shape[-1]
    bits = words_at(start, rows, words * len(ones))
    parts = [
        lane_popcount(bits[..., i * words : (i + 1) * words] & one) for i, one in enumerate(ones)
    ]
    return sum(parts[1:], parts[0])[..., :units]


def biased_bits(start: Tensor, rows: Tensor, words: int, probability: Tensor) -> Tensor:
    """Draw words whose bits are one with a given probability, to 2^-16.

    Sixteen fair words are compared with the binary digits of the probability. So the
    ones nest: raising the probability only adds ones.

    Parameters
    ----------
    start, rows
        Address of the random bits: starts (run,), rows (run, ...).
    words
        Number of words per row.
    probability
        Of a one (run,), in [0, 1].

    Returns
    -------
    bits
        (run, ..., words), int64.
    """
    digits = (probability * 65536.0).round().to(torch.int64).view(-1, *[1] * rows.dim())
    fair = words_at(start, rows, words * LANE_BITS)
    below = torch.zeros(*rows.shape, words, dtype=torch.int64, device=rows.device)
    # From the least digit upward: below = digit ? (~bit | below) : (~bit & below).
    for i in range(LANE_BITS):
        flipped = ~fair[..., i * words : (i + 1) * words]
        digit = -((digits >> i) & 1)
        below = (flipped & below) | ((flipped | below) & digit)
    return torch.where((digits >> LANE_BITS) > 0, torch.full_like(below, -1), below)


def thin(counts: Tensor, start: Tensor, rows: Tensor, keep: Tensor) -> Tensor:
    """Draw Bin(x, keep) for counts: keep each spike with probability `keep`.

    Each sixteen spikes read their bits at an address of their own, so a run's draws do
    not depend on the largest count of its partners in the stack.

    Parameters
    ----------
    counts
        Non-negative integers (run, ..., unit).
    start, rows
        Address of the random bits: starts (run,), rows (run, ...).
    keep
        Probability that a spike stays (run,), in [0, 1].

    Returns
    -------
    counts
        (run, ..., unit), of the dtype of the counts given.
    """
    ones = packed_ones(counts)
    parts = []
    for chunk, one in enumerate(ones):
        own = start if chunk == 0 else position(start, chunk)
        kept = biased_bits(own, rows, one.shape[-1], keep)
        parts.append(lane_popcount(kept & one))
    return sum(parts[1:], parts[0])[..., : counts.shape[-1]].to(counts.dtype)
