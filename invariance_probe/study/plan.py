"""Study -> conditions -> runs: everything that will be trained and measured, before anything is.

The plan has two parts. `baselines` need no SSL and are run first: they say whether a session can be decoded
at all, whether the target moves on an axis, and which decoder is the ceiling. `grid` is the SSL conditions
and the information cost, of which the runner leaves out what the first part made pointless.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
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
    TestLag,
    UnitInformation,
    Untrained,
)
from invariance_probe.study.probes import RidgeProbe, Target
from invariance_probe.study.recordings import AnySource
from invariance_probe.study.run import Arm, Run
from invariance_probe.study.study import Optimisation, Study
from invariance_probe.study.views import NoSplitting, TimeJitter, Views

THIRD = 1 / 3
"""Part of the training windows at which a verdict is checked again."""
BESIDE = "baseline"
"""Setting of the closed-form linear SSL that stands beside every study."""
A_THIRD, TWICE_THE_STEPS = "check: a third of the data", "check: twice the steps"
PLANTED = Target(name="planted", kind="continuous")
"""The target of the controls that are planted in sessions."""


@dataclass(frozen=True)
class Session:
    """One recorded or simulated session of a study."""

    name: str
    subject: str
    group: str
    fingerprint: str
    source: AnySource


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
    """The method, optimisation and part of the training windows of one sweep value or check; the study's own has no label."""

    label: str
    method: Method
    optimisation: Optimisation
    fraction: float = 1.0


@dataclass(frozen=True)
class Plan:
    """The runs of a study over its sessions, and over the controls that are planted in them."""

    study: Study
    sessions: tuple[Session, ...]
    planted: tuple[Session, ...] = ()

    @cached_property
    def settings(self) -> tuple[Setting, ...]:
        """The study's own setting first, then each sweep value."""
        own = Setting("", self.study.method, self.study.training.optimisation())
        swept = [
            Setting(f"{sweep.path}={value}", *self.study.with_setting(sweep.path, value))
            for sweep in self.study.sweeps
            for value in sweep.values
        ]
        return (own, *(setting for setting in swept if replace(setting, label="") != own))

    @cached_property
    def checks(self) -> tuple[Setting, ...]:
        """The settings at which primary doses are looked at again: twice the steps, a third of the data."""
        own = self.settings[0]
        if self.study.quick:
            return ()
        third = Setting(A_THIRD, own.method, own.optimisation, THIRD)
        if isinstance(own.method, LinearSSL):
            return (third,)
        longer = own.optimisation.model_copy(update={"steps": 2 * own.optimisation.steps})
        return (Setting(TWICE_THE_STEPS, own.method, longer), third)

    @cached_property
    def primary(self) -> tuple[Condition, ...]:
        """The identity dose, and the independent and shared arms of every hypothesis's primary dose."""
        wanted = {(h.axis, h.dose) for h in self.study.hypotheses}
        return tuple(
            c for c in self.conditions if c.axis == "" or ((c.axis, c.dose) in wanted and c.arm in ("independent", "shared"))
        )

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
        own = [run for session in self.sessions for run in self._session_baselines(session)]
        return (*own, *(run for session in self.planted for run in self._planted_baselines(session)))

    @cached_property
    def grid(self) -> tuple[Run, ...]:
        """SSL runs and information costs, for every session."""
        own = [run for session in self.sessions for run in (*self._information(session), *self._trained(session))]
        return (*own, *(run for session in self.planted for run in self._planted_grid(session)))

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

    def measurement(self, session: Session, method: AnyMethod) -> Run:
        """Return the measurement of a whole session by a method that no study asks for by itself."""
        return self._run(session, method, None)

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
            fraction=condition.fraction if condition else 1.0, optimisation=optimisation,
            target=PLANTED if session.source.kind == "planted" else study.target,
            probe=RidgeProbe() if session.source.kind == "planted" else study.probe,
        )  # fmt: skip

    def _planted_baselines(self, session: Session) -> Iterator[Run]:
        yield self._run(session, ShiftNull(), None)
        for fold in range(self.study.folds.count):
            yield self._run(session, Raw(), fold)

    def _planted_grid(self, session: Session) -> Iterator[Run]:
        own = self.settings[0]
        optimisation = None if isinstance(own.method, LinearSSL) else own.optimisation
        for condition in self.primary:
            if condition.axis and self.study.is_jitter(condition.axis):
                continue
            for fold in range(self.study.folds.count):
                if condition.arm == "independent":
                    corrupted = Condition(
                        _corruption(self.study.views, condition.axis, condition.dose), condition.axis, condition.dose
                    )
                    yield self._run(session, Information(), fold, condition=corrupted)
                for seed in range(self.seeds_of(own.method)):
                    yield self._run(session, own.method, fold, seed, optimisation, condition)

    def _session_baselines(self, session: Session) -> Iterator[Run]:
        study = self.study
        encoder = getattr(study.method, "encoder", MLPEncoder())
        dimensions = study.method.dimensions if isinstance(study.method, LinearSSL) else encoder.widths[-1]
        for measurement in (ShiftNull(), UnitInformation(), TestLag()):
            yield self._run(session, measurement, None)
        for axis in study.axes:
            if study.is_jitter(axis.path):
                for dose in self._doses(axis.path):
                    moved = Condition(Views(pairing=study.views.pairing).at(axis.path, dose), axis.path, dose)
                    yield self._run(session, Persistence(), None, condition=moved)
        for fold in range(study.folds.count):
            yield self._run(session, Raw(), fold)
            yield self._run(session, PCA(dimensions=dimensions), fold)
            yield self._run(session, LinearSSL(dimensions=dimensions), fold, condition=self.conditions[0], setting=BESIDE)
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
        for setting in self.settings:
            yield from self._repeated(session, setting, self.conditions)
        own = self.settings[0]
        if self.seeds_of(own.method) == self.study.training.seeds and not isinstance(own.method, LinearSSL):
            yield from self._repeated(session, own, self.conditions[:1], offset=self.study.training.seeds)  # the A/A control
        for check in self.checks:
            yield from self._repeated(session, check, self.primary)
        if self.study.quick and any(self.study.is_jitter(h.axis) for h in self.study.hypotheses):
            jitters = tuple(c for c in self.primary if c.axis == "" or self.study.is_jitter(c.axis))
            yield from self._repeated(session, Setting(A_THIRD, own.method, own.optimisation, THIRD), jitters)

    def _repeated(self, session: Session, setting: Setting, conditions: tuple[Condition, ...], offset: int = 0) -> Iterator[Run]:
        optimisation = None if isinstance(setting.method, LinearSSL) else setting.optimisation
        seeds = self.seeds_of(setting.method)
        for condition in conditions:
            with_amount = replace(condition, fraction=setting.fraction)
            for seed in range(offset, offset + seeds):
                for fold in range(self.study.folds.count):
                    yield self._run(session, setting.method, fold, seed, optimisation, with_amount, setting.label)

    def _doses(self, path: str) -> list[float]:
        return [dose for dose in self.study.axis(path).doses if dose != self.study.identity(path)]


def _corruption(views: Views, path: str, dose: float) -> Views:
    """Return views with nothing but one swept transform: no pairing, no base, no other transform."""
    kind = path.split(".")[0]
    alone = Views(pairing=TimeJitter(), base=NoSplitting(), transforms=tuple(t for t in views.transforms if t.kind == kind))
    return alone.at(path, dose) if alone.transforms else alone
