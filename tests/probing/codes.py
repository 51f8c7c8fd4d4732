"""Simulated codes for the tests, and the measured figures of a session.

The codes are Poisson counts that a label and shared nuisances drive.
"""

from dataclasses import replace

import numpy as np
import torch
from conftest import tiny_study

from invariance_probe.data.recording import Recording
from invariance_probe.data.simulate.latents import ornstein_uhlenbeck
from invariance_probe.plan.plan import Plan
from invariance_probe.probing.bench.workbench import Workbench
from invariance_probe.probing.code.measure import measure_code
from invariance_probe.study.session import Session
from invariance_probe.study.study import Study

UNITS, BINS, BIN_S = 60, 1600, 0.1


def recording(counts, label, name="s", kind="counts", **more):
    """A session of one gap-free segment."""
    counts = np.asarray(counts)
    values = {"trials": None, "segments": np.zeros(len(counts), dtype=np.int64), **more}
    ids = tuple(f"u{i}" for i in range(counts.shape[1]))
    return Recording(name, "a", "", counts, kind, BIN_S, ids, {"label": label}, **values)


def code_run(session="s", method=(), **study):
    """The run that measures a session's code under a small study.

    Fields of its method can be changed.
    """
    made = Study.model_validate(tiny_study(**study))
    plan = Plan(made, (Session(session, "a", "", "f", made.recordings[0]),))
    run = next(run for run in plan.baselines if run.method.kind == "code")
    return run.model_copy(
        update={"method": run.method.model_copy(update={"jackknife": False, **dict(method)})}
    )


def figures(session, run=None):
    """The code's figures of a recording."""
    run = run or code_run(session.session)
    bench = Workbench.of(session, run, torch.device("cpu"))
    return measure_code(bench, [run], lambda steps: None)[0].result.figures


def equal_carriers(seed, carriers, information, units=UNITS, bins=BINS):
    """Equal carriers of a label, among units that know nothing.

    The label has a time constant of .2 s; four nuisances of 2 s drive all units alike.
    """
    rng = np.random.default_rng(seed)
    label, nuisance = latents(rng, bins)
    gains = np.zeros(units)
    mean = np.clip(0.5 * np.exp(0.6 * rng.standard_normal(units)), 0.1, 2)
    count = 10.0 if information == 8 else 2.0
    mean[:carriers] = count
    gains[:carriers] = np.sqrt(information / (carriers * count)) * rng.choice([-1, 1], carriers)
    return recording(poisson(rng, label, nuisance, gains, mean), label)


def copies(seed, electrodes=6, units=UNITS, bins=BINS):
    """One neuron recorded on several electrodes, among units that know nothing.

    The neuron has J = 2, and each electrode keeps a spike with probability .95.
    """
    rng = np.random.default_rng(seed)
    label, nuisance = latents(rng, bins)
    gains, mean = np.zeros(units), np.clip(0.5 * np.exp(0.6 * rng.standard_normal(units)), 0.1, 2)
    gains[0], mean[0] = 1.0, 2.0
    counts = poisson(rng, label, nuisance, gains, mean)
    heard = rng.binomial(counts[:, :1].repeat(electrodes, axis=1), 0.95)
    return recording(np.hstack([heard, counts[:, electrodes:]]), label)


def common_noise(seed, units=UNITS, bins=BINS):
    """All units follow the label with the same noise: the information that all have is limited."""
    rng = np.random.default_rng(seed)
    label, nuisance = latents(rng, bins)
    other = ornstein_uhlenbeck(rng, bins, 1, 0.2, BIN_S)[:, 0]
    gains = np.sqrt(24 / (units * 10)) * rng.choice([-1, 1], units)
    return recording(
        poisson(rng, label + 0.4 * other, nuisance, gains, np.full(units, 10.0)), label
    )


def latents(rng, bins):
    return ornstein_uhlenbeck(rng, bins, 1, 0.2, BIN_S)[:, 0], ornstein_uhlenbeck(
        rng, bins, 4, 2.0, BIN_S
    )


def poisson(rng, label, nuisance, gains, mean):
    """Log-linear Poisson counts with nuisance loadings of norm .3 on every unit."""
    loadings = rng.standard_normal((nuisance.shape[1], len(gains)))
    loadings *= 0.3 / np.linalg.norm(loadings, axis=0)
    drive = np.outer(label, gains) + nuisance @ loadings
    return rng.poisson(mean * np.exp(drive - drive.var(axis=0) / 2))


def mean_of(world, sessions, value, **values):
    """Mean of a figure over sessions of a world."""
    found = [
        value(figures(replace(world(seed, **values), session=f"s{seed}")))
        for seed in range(sessions)
    ]
    return float(np.mean(found))
