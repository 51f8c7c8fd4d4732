"""Search for the units whose removal raises the SSL loss of trained models.

In: trained models and batches of views. Models are stacked: several runs are computed
together, and the run is the first axis. Out: losses without sets of units, and the sets
whose removal raises the loss most. Units are removed from both views, and the models
are not changed. A removed unit is held at its training mean, which is 0 in standardised
views. No gradient is used.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch

from invariance_probe.methods.base import Batch, Method
from invariance_probe.training.checkpoints import Stopped


@dataclass(frozen=True, eq=False)
class ObjectiveLoss:
    """The mean loss of each run over some batches when units are removed.

    Attributes
    ----------
    method
        Trained stacked models; batch norm uses the statistics of each batch.
    batches
        Batches of views with all units.
    stop
        Whether the process should end before the next loss.
    """

    method: Method
    batches: Sequence[Batch]
    stop: Callable[[], bool] = lambda: False

    @property
    def shape(self) -> tuple[int, int]:
        """Number of runs, and number of units."""
        return self.batches[0].views.shape[0], self.batches[0].views.shape[3]

    def without(self, removed: np.ndarray) -> np.ndarray:
        """Loss of each run with its own set of units removed (run,).

        Parameters
        ----------
        removed
            (run, unit) bool, true where a unit is removed.
        """
        kept = torch.from_numpy(~removed).to(self.batches[0].views)[:, None, None, :]
        return self._mean(lambda batch: replace(batch, views=batch.views * kept))

    def of_sets(self, sets: np.ndarray) -> np.ndarray:
        """Loss of each run without each of its sets of units (run, set).

        Parameters
        ----------
        sets
            Units to remove (run, set, unit of the set).
        """
        return np.stack(
            [self.without(_held(sets[:, k], self.shape[1])) for k in range(sets.shape[1])], axis=1
        )

    def range(self) -> np.ndarray:
        """Rise of the loss when the two views of a row show different windows (run,).

        Damages are given in units of this rise. With such views the loss of a confident
        model rises beyond that of a model whose units are all removed. So a damage may
        exceed 1, and it is no fraction of what the model knows.
        """
        return self._mean(_mismatched) - self._mean(lambda batch: batch)

    def nothing(self) -> np.ndarray:
        """Rise of the loss when all units are removed (run,).

        It is not above 0 if the model does no better with all units than without any.
        """
        everything = np.ones(self.shape, dtype=bool)
        return self.without(everything) - self.without(~everything)

    @torch.no_grad()
    def _mean(self, shown: Callable[[Batch], Batch]) -> np.ndarray:
        """Mean loss of each run (run,) over batches that `shown` changes first."""
        if self.stop():
            raise Stopped("stopped in an attack on trained models")
        losses = [self.method.loss(shown(batch)).to(torch.float64) for batch in self.batches]
        return torch.stack(losses).mean(0).cpu().numpy()


def forward_path(loss: ObjectiveLoss, budget: int, screening: int, finalists: int) -> np.ndarray:
    """Remove the units that raise each run's loss most, one after the other.

    At each step all units are tried on the first `screening` batches, and the
    `finalists` most harmful ones again on all batches. If two units carry the same
    information, a model that is not fitted again still loses something without either,
    so that forward choice finds them.

    Parameters
    ----------
    loss
        The loss of stacked models.
    budget
        Number of units to remove.
    screening
        Number of batches on which all units are tried.
    finalists
        Number of units that are tried again on all batches.

    Returns
    -------
    Units (run, budget) in the order of removal: the first b are the set of budget b.
    """
    runs, units = loss.shape
    few, finalists = replace(loss, batches=loss.batches[:screening]), min(finalists, units - budget)
    path = np.empty((runs, 0), dtype=np.int64)
    for _ in range(budget):
        everyone = np.tile(np.arange(units), (runs, 1))
        screened = _without_one_more(few, path, everyone)
        best = np.argsort(-screened, axis=1, kind="stable")[:, :finalists]
        again = _without_one_more(loss, path, best)
        path = np.column_stack(
            [path, np.take_along_axis(best, again.argmax(axis=1)[:, None], axis=1)]
        )
    return path


def _without_one_more(loss: ObjectiveLoss, path: np.ndarray, tried: np.ndarray) -> np.ndarray:
    """Loss of each run without its path and one further unit (run, tried).

    The loss is -inf for units that are in the path already. It is the smallest finite
    number if it would be NaN, so that the path of a diverged model holds no unit twice
    either.

    Parameters
    ----------
    loss
        The loss of stacked models.
    path
        Units that each run has removed so far (run, unit of the path).
    tried
        Units that are tried (run, tried).
    """
    losses = loss.of_sets(np.stack([np.column_stack([path, unit]) for unit in tried.T], axis=1))
    losses[np.isnan(losses)] = np.finfo(losses.dtype).min
    losses[np.take_along_axis(_held(path, loss.shape[1]), tried, axis=1)] = -np.inf
    return losses


def _mismatched(batch: Batch) -> Batch:
    """Shuffle a batch so that the two views of a row never show the same window.

    The order is the same for all runs and batches.
    """
    assert batch.windows is not None
    half = batch.views.shape[1] // 2
    first = np.random.default_rng(0).permutation(half)
    order = torch.from_numpy(np.concatenate([first, half + np.roll(first, 1)])).to(
        batch.views.device
    )
    return replace(batch, views=batch.views[:, order], windows=batch.windows[:, order])


def _held(sets: np.ndarray, units: int) -> np.ndarray:
    """Which units each run's set holds (run, unit), bool.

    Parameters
    ----------
    sets
        One set for each run (run, unit of the set).
    units
        Number of units.
    """
    held = np.zeros((len(sets), units), dtype=bool)
    np.put_along_axis(held, sets, True, axis=1)
    return held
