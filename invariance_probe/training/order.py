"""Which windows a step trains on: each run goes through its own windows in a fresh random order every epoch."""

import torch
from torch import Tensor

from invariance_probe.augmentations.random_bits import position, uniform, words_at
from invariance_probe.errors import TrainingError

SHUFFLE = 1
PARTNER = 2


class Order:
    """Batches of places in each run's list of windows; a last, incomplete batch of an epoch is left out.

    Parameters
    ----------
    keys
        The `order` stream of every run (run,).
    count
        How many windows each run has (run,).
    batch_size
        Windows a batch.
    repeats
        Draw every batch with replacement, so that there may be fewer windows than a batch holds.
    """

    def __init__(self, keys: Tensor, count: Tensor, batch_size: int, repeats: bool = False) -> None:
        fewest = int(count.min())
        if fewest < batch_size and not repeats:
            raise TrainingError(
                f"training.batch_size is {batch_size}, but a fold has only {fewest} training "
                "windows; "
                f"use a batch size of at most {fewest}, or shorter windows, a smaller embargo or "
                "more data"
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
        """Return places (run, batch) for a step; steps must come in order."""
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
        """Return one number, uniform on (0, 1), for every window of a step's batch (run, batch): its partner's lag."""
        rows = torch.arange(self._batch_size, device=self._keys.device).expand(len(self._count), -1)
        return uniform(position(self._keys, step, PARTNER), rows, 1).squeeze(-1)

    def _drawn(self, step: int) -> Tensor:
        rows = torch.arange(self._batch_size, device=self._keys.device).expand(len(self._count), -1)
        numbers = uniform(position(self._keys, step, SHUFFLE), rows, 1).squeeze(-1)
        counts = torch.tensor(self._count, device=self._keys.device).unsqueeze(1)
        return torch.minimum((numbers * counts).to(torch.int64), counts - 1)

    def _shuffle(self, runs: list[int]) -> None:
        """Put the windows of some runs into the order of their present epoch; places beyond a run's count stay last."""
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
