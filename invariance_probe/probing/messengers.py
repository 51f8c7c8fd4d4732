"""Messengers: the few units whose removal harms decoding most, and whether they are the same ones later in the session.

In: counts (their square roots are decoded) or signals of one bin a window, and the target. Each half of the session (epoch A,
epoch B) is cut into blocks that in turn choose and score. A set is chosen on the choosing blocks only and scored on the scoring
blocks only, by decoders that are fitted and tested within them, so that neither the set nor a decoder profits from how it was
chosen. Out: the chosen units, G(b) of both epochs, and the transfer ratio T_AB = G(set of A in B) / G(set of B in B).

Two modes: `refit` (the decoder is fitted again without the units: information) and `fixed` (the units are held at their mean:
reliance of this decoder). All comes from Gram matrices. Not a statement about causes.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from scipy import stats

from invariance_probe.errors import TrainingError
from invariance_probe.probing.readout import Measured
from invariance_probe.probing.ridge import UNIT, fit_ridge
from invariance_probe.probing.trained import Progress
from invariance_probe.probing.workbench import Workbench, inner_folds
from invariance_probe.streams import generator
from invariance_probe.study.baselines import Messengers
from invariance_probe.study.probes import RidgeProbe
from invariance_probe.study.run import Run, RunResult

FOLDS = 4
"""Parts of the choosing, and of the scoring, blocks: a decoder is fitted on three and tested on the fourth."""
CONFIDENCE = 0.95
"""Of the transfer ratio's interval."""
LEVEL = 0.05
"""Of the test that a set carries more than the margin, without which there is no transfer ratio."""
MODES = ("refit", "fixed")

Harm = Callable[[Sequence[int]], np.ndarray]
"""From a set of removed units to the loss (unit,) when each other unit is removed too."""


@dataclass(frozen=True, eq=False)
class BlockMoments:
    """Sums over the rows of every block: all that choosing and scoring need.

    Attributes
    ----------
    rows
        Number of rows (block,).
    x, y
        Sums of features (block, unit) and targets (block, column).
    xx, xy, yy
        Sums of products (block, unit, unit), (block, unit, column), (block,).
    """

    rows: np.ndarray
    x: np.ndarray
    y: np.ndarray
    xx: np.ndarray
    xy: np.ndarray
    yy: np.ndarray

    @classmethod
    def of(cls, x: np.ndarray, y: np.ndarray, block: np.ndarray) -> "BlockMoments":
        """Sum over features (row, unit) and targets (row, column) of numbered blocks (row,)."""
        x, y = x - x.mean(axis=0), y - y.mean(axis=0)
        parts = [(x[block == k], y[block == k]) for k in range(int(block.max()) + 1)]
        return cls(
            np.array([len(a) for a, _ in parts], dtype=np.float64), np.stack([a.sum(axis=0) for a, _ in parts]),
            np.stack([b.sum(axis=0) for _, b in parts]), np.stack([a.T @ a for a, _ in parts]),
            np.stack([a.T @ b for a, b in parts]), np.array([(b**2).sum() for _, b in parts]),
        )  # fmt: skip

    def parts(self, penalty: float, weights: np.ndarray | None = None) -> list["Part"]:
        """Return one decoder's moments a fold of successive blocks, fitted on the other folds.

        Parameters
        ----------
        penalty
            Of the ridge, in units of `UNIT` times the number of rows, on features of unit variance.
        weights
            Of every block (block,), in training and test; 1 when left out.
        """
        weights = np.ones(len(self.rows)) if weights is None else weights
        fold = np.arange(len(self.rows)) * FOLDS // len(self.rows)
        return [self._part(penalty, np.where(fold == k, 0.0, weights), np.flatnonzero(fold == k), weights) for k in range(FOLDS)]

    def _part(self, penalty: float, train: np.ndarray, test: np.ndarray, weights: np.ndarray) -> "Part":
        total = float(train @ self.rows)
        mean_x, mean_y = train @ self.x / total, train @ self.y / total
        covariance = np.tensordot(train, self.xx, 1) / total - np.outer(mean_x, mean_x)
        with_target = np.tensordot(train, self.xy, 1) / total - np.outer(mean_x, mean_y)
        rows, x, y = self.rows[test, None], self.x[test], self.y[test]
        shifted = x[:, :, None] * mean_x
        grams = self.xx[test] - shifted - shifted.transpose(0, 2, 1) + rows[:, :, None] * np.outer(mean_x, mean_x)
        products = self.xy[test] - x[:, :, None] * mean_y - mean_x[:, None] * (y - rows * mean_y)[:, None, :]
        powers = self.yy[test] - 2 * y @ mean_y + self.rows[test] * (mean_y @ mean_y)
        ridge = UNIT * penalty * np.maximum(np.diag(covariance), 1e-12)
        return Part(
            covariance + np.diag(ridge), with_target, grams / rows[:, :, None], products / rows[:, :, None],
            powers / self.rows[test], weights[test] / weights[test].sum(),
        )  # fmt: skip


@dataclass(frozen=True, eq=False)
class Part:
    """A decoder's training moments and the moments of the blocks that test it, all about the training means.

    Attributes
    ----------
    penalised
        Covariance of the training rows with the ridge on its diagonal (unit, unit).
    with_target
        Covariance with the target (unit, column).
    grams, products, powers
        Of each test block, a row: X'X (block, unit, unit), X'Y (block, unit, column), |Y|^2 (block,).
    weights
        Share of each test block in the part's loss (block,).
    """

    penalised: np.ndarray
    with_target: np.ndarray
    grams: np.ndarray
    products: np.ndarray
    powers: np.ndarray
    weights: np.ndarray

    def decoder(self, kept: np.ndarray) -> np.ndarray:
        """Return the decoder (unit, column) of the kept units (unit,) alone."""
        found = np.zeros_like(self.with_target)
        found[kept] = np.linalg.solve(self.penalised[np.ix_(kept, kept)], self.with_target[kept])
        return found

    def losses(self, decoder: np.ndarray) -> np.ndarray:
        """Return the squared error of a decoder (unit, column) in every test block (block,)."""
        return (decoder * (self.grams @ decoder - 2 * self.products)).sum(axis=(1, 2)) + self.powers


@dataclass(frozen=True, eq=False)
class Epoch:
    """One half of the session: the blocks that choose, those that score, and the penalty of each one's decoder."""

    choosing: BlockMoments
    scoring: BlockMoments
    choosing_penalty: float
    scoring_penalty: float


def measure_messengers(bench: Workbench, runs: list[Run], on_progress: Progress) -> list[Measured]:
    """Choose each half's messengers, score them, and transfer those of the first half to the second."""
    if bench.windows.length != 1:
        raise TrainingError(f"messengers reads windows of one bin; window.length_bins is {bench.windows.length}")
    return [Measured(run, _measure(bench, run)) for run in runs]


def _measure(bench: Workbench, run: Run) -> RunResult:
    method, units = run.method, bench.activity.shape[1]
    assert isinstance(method, Messengers)
    if not 3 * method.budget <= units:
        raise TrainingError(
            f"session {run.session!r}: messengers.budget is {method.budget}, but there are only {units} units; "
            f"at most {units // 3} leave enough others to compare with"
        )
    epochs = [_epoch(bench, number, method.blocks, round(run.folds.embargo_s / bench.recording.bin_s)) for number in (0, 1)]
    found: dict[str, float] = {}
    for mode in MODES:
        rng = generator("probe", run.study_seed, run.session)
        measured = transfer(epochs, mode, method, bench.recording.activity.mean(axis=0), rng)
        found |= {f"{mode}_{name}": value for name, value in measured.items()}
    return RunResult(run.key(), "done", diagnostics=found)


def _epoch(bench: Workbench, number: int, blocks: int, embargo: int) -> Epoch:
    """Cut one half of the session into blocks that choose and score in turn, so that both see all of it.

    Scoring windows within `embargo` bins of a choosing one are left out, which also keeps apart the parts of one kind.
    """
    count = len(bench.windows.starts)
    rows = np.arange(count // 2) if number == 0 else np.arange(count // 2, count)
    place = np.arange(len(rows)) * 2 * blocks // len(rows)
    choosing, scoring = (np.where(place % 2 == kind, place // 2, -1) for kind in (0, 1))
    edges = bench.windows.starts[rows[np.flatnonzero(np.diff(place) != 0)]] + 0.5
    scoring[np.abs(bench.windows.starts[rows][:, None] - edges).min(axis=1) < embargo] = -1
    if min(np.bincount(part[part >= 0], minlength=blocks).min() for part in (choosing, scoring)) < 1:
        raise TrainingError(
            f"session {bench.recording.session!r}: folds.embargo_s leaves a scoring block empty; it must be shorter than half a "
            f"block, {len(rows) / blocks / 4 * bench.recording.bin_s:g} s here"
        )
    (first, one), (second, two) = (_moments(bench, rows[part >= 0], part[part >= 0]) for part in (choosing, scoring))
    return Epoch(first, second, one, two)


def _moments(bench: Workbench, rows: np.ndarray, block: np.ndarray) -> tuple[BlockMoments, float]:
    """Return the moments of windows (row,) of numbered blocks (row,), in units of the target's variance, and their ridge penalty."""
    index = torch.from_numpy(rows)
    activity = bench.activity[bench.starts[index]].to(torch.float64)
    x = activity.sqrt() if bench.recording.activity_kind == "counts" else activity
    y = bench.target.columns()[index] / math.sqrt(bench.target.scale)
    probe = RidgeProbe()
    inner = inner_folds([np.arange(len(rows))], len(rows), probe.inner_folds, bench.device)
    penalty = float(fit_ridge(x[None], y[None], inner, probe.penalties).penalties[0, 0])
    return BlockMoments.of(x.cpu().numpy(), y.cpu().numpy(), block), penalty


def transfer(
    epochs: Sequence[Epoch], mode: str, method: Messengers, rates: np.ndarray, rng: np.random.Generator
) -> dict[str, float]:
    """Choose a set in each epoch, score both, and say how well that of A serves in B.

    Parameters
    ----------
    epochs
        A and B.
    mode
        `refit` or `fixed`.
    method
        Budget, random sets, resamples and margin.
    rates
        Mean count of every unit (unit,), for the random sets.
    """
    units = len(rates)
    chosen = [choose(harm(e.choosing.parts(e.choosing_penalty), mode), units, method.budget) for e in epochs]
    scoring = [e.scoring.parts(e.scoring_penalty) for e in epochs]
    others = [u for u in range(units) if u not in {*chosen[0], *chosen[1]}]
    key = int(rng.integers(2**63))

    def gain(units_chosen: Sequence[int], epoch: int) -> np.ndarray:
        """G(b) times the range, by block: the loss without the set less the mean loss without random sets like it."""
        sets = matched_sets(units_chosen, others, rates, method.masks, np.random.default_rng(key))
        random = np.mean([losses_without(scoring[epoch], removed, mode) for removed in sets], axis=0)
        return losses_without(scoring[epoch], units_chosen, mode) - random

    own_a, crossed, own_b = gain(chosen[0], 0), gain(chosen[0], 1), gain(chosen[1], 1)
    ranges = [decodable_range(parts) for parts in scoring]
    found = {f"{name}@{i + 1}": float(unit) for name, one in zip("ab", chosen, strict=True) for i, unit in enumerate(one)}
    found |= {
        "jaccard": len(set(chosen[0]) & set(chosen[1])) / len(set(chosen[0]) | set(chosen[1])),
        "gain_a": float(own_a.mean() / ranges[0].mean()),
        "gain_b": float(own_b.mean() / ranges[1].mean()),
        "gain_a_in_b": float(crossed.mean() / ranges[1].mean()),
        "gain_b_p": float(stats.ttest_1samp(own_b - method.margin * ranges[1], 0.0, alternative="greater").pvalue),
    }
    if found["gain_b_p"] <= LEVEL:
        choice = _choice_covariance(epochs, scoring[1], mode, method, rng)
        low, high = ratio_interval(crossed, own_b, CONFIDENCE, choice)
        found |= {"transfer": float(crossed.mean() / own_b.mean()), "transfer_low": low, "transfer_high": high}
    return found


def _choice_covariance(
    epochs: Sequence[Epoch], scoring: Sequence[Part], mode: str, method: Messengers, rng: np.random.Generator
) -> np.ndarray:
    """Return the covariance (2, 2) of the mean losses in B without A's and without B's set, over sets chosen by reweighted blocks.

    Blocks are weighted by standard exponential numbers, so that none stands on both sides of a fold.

    References
    ----------
    Rubin 1981, doi:10.1214/aos/1176345338 (Bayesian bootstrap).
    """
    units, found = len(scoring[0].with_target), np.empty((method.resamples, 2))
    for i in range(method.resamples):
        for number, epoch in enumerate(epochs):
            weights = rng.exponential(size=len(epoch.choosing.rows))
            again = choose(harm(epoch.choosing.parts(epoch.choosing_penalty, weights), mode), units, method.budget)
            found[i, number] = losses_without(scoring, again, mode).mean()
    return np.cov(found.T)


def losses_without(parts: Sequence[Part], removed: Sequence[int], mode: str) -> np.ndarray:
    """Return the held-out loss of every block (block,) without some units, in units of the target's variance."""
    kept = np.ones(len(parts[0].with_target), dtype=bool)
    kept[list(removed)] = False
    if mode == "refit":
        return np.concatenate([part.losses(part.decoder(kept)) for part in parts])
    return np.concatenate([part.losses(part.decoder(np.ones_like(kept)) * kept[:, None]) for part in parts])


def decodable_range(parts: Sequence[Part]) -> np.ndarray:
    """Return the loss of the training means minus that of the decoder of all units, by block (block,)."""
    return np.concatenate([part.powers for part in parts]) - losses_without(parts, (), "refit")


def harm(parts: Sequence[Part], mode: str) -> Harm:
    """Return the function that says what the removal of one more unit costs, averaged over the blocks by their weights.

    With P the inverse of the kept units' penalised covariance and w the decoder, leaving unit u out moves the decoder by
    -P[:, u] w[u] / P[u, u] when it is fitted again, and by -w[u] at u when it is not.
    """
    whole = [
        (np.tensordot(p.weights, p.grams, 1), np.tensordot(p.weights, p.products, 1), float(p.weights @ p.powers)) for p in parts
    ]
    everything = np.ones(len(parts[0].with_target), dtype=bool)
    decoders = [part.decoder(everything) for part in parts]

    def fixed(removed: Sequence[int]) -> np.ndarray:
        total = np.zeros(len(everything))
        for (gram, product, power), decoder in zip(whole, decoders, strict=True):
            w = decoder.copy()
            w[list(removed)] = 0
            slope = gram @ w - product
            total += (w * (slope - product)).sum() + power - 2 * (w * slope).sum(axis=1) + np.diag(gram) * (w**2).sum(axis=1)
        return total / len(parts)

    def refit(removed: Sequence[int]) -> np.ndarray:
        kept = everything.copy()
        kept[list(removed)] = False
        total = np.zeros(len(everything))
        for part, (gram, product, power) in zip(parts, whole, strict=True):
            inverse = np.linalg.inv(part.penalised[np.ix_(kept, kept)])
            w = inverse @ part.with_target[kept]
            inner, target = gram[np.ix_(kept, kept)], product[kept]
            slope = inner @ w - target
            step = w / np.diag(inverse)[:, None]
            curvature = (inverse * (inner @ inverse)).sum(axis=0)
            change = -2 * (step * (inverse @ slope)).sum(axis=1) + curvature * (step**2).sum(axis=1)
            total[kept] += (w * (slope - target)).sum() + power + change
        return total / len(parts)

    return refit if mode == "refit" else fixed


def choose(harm: Harm, units: int, budget: int) -> tuple[int, ...]:
    """Return the units whose removal harms most, greedily and then by swaps of one, in ascending order.

    Every swap raises the loss, so the swaps end.
    """
    chosen: list[int] = []
    for _ in range(budget):
        chosen.append(_worst(harm(chosen), chosen))
    swapped = True
    while swapped:
        swapped = False
        for unit in tuple(chosen):
            rest = [u for u in chosen if u != unit]
            losses = harm(rest)
            other = _worst(losses, rest)
            if losses[other] > losses[unit] + 1e-12:
                chosen, swapped = [*rest, other], True
    return tuple(sorted(chosen))


def _worst(losses: np.ndarray, removed: Sequence[int]) -> int:
    """Return the unit of the largest loss (unit,) that is not removed yet."""
    allowed = losses.copy()
    allowed[list(removed)] = -np.inf
    return int(allowed.argmax())


def matched_sets(
    chosen: Sequence[int], others: Sequence[int], rates: np.ndarray, count: int, rng: np.random.Generator
) -> list[tuple[int, ...]]:
    """Draw random sets of other units with rates like those chosen.

    Identities are drawn within thirds of the rates (of all units), without replacement; where a third has too few others, the
    rest comes from all others.

    Parameters
    ----------
    chosen
        The set to be matched.
    others
        Units that may be drawn. Units that were chosen in either half are not among them: with them, a random set of a
        sparse code would carry its share of the code, and T of a code that switches would not be 0.
    rates
        Of all units (unit,).
    count
        How many sets.
    """
    third = np.argsort(np.argsort(rates)) * 3 // len(rates)
    sets = []
    for _ in range(count):
        drawn: list[int] = []
        for level in range(3):
            pool = [u for u in others if third[u] == level]
            wanted = min(sum(third[u] == level for u in chosen), len(pool))
            drawn += rng.choice(pool, wanted, replace=False).tolist() if wanted else []
        left = [u for u in others if u not in drawn]
        drawn += rng.choice(left, len(chosen) - len(drawn), replace=False).tolist() if len(drawn) < len(chosen) else []
        sets.append(tuple(sorted(drawn)))
    return sets


def ratio_interval(
    numerator: np.ndarray, denominator: np.ndarray, confidence: float, more: np.ndarray | None = None
) -> tuple[float, float]:
    """Return Fieller's interval of mean(numerator) / mean(denominator) over paired blocks; infinite where it is not bounded.

    Parameters
    ----------
    numerator, denominator
        By block (block,).
    confidence
        Two-sided, in (0, 1).
    more
        Covariance (2, 2) that the two means have beyond that of their blocks.

    References
    ----------
    Fieller 1954, J R Stat Soc B 16:175.
    """
    blocks = len(numerator)
    square = float(stats.t.ppf((1 + confidence) / 2, blocks - 1)) ** 2
    covariance = square * (np.cov(numerator, denominator) / blocks + (0.0 if more is None else more))
    mean_n, mean_d = float(numerator.mean()), float(denominator.mean())
    a = mean_d * mean_d - float(covariance[1, 1])
    b = mean_n * mean_d - float(covariance[0, 1])
    c = mean_n * mean_n - float(covariance[0, 0])
    if a <= 0:
        return -math.inf, math.inf
    reach = math.sqrt(max(b * b - a * c, 0.0))
    return (b - reach) / a, (b + reach) / a
