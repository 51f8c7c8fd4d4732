"""How many units carry the target, and how redundantly: linear decoders refitted on random parts of the population.

With additive information J_M of a set of units M, the mean over random sets falls with the part that is hidden whatever the
code; how much it varies from set to set says how many units carry it. A mean that falls more slowly says redundancy.

References
----------
Moreno-Bote et al. 2014, doi:10.1038/nn.3807 (information of a population and what limits it).
"""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from invariance_probe.probing.readout import Measured
from invariance_probe.probing.ridge import UNIT, fit_ridge
from invariance_probe.probing.trained import Progress
from invariance_probe.probing.workbench import Workbench, inner_folds
from invariance_probe.streams import generator
from invariance_probe.study.probes import RidgeProbe
from invariance_probe.study.run import Run, RunResult

CHUNK = 50
"""Masks that are solved together."""


@dataclass(frozen=True, eq=False)
class Spread:
    """Linear information J = R2 / (1 - R2) of the whole population, and of random parts of it (mask,)."""

    whole: float
    parts: np.ndarray

    def n_eff(self, rate: float) -> float:
        """Return the effective number of carriers, [p / (1 - p)] / CV^2 of the information of random parts."""
        squared_cv = float(self.parts.var(ddof=1) / self.parts.mean() ** 2)
        return rate / (1 - rate) / squared_cv if squared_cv > 0 else float("inf")

    def redundancy(self, rate: float) -> float:
        """Return 1 - (1 - J(p) / J(0)) / p: 0 for additive information, towards 1 where parts suffice."""
        return 1 - (1 - float(self.parts.mean()) / self.whole) / rate


def measure_unit_information(bench: Workbench, runs: list[Run], on_progress: Progress) -> list[Measured]:
    """Measure N_eff and RedIdx; the latter less that of a surrogate whose units are independent given the target."""
    return [Measured(run, _measure(bench, run)) for run in runs]


def _measure(bench: Workbench, run: Run) -> RunResult:
    rate, masks = run.method.rate, run.method.masks  # type: ignore[union-attr]
    rng = generator("probe", run.study_seed, run.session)
    everything = np.arange(len(bench.windows.starts))
    bins = bench.starts.unsqueeze(1) + torch.arange(bench.windows.length, device=bench.device)
    x = bench.scaling([everything], torch.float64).apply(bench.activity[bins].unsqueeze(0)).flatten(2)[0]
    y = bench.target.columns()
    active = (bench.activity[bins] != 0).any(1).double().mean(0) >= run.method.least_active  # type: ignore[union-attr]
    x = x[:, active.repeat(bench.windows.length)]
    units = int(active.sum())
    if units < 2:
        return RunResult(run.key(), "done", diagnostics={"units": float(units)})
    kept = torch.from_numpy(rng.random((masks, units)) >= rate).to(x)
    kept = kept.repeat(1, bench.windows.length)  # a unit is kept or hidden in all bins of a window
    surrogate = independent_given(x, y, rng)
    real, additive = (spread(bench, values, y, kept) for values in (x, surrogate))
    found = {
        "n_eff": real.n_eff(rate),
        "red_idx": real.redundancy(rate) - additive.redundancy(rate),
        "red_idx_uncorrected": real.redundancy(rate),
        "information": real.whole,
        "units": float(units),
    }
    return RunResult(run.key(), "done", diagnostics=found)


def independent_given(x: Tensor, y: Tensor, rng: np.random.Generator) -> Tensor:
    """Return units (row, unit) that keep their regression on the target, with residuals shifted in time one by one.

    What units share beyond the target is gone, so their information adds up; each unit keeps its own time course.
    """
    design = torch.cat([y, torch.ones_like(y[:, :1])], dim=1)
    fitted = design @ (torch.linalg.pinv(design.T @ design, hermitian=True) @ (design.T @ x))
    residual = x - fitted
    rows = len(x)
    shifts = torch.from_numpy(rng.integers(rows // 10, max(rows // 10 + 1, rows - rows // 10), x.shape[1]))
    index = (torch.arange(rows).unsqueeze(1) + shifts) % rows
    return fitted + residual.gather(0, index.to(x.device))


def spread(bench: Workbench, x: Tensor, y: Tensor, kept: Tensor) -> Spread:
    """Decode held-out folds from all features and from those that each mask (mask, feature) keeps."""
    probe = RidgeProbe()
    wrong = torch.zeros(len(kept) + 1, dtype=torch.float64, device=x.device)
    floor = 0.0
    everything = torch.cat([torch.ones_like(kept[:1]), kept])
    for fold in bench.folds:
        inner = inner_folds([fold.train], len(x), probe.inner_folds, bench.device)
        penalty = float(fit_ridge(x[None], y[None], inner, probe.penalties).penalties[0, 0])
        train, test = torch.from_numpy(fold.train), torch.from_numpy(fold.test)
        mean_x, mean_y = x[train].mean(0), y[train].mean(0)
        a, b = x[train] - mean_x, y[train] - mean_y
        covariance, with_y = a.T @ a / len(a), a.T @ b / len(a)
        weight = UNIT * penalty * covariance.diagonal().clamp_min(1e-12)
        tested, truth = x[test] - mean_x, y[test] - mean_y
        floor += float(truth.square().sum())
        moments = (tested.T @ tested, tested.T @ truth, float(truth.square().sum()))
        for start in range(0, len(everything), CHUNK):
            m = everything[start : start + CHUNK]
            system = covariance * m[:, :, None] * m[:, None, :] + torch.diag_embed(weight * m + (1 - m))
            solved = torch.linalg.solve(system, with_y * m[:, :, None])
            fit = (solved * (moments[0] @ solved)).sum((1, 2)) - 2 * (solved * moments[1]).sum((1, 2))
            wrong[start : start + CHUNK] += fit + moments[2]
    explained = (1 - wrong / floor).clamp(1e-3, 0.999)
    information = (explained / (1 - explained)).cpu().numpy()
    return Spread(float(information[0]), information[1:])
