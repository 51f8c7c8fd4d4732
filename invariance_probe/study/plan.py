"""Study -> conditions -> runs: everything that will be trained and measured, before anything is.

The plan has two parts. `baselines` need no SSL and are run first: they say whether a session can be decoded
at all, whether the target moves on an axis, and which decoder is the ceiling. `grid` is the SSL conditions
and the information cost, of which the runner leaves out what the first part made pointless.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

from invariance_probe.study.methods import (
    PCA,
    AnyMethod,
    Information,
    LinearSSL,
    Method,
    MLPEncoder,
    Persistence,
    Raw,
    ShiftNull,
    Supervised,
    Untrained,
)
from invariance_probe.study.recordings import RecordingSource
from invariance_probe.study.run import Arm, Run
from invariance_probe.study.study import Optimisation, Study
from invariance_probe.study.views import NoSplitting, TimeJitter, Views

THIRD = 1 / 3
"""Part of the training windows at which a jitter verdict is checked again."""


@dataclass(frozen=True)
class Session:
    """One recorded or simulated session of a study."""

    name: str
    subject: str
    group: str
    fingerprint: str
    source: RecordingSource


@dataclass(frozen=True)
class Condition:
    """One setting of the swept dose and the arm; `axis` is empty at the identity dose."""

    views: Views
    axis: str = ""
    dose: float = 0.0
    arm: Arm = "none"
    fraction: float = 1.0


@dataclass(frozen=True)
class Setting:
    """The method and optimisation of one sweep value; the study's own has no label."""

    label: str
    method: Method
    optimisation: Optimisation


@dataclass(frozen=True)
class Plan:
    """The runs of a study over its sessions."""

    study: Study
    sessions: tuple[Session, ...]

    @cached_property
    def settings(self) -> tuple[Setting, ...]:
        """The study's own setting first, then each sweep value."""
        own = Setting("", self.study.method, self.study.training.optimisation())
        swept = [
            Setting(f"{sweep.path}={value}", *self.study.with_setting(sweep.path, value))
            for sweep in self.study.sweeps
            for value in sweep.values
        ]
        return (own, *(setting for setting in swept if (setting.method, setting.optimisation) != (own.method, own.optimisation)))

    @cached_property
    def conditions(self) -> tuple[Condition, ...]:
        """Every SSL condition, the identity dose (one for all axes and arms) first."""
        study = self.study
        clean = study.views
        for axis in study.axes:
            clean = clean.at(axis.path, study.identity(axis.path))
        dosed = [
            Condition(clean.at(axis.path, dose), axis.path, dose, arm)  # type: ignore[arg-type]
            for axis in study.axes
            for dose in axis.doses
            if dose != study.identity(axis.path)
            for arm in study.arms_of(axis.path)
        ]
        return (Condition(clean), *dosed)

    @cached_property
    def baselines(self) -> tuple[Run, ...]:
        """Runs that need no SSL, for every session."""
        return tuple(run for session in self.sessions for run in self._session_baselines(session))

    @cached_property
    def grid(self) -> tuple[Run, ...]:
        """SSL runs and information costs, for every session."""
        return tuple(run for session in self.sessions for run in (*self._information(session), *self._trained(session)))

    @property
    def runs(self) -> tuple[Run, ...]:
        """All runs."""
        return self.baselines + self.grid

    def seeds_of(self, method: AnyMethod) -> int:
        """Return how many seeds a method is repeated with: one where it has no randomness."""
        return 1 if isinstance(method, LinearSSL) else self.study.training.seeds

    def model_steps(self) -> int:
        """Return the number of update steps of all models."""
        return sum(run.optimisation.steps for run in self.runs if run.optimisation is not None)

    def _run(
        self, session: Session, method: AnyMethod, fold: int | None, seed: int = 0, optimisation: Optimisation | None = None,
        condition: Condition | None = None, setting: str = "",
    ) -> Run:  # fmt: skip
        study = self.study
        return Run(
            fingerprint=session.fingerprint, session=session.name, subject=session.subject, group=session.group, setting=setting,
            window=study.window, folds=study.folds, fold=fold, seed=seed, study_seed=study.training.study_seed, method=method,
            views=condition.views if condition else None, axis=condition.axis if condition else "",
            dose=condition.dose if condition else 0.0, arm=condition.arm if condition else "none",
            fraction=condition.fraction if condition else 1.0, optimisation=optimisation, target=study.target, probe=study.probe,
        )  # fmt: skip

    def _session_baselines(self, session: Session) -> Iterator[Run]:
        study = self.study
        encoder = getattr(study.method, "encoder", MLPEncoder())
        dimensions = study.method.dimensions if isinstance(study.method, LinearSSL) else encoder.widths[-1]
        yield self._run(session, ShiftNull(), None)
        for axis in study.axes:
            if study.is_jitter(axis.path):
                for dose in self._doses(axis.path):
                    moved = Condition(Views(pairing=study.views.pairing).at(axis.path, dose), axis.path, dose)
                    yield self._run(session, Persistence(), None, condition=moved)
        for fold in range(study.folds.count):
            yield self._run(session, Raw(), fold)
            yield self._run(session, PCA(dimensions=dimensions), fold)
            yield self._run(session, LinearSSL(dimensions=dimensions), fold, condition=self.conditions[0])
            for seed in range(study.training.seeds):
                yield self._run(session, Untrained(encoder=encoder), fold, seed)
                yield self._supervised(session, fold, seed, Condition(_corruption(study.views, "", 0.0)))

    def _supervised(self, session: Session, fold: int, seed: int, condition: Condition) -> Run:
        encoder = getattr(self.study.method, "encoder", MLPEncoder())
        optimisation = self.study.training.optimisation()
        return self._run(session, Supervised(encoder=encoder), fold, seed, optimisation, condition)

    def _information(self, session: Session) -> Iterator[Run]:
        study = self.study
        for axis in study.axes:
            if study.is_jitter(axis.path):
                continue
            for dose in self._doses(axis.path):
                corrupted = Condition(_corruption(study.views, axis.path, dose), axis.path, dose)
                for fold in range(study.folds.count):
                    yield self._run(session, Information(), fold, condition=corrupted)
                    for seed in range(study.training.seeds):
                        yield self._supervised(session, fold, seed, corrupted)

    def _trained(self, session: Session) -> Iterator[Run]:
        study = self.study
        for setting in self.settings:
            seeds = self.seeds_of(setting.method)
            optimisation = None if isinstance(setting.method, LinearSSL) else setting.optimisation

            def repeat(
                condition: Condition, seeds: range, setting: Setting = setting, optimisation: Optimisation | None = optimisation
            ) -> Iterator[Run]:
                for seed in seeds:
                    for fold in range(study.folds.count):
                        yield self._run(session, setting.method, fold, seed, optimisation, condition, setting.label)

            for condition in self.conditions:
                yield from repeat(condition, range(seeds))
            if setting.label == "":
                if seeds == study.training.seeds and optimisation is not None:
                    yield from repeat(self.conditions[0], range(seeds, 2 * seeds))  # the A/A control of the noise gate
                for condition in self._checked_at_a_third():
                    yield from repeat(condition, range(seeds))

    def _checked_at_a_third(self) -> list[Condition]:
        primary = {(h.axis, h.dose) for h in self.study.hypotheses if self.study.is_jitter(h.axis)}
        if not primary:
            return []
        wanted = [c for c in self.conditions if c.axis == "" or (c.axis, c.dose) in primary]
        return [Condition(c.views, c.axis, c.dose, c.arm, THIRD) for c in wanted]

    def _doses(self, path: str) -> list[float]:
        return [dose for dose in self.study.axis(path).doses if dose != self.study.identity(path)]


def _corruption(views: Views, path: str, dose: float) -> Views:
    """Return views with nothing but one swept transform: no pairing, no base, no other transform."""
    kind = path.split(".")[0]
    alone = Views(pairing=TimeJitter(), base=NoSplitting(), transforms=tuple(t for t in views.transforms if t.kind == kind))
    return alone.at(path, dose) if alone.transforms else alone
