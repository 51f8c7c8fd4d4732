"""From a study to its runs: all that will be trained and measured.

A study and its sessions go in; a `Plan`, the list of runs, comes out. A run is one
model to train or one measurement to make. Nothing is trained, measured or stored here.

The plan has three parts. `baselines` need no SSL and are run first. They show whether a
session can be decoded at all, whether the target changes over the lags of a jitter,
which decoder is the ceiling, and what is found about the code. `grid` has the SSL runs,
under the study's own setting and under every recipe of a panel. The runner skips those
that the baselines have shown to be of no use. `examined` has runs that examine the
stored encoders of the grid, or that train models to find the units they rely on. No
verdict rests on it.
"""

import gc
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TypeVar

from invariance_probe.plan.conditions import (
    Condition,
    conditions_of,
    controls_beside,
    corruptions_of,
    uncorrupted,
)
from invariance_probe.plan.recipes import PlannedPanel, panel_of
from invariance_probe.plan.roles import (
    ClosedFormModel,
    DecoderBaseline,
    EncoderExamination,
    RelianceMeasurement,
    SessionMeasurement,
    SSLModel,
    SupervisedBaseline,
    TrainedModel,
)
from invariance_probe.plan.run import Run
from invariance_probe.plan.settings import Setting, a_third_of, settings_of
from invariance_probe.study.baselines import (
    PCA,
    AnyMeasurement,
    CircularNull,
    Code,
    CodeCorruption,
    Leak,
    Messengers,
    Persistence,
    PseudoNull,
    Raw,
    SessionNull,
    ShiftNull,
    SquareRoots,
    Supervised,
    TestLag,
    Untrained,
)
from invariance_probe.study.design import Window
from invariance_probe.study.encoders import MLPEncoder
from invariance_probe.study.examinations import (
    ByClass,
    Comparison,
    Corruption,
    Detection,
    Examination,
)
from invariance_probe.study.hypotheses import AnyHypothesis, Contrast, Hypothesis
from invariance_probe.study.methods import AnyMethod, LinearSSL, Reliance, TrainedMethod
from invariance_probe.study.nulls import cuts_of
from invariance_probe.study.probes import RidgeProbe, Target
from invariance_probe.study.session import (
    THESE_RECORDINGS,
    Session,
    companions_of,
    covers,
    scope_of,
)
from invariance_probe.study.study import Study
from invariance_probe.study.training import Kernels, Optimisation
from invariance_probe.study.views import Views, has_closed_form

BASELINE_SETTING = "baseline"
"""Label of the setting of closed-form linear SSL run as a baseline.

Every study with windows of one bin has such a baseline.
"""
PLANTED = Target(name="planted", kind="continuous")
"""The target of the planted control sessions."""
R = TypeVar("R", bound=Run)


@dataclass(frozen=True)
class Plan:
    """All runs of a study, over its sessions and its planted controls.

    Attributes
    ----------
    study
        The study.
    sessions
        Its sessions, recorded or simulated.
    planted
        Controls made from them, in which a target of known redundancy is planted
        (docs/science.md).
    not_native
        Why torch trains the models although the study would have native kernels; empty if
        it does not.
    """

    study: Study
    sessions: tuple[Session, ...]
    planted: tuple[Session, ...] = ()
    not_native: str = ""

    def computed_by(self, kernels: Kernels, not_native: str = "") -> "Plan":
        """The same plan with other kernels.

        Parameters
        ----------
        kernels
            `torch` or `native`.
        not_native
            See the class.
        """
        training = self.study.training.model_copy(update={"kernels": kernels})
        study = self.study.model_copy(update={"training": training})
        return replace(self, study=study, not_native=not_native)

    @cached_property
    def settings(self) -> tuple[Setting, ...]:
        """The study's own setting, followed by one setting per sweep value."""
        return settings_of(self.study)

    def covered(self, hypothesis: AnyHypothesis) -> tuple[Session, ...]:
        """Return the sessions that a hypothesis is about."""
        return tuple(session for session in self.sessions if covers(hypothesis, session))

    @cached_property
    def panels(self) -> dict[str, PlannedPanel]:
        """The panel of training recipes of each hypothesis about a dose, by its id."""
        own = self.settings[0]
        return {
            h.id: panel_of(self.study, own, h, len(self.covered(h))) for h in self.study.dose_claims
        }

    @cached_property
    def methods(self) -> frozenset[str]:
        """The kinds of all methods that are trained.

        These are the study's own method, those of its sweeps, and those of the panels.
        """
        beside = (setting for recipes in self._beside.values() for setting, _ in recipes)
        return frozenset(setting.method.kind for setting in (*self.settings, *beside))

    def recipes_of(self, session: Session) -> Iterator[tuple[Setting, tuple[Condition, ...]]]:
        """Yield the settings under which a session is also trained.

        They are all but the study's own setting and its sweeps: the other recipes of the
        panels, and settings with a third of the data. Each comes once, with the
        conditions of all hypotheses about this session.
        """
        wanted: dict[str, tuple[Setting, dict[Condition, None]]] = {}
        for hypothesis in self.study.hypotheses:
            if covers(hypothesis, session):
                for setting, conditions in self._beside[hypothesis.id]:
                    wanted.setdefault(setting.label, (setting, {}))[1].update(
                        dict.fromkeys(conditions)
                    )
        for setting, found in wanted.values():
            yield setting, tuple(found)

    @cached_property
    def _beside(self) -> dict[str, tuple[tuple[Setting, tuple[Condition, ...]], ...]]:
        """The settings, besides the study's own, that judge each hypothesis.

        The keys are the ids of the hypotheses. Each setting comes with its conditions.
        """
        return {
            h.id: tuple(
                (setting, tuple(self._conditions_at(h, setting)))
                for setting in self._settings_beside(h)
            )
            for h in self.study.hypotheses
        }

    def _settings_beside(self, hypothesis: AnyHypothesis) -> Iterator[Setting]:
        """Yield the settings, besides the study's own, that judge a hypothesis."""
        own = self.settings[0]
        if isinstance(hypothesis, Contrast):
            if not self.study.quick:
                yield a_third_of(own)
            return
        if not isinstance(hypothesis, Hypothesis):
            return
        recipes = [
            recipe.setting
            for recipe in self.panels[hypothesis.id].computed
            if recipe.setting is not None
        ]
        yield from recipes[1:]
        if self.study.is_jitter(hypothesis.axis):
            yield from map(a_third_of, recipes)

    def _conditions_at(self, hypothesis: AnyHypothesis, setting: Setting) -> Iterator[Condition]:
        """Yield the conditions of a hypothesis: identity dose and primary dose.

        The primary dose comes in every arm that the hypothesis compares.
        """
        for condition in conditions_of(self.study, setting):
            if not condition.axis or (
                (condition.axis, condition.dose) == (hypothesis.axis, hypothesis.dose)
                and condition.arm in hypothesis.arms
            ):
                yield condition

    @cached_property
    def primary(self) -> tuple[Condition, ...]:
        """The conditions in which planted controls are trained.

        They are the identity dose and the primary dose of each hypothesis, in the arms
        `independent` and `shared`.
        """
        wanted = {(h.axis, h.dose) for h in self.study.hypotheses}
        return tuple(
            c
            for c in self.conditions
            if c.axis == "" or ((c.axis, c.dose) in wanted and c.arm in ("independent", "shared"))
        )

    @cached_property
    def conditions(self) -> tuple[Condition, ...]:
        """Every SSL condition under the study's own setting, the identity dose first.

        The identity dose is a single condition, which all axes and arms share.
        """
        return conditions_of(self.study, self.settings[0])

    @cached_property
    def corruptions(self) -> tuple[Condition, ...]:
        """Every swept dose as a corruption of the inputs only, without training."""
        return corruptions_of(self.study)

    def controls_beside(self, axis: str) -> tuple[Condition, ...]:
        """Return the specificity controls (equally strong corruptions) of an axis."""
        return controls_beside(self.study, axis, self.conditions[0])

    @cached_property
    def controls(self) -> tuple[Condition, ...]:
        """The specificity controls of all axes; they enter no verdict."""
        axes = dict.fromkeys(hypothesis.axis for hypothesis in self.study.hypotheses)
        return tuple(
            dict.fromkeys(condition for axis in axes for condition in self.controls_beside(axis))
        )

    @cached_property
    def baselines(self) -> tuple[Run, ...]:
        """Runs that need no SSL, for each session and each planted control."""
        own = [run for session in self.sessions for run in self._session_baselines(session)]
        return (
            *own,
            *(run for session in self.planted for run in self._planted_baselines(session)),
        )

    @cached_property
    def grid(self) -> tuple[SSLModel, ...]:
        """SSL runs, for each session and each planted control."""
        with _no_collection():
            own = [run for session in self.sessions for run in self._trained(session)]
            return (*own, *(run for session in self.planted for run in self._planted_grid(session)))

    @cached_property
    def examined(self) -> tuple[Run, ...]:
        """All runs that no verdict rests on: examinations, then models for reliance."""
        return (*self.encoder_examinations, *self.reliance_runs)

    @cached_property
    def encoder_examinations(self) -> tuple[EncoderExamination, ...]:
        """Examinations of the stored encoders of the study's own setting.

        Only encoders on the axes that hypotheses are about are examined.
        """
        with _no_collection():
            return tuple(
                run for session in self.sessions for run in self._encoder_examinations(session)
            )

    @cached_property
    def reliance_runs(self) -> tuple[RelianceMeasurement, ...]:
        """Runs of the measurement `reliance`, which train their own models."""
        return tuple(run for session in self.sessions for run in self._reliance_runs(session))

    @property
    def runs(self) -> tuple[Run, ...]:
        """All runs: baselines, grid and examinations."""
        return (*self.baselines, *self.grid, *self.examined)

    @property
    def looks(self) -> tuple[int, ...]:
        """Numbers of seeds per session at the interim analyses, ascending.

        If the number of seeds is fixed, there is one analysis, with all of them.
        """
        training = self.study.training
        return training.adaptive.looks if training.adaptive else (training.seeds,)

    def seed_position(self, run: Run) -> int:
        """Return the position of a run's seed in the planned seed order, from 0.

        The A/A control repeats dose 0 with further seeds. Each of these has the position
        of the seed that it is compared with.
        """
        return run.seed % self.study.training.seeds

    @cached_property
    def seeded(self) -> dict[str, Run]:
        """Every grid run and examination, by its key.

        These are the runs that interim analyses can postpone or save.
        """
        return {run.key(): run for run in (*self.grid, *self.examined)}

    def seeds_of(self, method: AnyMethod) -> int:
        """Return the number of seeds of a method: 1 if it has no randomness."""
        return 1 if isinstance(method, LinearSSL) else self.study.training.seeds

    def model_steps(self) -> int:
        """Return the number of update steps of all models together."""
        return sum(run.steps for run in self.runs)

    def measurement(
        self, session: Session, method: AnyMeasurement, condition: Condition | None = None
    ) -> SessionMeasurement:
        """Return the run that makes one measurement of a whole session.

        The calibration uses it for measurements that are not part of the plan.

        Parameters
        ----------
        session
            The session to measure.
        method
            The measurement.
        condition
            The condition whose lags are measured, for `persistence`.
        """
        return self._run(SessionMeasurement, session, method, None, condition=condition)

    def _run(
        self,
        role: type[R],
        session: Session,
        method: AnyMethod,
        fold: int | None,
        seed: int = 0,
        optimisation: Optimisation | None = None,
        condition: Condition | None = None,
        setting: str = "",
    ) -> R:
        """Return one run of the study; without a condition it has no views or arm."""
        study = self.study
        made = role.model_validate({
            "fingerprint": session.content.recording, "session": session.name,
            "subject": session.subject, "group": session.group, "setting": setting,
            "window": self._window(session), "folds": study.folds, "fold": fold, "seed": seed,
            "study_seed": study.training.study_seed, "method": _bare(method),
            "views": condition.views if condition else None,
            "axis": condition.axis if condition else "",
            "dose": condition.dose if condition else 0.0,
            "arm": condition.arm if condition else "none",
            "fraction": condition.fraction if condition else 1.0, "optimisation": optimisation,
            "target": PLANTED if session.source.kind == "planted" else study.target,
            "probe": RidgeProbe() if session.source.kind == "planted" else study.probe,
        })  # fmt: skip
        return made.reading(session.content)

    def _model(
        self, session: Session, setting: Setting, fold: int, seed: int, condition: Condition
    ) -> SSLModel:
        """Return the run of one SSL model under a setting."""
        role: type[SSLModel] = (
            ClosedFormModel if isinstance(setting.method, LinearSSL) else TrainedModel
        )
        return self._run(
            role, session, setting.method, fold, seed, setting.optimisation, condition,
            setting.label,
        )  # fmt: skip

    def _window(self, session: Session) -> Window:
        """Return how windows are cut from a session, in bins.

        A planted target is known in every state, so planted controls use windows of all
        states.
        """
        own = self.study.window
        if session.source.kind == "planted":
            own = own.model_copy(update={"within": None})
        return own.in_bins(session.bin_s)

    def _planted_baselines(self, session: Session) -> Iterator[Run]:
        yield self.measurement(session, ShiftNull())
        yield self.measurement(session, self._code(session))
        for fold in range(self.study.folds.count):
            yield self._run(DecoderBaseline, session, Raw(), fold)

    def _planted_grid(self, session: Session) -> Iterator[SSLModel]:
        """Yield the SSL runs of a planted control: dose 0 and primary doses."""
        own = self.settings[0]
        for condition in self.primary:
            if condition.axis and not self.study.corrupts(condition.axis):
                continue
            for fold in range(self.study.folds.count):
                for seed in range(self.seeds_of(own.method)):
                    yield self._model(session, own, fold, seed, condition)

    def _session_baselines(self, session: Session) -> Iterator[Run]:
        """Yield the runs of a session that need no SSL."""
        study = self.study
        encoder = MLPEncoder() if isinstance(study.method, LinearSSL) else study.method.encoder
        dimensions = (
            study.method.dimensions if isinstance(study.method, LinearSSL) else encoder.dimensions
        )
        clean = uncorrupted()
        messengers = (asked for asked in study.measurements if isinstance(asked, Messengers))
        asked = (
            self._null(session),
            self._code(session),
            TestLag(),
            *(() if study.quick else (Leak(),)),
            *messengers,
            *self.needed(session),
        )
        for measurement in asked:
            yield self.measurement(session, measurement)
        for axis in study.axes:
            if study.is_jitter(axis.path):
                for dose in study.doses_of(axis.path):
                    moved = Condition(
                        Views(pairing=study.views.pairing).at(axis.path, dose), axis.path, dose
                    )
                    yield self.measurement(session, Persistence(), moved)
        for fold in range(study.folds.count):
            yield self._run(DecoderBaseline, session, Raw(), fold)
            if session.activity_kind == "counts":
                yield self._run(DecoderBaseline, session, SquareRoots(), fold)
            yield self._run(DecoderBaseline, session, PCA(dimensions=dimensions), fold)
            # Linear SSL needs windows of one bin.
            if self._window(session).length_bins == 1 and has_closed_form(self.conditions[0].views):
                yield self._run(
                    ClosedFormModel,
                    session,
                    LinearSSL(dimensions=dimensions),
                    fold,
                    condition=self.conditions[0],
                    setting=BASELINE_SETTING,
                )
            for seed in range(study.training.seeds):
                yield self._run(DecoderBaseline, session, Untrained(encoder=encoder), fold, seed)
                yield self._run(
                    SupervisedBaseline,
                    session,
                    Supervised(encoder=encoder),
                    fold,
                    seed,
                    study.training.optimisation(),
                    clean,
                )

    def needed(self, session: Session) -> tuple[AnyMeasurement, ...]:
        """Return the measurements of a session that are made only for its hypotheses."""
        about = [h for h in self.study.hypotheses if covers(h, session)]
        return tuple(dict.fromkeys(asked for h in about for asked in h.needs))

    def _null(self, session: Session) -> AnyMeasurement:
        """Return the decodability test of one session, with the null of the study."""
        null = self.study.null
        if null.kind == "linear_shift":
            return ShiftNull(shifts=null.shifts)
        if null.kind == "circular_shift":
            return CircularNull(shifts=null.shifts)
        if null.kind == "pseudo_session":
            return PseudoNull(array=null.array, fingerprint=session.alternatives, draws=null.draws)
        read = self.study.target.arrays_read() | self.study.window.arrays_read()
        others = tuple(
            other.as_other(read)
            for other in self.sessions
            if other.group == session.group and other.name != session.name
        )
        return SessionNull(others=others, cuts=cuts_of(len(others)))

    def _code(self, session: Session) -> Code:
        """Return the measurement `code` of a session, with every swept corruption.

        Blocks are left out in turn (jackknife) only if some claim is about these
        recordings alone. Claims about a population use the variation across sessions.
        """
        about = [
            h
            for h in self.study.hypotheses
            if session.source.kind == "planted" or covers(h, session)
        ]
        scopes = {scope_of([one.subject for one in self.covered(h)]) for h in about}
        corruptions = tuple(
            CodeCorruption(axis=c.axis, dose=c.dose, views=c.views) for c in self.corruptions
        )
        return Code(corruptions=corruptions, jackknife=THESE_RECORDINGS in scopes)

    def _trained(self, session: Session) -> Iterator[SSLModel]:
        """Yield the SSL runs of a session.

        These are the runs of the study's own setting and of its sweeps, the specificity
        controls, the A/A control, and the runs of the other recipes.
        """
        for setting in self.settings:
            yield from self._repeated(session, setting, conditions_of(self.study, setting))
        own = self.settings[0]
        yield from self._repeated(session, own, self.controls)
        if self.seeds_of(own.method) == self.study.training.seeds and not isinstance(
            own.method, LinearSSL
        ):
            # The A/A control: dose 0 again with other seeds.
            yield from self._repeated(
                session, own, self.conditions[:1], offset=self.study.training.seeds
            )
        for setting, conditions in self.recipes_of(session):
            yield from self._repeated(session, setting, conditions)

    def _repeated(
        self, session: Session, setting: Setting, conditions: tuple[Condition, ...], offset: int = 0
    ) -> Iterator[SSLModel]:
        """Yield one run per condition, seed and fold; the first seed is `offset`."""
        seeds = self.seeds_of(setting.method)
        for condition in conditions:
            first = self._model(session, setting, 0, offset, condition)
            if (pool := condition.views.pool) is not None and isinstance(first, TrainedModel):
                read = first.arrays_trained_on()
                first = first.model_copy(
                    update={"companions": companions_of(session, self.sessions, pool, read)}
                )
            for seed in range(offset, offset + seeds):
                for fold in range(self.study.folds.count):
                    yield first.model_copy(update={"seed": seed, "fold": fold})

    def _encoder_examinations(self, session: Session) -> Iterator[EncoderExamination]:
        """Yield the examinations of a session's encoders, grouped by encoder."""
        asked: dict[str, set[float]] = {}
        for hypothesis in self.study.dose_claims:
            if covers(hypothesis, session):
                asked.setdefault(hypothesis.axis, set()).add(hypothesis.dose)
        for condition in self.conditions if asked else ():
            if condition.arm not in ("none", "independent") or condition.axis not in ("", *asked):
                continue
            wanted = {
                seed: tuple(self._examinations(condition, seed, asked))
                for seed in range(self.study.training.seeds)
            }
            for model in self._repeated(session, self.settings[0], (condition,)):
                for examination in wanted[model.seed]:
                    yield EncoderExamination.of(model, examination)

    def _reliance_runs(self, session: Session) -> Iterator[RelianceMeasurement]:
        """Yield the runs of the measurement `reliance` in a session."""
        training = self.study.training
        for asked in self.study.measurements:
            if isinstance(asked, Reliance):
                optimisation = asked.of.optimisation(training.optimisation())
                for seed in range(training.seeds):
                    for fold in range(self.study.folds.count):
                        yield self._run(
                            RelianceMeasurement, session, asked, fold, seed, optimisation,
                            self.conditions[0],
                        )  # fmt: skip

    @cached_property
    def _tests(self) -> dict[tuple[str, float], tuple[Corruption, Detection]]:
        """The two examinations under a corruption, by its axis and dose."""
        return {
            (c.axis, c.dose): (
                Corruption(inputs=c.views, axis=c.axis, dose=c.dose),
                Detection(inputs=c.views, axis=c.axis, dose=c.dose),
            )
            for c in self.corruptions
        }

    def _examinations(
        self, condition: Condition, seed: int, asked: dict[str, set[float]]
    ) -> Iterator[Examination]:
        """Yield the examinations of one encoder.

        `asked` maps each axis that a hypothesis is about to its primary doses. A quick
        study makes only the examinations that are shown beside verdicts.
        """
        study = self.study
        for path in [
            path for path in asked if condition.axis in ("", path) and study.corrupts(path)
        ]:
            for dose in study.doses_of(path):
                corruption, detection = self._tests[path, dose]
                primary = dose in asked[path] and (not condition.axis or condition.dose == dose)
                if primary or not study.quick:
                    yield corruption
                if primary and not study.quick:
                    yield detection
        if study.quick:
            return
        if condition.axis:
            yield Comparison(seed=seed)
        elif not isinstance(study.method, LinearSSL):
            # Compared with the encoders of the A/A control: how alike two seeds are.
            yield Comparison(seed=seed + study.training.seeds)
        if study.target.kind == "categorical" and (
            not condition.axis or condition.dose in asked[condition.axis]
        ):
            yield ByClass()


@contextmanager
def _no_collection() -> Iterator[None]:
    """Pause the garbage collector while many small objects are built.

    100,000 runs form no reference cycles, and searching them for cycles would take
    longer than building them.
    """
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()


def _bare(method: AnyMethod) -> AnyMethod:
    """Return a method without its own training settings.

    These are part of the run's optimisation already.
    """
    if isinstance(method, Reliance):
        return method.model_copy(update={"of": _bare(method.of)})
    if isinstance(method, TrainedMethod) and not (
        method.training is None and method.preset is None
    ):
        return method.model_copy(update={"training": None, "preset": None})
    return method
