"""Time and peak memory of the code's finding for one session, on one core.

The finding consists of dropping curves, redundancy and masks. One row is printed per
size: units, windows, bins per window, jackknife, blind decoders, processor time in
seconds, and the peak memory of the whole process in MB (name a single size to get its
own peak). Half of the units carry the target; the session has one corruption, unit
dropout at .4, with 60 masks. Name sizes on the command line, or none to run all of
them: `python benchmarks/dropping_curves.py thousand`.
"""

import resource
import sys
import time
from dataclasses import dataclass

import numpy as np
import torch

from invariance_probe.data.recording import Recording
from invariance_probe.data.simulate.latents import ornstein_uhlenbeck
from invariance_probe.plan.roles import SessionMeasurement
from invariance_probe.probing.bench.workbench import Workbench
from invariance_probe.probing.code import measure
from invariance_probe.probing.code.blind import BlindLosses
from invariance_probe.study.baselines import Code, CodeCorruption
from invariance_probe.study.design import Folds, Window
from invariance_probe.study.probes import RidgeProbe, Target
from invariance_probe.study.transforms import UnitDropout
from invariance_probe.study.views import NoSplitting, Views


@dataclass(frozen=True)
class Size:
    """A session that is measured."""

    units: int
    windows: int
    bins: int = 1
    jackknife: bool = False
    blind: bool = False


SIZES = {
    "quickstart": Size(60, 800, blind=True),
    "reach": Size(160, 3000, blind=True),
    "reach-jackknife": Size(160, 3000, jackknife=True, blind=True),
    "reach-windows": Size(160, 3000, bins=5),
    "thousand": Size(1000, 20_000),
    "thousand-blind": Size(1000, 20_000, blind=True),
    "two-thousand": Size(2000, 20_000),
}


def session(size: Size) -> Recording:
    """Poisson counts of which half follow a label; all share slow nuisances."""
    rng = np.random.default_rng(0)
    time_bins = size.windows + size.bins - 1
    label = ornstein_uhlenbeck(rng, time_bins, 1, 0.2, 0.1)[:, 0]
    nuisance = ornstein_uhlenbeck(rng, time_bins, 4, 2.0, 0.1)
    gains = np.where(np.arange(size.units) % 2, 0.0, 2.0 / np.sqrt(size.units / 2))
    drive = np.outer(label, gains) + nuisance @ (0.15 * rng.standard_normal((4, size.units)))
    counts = rng.poisson(2.0 * np.exp(drive))
    ids = tuple(map(str, range(size.units)))
    segments = np.zeros(time_bins, dtype=np.int64)
    return Recording("s", "a", "", counts, "counts", 0.1, ids, {"label": label}, None, segments)


def run_of(size: Size) -> SessionMeasurement:
    """The measurement with dropout at .4."""
    views = Views(base=NoSplitting(), transforms=(UnitDropout(rate=0.4),))
    method = Code(
        corruptions=(CodeCorruption(axis="unit_dropout.rate", dose=0.4, views=views),),
        jackknife=size.jackknife,
    )
    return SessionMeasurement(
        fingerprint="",
        session="s",
        window=Window(length_bins=size.bins),
        folds=Folds(embargo_s=1),
        seed=0,
        study_seed=0,
        method=method,
        target=Target(name="label"),
        probe=RidgeProbe(),
    )


def not_blind(*values: object) -> BlindLosses:
    """Stands for blind decoders where they are not timed."""
    folds = range(8)
    return BlindLosses(
        {(frozenset(pair), f): 0.0 for f in folds for pair in ([f], *([f, g] for g in folds))}, 0.0
    )


def main() -> None:
    """Time every size that is named."""
    torch.set_num_threads(1)
    blind = measure.blind_losses
    print(
        f"{'size':18} {'units':>6} {'windows':>8} {'bins':>5} {'jackknife':>10} {'blind':>6} "
        f"{'s':>8} {'MB':>7}"
    )
    for name in sys.argv[1:] or SIZES:
        size = SIZES[name]
        run, made = run_of(size), session(size)
        bench = Workbench.of(made, run, torch.device("cpu"))
        measure.blind_losses = blind if size.blind else not_blind
        started = time.process_time()
        code = measure.measure_code(bench, [run], lambda steps: None)[0].result.figures
        seconds = time.process_time() - started
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        assert code is not None
        print(
            f"{name:18} {size.units:6} {size.windows:8} {size.bins:5} {size.jackknife!s:>10} "
            f"{size.blind!s:>6} {seconds:8.2f} {peak:7.0f}   "
            f"K_s {code.whole.k_s:.1f} K_n {code.whole.k_n:.1f}",
            flush=True,
        )


if __name__ == "__main__":
    main()
