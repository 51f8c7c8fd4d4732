"""Binomial thinning of spike counts by counting random bits.

Bin(x, 1/2) is the number of ones among x fair random bits, so a count is split with one
AND and one bit count. Four counts share a 64-bit word: each has 16 bits of it, its lane,
for up to sixteen spikes. Larger counts take several words.

In: non-negative integer counts of stacked runs, which are trained together, and where to
read random bits: a start position per run, and row numbers (`random_bits`). Out: thinned
counts. Nothing here depends on views or windows.
"""

import torch
from torch import Tensor

from invariance_probe.augmentations.random_bits import LANES, position, words_at

LANE_BITS = 16
"""Bits of one lane: the largest number of spikes of one unit that a word holds."""
PACKED_VALUES = 1 << 22
"""Number of counts that are packed at a time, so that no large copies are held."""
_BYTES = 0x00FF00FF00FF00FF
"""Mask of every second byte of a word."""


def packed_ones(counts: Tensor) -> list[Tensor]:
    """Pack counts into words, such that the lane of a count x holds x ones.

    Parameters
    ----------
    counts
        Non-negative integers (..., unit).

    Returns
    -------
    words
        A list of int64 tensors (..., word), each with ceil(units / 4) words. The first
        holds up to sixteen spikes of every count, the second the next sixteen, and so
        on up to the largest count.
    """
    units = counts.shape[-1]
    largest = int(counts.max()) if counts.numel() else 0
    chunks = max(1, -(-largest // LANE_BITS))
    lanes = -(-units // LANES) * LANES
    packed = [
        torch.zeros(*counts.shape[:-1], lanes, dtype=torch.int16, device=counts.device)
        for _ in range(chunks)
    ]
    at_once = max(1, PACKED_VALUES // max(1, counts[:1].numel()))
    for first in range(0, len(counts), at_once):
        rows = slice(first, first + at_once)
        some = counts[rows].to(torch.int32)
        for i, found in enumerate(packed):
            spikes = (some - LANE_BITS * i).clamp_(0, LANE_BITS)
            found[rows, ..., :units] = ((1 << spikes) - 1).to(torch.int16)
    return [found.view(torch.int64) for found in packed]


def lane_popcount(words: Tensor) -> Tensor:
    """Count the ones in each 16-bit lane of int64 words.

    The words are overwritten. Neighbouring bits are added up, then pairs of bits,
    nibbles and bytes.

    Parameters
    ----------
    words
        Words of four lanes each (..., word), int64.

    Returns
    -------
    ones
        Number of ones in each lane (..., 4 * word), int16.
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
        Output of `packed_ones`, gathered to (run, ..., word).
    start, rows
        Start positions (run,) and rows (run, ...) of the random bits.
    units
        Number of units, because the last word may have unused lanes.

    Returns
    -------
    halves
        One half of each count (run, ..., unit), int16.
    """
    words = ones[0].shape[-1]
    bits = words_at(start, rows, words * len(ones))
    parts = [
        lane_popcount(bits[..., i * words : (i + 1) * words] & one) for i, one in enumerate(ones)
    ]
    return sum(parts[1:], parts[0])[..., :units]


def biased_bits(start: Tensor, rows: Tensor, words: int, probability: Tensor) -> Tensor:
    """Draw words whose bits are 1 with a given probability, rounded to 2^-16.

    Each bit is 1 if a random 16-bit number is below 2^16 times the probability. The
    ones nest: a higher probability only adds ones.

    Parameters
    ----------
    start, rows
        Start positions (run,) and rows (run, ...) of the random bits.
    words
        Number of words per row.
    probability
        Probability that a bit is 1 (run,), in [0, 1].

    Returns
    -------
    bits
        Words of random bits (run, ..., words), int64.
    """
    digits = (probability * 65536.0).round().to(torch.int64).view(-1, *[1] * rows.dim())
    fair = words_at(start, rows, words * LANE_BITS)
    below = torch.zeros(*rows.shape, words, dtype=torch.int64, device=rows.device)
    # From the least significant digit of the probability to the most significant one:
    # below = digit ? (~bit | below) : (~bit & below).
    for i in range(LANE_BITS):
        flipped = ~fair[..., i * words : (i + 1) * words]
        digit = -((digits >> i) & 1)
        below = (flipped & below) | ((flipped | below) & digit)
    return torch.where((digits >> LANE_BITS) > 0, torch.full_like(below, -1), below)


def thin(counts: Tensor, start: Tensor, rows: Tensor, keep: Tensor) -> Tensor:
    """Draw Bin(x, keep) for counts: keep each spike with probability `keep`.

    Every further sixteen spikes of a count have random bits of their own, so a run's
    draws do not depend on the largest count of other runs in the stack.

    Parameters
    ----------
    counts
        Non-negative integers (run, ..., unit).
    start, rows
        Start positions (run,) and rows (run, ...) of the random bits.
    keep
        Probability that a spike stays (run,), in [0, 1].

    Returns
    -------
    counts
        Thinned counts (run, ..., unit), in the dtype of the input.
    """
    ones = packed_ones(counts)
    parts = []
    for chunk, one in enumerate(ones):
        own = start if chunk == 0 else position(start, chunk)
        kept = biased_bits(own, rows, one.shape[-1], keep)
        parts.append(lane_popcount(kept & one))
    return sum(parts[1:], parts[0])[..., : counts.shape[-1]].to(counts.dtype)
