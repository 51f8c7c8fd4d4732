"""The order in which a run goes through its training windows.

In every epoch each run goes through its own windows in a new random order. Random
numbers are computed from an address (`augmentations.random_bits`): the run's key, the
step or epoch, and a number for the purpose.
"""

import torch
from torch import Tensor

from invariance_probe.augmentations.random_bits import position, uniform, words_at
from invariance_probe.errors import TrainingError

SHUFFLE = 1
"""Purpose of the random numbers that order the windows."""
PARTNER = 2
"""Purpose of the random numbers that choose the time lag within a pair."""


class ShuffledBatches:
    """Shuffled batches of indices into each run's list of windows.

    If the last batch of an epoch would be incomplete, it is omitted.

    Parameters
    ----------
    keys
        Key of each run's random numbers (run,).
    count
        Number of windows in each run's list (run,).
    batch_size
        Windows per batch.
    repeats
        Whether every batch is drawn with replacement, so that a list may be shorter
        than a batch.

    Raises
    ------
    TrainingError
        If a run has fewer windows than a batch holds, unless `repeats` is true.
    """

    def __init__(self, keys: Tensor, count: Tensor, batch_size: int, repeats: bool = False) -> None:
        fewest = int(count.min())
        if fewest < batch_size and not repeats:
            raise TrainingError(
                f"training.batch_size is {batch_size}, but one fold has only {fewest} training "
                f"windows; use a batch size of at most {fewest}, or shorter windows, a shorter "
                "embargo or more data"
            )
        self._keys, self._count, self._batch_size, self._repeats = (
            keys,
            count.tolist(),
            batch_size,
            repeats,
        )
        self._epoch = [-1] * len(self._count)
        self._orders = torch.zeros(
            len(self._count), max(self._count), dtype=torch.int64, device=keys.device
        )

    def batch(self, step: int) -> Tensor:
        """Indices of a step's windows in each run's list.

        Parameters
        ----------
        step
            Update step; steps must come in ascending order.

        Returns
        -------
        places
            (run, batch).
        """
        if self._repeats:
            return self._drawn(step)
        now = [divmod(step, count // self._batch_size) for count in self._count]
        if turned := [run for run, (epoch, _) in enumerate(now) if epoch != self._epoch[run]]:
            self._epoch = [epoch for epoch, _ in now]
            self._shuffle(turned)
        rows = torch.tensor(
            [within * self._batch_size for _, within in now], device=self._keys.device
        ).unsqueeze(1)
        return self._orders.gather(
            1, rows + torch.arange(self._batch_size, device=self._keys.device)
        )

    def numbers(self, step: int) -> Tensor:
        """Random numbers that choose the lags of a step's partners.

        Parameters
        ----------
        step
            Update step.

        Returns
        -------
        numbers
            Uniform on (0, 1) (run, batch), float64.
        """
        rows = torch.arange(self._batch_size, device=self._keys.device).expand(len(self._count), -1)
        return uniform(position(self._keys, step, PARTNER), rows, 1).squeeze(-1)

    def _drawn(self, step: int) -> Tensor:
        """Indices (run, batch) drawn with replacement."""
        rows = torch.arange(self._batch_size, device=self._keys.device).expand(len(self._count), -1)
        numbers = uniform(position(self._keys, step, SHUFFLE), rows, 1).squeeze(-1)
        counts = torch.tensor(self._count, device=self._keys.device).unsqueeze(1)
        return torch.minimum((numbers * counts).to(torch.int64), counts - 1)

    def _shuffle(self, runs: list[int]) -> None:
        """Shuffle the windows of some runs for their current epoch.

        Lists are padded to the longest one; the padding stays last.

        Parameters
        ----------
        runs
            Indices of the runs in the stack.
        """
        at = torch.tensor(runs, device=self._keys.device)
        epochs, counts = (
            torch.tensor([own[run] for run in runs], device=self._keys.device)
            for own in (self._epoch, self._count)
        )
        places = torch.arange(self._orders.shape[1], device=self._keys.device).expand(len(runs), -1)
        words = words_at(position(self._keys[at], epochs, SHUFFLE), places, 1).squeeze(2)
        self._orders[at] = words.masked_fill_(
            places >= counts.unsqueeze(1), torch.iinfo(torch.int64).max
        ).argsort(dim=1)
