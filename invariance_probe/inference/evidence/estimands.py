"""From run results to the estimands of science.md section 2, per session.

In: the plan and the results of its runs. Out: the losses of every session, and effects
such as D with the range they are measured against. No claim is tested here.

Losses are kept by seed and test block, because claims rest on the variance between
sessions, seeds and blocks. Blocks that are too short to be independent for their target
are merged as they are read. Nothing is divided by the range here: a claim about a ratio
is a claim about effect - margin * range.
"""

import copy
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from invariance_probe.inference.evidence.blocks import Blocks
from invariance_probe.plan.figures.code import CodeFigures
from invariance_probe.plan.plan import BESIDE, Plan
from invariance_probe.plan.run import Run, RunResult
from invariance_probe.study.examinations import Corruption
from invariance_probe.study.session import Session

Condition = tuple[str, str, float, str, float]
"""Setting, axis, dose, arm, and fraction of the training windows."""

CEILINGS = ("raw", "square_roots", "supervised")
"""Decoder families that may be the ceiling; the first one wins a tie."""

DIFFERENCES = {
    "delta": ("independent", "none"), "delta_paired": ("paired", "none"), "H": ("shared", "none"),
    "D": ("independent", "shared"),
    "M_other": ("other_state", "mined"), "M_shuffled": ("time_shuffled", "mined"),
    "M_permuted": ("unit_permuted", "mined"),
    "M_loc": ("none", "mined"), "M_rand": ("random", "mined"), "M_shift": ("shifted", "mined"),
    "M_oracle": ("none", "oracle"),
}  # fmt: skip
"""The two arms of each estimand: losses of the first minus losses of the second.

`none` is the identity dose.
"""

CORRUPTED_TWICE = "L(d, d)"
"""Name of the estimand that compares L(d, d) with L(0, 0).

L(d, d) is the loss of encoders that were trained at dose d, on inputs corrupted at dose
d.
"""
IDENTITY: Condition = ("", "", 0.0, "none", 1.0)
"""The study's own setting at the identity dose, trained on all windows."""


def at(axis: str, dose: float, arm: str, setting: str = "", fraction: float = 1.0) -> Condition:
    """Build the address of a condition.

    Parameters
    ----------
    axis, dose, arm
        The swept axis, its dose, and how draws are shared.
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
        (seed, block) differences of losses, or (1, block) where there are no seeds.
    range
        (seed, block) or (1, block) decodable range, in the same unit of loss.
    """

    values: np.ndarray
    range: np.ndarray

    @property
    def complete(self) -> bool:
        """Whether no run is missing."""
        return self.values.size > 0 and bool(
            np.isfinite(self.values).all() and np.isfinite(self.range).all()
        )

    def minus(self, margin: float) -> np.ndarray:
        """Compute effect - margin * range (seed, block).

        A claim about the ratio is a claim about the mean of this.
        """
        return self.values - margin * self.range

    @property
    def ratio(self) -> float:
        """Estimate in units of the range."""
        return float(self.values.mean() / self.range.mean())


class SessionLosses:
    """All decoding losses of one session, by condition, seed and test block.

    Parameters
    ----------
    plan
        The study's plan.
    session
        The session.
    runs
        The runs of this session.
    results
        Results by run key; failed runs count as missing.

    Attributes
    ----------
    blocks
        How test blocks are merged, so that each lasts five autocorrelation times of
        target and errors.
    seeds
        How many of the planned seeds are used.
    ceiling_family
        Decoder family of the ceiling, one of `CEILINGS`.
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
            if isinstance(run.examination, Corruption):
                self._enter(
                    _tested(run.examination.axis, run.examination.dose), run, results.get(run.key())
                )
            if run.fold is None or run.examination is not None:
                continue  # whole-session measurements, and examinations of stored encoders
            ssl = run.method.kind in plan.methods and (
                run.method.kind != "linear_ssl" or run.setting != BESIDE
            )
            self._enter("ssl" if ssl else run.method.kind, run, results.get(run.key()))
        self.seeds = self._planned = study.training.seeds
        self._identities = study.views.doses()
        self.ceiling_family = CEILINGS[0]

    def after(self, seeds: int) -> "SessionLosses":
        """The same losses after the first `seeds` of the planned seeds.

        The decoder family of the ceiling stays the same.
        """
        earlier = copy.copy(self)
        earlier.seeds = seeds
        return earlier

    def _enter(self, role: str, run: Run, result: RunResult | None) -> None:
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
        # the ceiling is chosen at the identity dose and with all training windows
        if result.selection_loss is not None and run.axis == "" and run.fraction == 1:
            self._selection.setdefault(role, []).append(result.selection_loss)

    def array(self, role: str, condition: Condition, seeds: range | None = None) -> np.ndarray:
        """Losses (seed, block) of one role under one condition.

        Parameters
        ----------
        role
            `ssl`, the kind of a baseline, or SSL encoders tested on corrupted inputs.
        condition
            Condition of training.
        seeds
            Seeds to include; None for all that were planned.

        Returns
        -------
        (seed, block)
            NaN where a run is missing; no rows where none was planned.
        """
        by_seed = self._losses.get((role, condition), {})
        wanted = sorted(by_seed) if seeds is None else [seed for seed in seeds if seed in by_seed]
        return self.blocks.merge(
            np.array([by_seed[seed] for seed in wanted]).reshape(len(wanted), self._planned_blocks)
        )

    def ssl(self, condition: Condition) -> np.ndarray:
        """Losses (seed, block) of the study's own seeds under a condition."""
        return self.array("ssl", condition, range(self.seeds))

    @property
    def floor(self) -> np.ndarray:
        """Loss (block,) of the best constant."""
        return self.blocks.merge(self._floor)

    @property
    def selection(self) -> dict[str, float]:
        """Loss by which the ceiling is chosen, for every candidate decoder family.

        It is the loss on the scored validation part of the training windows.
        """
        return {
            role: float(np.mean(losses))
            for role, losses in self._selection.items()
            if role in CEILINGS
        }

    @property
    def ceiling(self) -> np.ndarray:
        """Losses (seed, block) of the ceiling's decoder on clean inputs."""
        return self.array(self.ceiling_family, IDENTITY, range(self.seeds))

    @property
    def range(self) -> np.ndarray:
        """Decodable range R = floor - ceiling (seed, block)."""
        return self.floor - self.ceiling

    def effect(
        self, name: str, axis: str, dose: float, fraction: float = 1.0, setting: str = ""
    ) -> Effect:
        """Estimand of the session at one dose of an axis.

        Parameters
        ----------
        name
            `T`, `L(d, d)` (over L(0, 0)), or one of `DIFFERENCES`.
        axis, dose
            The axis and the dose d on it.
        fraction
            Fraction of the training windows, in (0, 1].
        setting
            Label of a swept setting or recipe; empty for the study's own.
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
        # arms of different shapes lack planned runs, and no values mean an incomplete effect
        values = upper - lower if upper.shape == lower.shape else np.zeros((0, self.blocks.count))
        return Effect(values, self.range_for(values))

    def excess(self, axis: str, train: float, test: float) -> Effect:
        """Excess loss L(d, e) - L(0, 0).

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
        """A/A contrast: dose 0 with other seeds minus dose 0."""
        others = self.array("ssl", IDENTITY, range(self._planned, self._planned + self.seeds))
        own = self.ssl(IDENTITY)
        values = others - own if others.shape == own.shape else np.zeros((0, self.blocks.count))
        return Effect(values, self.range_for(values))

    def retention(self, losses: np.ndarray) -> float:
        """Fraction of the decodable range that losses (seed, block) keep."""
        return float((self.floor - losses).mean() / self.range.mean())

    def range_for(self, values: np.ndarray) -> np.ndarray:
        """Range with as many seeds as the values; else averaged over seeds."""
        return (
            self.range
            if self.range.shape == values.shape
            else self.range.mean(axis=0, keepdims=True)
        )


def _tested(axis: str, dose: float) -> str:
    """Role of SSL encoders that are tested on corrupted inputs."""
    return f"ssl tested at {axis} = {dose!r}"


def read_planted(plan: Plan, results: Mapping[str, RunResult]) -> dict[str, SessionLosses]:
    """Losses of every planted control; their ceiling is always the raw decoder.

    Parameters
    ----------
    plan, results
        The plan, and results by run key.

    Returns
    -------
    losses
        By the control's name.
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
    """Losses of every session, with one ceiling per group of sessions.

    The decoder family of the ceiling is chosen on training data, once for all sessions
    of a group. If it were chosen for each session, noise would decide between two
    near-equal families.

    Parameters
    ----------
    plan, results
        The plan, and results by run key.

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
        for member in members:  # min keeps the first of equal families
            member.ceiling_family = min(CEILINGS, key=lambda role: means[role])
    return found
