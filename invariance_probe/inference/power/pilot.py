"""The spread of estimands that a pilot study shows.

In: the plan and the stored results of a pilot, and the planned study. Out: for each
hypothesis a `Spread`, that is the covariances of its estimands over sessions, seeds and
test blocks, by balanced analysis of variance. No power is computed here.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from invariance_probe.errors import InferenceError
from invariance_probe.inference.entry import read_codes, session_findings
from invariance_probe.inference.evidence.blocks import FEWEST_BLOCKS, merged
from invariance_probe.inference.evidence.estimands import Effect, SessionLosses, read_losses
from invariance_probe.inference.hypotheses.code import SessionCode
from invariance_probe.inference.power.spreads import (
    CODE,
    CODE_RANGE,
    NOISE,
    RANGE,
    UNITS,
    Spread,
    any_recipes_of,
    estimands,
    marked,
    with_recipes,
)
from invariance_probe.plan.plan import Plan
from invariance_probe.plan.run import RunResult
from invariance_probe.plan.settings import Setting, a_third_of
from invariance_probe.study.counting import counted
from invariance_probe.study.hypotheses import Hypothesis
from invariance_probe.study.panel import DECLARED
from invariance_probe.study.session import Session


def pilot_spreads(
    pilot: Plan, results: Mapping[str, RunResult], planned: Plan
) -> dict[str, Spread]:
    """Estimate the spread of each hypothesis's estimands from a pilot study.

    See `pilot_spread`.

    Parameters
    ----------
    pilot
        Plan of the pilot study.
    results
        Results of the pilot, by `Run.key()`.
    planned
        Plan of the planned study.

    Returns
    -------
    spreads
        By the hypothesis's id.
    """
    return {
        hypothesis.id: pilot_spread(pilot, results, planned, hypothesis)
        for hypothesis in planned.study.dose_claims
    }


def pilot_spread(
    pilot: Plan, results: Mapping[str, RunResult], planned: Plan, hypothesis: Hypothesis
) -> Spread:
    """Estimate the spread of one hypothesis's estimands from a pilot study.

    The spread is estimated at the primary dose. If the pilot study has sessions marked
    `pilot: true`, only these are used. If it has sessions of the hypothesis's group,
    only these are used. Sessions that cannot be decoded or lack runs are omitted.
    Recipes of the planned panel that the pilot trained keep the covariances that they
    had there; the other recipes are assumed to vary like the declared one.

    Parameters
    ----------
    pilot
        Plan of the pilot study.
    results
        Results of the pilot, by `Run.key()`.
    planned
        Plan of the planned study.
    hypothesis
        A hypothesis of the planned study.

    Raises
    ------
    InferenceError
        If the pilot lacks the dose, or fewer than two of its sessions can be used.
    """
    jitter = planned.study.is_jitter(hypothesis.axis)
    if not hypothesis.about_units:
        _has_dose(pilot, hypothesis, jitter)
    candidates, notes = _candidates(pilot, planned, hypothesis)
    wanted = _wanted(pilot, planned, hypothesis, candidates)
    usable, why_not = _usable(pilot, results, candidates, wanted)
    if len(usable) < 2:
        raise InferenceError(
            (
                f"{hypothesis.id}: the pilot {pilot.study.name!r} has "
                f"{counted(len(usable), 'usable session')}, but at least 2 are needed to estimate "
                "the spread over sessions"
            )
            + (f" ({'; '.join(_few(why_not))})" if why_not else "")
            + ". Run the pilot, name the folder of its runs with --runs, or state SDs with --sd"
        )
    names, values, unblocked = _table([own for _, own in usable])
    found, unresolved = components(values, [session.subject for session, _ in usable])
    found = _onto_blocks(found, unblocked, values.shape[2])
    sessions, seeds, blocks, _ = values.shape
    notes += [
        *(f"left out: {reason}" for reason in _few(why_not)),
        *(unresolved if not hypothesis.about_units else ()),
    ]
    if blocks != planned.study.folds.count * planned.study.folds.blocks_per_fold:
        notes.append(
            "the pilot has another number of test blocks a session: the spread of a "
            "block is taken as it is"
        )
    for level, matrix in found.items():
        negative = [
            name for name, variance in zip(names, np.diag(matrix), strict=True) if variance < -1e-12
        ]
        notes += (
            [
                (
                    f"variance over {level} estimated below 0, raised to a possible one: "
                    f"{', '.join(negative)}"
                )
            ]
            if negative
            else []
        )
    source = (
        f"pilot {pilot.study.name!r}: {counted(sessions, 'session')}, {counted(seeds, 'seed')}, "
        f"{counted(blocks, 'test block')}"
    )
    covariance = {level: nonnegative(matrix) for level, matrix in found.items()}
    spread = Spread(
        names,
        values.mean(axis=(0, 1, 2)),
        covariance,
        source,
        (sessions, seeds, blocks),
        tuple(notes),
    )
    if hypothesis.about_units:
        return spread
    trained = {recipe for recipe, _ in wanted.recipes}
    return with_recipes(
        spread,
        [name for name in any_recipes_of(planned, hypothesis) if name not in trained],
        jitter,
    )


@dataclass(frozen=True)
class _Wanted:
    """What to read of each session of a pilot: estimands and recipes.

    Attributes
    ----------
    hypothesis
        The hypothesis whose estimands are read.
    jitter
        Whether it is about a time jitter.
    recipes
        Name of each recipe that the pilot trained too, and its setting there.
    """

    hypothesis: Hypothesis
    jitter: bool
    recipes: tuple[tuple[str, Setting], ...]

    def effects(self, losses: SessionLosses, code: SessionCode | None) -> dict[str, Effect]:
        """Read the estimands of one session, with the A/A contrast.

        Parameters
        ----------
        losses
            Losses of the session.
        code
            What decoders without SSL found in it; None if this was not measured.

        Returns
        -------
        effects
            By the name that the estimand has in a `Spread`. If runs are missing, the
            effect is incomplete.
        """
        axis, dose = self.hypothesis.axis, self.hypothesis.dose
        nothing = Effect(np.zeros((0, 1)), np.zeros((0, 1)))
        if self.hypothesis.about_units:
            return {name: code.share(name) if code else nothing for name in UNITS}
        found = (
            {}
            if self.jitter
            else {
                CODE: code.effect(CODE, axis, dose)
                if code and code.measures(axis, dose)
                else nothing
            }
        )
        for recipe, setting in self.recipes:
            for name in estimands(self.jitter):
                of, at = ("delta", a_third_of(setting)) if name == "delta(n/3)" else (name, setting)
                found[marked(name, recipe)] = losses.effect(of, axis, dose, at.fraction, at.label)
        return {**found, NOISE: losses.noise()}


def _wanted(
    pilot: Plan, planned: Plan, hypothesis: Hypothesis, candidates: Sequence[Session]
) -> _Wanted:
    """Choose what to read of each session of the pilot.

    It is the declared recipe, and those recipes of the planned panel that the pilot
    trained at this dose in all its candidate sessions. (A session marked `pilot: true`
    trains no panel for confirmatory hypotheses.)
    """
    jitter = planned.study.is_jitter(hypothesis.axis)
    if hypothesis.about_units:
        return _Wanted(hypothesis, jitter, ())
    of_pilot = {
        recipe.name: recipe.setting
        for h in pilot.study.dose_claims
        if (h.axis, h.dose) == (hypothesis.axis, hypothesis.dose)
        for recipe in pilot.panels[h.id].computed[1:]
        if recipe.setting is not None
    }
    trained = {(run.session, run.setting) for run in pilot.grid}
    alike = [
        (recipe.name, setting)
        for recipe in planned.panels[hypothesis.id].computed[1:]
        if recipe.setting is not None
        and (setting := of_pilot.get(recipe.name)) is not None
        and (setting.method, setting.optimisation)
        == (recipe.setting.method, recipe.setting.optimisation)
        and all((session.name, setting.label) in trained for session in candidates)
    ]
    return _Wanted(hypothesis, jitter, ((DECLARED, pilot.settings[0]), *alike))


def _usable(
    pilot: Plan, results: Mapping[str, RunResult], candidates: Sequence[Session], wanted: _Wanted
) -> tuple[list[tuple[Session, dict[str, Effect]]], list[str]]:
    """Split the sessions into usable ones, with their effects, and the others.

    A usable session can be decoded and lacks no run. The second value says why each of
    the others cannot be used. If the pilot's seeds are adaptive, only those of its
    first interim analysis are read: they are always there, and their number does not
    depend on results.
    """
    findings, codes = session_findings(pilot, results), read_codes(pilot, results)
    losses = {
        name: found.after(pilot.looks[0]) for name, found in read_losses(pilot, results).items()
    }
    usable, why_not = [], []
    for session in candidates:
        figures = codes.get(session.name)
        own = wanted.effects(losses[session.name], SessionCode(figures) if figures else None)
        missing = [name for name, effect in own.items() if name != NOISE and not effect.complete]
        if not findings[session.name].decodable:
            why_not.append(f"{session.name}: {findings[session.name].detail}")
        elif missing:
            why_not.append(f"{session.name}: runs are missing or failed for {', '.join(missing)}")
        else:
            usable.append((session, own))
    return usable, why_not


def _table(
    sessions: Sequence[Mapping[str, Effect]],
) -> tuple[tuple[str, ...], np.ndarray, list[int]]:
    """Arrange the effects of all sessions as one array.

    Effects are in units of their mean range, and the ranges are added as columns. The
    number of blocks is the smallest of any session, because slow targets have fewer and
    longer ones. An effect without seeds or blocks of its own is repeated over all of
    them.

    Parameters
    ----------
    sessions
        The effects of each session, by name.

    Returns
    -------
    names
        Names of the columns.
    values
        (session, seed, block, name) array.
    unblocked
        Positions of the names that were not measured by block.
    """
    first = sessions[0]
    noisy = all(own[NOISE].complete for own in sessions) if NOISE in first else False
    names = [name for name in first if name != NOISE or noisy]
    seeds = max(first[name].values.shape[0] for name in names)

    counts = {
        effect.values.shape[1] for own in sessions for name, effect in own.items() if name in names
    } - {1}
    blocks = min(counts, default=FEWEST_BLOCKS)

    def filled(array: np.ndarray) -> np.ndarray:
        return np.broadcast_to(
            array if array.shape[1] == 1 else merged(array, blocks), (seeds, blocks)
        )

    columns = {name: np.stack([filled(own[name].values) for own in sessions]) for name in names}
    ranged = [
        (RANGE, next((n for n in names if n not in (CODE, NOISE)), None)),
        (CODE_RANGE, CODE if CODE in names else None),
    ]
    if not set(UNITS) <= set(names):
        columns |= {
            name: np.stack([filled(own[of].range) for own in sessions])
            for name, of in ranged
            if of is not None
        }
        for name in columns:
            if name not in (RANGE, CODE_RANGE):
                columns[name] = (
                    columns[name] / columns[CODE_RANGE if name == CODE else RANGE].mean()
                )
        for name in {RANGE, CODE_RANGE} & set(columns):
            columns[name] = columns[name] / columns[name].mean()
    of_code = [i for i, name in enumerate(columns) if name in (CODE, CODE_RANGE, *UNITS)]
    with_blocks = any(first[name].values.shape[1] > 1 for name in (CODE, *UNITS) if name in first)
    return tuple(columns), np.stack(list(columns.values()), axis=-1), [] if with_blocks else of_code


def _onto_blocks(
    found: Mapping[str, np.ndarray], unblocked: Sequence[int], blocks: int
) -> dict[str, np.ndarray]:
    """Attribute session variance to blocks, for what was not measured by block.

    For claims about a population this changes nothing. For claims about these
    recordings it is the most that blocks can contribute, so that power is not
    overstated.

    Parameters
    ----------
    found
        Covariance (name, name) by level.
    unblocked
        Positions of the names that were not measured by block.
    blocks
        Number of test blocks.
    """
    session, block = found["session"].copy(), found["block"].copy()
    of = np.zeros(session.shape, bool)
    of[unblocked] = of[:, unblocked] = True
    block[of] += blocks * session[of]
    session[of] = 0
    return {**found, "session": session, "block": block}


def _few(reasons: Sequence[str], most: int = 3) -> list[str]:
    """The first reasons, followed by how many more there are."""
    return [*reasons[:most], *([f"and {len(reasons) - most} more"] if len(reasons) > most else [])]


def components(
    values: np.ndarray, subjects: Sequence[str]
) -> tuple[dict[str, np.ndarray], tuple[str, ...]]:
    """Estimate the covariance of each level by the method of moments.

    The levels are subjects, sessions, seeds, blocks, and the rest (what is specific to
    one seed in one block). Within sessions, mean squares over seeds, over blocks and
    over the rest are set equal to their expectations (Searle, Casella & McCulloch 1992,
    Variance Components). The estimated variances may be negative.

    Parameters
    ----------
    values
        (session, seed, block, name) estimands, without missing values.
    subjects
        Subject of each session.

    Returns
    -------
    covariance, notes
        Covariance (name, name) by level; and which levels could not be separated, in
        words.
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
            "the pilot has one seed: its spread over sessions contains that over seeds, "
            "and more seeds gain nothing here"
        )
    within = seed / seeds + block / blocks + rest / (seeds * blocks)
    subject, over_sessions, more = _between(means, subjects)
    return {
        "subject": subject,
        "session": over_sessions - within,
        "seed": seed,
        "block": block,
        "rest": rest,
    }, (*notes, *more)


def _between(
    means: np.ndarray, subjects: Sequence[str]
) -> tuple[np.ndarray, np.ndarray, tuple[str, ...]]:
    """Covariance over subjects, and of session means within a subject.

    Parameters
    ----------
    means
        (session, name) mean of each estimand.
    subjects
        Subject of each session.

    Returns
    -------
    over_subjects, over_sessions, notes
        Two covariances (name, name); and which levels could not be separated, in words.
    """
    named = sorted(set(subjects))
    none = np.zeros((means.shape[1],) * 2)
    if len(named) == 1:
        return none, np.cov(means, rowvar=False), ()
    if len(named) == len(means):
        return (
            none,
            np.cov(means, rowvar=False),
            ("one session a subject: the spread over sessions contains that over subjects",),
        )
    of = np.array(subjects)
    own = np.stack([means[of == name].mean(axis=0) for name in named])
    counts = np.array([(of == name).sum() for name in named])
    within = _products(means - own[np.searchsorted(named, of)]) / (len(means) - len(named))
    return np.cov(own, rowvar=False) - within * (1 / counts).mean(), within, ()


def _products(deviations: np.ndarray) -> np.ndarray:
    """Sums of squares and products (name, name) of deviations (..., name)."""
    flat = deviations.reshape(-1, deviations.shape[-1])
    return flat.T @ flat


def nonnegative(matrix: np.ndarray) -> np.ndarray:
    """Set the negative eigenvalues of a covariance (name, name) to 0.

    Linear relations between estimands, such as delta = D + H, are kept.
    """
    values, vectors = np.linalg.eigh((matrix + matrix.T) / 2)
    return (vectors * np.clip(values, 0, None)) @ vectors.T


def _has_dose(pilot: Plan, hypothesis: Hypothesis, jitter: bool) -> None:
    """Raise an error if the pilot lacks the primary dose or one of its arms."""
    study = pilot.study
    doses = {axis.path: axis.doses for axis in study.axes}
    swept = doses.get(hypothesis.axis, ())
    if hypothesis.dose not in swept or hypothesis.dose == study.identity(hypothesis.axis):
        has = ", ".join(
            f"{path} at {', '.join(f'{dose:g}' for dose in of)}" for path, of in doses.items()
        )
        raise InferenceError(
            f"{hypothesis.id}: the pilot {study.name!r} did not measure {hypothesis.axis} = "
            f"{hypothesis.dose:g}; measured: {has}. Add the dose to the pilot, or state SDs with "
            "--sd"
        )
    missing = {"independent", "shared"} - set(study.arms)
    if missing and not jitter:
        raise InferenceError(
            f"{hypothesis.id}: the pilot {study.name!r} lacks the arms "
            f"{', '.join(sorted(missing))}; add them to the arms of the pilot"
        )


def _candidates(
    pilot: Plan, planned: Plan, hypothesis: Hypothesis
) -> tuple[list[Session], list[str]]:
    """Sessions of the pilot that are informative about a hypothesis.

    The second value holds notes on how the pilot differs from the planned study.
    """
    notes = []
    found = [session for session in pilot.sessions if session.source.pilot] or list(pilot.sessions)
    if hypothesis.group is not None:
        of_group = [session for session in found if session.group == hypothesis.group]
        if not of_group:
            notes.append(
                f"the pilot has no session of the group {hypothesis.group!r}: all its "
                f"sessions are used"
            )
        found = of_group or found
    tested = {session.content.recording for session in planned.sessions if not session.source.pilot}
    again = [session.name for session in found if session.content.recording in tested]
    if again:
        notes.append(
            f"not a pilot: {', '.join(again)} will be tested too, so power on them is a "
            f"description of what was seen"
        )
    for what in ("method", "target", "window", "folds", "probe"):
        if getattr(planned.study, what) != getattr(pilot.study, what):
            notes.append(f"the pilot's {what} differs from the study's")
    if planned.study.training.optimisation() != pilot.study.training.optimisation():
        notes.append("the pilot's training differs from the study's")
    return found, notes
