"""Random numbers that are computed from an address, for stacked runs.

A number is a hash of its address: the stream key of its run (`randomness.stream_key`),
the step, the purpose, the view, the row, and the position in the row. A row is usually
one window of the batch. No generator state is stored, one call serves a whole stack of
runs (which are trained together), and a run's numbers do not depend on the other runs.

The hash is the SplitMix64 sequence (Steele, Lea & Flood 2014,
doi:10.1145/2660193.2660195), started at a position that is itself a hash of key, step,
purpose and view. All arithmetic is on int64 tensors, which overflow as unsigned integers
do. The global random generators are not touched.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

LANES = 4
"""Number of 16-bit numbers in one 64-bit word."""


def _signed(value: int) -> int:
    """Signed integer with the same 64 bits as an unsigned one."""
    value &= (1 << 64) - 1
    return value - (1 << 64) if value >> 63 else value


_GAMMA = _signed(0x9E3779B97F4A7C15)
_FIRST = _signed(0xBF58476D1CE4E5B9)
_SECOND = _signed(0x94D049BB133111EB)
"""The constants of SplitMix64: its increment, and two factors."""


def mix(words: Tensor) -> Tensor:
    """Scramble int64 words (SplitMix64's finaliser).

    Parameters
    ----------
    words
        int64 tensor of any shape; overwritten in place.

    Returns
    -------
    words
        The same tensor.
    """
    # Shifting an int64 to the right copies its sign bit; the masks remove the copies.
    for shift, factor in ((30, _FIRST), (27, _SECOND)):
        words.bitwise_xor_((words >> shift).bitwise_and_((1 << (64 - shift)) - 1)).mul_(factor)
    return words.bitwise_xor_((words >> 31).bitwise_and_((1 << 33) - 1))


def position(keys: Tensor, *address: int | Tensor) -> Tensor:
    """Hash stream keys and an address into start positions.

    Parameters
    ----------
    keys
        Stream key of each run (run,), int64.
    *address
        Parts of the address, such as step, purpose and view, in order: integers, or
        tensors with one value per run (run,).

    Returns
    -------
    start
        Start position of each run's sequence (run,), int64.
    """
    start = keys.clone()
    for part in address:
        start = mix(
            start.add_(part * _GAMMA if isinstance(part, Tensor) else _signed(part * _GAMMA))
        )
    return start


def key_tensor(keys: list[int], device: torch.device) -> Tensor:
    """Convert unsigned 64-bit stream keys to an int64 tensor.

    Parameters
    ----------
    keys
        One key per run, in [0, 2^64).
    device
        Device of the tensor.

    Returns
    -------
    keys
        (run,), int64, with the same bits.
    """
    return torch.tensor([_signed(key) for key in keys], dtype=torch.int64, device=device)


def words_at(start: Tensor, rows: Tensor, words: int) -> Tensor:
    """Draw `words` random int64 words for each row.

    Parameters
    ----------
    start
        Start positions (run,), from `position`.
    rows
        Numbers of the rows to read (run, ...).
    words
        Number of words per row.

    Returns
    -------
    words
        (run, ..., words), int64.
    """
    counter = rows.unsqueeze(-1) * words + torch.arange(1, words + 1, device=rows.device)
    return mix(counter.mul_(_GAMMA).add_(start.view(-1, *[1] * rows.dim())))


def uniform16(start: Tensor, rows: Tensor, count: int) -> Tensor:
    """Draw signed 16-bit numbers, uniform on [-32768, 32767].

    Parameters
    ----------
    start
        Start positions (run,), from `position`.
    rows
        Numbers of the rows to read (run, ...).
    count
        How many numbers to draw per row.

    Returns
    -------
    numbers
        (run, ..., count), int16.
    """
    words = words_at(start, rows, -(-count // LANES))
    return words.view(torch.int16)[..., :count]


def uniform(start: Tensor, rows: Tensor, count: int) -> Tensor:
    """Draw float64 numbers, uniform on (0, 1) with 52 random bits.

    Parameters
    ----------
    start
        Start positions (run,), from `position`.
    rows
        Numbers of the rows to read (run, ...).
    count
        How many numbers to draw per row.

    Returns
    -------
    numbers
        (run, ..., count), float64; never exactly 0 or 1.
    """
    words = words_at(start, rows, count)
    return ((words >> 12).bitwise_and_((1 << 52) - 1)).to(torch.float64).add_(0.5).mul_(2.0**-52)


def normal(start: Tensor, rows: Tensor, count: int) -> Tensor:
    """Draw standard normal float32 numbers (Box & Muller 1958).

    The two uniform numbers of this transform are the halves of one 64-bit word.

    Parameters
    ----------
    start
        Start positions (run,), from `position`.
    rows
        Numbers of the rows to read (run, ...).
    count
        How many numbers to draw per row.

    Returns
    -------
    numbers
        (run, ..., count), float32.
    """
    pairs = -(-count // 2)
    halves = (
        words_at(start, rows, pairs).view(torch.int32).to(torch.float32).view(*rows.shape, pairs, 2)
    )
    radius = (
        halves[..., 0]
        .mul(2.0**-32)
        .add_(0.5 + 2.0**-25)
        .clamp_(2.0**-33, 1.0)
        .log_()
        .mul_(-2.0)
        .sqrt_()
    )
    angle = halves[..., 1].mul(torch.pi * 2.0**-31)
    return torch.cat([radius * angle.cos(), radius * angle.sin()], dim=-1)[..., :count]


def threshold16(probability: Tensor) -> Tensor:
    """Threshold t such that P(`uniform16` < t) is a given probability.

    The probability is rounded to 2^-16.

    Parameters
    ----------
    probability
        Any shape, in [0, 1].

    Returns
    -------
    threshold
        Of the same shape, int16.
    """
    return (probability * 65536.0 - 32768.0).round().clamp(-32768, 32767).to(torch.int16)


@dataclass(frozen=True)
class Draws:
    """Where one view of one step reads its random numbers.

    Attributes
    ----------
    keys
        Stream key of each run (run,), int64.
    step
        Update step, or index of a draw in evaluation.
    view
        Index of the view for each run (run,); 0 for both views of a run in which they
        share their random numbers.
    rows
        Row of numbers that each window reads (run, batch): its position in the batch,
        or 0 for all windows of a run in which they share their random numbers.
    """

    keys: Tensor
    step: int
    view: Tensor
    rows: Tensor

    def start(self, purpose: int) -> Tensor:
        """Start positions (run,) of the numbers for one purpose, such as one transform."""
        return position(self.keys, self.step, purpose, self.view)
