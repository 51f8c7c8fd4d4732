"""Second moments of overlapping windows, and ridge regression from them.

In: activity, and windows of it that are too many to be held as one table. Out: Gram
matrices of any sets of windows, and the ridge regressions and predictions that follow.
Windows are gathered in chunks. Sessions of usual size do not come here: their windows
are held as a table (`probing.bench.size`), and `decoders.ridge` reads it.

Windows that start one bin apart share all bins but one. Let x_t be the activity in bin
t, and G_ij the sum of x_{t+i} x_{t+j}' over the windows' first bins t. Over the
consecutive first bins p ... q - 1,

    G_{i+1, j+1} = G_ij + x_{q+i} x_{q+j}' - x_{p+i} x_{p+j}',

so that only the first row of blocks, G_0j, has to be summed over the windows. The work
grows with the recording and the length of a window, not with its square.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch

from invariance_probe.augmentations.standardisation import Scaling
from invariance_probe.data.windows import covered_bins
from invariance_probe.plan.memory import CHUNK_VALUES, HELD_VALUES
from invariance_probe.probing.bench.workbench import Workbench
from invariance_probe.probing.code.moments import System
from invariance_probe.probing.code.penalties import solve
from invariance_probe.probing.decoders.ridge import RidgeFit


@dataclass(frozen=True, eq=False)
class WindowInputs:
    """Standardised activity in all bins of a window, gathered on demand.

    Attributes
    ----------
    activity
        Counts or signals (time, unit).
    mean, inverse_sd
        Mean and inverse standard deviation of each unit (unit,).
    starts
        First bin of each window (window,), ascending.
    length
        Bins per window.
    square_roots
        Whether sqrt(x + 1/4) is standardised instead of x.
    """

    activity: np.ndarray
    mean: np.ndarray
    inverse_sd: np.ndarray
    starts: np.ndarray
    length: int
    square_roots: bool = False

    @classmethod
    def of(
        cls, bench: Workbench, windows: np.ndarray, square_roots: bool = False
    ) -> "WindowInputs":
        """Prepare a session's windows, standardised over the bins of some of them.

        Parameters
        ----------
        bench
            The session with its windows and folds.
        windows
            Windows over whose bins each unit is standardised (window,).
        square_roots
            Whether sqrt(x + 1/4) is standardised instead of x.
        """
        activity, bins = bench.recording.activity, bench.bins_of(windows)
        scaling = Scaling.of(
            activity, [bins], torch.float64, torch.device("cpu"), square_roots=square_roots
        )
        return cls(
            activity,
            scaling.mean.numpy().ravel(),
            scaling.inverse_sd.numpy().ravel(),
            bench.windows.starts,
            bench.windows.length,
            square_roots,
        )

    @property
    def units(self) -> int:
        """Number of units."""
        return self.activity.shape[1]

    @property
    def features(self) -> int:
        """Number of input columns: units times bins of a window."""
        return self.units * self.length

    def bins(self, bins: np.ndarray) -> np.ndarray:
        """Standardised activity in some bins (bin, unit) float64."""
        values = self.activity[bins].astype(np.float64)
        if self.square_roots:
            np.sqrt(values + 0.25, out=values)
        values -= self.mean
        values *= self.inverse_sd
        return values

    def rows(self, windows: np.ndarray) -> np.ndarray:
        """Gather the inputs of some windows, in order of time (window, bin x unit).

        The columns of one bin are side by side.
        """
        starts = self.starts[windows]
        seen = covered_bins(starts - starts[0], self.length) + starts[0]
        first = np.searchsorted(seen, starts)
        return self.bins(seen)[first[:, None] + np.arange(self.length)].reshape(len(windows), -1)

    def chunks(self, windows: np.ndarray) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """Gather the inputs of some windows in chunks.

        Parameters
        ----------
        windows
            The windows (window,).

        Yields
        ------
        Inputs (row, feature), and the window of each row (row,).
        """
        at_once = max(1, CHUNK_VALUES // self.features)
        for first in range(0, len(windows), at_once):
            part = windows[first : first + at_once]
            yield self.rows(part), part

    def predict(self, fit: RidgeFit, windows: np.ndarray) -> np.ndarray:
        """Predict the target columns of some windows (window, column).

        Parameters
        ----------
        fit
            A ridge regression on these inputs, of one run.
        windows
            The windows (window,).
        """
        weights, intercepts = (
            fit.coefficients[0].cpu().numpy(),
            fit.intercepts[0].cpu().numpy(),
        )
        return self.mapped(weights, windows) + intercepts

    def mapped(self, weights: np.ndarray, windows: np.ndarray) -> np.ndarray:
        """Map the inputs of some windows linearly (window, column).

        Parameters
        ----------
        weights
            Weights of the inputs (feature, column).
        windows
            The windows (window,).
        """
        found = np.empty((len(windows), weights.shape[1]))
        done = 0
        for x, part in self.chunks(windows):
            found[done : done + len(part)] = x @ weights
            done += len(part)
        return found

    def gram_from(self, other: "WindowInputs", gram: np.ndarray) -> np.ndarray:
        """Gram matrix of these inputs, from that of inputs with other means and SDs.

        Parameters
        ----------
        other
            The same windows, standardised otherwise. Units that it holds constant are 0.
        gram
            Gram matrix of the columns (inputs, 1) of its windows (side, side).

        Returns
        -------
        (feature, feature).
        """
        live = other.inverse_sd > 0
        scale = np.divide(self.inverse_sd, other.inverse_sd, out=np.zeros(self.units), where=live)
        shift = np.where(live, (other.mean - self.mean) * self.inverse_sd, 0.0)
        scale, shift = np.tile(scale, self.length), np.tile(shift, self.length)
        sums, count = gram[:-1, -1] * scale, gram[-1, -1]
        found = gram[:-1, :-1] * scale
        found *= scale[:, None]
        found += (sums + count * shift)[:, None] * shift
        found += shift[:, None] * sums
        return found

    def _edges(self, windows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """First bins of the first windows of all runs, and those behind their last ones.

        A run is a sequence of windows that start one bin apart.
        """
        starts = self.starts[windows]
        breaks = np.flatnonzero(np.diff(starts) != 1)
        first = starts[np.concatenate([[0], breaks + 1])]
        return first, starts[np.concatenate([breaks, [len(starts) - 1]])] + 1

    def overlap(self, windows: np.ndarray) -> bool:
        """Whether runs of windows are so long that only the first blocks need be summed."""
        return self.length > 1 and 2 * self.length * len(self._edges(windows)[0]) < len(windows)

    def turned(self, windows: np.ndarray) -> np.ndarray:
        """Sum what G_{i+1, j+1} has more than G_ij, over all runs of windows.

        Parameters
        ----------
        windows
            The windows (window,), ascending.

        Returns
        -------
        (bin x unit, bin x unit) for all bins of a window but the last.
        """
        first, behind = self._edges(windows)
        within = np.arange(self.length - 1)
        entering, leaving = (
            self.bins((at[:, None] + within).ravel()).reshape(len(at), -1) for at in (behind, first)
        )
        found = entering.T @ entering
        found -= leaving.T @ leaving
        return found


@dataclass(frozen=True, eq=False)
class SetMoments:
    """Sums from which the Gram matrix of each of several sets of windows follows.

    Windows that are in the same sets are summed together, so that the windows are read
    once for all sets.

    Attributes
    ----------
    inputs
        The windows.
    target
        Regression targets (window, column).
    sets
        The sets of windows, each (window,), ascending.
    """

    inputs: WindowInputs
    target: np.ndarray
    sets: Sequence[np.ndarray]

    @cached_property
    def _alike(self) -> list[tuple[np.ndarray, np.ndarray]]:
        """Windows that are in the same sets, and in which sets they are (set,)."""
        member = np.zeros((len(self.sets), len(self.inputs.starts)), dtype=bool)
        for number, windows in enumerate(self.sets):
            member[number, windows] = True
        packed = np.ascontiguousarray(np.packbits(member, axis=0).T)
        kinds, kind_of = np.unique(packed, axis=0, return_inverse=True)
        kind_of = kind_of.ravel()
        found = []
        for kind in range(len(kinds)):
            windows = np.flatnonzero(kind_of == kind)
            held = member[:, windows[0]]
            if held.any():
                found.append((windows, held))
        return found

    @cached_property
    def _sums(self) -> list[tuple[np.ndarray, np.ndarray]]:
        """Sums over the windows of each set, which read every window once.

        For each set: products of the first bin's activity, a 1 and the target with all
        inputs (unit + 1 + column, feature); and products of the 1 and the target with
        each other (1 + column, 1 + column).
        """
        inputs, beside = self.inputs, 1 + self.target.shape[1]
        side = inputs.units + beside
        found = [(np.zeros((side, inputs.features)), np.zeros((beside, beside))) for _ in self.sets]
        for windows, held in self._alike:
            cross = np.zeros((side, inputs.features))
            own = np.zeros((beside, beside))
            for x, part in inputs.chunks(windows):
                right = np.column_stack([np.ones(len(part)), self.target[part]])
                cross += np.concatenate([x[:, : inputs.units], right], axis=1).T @ x
                own += right.T @ right
            for number in np.flatnonzero(held):
                of_set, of_own = found[number]
                of_set += cross
                of_own += own
        return found

    def gram(self, number: int) -> np.ndarray:
        """Gram matrix of the columns (inputs, 1, target) of a set (side, side).

        Parameters
        ----------
        number
            Position of the set.
        """
        inputs, windows = self.inputs, self.sets[number]
        features, beside = inputs.features, 1 + self.target.shape[1]
        gram = np.zeros((features + beside, features + beside))
        if inputs.length > 1 and not inputs.overlap(windows):
            for x, part in inputs.chunks(windows):
                table = np.column_stack([x, np.ones(len(part)), self.target[part]])
                gram += table.T @ table
            return gram
        cross, own = self._sums[number]
        gram[features:, features:] = own
        gram[features:, :features] = cross[inputs.units :]
        gram[:features, features:] = cross[inputs.units :].T
        turned = inputs.turned(windows) if inputs.length > 1 else None
        gram[:features, :features] = _spread(cross[: inputs.units], turned, inputs.length)
        return gram


def _spread(first: np.ndarray, turned: np.ndarray | None, length: int) -> np.ndarray:
    """Compute all blocks of a Gram matrix from its first row of blocks.

    Parameters
    ----------
    first
        Products of the first bin with all bins (unit, bin x unit).
    turned
        What a block has more than the one before it on its diagonal, as
        `WindowInputs.turned` returns it; None for windows of one bin.
    length
        Bins per window.

    Returns
    -------
    (bin x unit, bin x unit).
    """
    units = len(first)
    whole = np.empty((length, units, length, units))
    whole[0] = first.reshape(units, length, units)
    more = None if turned is None else turned.reshape(length - 1, units, length - 1, units)
    for i in range(1, length):
        assert more is not None
        whole[i, :, i:] = whole[i - 1, :, i - 1 : -1] + more[i - 1, :, i - 1 :]
        whole[i, :, :i] = whole[:i, :, i].transpose(2, 0, 1)
    return whole.reshape(length * units, length * units)


def fit_windows(
    inputs: WindowInputs,
    target: np.ndarray,
    parts: Sequence[np.ndarray],
    folds: int,
    penalties: tuple[float, ...],
    groups: int = 1,
) -> Iterator[RidgeFit]:
    """Fit one ridge regression to each of several sets of windows.

    Parameters
    ----------
    inputs
        The windows.
    target
        Regression targets (window, column).
    parts
        The windows that each regression is fitted on, each (window,), ascending.
    folds
        Number of contiguous inner folds, over which the penalty is chosen.
    penalties, groups
        As for `decoders.ridge.fit_ridge`.

    Yields
    ------
    The fit of each part, as a stack of one run.
    """
    columns = target.shape[1]
    size = (inputs.units + 1 + columns) * inputs.features * folds
    together = max(1, HELD_VALUES // size)
    for first in range(0, len(parts), together):
        some = parts[first : first + together]
        inner = [
            part[np.arange(len(part)) * folds // len(part) == g]
            for part in some
            for g in range(folds)
        ]
        moments = SetMoments(inputs, target, inner)
        for i in range(len(some)):
            # No name is given to the matrices, so that they are gone when the next are made.
            yield _fit(
                [moments.gram(i * folds + g) for g in range(folds)],
                inputs.features,
                penalties,
                groups,
            )


def _fit(
    grams: list[np.ndarray], features: int, penalties: tuple[float, ...], groups: int
) -> RidgeFit:
    """Fit a ridge regression, one matrix at a time.

    Parameters
    ----------
    grams
        Gram matrices (side, side) of the inner folds.
    features
        Number of input columns.
    penalties, groups
        As for `decoders.ridge.fit_ridge`.
    """
    whole = grams[0].copy()
    for gram in grams[1:]:
        whole += gram
    best = _best_penalties(_held_out(grams, whole, features, groups), penalties, groups)
    system = System.of(whole, features)
    weights = np.empty(system.right.shape)
    by_group = weights.reshape(features, groups, -1)
    right = system.right.reshape(by_group.shape)
    for number in np.unique(best):
        own = best == number
        solved_own = solve(
            system.ridge(penalties[number]), right[:, own].reshape(features, -1), overwrite=True
        )
        by_group[:, own] = solved_own.reshape(features, int(own.sum()), -1)
    read = torch.from_numpy(system.raw(weights[:, None])[:, 0])
    return RidgeFit(
        read[None, :features],
        read[None, features : features + 1],
        torch.tensor(penalties, dtype=torch.float64)[torch.from_numpy(best)][None],
    )


def _held_out(
    grams: list[np.ndarray], whole: np.ndarray, features: int, groups: int
) -> Callable[[float], np.ndarray]:
    """Make the function from a penalty to the errors of each group over inner folds.

    Parameters
    ----------
    grams
        Gram matrices (side, side) of the inner folds.
    whole
        Their sum.
    features
        Number of input columns.
    groups
        Number of groups of target columns.
    """
    # Where all do not fit beside the Gram matrices, each is made again at every penalty.
    held = len(grams) * features**2 <= HELD_VALUES // 2
    systems = [System.of(whole - gram, features, overwrite=True) for gram in grams] if held else []

    def held_out(penalty: float) -> np.ndarray:
        """Squared errors of each group over the inner folds (group,)."""
        found = np.zeros(groups)
        for number, gram in enumerate(grams):
            system = systems[number] if held else System.of(whole - gram, features, overwrite=True)
            vectors = system.raw(solve(system.ridge(penalty), system.right, True)[:, None])[:, 0]
            found += (vectors * (gram @ vectors)).sum(axis=0).reshape(groups, -1).sum(axis=1)
        return found

    return held_out


def _best_penalties(
    errors_at: Callable[[float], np.ndarray], penalties: tuple[float, ...], groups: int
) -> np.ndarray:
    """Position of the penalty with the smallest error, for each group (group,).

    The search starts in the middle and goes on in both directions until the errors of
    all groups have risen. The error falls and then rises with the penalty, so that few
    of the costly fits are needed.

    Parameters
    ----------
    errors_at
        Returns the errors at a penalty (group,).
    penalties
        Candidate penalties.
    groups
        Number of groups.
    """
    order = np.argsort(penalties, kind="stable")
    errors = np.full((len(penalties), groups), np.inf)
    low = high = len(penalties) // 2
    errors[low] = errors_at(penalties[order[low]])
    while True:
        best = errors.argmin(axis=0)
        if low > 0 and (best == low).any():
            low -= 1
            errors[low] = errors_at(penalties[order[low]])
        elif high < len(penalties) - 1 and (best == high).any():
            high += 1
            errors[high] = errors_at(penalties[order[high]])
        else:
            return np.asarray(order[best])
