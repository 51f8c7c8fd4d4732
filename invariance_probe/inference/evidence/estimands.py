"""From run results to the estimands of each session, such as D.

In: the plan and the results of its runs. Out: the held-out losses of every session, and
effects (differences of losses between two training conditions) together with the range
that they are measured against. No claim is tested here. The estimands are defined in
docs/science.md, section Quantities.

L(d, e) is the loss with encoders trained at dose d and tested on inputs corrupted at
dose e. Dose 0, the identity dose, corrupts nothing. An arm says how the two views share
the draw of the corruption (`independent`, `shared`, `paired`), or which windows are
paired (`mined`, `random` ...).

Losses keep an axis of training seeds and one of test blocks, because claims rest on the
variance between sessions, seeds and blocks. Blocks too short to be independent are
merged as losses are read (`blocks`). Nothing is divided by the range here: a claim
about a ratio is tested as a claim about effect - margin * range.
"""

import copy
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from invariance_probe.inference.evidence.blocks import Blocks
from invariance_probe.plan.figures.code import CodeFigures
from invariance_probe.plan.plan import BASELINE_SETTING, Plan
from invariance_probe.plan.roles import EncoderExamination, SessionMeasurement
from invariance_probe.plan.run import Run, RunResult
from invariance_probe.study.examinations import Corruption
from invariance_probe.study.session import Session

Condition = tuple[str, str, float, str, float]
"""How a model was trained: setting, axis, dose, arm, fraction of the windows.

The setting is the label of a swept setting or recipe, and the fraction is that of the
training windows. `at` builds such a tuple.
"""

CEILINGS = ("raw", "square_roots", "supervised")
"""Decoders without SSL, the best of which defines the range.

If two are equally good, the first one is taken.
"""

DIFFERENCES = {
    "delta": ("independent", "none"), "delta_paired": ("paired", "none"), "H": ("shared", "none"),
    "D": ("independent", "shared"),
    "M_other": ("other_state", "mined"), "M_shuffled": ("time_shuffled", "mined"),
    "M_permuted": ("unit_permuted", "mined"),
    "M_loc": ("none", "mined"), "M_rand": ("random", "mined"), "M_shift": ("shifted", "mined"),
    "M_oracle": ("none", "oracle"),
}  # fmt: skip
"""The two arms that each estimand compares.

The estimand is the loss under the first arm minus the loss under the second. `none`
means dose 0.
"""

CORRUPTED_TWICE = "L(d, d)"
"""Name of the estimand L(d, d) - L(0, 0).

It compares encoders that were both trained and tested at dose d with those trained and
tested at dose 0.
"""
IDENTITY: Condition = ("", "", 0.0, "none", 1.0)
"""The condition of the study's own models at dose 0, on all training windows."""


def at(axis: str, dose: float, arm: str, setting: str = "", fraction: float = 1.0) -> Condition:
    """Build the tuple that names a training condition.

    Parameters
    ----------
    axis, dose, arm
        The swept axis, its dose, and how the views share the draw of the corruption.
    setting
        Label of a swept setting or recipe; empty for the study's own.
    fraction
        Fraction of the training windows, in (0, 1].
    """
    return (setting, axis, dose, arm, fraction)


@dataclass(frozen=True, eq=False)
class Effect:
    """One estimand of one session, not yet divided by the range.

    Attributes
    ----------
    values
        (seed, block) differences of losses, or (1, block) if there are no seeds.
    range
        (seed, block) or (1, block) decodable range, in the same unit of loss.
    """

    values: np.ndarray
    range: np.ndarray

    @property
    def complete(self) -> bool:
        """Whether there are values, and no planned run is missing or failed."""
        return self.values.size > 0 and bool(
            np.isfinite(self.values).all() and np.isfinite(self.range).all()
        )

    def minus(self, margin: float) -> np.ndarray:
        """Compute effect - margin * range (seed, block).

        The claim that the effect is at most the margin, in units of the range, is the
        claim that the mean of this is at most 0.

        Parameters
        ----------
        margin
            The margin as a fraction of the range.
        """
        return self.values - margin * self.range

    @property
    def ratio(self) -> float:
        """Mean effect divided by the mean range."""
        return float(self.values.mean() / self.range.mean())


class SessionLosses:
    """All held-out losses of one session, by condition, seed and test block.

    Parameters
    ----------
    plan
        The study's plan.
    session
        The session.
    runs
        The runs of this session.
    results
        Results by `Run.key()`; failed runs count as missing.

    Attributes
    ----------
    blocks
        How test blocks are merged, so that each lasts five autocorrelation times of the
        target and of the errors.
    seeds
        How many of the planned seeds are used.
    ceiling_family
        The decoder without SSL that defines the range, one of `CEILINGS`.
    """

    def __init__(
        self, plan: Plan, session: Session, runs: Sequence[Run], results: Mapping[str, RunResult]
    ) -> None:
        study = plan.study
        self.session = session
        self._planned_blocks = study.folds.count * study.folds.blocks_per_fold
        code = next(
            (
                code
                for run in runs
                if (found := results.get(run.key())) is not None
                and (code := found.measured(CodeFigures)) is not None
            ),
            None,
        )
        self.blocks = Blocks.of(
            self._planned_blocks, code, in_time=study.folds.scheme != "shuffled"
        )
        self._losses: dict[tuple[str, Condition], dict[int, np.ndarray]] = {}
        self._floor = np.full(self._planned_blocks, np.nan)
        self._selection: dict[str, list[float]] = {}
        for run in runs:
            if isinstance(run, EncoderExamination):
                test = run.examination
                if isinstance(test, Corruption):
                    self._enter(_tested(test.axis, test.dose), run, results.get(run.key()))
                continue
            if isinstance(run, SessionMeasurement):
                continue
            ssl = run.method.kind in plan.methods and (
                run.method.kind != "linear_ssl" or run.setting != BASELINE_SETTING
            )
            self._enter("ssl" if ssl else run.method.kind, run, results.get(run.key()))
        self.seeds = self._planned = study.training.seeds
        self._identities = study.views.doses()
        self.ceiling_family = CEILINGS[0]

    def after(self, seeds: int) -> "SessionLosses":
        """Return the same losses, restricted to the first `seeds` planned seeds.

        The decoder that defines the range stays the same.
        """
        earlier = copy.copy(self)
        earlier.seeds = seeds
        return earlier

    def _enter(self, role: str, run: Run, result: RunResult | None) -> None:
        """Store the losses of one run under its role, condition and seed.

        Parameters
        ----------
        role
            What kind of model it is; see `array`.
        run
            The run.
        result
            Its result. If it is None or failed, the run's losses stay NaN.
        """
        address = (role, (run.setting, run.axis, run.dose, run.arm, run.fraction))
        losses = self._losses.setdefault(address, {}).setdefault(
            run.seed, np.full(self._planned_blocks, np.nan)
        )
        if result is None or result.status == "failed":
            return
        blocks = list(result.blocks)
        losses[blocks] = result.block_losses
        if result.floor_losses:
            self._floor[blocks] = result.floor_losses
        # the ceiling is chosen at dose 0 and with all training windows
        if result.selection_loss is not None and run.axis == "" and run.fraction == 1:
            self._selection.setdefault(role, []).append(result.selection_loss)

    def array(self, role: str, condition: Condition, seeds: range | None = None) -> np.ndarray:
        """Losses (seed, block) of one kind of model under one condition.

        Parameters
        ----------
        role
            `ssl` for the study's SSL models on clean inputs, the kind of a baseline
            (such as `raw`), or the label of SSL models tested on corrupted inputs.
        condition
            How the models were trained.
        seeds
            Seeds to include; None for all that were planned.

        Returns
        -------
        (seed, block)
            NaN for missing runs. If no run was planned, there are no rows.
        """
        by_seed = self._losses.get((role, condition), {})
        wanted = sorted(by_seed) if seeds is None else [seed for seed in seeds if seed in by_seed]
        return self.blocks.merge(
            np.array([by_seed[seed] for seed in wanted]).reshape(len(wanted), self._planned_blocks)
        )

    def ssl(self, condition: Condition) -> np.ndarray:
        """Losses (seed, block) of SSL models on clean inputs, under a condition.

        Only seeds that are used are included (not those of the A/A control).
        """
        return self.array("ssl", condition, range(self.seeds))

    @property
    def floor(self) -> np.ndarray:
        """Loss (block,) of the best constant prediction."""
        return self.blocks.merge(self._floor)

    @property
    def selection(self) -> dict[str, float]:
        """Loss by which the ceiling is chosen, for each decoder in `CEILINGS`.

        It is measured on a validation part of the training windows, never on test
        windows. Decoders that were not run are omitted.
        """
        return {
            role: float(np.mean(losses))
            for role, losses in self._selection.items()
            if role in CEILINGS
        }

    @property
    def ceiling(self) -> np.ndarray:
        """Losses (seed, block) of the best decoder without SSL, on clean inputs."""
        return self.array(self.ceiling_family, IDENTITY, range(self.seeds))

    @property
    def range(self) -> np.ndarray:
        """Decodable range R = floor - ceiling (seed, block)."""
        return self.floor - self.ceiling

    def effect(
        self, name: str, axis: str, dose: float, fraction: float = 1.0, setting: str = ""
    ) -> Effect:
        """Compute an estimand of the session at one dose of an axis.

        Parameters
        ----------
        name
            `T` for L(0, d) - L(0, 0), `L(d, d)` for L(d, d) - L(0, 0), or one of
            `DIFFERENCES`.
        axis, dose
            The axis, and the dose d on it.
        fraction
            Fraction of the training windows, in (0, 1].
        setting
            Label of a swept setting or recipe; empty for the study's own.

        Returns
        -------
        effect
            The differences of losses with their range; incomplete if runs are missing.
        """
        if name == "T":
            return self.excess(axis, self._identities[axis], dose)
        if name == CORRUPTED_TWICE:
            return self.excess(axis, dose, dose)
        upper, lower = (
            self.ssl(
                at("", 0.0, "none", setting, fraction)
                if arm == "none"
                else at(axis, dose, arm, setting, fraction)
            )
            for arm in DIFFERENCES[name]
        )
        # if the two arms have different numbers of seeds, the effect is left incomplete
        values = upper - lower if upper.shape == lower.shape else np.zeros((0, self.blocks.count))
        return Effect(values, self.range_for(values))

    def excess(self, axis: str, train: float, test: float) -> Effect:
        """Compute the excess loss L(d, e) - L(0, 0).

        Parameters
        ----------
        axis
            The axis of both doses.
        train
            Dose d at which the encoders were trained.
        test
            Dose e at which the test inputs are corrupted.
        """
        identity = self._identities[axis]
        condition = IDENTITY if train == identity else at(axis, train, "independent")
        upper = self.array(
            "ssl" if test == identity else _tested(axis, test), condition, range(self.seeds)
        )
        lower = self.ssl(IDENTITY)
        values = upper - lower if upper.shape == lower.shape else np.zeros((0, self.blocks.count))
        return Effect(values, self.range_for(values))

    def noise(self) -> Effect:
        """Compute the A/A contrast: dose 0 with other seeds minus dose 0."""
        others = self.array("ssl", IDENTITY, range(self._planned, self._planned + self.seeds))
        own = self.ssl(IDENTITY)
        values = others - own if others.shape == own.shape else np.zeros((0, self.blocks.count))
        return Effect(values, self.range_for(values))

    def retention(self, losses: np.ndarray) -> float:
        """Fraction of the decodable range that decoding with given losses reaches.

        Parameters
        ----------
        losses
            (seed, block) held-out losses, for example of SSL models.

        Returns
        -------
        float
            1 for the best decoder without SSL, 0 for the best constant.
        """
        return float((self.floor - losses).mean() / self.range.mean())

    def range_for(self, values: np.ndarray) -> np.ndarray:
        """Give the range a shape that goes with the values of an effect.

        Parameters
        ----------
        values
            (seed, block) differences of losses.

        Returns
        -------
        range
            The range by seed if it has as many seeds as the values, else its mean over
            seeds (1, block).
        """
        return (
            self.range
            if self.range.shape == values.shape
            else self.range.mean(axis=0, keepdims=True)
        )


def _tested(axis: str, dose: float) -> str:
    """Label of SSL models that are tested on corrupted inputs."""
    return f"ssl tested at {axis} = {dose!r}"


def read_planted(plan: Plan, results: Mapping[str, RunResult]) -> dict[str, SessionLosses]:
    """Collect the losses of each planted control.

    A planted control has the activity of a session and a target computed from it. Its
    range is always that of the raw decoder.

    Parameters
    ----------
    plan
        The plan of the study.
    results
        Results of its runs, by `Run.key()`.

    Returns
    -------
    losses
        By the name of the control.
    """
    names = {session.name for session in plan.planted}
    by_session: dict[str, list[Run]] = {name: [] for name in names}
    for run in plan.runs:
        if run.session in names:
            by_session[run.session].append(run)
    return {
        session.name: SessionLosses(plan, session, by_session[session.name], results)
        for session in plan.planted
    }


def read_losses(plan: Plan, results: Mapping[str, RunResult]) -> dict[str, SessionLosses]:
    """Collect the losses of every session, and choose the decoder of its range.

    The decoder without SSL that defines the range is chosen on training data, once for
    all sessions of a group. If it were chosen for each session, noise would decide
    between two decoders that are almost equally good.

    Parameters
    ----------
    plan
        The plan of the study.
    results
        Results of its runs, by `Run.key()`.

    Returns
    -------
    losses
        By session name.
    """
    by_session: dict[str, list[Run]] = {}
    for run in plan.runs:
        by_session.setdefault(run.session, []).append(run)
    found = {
        session.name: SessionLosses(plan, session, by_session[session.name], results)
        for session in plan.sessions
    }
    for group in {losses.session.group for losses in found.values()}:
        members = [losses for losses in found.values() if losses.session.group == group]
        means = {
            role: float(np.mean([m.selection.get(role, np.inf) for m in members]))
            for role in CEILINGS
        }
        for member in members:  # of equal means, min keeps the first decoder
            member.ceiling_family = min(CEILINGS, key=lambda role: means[role])
    return found
