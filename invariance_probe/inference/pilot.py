"""The spread of estimands that a pilot study shows, by balanced analysis of variance over its stored results."""

from collections.abc import Mapping, Sequence

import numpy as np

from invariance_probe.errors import InferenceError
from invariance_probe.inference.blocks import merged
from invariance_probe.inference.entry import session_findings
from invariance_probe.inference.estimands import Effect, SessionLosses, read_losses
from invariance_probe.inference.spreads import NOISE, RANGE, Spread, estimands
from invariance_probe.study.hypotheses import Hypothesis
from invariance_probe.study.plan import A_THIRD, THIRD, Plan
from invariance_probe.study.run import RunResult
from invariance_probe.study.session import Session


def pilot_spreads(pilot: Plan, results: Mapping[str, RunResult], planned: Plan) -> dict[str, Spread]:
    """Return the spread of every hypothesis's estimands, by its id; see `pilot_spread`."""
    return {hypothesis.id: pilot_spread(pilot, results, planned, hypothesis) for hypothesis in planned.study.dose_claims}


def pilot_spread(pilot: Plan, results: Mapping[str, RunResult], planned: Plan, hypothesis: Hypothesis) -> Spread:
    """Estimate the spread of a hypothesis's estimands, at its primary dose, from a pilot study's stored results.

    Sessions marked `pilot: true` are used alone where the pilot study has any, and sessions of the hypothesis's group alone where it
    has any; undecodable and incomplete ones are left out.

    Raises
    ------
    InferenceError
        When the pilot lacks the dose, or fewer than two sessions are left.
    """
    jitter = planned.study.is_jitter(hypothesis.axis)
    _has_dose(pilot, hypothesis, jitter)
    candidates, notes = _candidates(pilot, planned, hypothesis)
    usable, why_not = _usable(pilot, results, candidates, hypothesis, jitter)
    if len(usable) < 2:
        raise InferenceError(
            f"{hypothesis.id}: the pilot {pilot.study.name!r} has {len(usable)} usable sessions; the spread over sessions needs at least 2"
            + (f" ({'; '.join(_few(why_not))})" if why_not else "")
            + ". Run the pilot, look for its runs with --runs, or state spreads with --sd"
        )
    names = estimands(jitter) + ((NOISE,) if all(own[NOISE].complete for _, own in usable) else ())
    values = _stacked([_values(own, names) for _, own in usable])
    values = values / values[..., -1].mean()
    found, unresolved = components(values, [session.subject for session, _ in usable])
    sessions, seeds, blocks, _ = values.shape
    notes += [*(f"left out: {reason}" for reason in _few(why_not)), *unresolved]
    if blocks != planned.study.folds.count * planned.study.folds.blocks_per_fold:
        notes.append("the pilot has another number of test blocks a session: the spread of a block is taken as it is")
    for level, matrix in found.items():
        negative = [name for name, variance in zip((*names, RANGE), np.diag(matrix), strict=True) if variance < -1e-12]
        notes += [f"variance over {level} estimated below 0, raised to a possible one: {', '.join(negative)}"] if negative else []
    source = f"pilot {pilot.study.name!r}: {sessions} sessions, {seeds} seeds, {blocks} test blocks"
    covariance = {level: nonnegative(matrix) for level, matrix in found.items()}
    return Spread((*names, RANGE), values.mean(axis=(0, 1, 2)), covariance, source, (sessions, seeds, blocks), tuple(notes))


def _usable(
    pilot: Plan, results: Mapping[str, RunResult], candidates: Sequence[Session], hypothesis: Hypothesis, jitter: bool
) -> tuple[list[tuple[Session, dict[str, Effect]]], list[str]]:
    """Return the decodable and complete sessions with their effects, and why the others are none.

    Of a pilot with adaptive seeds the first look is read: its seeds are always there, and results did not decide how many they are.
    """
    findings = session_findings(pilot, results)
    losses = {name: found.after(pilot.looks[0]) for name, found in read_losses(pilot, results).items()}
    usable, why_not = [], []
    for session in candidates:
        own = _effects(losses[session.name], hypothesis, jitter)
        missing = [name for name in estimands(jitter) if not own[name].complete]
        if not findings[session.name].decodable:
            why_not.append(f"{session.name}: {findings[session.name].detail}")
        elif missing:
            why_not.append(f"{session.name}: runs are missing or failed for {', '.join(missing)}")
        else:
            usable.append((session, own))
    return usable, why_not


def _few(reasons: Sequence[str], most: int = 3) -> list[str]:
    """Return the first reasons, and how many more there are."""
    return [*reasons[:most], *([f"and {len(reasons) - most} more"] if len(reasons) > most else [])]


def components(values: np.ndarray, subjects: Sequence[str]) -> tuple[dict[str, np.ndarray], tuple[str, ...]]:
    """Return the covariance of every level by the method of moments, and what could not be told apart.

    Mean squares over seeds, blocks and what is left, within sessions, are set to what they are expected to be (Searle, Casella
    & McCulloch 1992, Variance Components); nothing keeps the found matrices from having negative variances.

    Parameters
    ----------
    values
        Estimands (session, seed, block, name), complete.
    subjects
        Subject of every session.
    """
    sessions, seeds, blocks, _ = values.shape
    notes: list[str] = []
    means = values.mean(axis=(1, 2))
    by_seed, by_block = values.mean(axis=2) - means[:, None], values.mean(axis=1) - means[:, None]
    left = values - means[:, None, None] - by_seed[:, :, None] - by_block[:, None]
    ms_block = seeds * _products(by_block) / (sessions * (blocks - 1))
    if seeds > 1:
        rest = _products(left) / (sessions * (seeds - 1) * (blocks - 1))
        seed = (blocks * _products(by_seed) / (sessions * (seeds - 1)) - rest) / blocks
        block = (ms_block - rest) / seeds
    else:
        rest = seed = np.zeros_like(ms_block)
        block = ms_block
        notes.append(
            "the pilot has one seed: its spread over sessions contains that over seeds, and more seeds gain nothing here"
        )
    within = seed / seeds + block / blocks + rest / (seeds * blocks)
    subject, over_sessions, more = _between(means, subjects)
    return {"subject": subject, "session": over_sessions - within, "seed": seed, "block": block, "rest": rest}, (*notes, *more)


def _between(means: np.ndarray, subjects: Sequence[str]) -> tuple[np.ndarray, np.ndarray, tuple[str, ...]]:
    """Return the covariance over subjects, and of session means (session, name) within a subject."""
    named = sorted(set(subjects))
    none = np.zeros((means.shape[1],) * 2)
    if len(named) == 1:
        return none, np.cov(means, rowvar=False), ()
    if len(named) == len(means):
        return none, np.cov(means, rowvar=False), ("one session a subject: the spread over sessions contains that over subjects",)
    of = np.array(subjects)
    own = np.stack([means[of == name].mean(axis=0) for name in named])
    counts = np.array([(of == name).sum() for name in named])
    within = _products(means - own[np.searchsorted(named, of)]) / (len(means) - len(named))
    return np.cov(own, rowvar=False) - within * (1 / counts).mean(), within, ()


def _products(deviations: np.ndarray) -> np.ndarray:
    """Return sums of squares and products (name, name) of deviations (..., name)."""
    flat = deviations.reshape(-1, deviations.shape[-1])
    return flat.T @ flat


def nonnegative(matrix: np.ndarray) -> np.ndarray:
    """Return a covariance with its negative eigenvalues set to 0, which keeps every linear relation such as delta = D + H."""
    values, vectors = np.linalg.eigh((matrix + matrix.T) / 2)
    return (vectors * np.clip(values, 0, None)) @ vectors.T


def _values(own: Mapping[str, Effect], names: Sequence[str]) -> np.ndarray:
    """Return the estimands of a session and its range, last (seed, block, name); one seed stands for all."""
    arrays = [*(own[name].values for name in names), own[names[-1]].range]
    seeds = max(array.shape[0] for array in arrays)
    return np.stack([np.broadcast_to(array, (seeds, array.shape[1])) for array in arrays], axis=-1)


def _stacked(sessions: Sequence[np.ndarray]) -> np.ndarray:
    """Stack sessions (seed, block, name) by the fewest blocks of any: slow targets have fewer, longer ones."""
    fewest = min(values.shape[1] for values in sessions)
    return np.stack([merged(values.swapaxes(1, 2), fewest).swapaxes(1, 2) for values in sessions])


def _effects(losses: SessionLosses, hypothesis: Hypothesis, jitter: bool) -> dict[str, Effect]:
    axis, dose = hypothesis.axis, hypothesis.dose
    found = {name: losses.effect(name, axis, dose) for name in estimands(jitter) if name != "delta(n/3)"}
    if jitter:
        found["delta(n/3)"] = losses.effect("delta", axis, dose, THIRD, A_THIRD)
    return {**found, NOISE: losses.noise()}


def _has_dose(pilot: Plan, hypothesis: Hypothesis, jitter: bool) -> None:
    study = pilot.study
    doses = {axis.path: axis.doses for axis in study.axes}
    swept = doses.get(hypothesis.axis, ())
    if hypothesis.dose not in swept or hypothesis.dose == study.identity(hypothesis.axis):
        has = ", ".join(f"{path} at {', '.join(f'{dose:g}' for dose in of)}" for path, of in doses.items())
        raise InferenceError(
            f"{hypothesis.id}: the pilot {study.name!r} did not measure {hypothesis.axis} = {hypothesis.dose:g}; it has {has}. "
            "Add the dose to the pilot, or state spreads with --sd"
        )
    missing = {"independent", "shared"} - set(study.arms)
    if missing and not jitter:
        raise InferenceError(f"{hypothesis.id}: the pilot {study.name!r} lacks the arms {', '.join(sorted(missing))}; add them")


def _candidates(pilot: Plan, planned: Plan, hypothesis: Hypothesis) -> tuple[list[Session], list[str]]:
    """Return the pilot's sessions that tell of a hypothesis, and what should be said about them."""
    notes = []
    found = [session for session in pilot.sessions if session.source.pilot] or list(pilot.sessions)
    if hypothesis.group is not None:
        of_group = [session for session in found if session.group == hypothesis.group]
        if not of_group:
            notes.append(f"the pilot has no session of the group {hypothesis.group!r}: all its sessions are used")
        found = of_group or found
    tested = {session.fingerprint for session in planned.sessions if not session.source.pilot}
    again = [session.name for session in found if session.fingerprint in tested]
    if again:
        notes.append(f"not a pilot: {', '.join(again)} will be tested too, so power on them is a description of what was seen")
    for what in ("method", "target", "window", "folds", "probe"):
        if getattr(planned.study, what) != getattr(pilot.study, what):
            notes.append(f"the pilot's {what} differs from the study's")
    if planned.study.training.optimisation() != pilot.study.training.optimisation():
        notes.append("the pilot's training differs from the study's")
    return found, notes
