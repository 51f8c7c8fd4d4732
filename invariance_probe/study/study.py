"""The study: recordings, target, views, method, axes, arms and hypotheses, as one frozen value.

What a single field allows is declared beside it; what two fields must agree on is checked here, and every
problem is reported with its own place in the study.
"""

import math
from collections import Counter
from collections.abc import Iterator
from difflib import get_close_matches
from typing import Annotated, Any, Literal, Self

from pydantic import Field, ValidationError, model_validator
from pydantic_core import InitErrorDetails, PydanticCustomError

from invariance_probe.study.baselines import Messengers
from invariance_probe.study.declaration import Declaration, added, sha256_of
from invariance_probe.study.hypotheses import CONTROLS, AnyHypothesis, Contrast, Hypothesis
from invariance_probe.study.methods import LinearSSL, Method, SimCLR
from invariance_probe.study.nulls import LinearShift, Null
from invariance_probe.study.pairing import SHARE, SOURCES, MinedPairing
from invariance_probe.study.probes import LogisticProbe, Probe, RidgeProbe, Target
from invariance_probe.study.recordings import RecordingSource
from invariance_probe.study.state_pairing import STATE_SHARE, STATE_SOURCES, StatePairing
from invariance_probe.study.training import Optimisation, Training
from invariance_probe.study.transforms import cuts_bins, is_idle
from invariance_probe.study.views import Views

TEST_BLOCKS = 8
"""The fewest test blocks of a session that the two-way variance may rest on."""
POOL = "views.pool"
"""The setting that lets models train on several sessions."""
ACROSS_UNITS = (
    "cutmix",
    "waveform_drift",
    "unit_permutation",
    "worst_of_masks",
    "ascended_mask",
    "learned_mask",
    "adversarial_noise",
    "learned_policy",
)
"""Stages of views that compare or mix units or windows, and would do so over the border of two sessions."""
OF_ONE_SESSION = ("linear_ssl", "swap_vae", "relative_positioning", "temporal_shuffling")
"""Methods that need one session's units, or take two windows' distance in time."""

Place = tuple[str | int, ...]


class Within(Declaration):
    """The states that windows lie in: bins where an array of the recording takes one of some values."""

    array: str
    values: Annotated[tuple[int, ...], Field(min_length=1)]


class Window(Declaration):
    """One SSL example: `length_bins` successive bins of one trial."""

    length_bins: Annotated[int, Field(ge=1)] = 1
    within: Within | None = added(None)
    """Where the target is known, such as awake: baselines, nulls, folds, probes and tests see these bins alone. All bins when left out."""


class Folds(Declaration):
    """How training and test parts are cut; every encoder sees the training part of its fold only."""

    scheme: Literal["trials", "blocks", "sessions", "shuffled"] = "blocks"
    """`trials`: runs of successive whole trials; `blocks`: contiguous stretches; `sessions`: whole recorded segments;
    `shuffled`: windows dealt one by one at random, only to show what that does: a decoder then reads the time."""
    count: Annotated[int, Field(ge=2, le=50)] = 5
    embargo_s: Annotated[float, Field(ge=0)] = 0.0
    """Training windows closer than this to a test window are left out."""

    @property
    def blocks_per_fold(self) -> int:
        """How many test blocks each fold keeps apart, so that a session has at least `TEST_BLOCKS`."""
        return math.ceil(TEST_BLOCKS / self.count)


class Axis(Declaration):
    """One swept dose: the path `kind.field` of a view's stage, and its doses with the identity among them."""

    path: str
    doses: Annotated[tuple[float, ...], Field(min_length=2)]


class Sweep(Declaration):
    """Another setting crossed with the axes: `training.steps`, `method`, `data.fraction`, or a view's dose (an interaction)."""

    path: str
    values: Annotated[tuple[Any, ...], Field(min_length=1)]


class Study(Declaration):
    """A whole study, resolved: what `load_study` returns and what every stage starts from."""

    schema_version: Literal[1] = 1
    name: Annotated[str, Field(min_length=1, pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$")]
    question: str
    recordings: Annotated[tuple[RecordingSource, ...], Field(min_length=1)]
    target: Target
    window: Window = Window()
    folds: Folds = Folds()
    method: Method = SimCLR()
    training: Training = Training()
    views: Views = Views()
    axes: Annotated[tuple[Axis, ...], Field(min_length=1)]
    sweeps: tuple[Sweep, ...] = ()
    arms: Annotated[tuple[Literal["independent", "shared", "paired"], ...], Field(min_length=1)] = ("independent", "shared")
    null: Null = LinearShift()
    """What decodes no better than this leaves the study before any SSL result is seen."""
    probes: Annotated[tuple[Probe, ...], Field(max_length=1)] = ()
    """The decoder; ridge (logistic for a categorical target) when left out."""
    hypotheses: Annotated[tuple[AnyHypothesis, ...], Field(min_length=1)]
    second_method: Method | None = None
    """The method that a confirmatory verdict is checked under; a licensed one with the study's encoder when left out."""
    controls: tuple[Literal["thinning", "noise", "stratified"], ...] = ()
    """Specificity controls of unit dropout at its primary doses, shown beside and in no verdict: spike thinning at the same rate,
    white noise of the same power (variance p / (1 - p)), dropout stratified by firing rate."""
    measurements: Annotated[tuple[Messengers, ...], Field(max_length=1)] = added(())
    """What else is measured of every session, without SSL and in no verdict."""
    quick: bool = False
    """Leave out the costly gates; then no hypothesis is confirmatory."""

    @model_validator(mode="after")
    def _agrees_with_itself(self) -> Self:
        details = [
            InitErrorDetails(type=PydanticCustomError("study", "{reason}", {"reason": reason}), loc=place, input=got)
            for place, got, reason in self._problems()
        ]
        if details:
            raise ValidationError.from_exception_data("Study", details)
        return self

    @property
    def probe(self) -> Probe:
        """The decoder of this study."""
        if self.probes:
            return self.probes[0]
        return LogisticProbe() if self.target.kind == "categorical" else RidgeProbe()

    def axis(self, path: str) -> Axis:
        """Return the axis of a path."""
        return next(axis for axis in self.axes if axis.path == path)

    def identity(self, path: str) -> float:
        """Return the dose of a path at which it changes nothing."""
        return self.views.doses()[path]

    def arms_of(self, path: str) -> tuple[str, ...]:
        """Return the arms of an axis: a jitter has no shared draw, an adversary none of a pair's own; mined pairs have sources."""
        if path == SHARE:
            return SOURCES[: SOURCES.index("oracle")] if self.quick else SOURCES
        if path == STATE_SHARE:
            return STATE_SOURCES
        kind = path.split(".")[0]
        if self.views.adversary is not None and kind == self.views.adversary.kind:
            return tuple(arm for arm in self.arms if arm != "paired")
        return ("independent",) if kind == self.views.pairing.kind else self.arms

    def methods(self) -> Iterator[tuple[Place, Method]]:
        """Yield every method of the study with its place: its own, the second one, and those that are swept."""
        yield ("method",), self.method
        if self.second_method is not None:
            yield ("second_method",), self.second_method
        for i, sweep in enumerate(self.sweeps):
            if sweep.path == "method":
                for j, value in enumerate(sweep.values):
                    yield ("sweeps", i, "values", j), _Chosen.model_validate({"method": value}).method

    def is_jitter(self, path: str) -> bool:
        """Say whether a path sweeps the pairing in time."""
        return path.split(".")[0] == "time_jitter"

    def corrupts(self, path: str) -> bool:
        """Say whether a path sweeps what is done to a view, and not which windows make a pair."""
        return path.split(".")[0] not in ("time_jitter", "mined", "state")

    @property
    def dose_claims(self) -> tuple[Hypothesis, ...]:
        """The hypotheses about what a dose costs; the others are contrasts."""
        return tuple(hypothesis for hypothesis in self.hypotheses if isinstance(hypothesis, Hypothesis))

    @property
    def contrasts(self) -> tuple[Contrast, ...]:
        """The hypotheses that distant pairs help."""
        return tuple(hypothesis for hypothesis in self.hypotheses if isinstance(hypothesis, Contrast))

    def sha256(self) -> str:
        """Return the hash of the resolved study."""
        return sha256_of(self.model_dump(mode="json"))

    def _problems(self) -> Iterator[tuple[Place, Any, str]]:
        yield from _repeated((("recordings", i, "session"), name) for i, name in self._session_names())
        yield from _repeated((("hypotheses", i, "id"), hypothesis.id) for i, hypothesis in enumerate(self.hypotheses))
        yield from _repeated((("axes", i, "path"), axis.path) for i, axis in enumerate(self.axes))
        kinds = [stage.kind for stage in self.views.transforms]
        yield from _repeated((("views", "transforms", i, "kind"), kind) for i, kind in enumerate(kinds))
        for i, transform in enumerate(self.views.transforms):
            if cuts_bins(transform) and self.window.length_bins == 1:
                single = f"{transform.kind} takes some bins of a window and leaves others, and window.length_bins is 1; use longer windows"
                yield ("views", "transforms", i, "kind"), transform.kind, single + ", or a block of units"
        yield from self._pairing_problems()
        yield from self._state_problems()
        yield from self._pool_problems(("views", "pool"), self.views)
        yield from self._axis_problems()
        yield from self._hypothesis_problems()
        yield from self._method_problems(("method",), self.method)
        if self.second_method is not None:
            yield from self._method_problems(("second_method",), self.second_method)
        yield from self._sweep_problems()
        if self.training.adaptive is not None and isinstance(self.method, LinearSSL):
            same = "linear_ssl has no randomness, so every look would see the same; leave training.adaptive out, or use another method"
            yield ("training", "adaptive"), list(self.training.adaptive.looks), same
        if self.window.length_bins > 1:
            for name, method in (("method", self.method), ("second_method", self.second_method)):
                if isinstance(method, LinearSSL):
                    longer = f"linear_ssl reads windows of one bin, and window.length_bins is {self.window.length_bins}; use another method"
                    yield (name, "kind"), method.kind, longer
        yield from self._measurement_problems()
        if self.folds.scheme == "shuffled" and self.folds.embargo_s > 0:
            yield (
                ("folds", "embargo_s"),
                self.folds.embargo_s,
                "shuffled windows have test windows on all sides, so an embargo leaves nothing to train on; use 0, or the scheme 'blocks'",
            )
        for i, probe in enumerate(self.probes):
            if (probe.kind == "logistic") != (self.target.kind == "categorical"):
                yield (
                    ("probes", i, "kind"),
                    probe.kind,
                    f"{probe.kind!r} cannot decode a {self.target.kind} target; use "
                    + ("'logistic'" if self.target.kind == "categorical" else "'ridge'"),
                )

    def _session_names(self) -> Iterator[tuple[int, str]]:
        for i, source in enumerate(self.recordings):
            name = source.session or source.name if source.kind == "catalog" else source.session
            yield i, name

    def _measurement_problems(self) -> Iterator[tuple[Place, Any, str]]:
        for i, asked in enumerate(self.measurements):
            if not asked.budgets or tuple(sorted(set(asked.budgets))) != asked.budgets:
                reason = "name the budgets that are compared, ascending and each once, such as [1, 2, 4, 8]"
                yield ("measurements", i, "budgets"), list(asked.budgets), reason
            if self.window.length_bins > 1:
                longer = f"messengers reads windows of one bin, and window.length_bins is {self.window.length_bins}; use 1"
                yield ("measurements", i, "kind"), asked.kind, longer

    def _axis_problems(self) -> Iterator[tuple[Place, Any, str]]:
        known = self.views.doses()
        for i, axis in enumerate(self.axes):
            if axis.path not in known:
                yield ("axes", i, "path"), axis.path, _unknown("axis", axis.path, known)
                continue
            identity = known[axis.path]
            if identity not in axis.doses:
                yield (
                    ("axes", i, "doses"),
                    axis.doses,
                    f"the identity dose {identity:g} is missing: every axis needs the dose that changes nothing",
                )
            if len(set(axis.doses)) < len(axis.doses):
                yield ("axes", i, "doses"), axis.doses, "a dose stands twice"
            for j, dose in enumerate(axis.doses):
                try:
                    self.views.at(axis.path, dose)
                except ValidationError as error:
                    yield ("axes", i, "doses", j), dose, f"{axis.path}: {error.errors()[0]['msg']}"

    def _pairing_problems(self) -> Iterator[tuple[Place, Any, str]]:
        pairing = self.views.pairing
        if isinstance(pairing, MinedPairing) and pairing.share and SHARE not in [axis.path for axis in self.axes]:
            yield (
                ("views", "pairing", "share"),
                pairing.share,
                f"mined pairs need their controls, which only the axis {SHARE!r} brings; sweep it, or leave the share at 0",
            )
        if isinstance(pairing, MinedPairing) and pairing.elsewhere and not self._pools():
            alone = "models see one session, so that there is no other to take partners from; give views.pool, or leave it out"
            yield ("views", "pairing", "elsewhere"), pairing.elsewhere, alone
        if isinstance(pairing, MinedPairing) and pairing.guide is None and pairing.gap_s < 3 * pairing.smoothing_s:
            yield (
                ("views", "pairing", "gap_s"),
                pairing.gap_s,
                f"activity that is smoothed by {pairing.smoothing_s:g} s is alike over 3 of its SDs whatever it codes; use at least "
                f"{3 * pairing.smoothing_s:g} s, or smooth less",
            )

    def _state_problems(self) -> Iterator[tuple[Place, Any, str]]:
        """Yield what is wrong with pairs across states."""
        pairing, within = self.views.pairing, self.window.within
        if not isinstance(pairing, StatePairing):
            return
        place = ("views", "pairing")
        if within is None:
            unknown = (
                "pairs across states need `window: {within: {array: ..., values: [...]}}`, which says where windows are labelled"
            )
            yield (*place, "kind"), pairing.kind, unknown
        for name, states in (("partners", pairing.partners), ("others", pairing.others)):
            labelled = set(states) & set(within.values if within else ())
            if labelled:
                yield (
                    (*place, name),
                    list(states),
                    f"state {min(labelled)} is one of window.within.values; it cannot be its own partner",
                )
        if pairing.share and STATE_SHARE not in [axis.path for axis in self.axes]:
            controls = f"pairs across states need their controls, which only the axis {STATE_SHARE!r} brings; sweep it"
            yield (*place, "share"), pairing.share, f"{controls}, or leave the share at 0"
        if pairing.gap_s < 3 * pairing.smoothing_s:
            near = f"smoothing by {pairing.smoothing_s:g} s mixes what is nearer than 3 of its SDs; use at least {3 * pairing.smoothing_s:g} s"
            yield (*place, "gap_s"), pairing.gap_s, near
        for at, method in self.methods():
            if method.kind in ("supcon", "y_aware"):
                yield (*at, "kind"), method.kind, "it reads the target of both windows, and windows of other states have none"
            if method.kind == "myow":
                yield (
                    (*at, "kind"),
                    method.kind,
                    "it mines partners of its own among all windows it is shown, those asleep too; use another method",
                )

    def _pool_problems(self, place: Place, views: Views) -> Iterator[tuple[Place, Any, str]]:
        """Yield why models cannot train on several sessions under these views."""
        if views.pool is None:
            return
        if self.window.within is not None:
            yield place, views.pool, "windows of other sessions are cut in all states; leave window.within out, or the pool"
        by_activity = isinstance(views.pairing, StatePairing) or getattr(views.pairing, "guide", True) is None
        unguided = [views.pairing.kind] if by_activity else []
        stages = [*unguided, *(stage.kind for stage in views.corruptions if stage.kind in ACROSS_UNITS)]
        if stages:
            mixing = f"{', '.join(stages)} compares or mixes units and windows as if all were of one session; leave it out, or the pool"
            yield place, views.pool, mixing
        for _, method in self.methods():
            if method.kind in OF_ONE_SESSION:
                yield place, views.pool, f"{method.kind} reads windows of one session; use another method, or leave the pool out"

    def _hypothesis_problems(self) -> Iterator[tuple[Place, Any, str]]:
        axes = {axis.path: axis for axis in self.axes}
        groups = {source.group for source in self.recordings if source.group}
        for i, hypothesis in enumerate(self.hypotheses):
            axis = axes.get(hypothesis.axis)
            if axis is None:
                yield ("hypotheses", i, "axis"), hypothesis.axis, _unknown("axis", hypothesis.axis, axes)
            elif hypothesis.dose not in axis.doses or hypothesis.dose == self.views.doses().get(axis.path):
                allowed = ", ".join(f"{dose:g}" for dose in axis.doses if dose != self.views.doses().get(axis.path))
                yield ("hypotheses", i, "dose"), hypothesis.dose, f"not a swept dose of {axis.path}; allowed: {allowed}"
            if hypothesis.group is not None and hypothesis.group not in groups:
                yield ("hypotheses", i, "group"), hypothesis.group, _unknown("group", hypothesis.group, groups)
            if isinstance(hypothesis, Contrast):
                missing = set(CONTROLS[hypothesis.axis]) - {"shifted"} - set(hypothesis.controls)
                if missing:
                    needed = f"mined pairs that do not beat {' and '.join(sorted(missing))} pairs are no benefit; name them too"
                    yield ("hypotheses", i, "controls"), hypothesis.controls, needed
                foreign = set(hypothesis.controls) - set(CONTROLS[hypothesis.axis])
                if foreign:
                    allowed = ", ".join(CONTROLS[hypothesis.axis])
                    unknown = f"{', '.join(sorted(foreign))} is no control on {hypothesis.axis}; allowed: {allowed}"
                    yield ("hypotheses", i, "controls"), hypothesis.controls, unknown
                guide = getattr(self.views.pairing, "guide", None)
                if guide is not None and guide.name == self.target.name and hypothesis.role == "confirmatory":
                    yield (
                        ("hypotheses", i, "role"),
                        hypothesis.role,
                        f"pairs that are guided by the target {self.target.name!r} itself say what its labels are worth, not how the code is; "
                        "use another guide, or role 'exploratory'",
                    )
                continue
            if hypothesis.axis in CONTROLS:
                no_margin = (
                    "how mined pairs compare with their controls is a contrast; add `kind: contrast` (predicts: beneficial)"
                )
                yield ("hypotheses", i, "axis"), hypothesis.axis, no_margin
            if axis is not None and self.corrupts(axis.path) and axis.path in self.views.doses():
                absent = {"independent", "shared"} - set(self.arms)
                if absent:
                    yield (
                        ("arms",),
                        self.arms,
                        f"a hypothesis about {axis.path} needs the arms 'independent' and 'shared'; missing: {', '.join(sorted(absent))}",
                    )

    def _method_problems(self, place: Place, method: Method) -> Iterator[tuple[Place, Any, str]]:
        """Yield why a method cannot be used in this study."""
        if isinstance(method, LinearSSL):
            for kind in self._without_closed_form():
                yield (
                    (*place, "kind"),
                    method.kind,
                    f"it has no closed form for {kind}; use another method, or another corruption",
                )
        jitters = [axis.path for axis in self.axes if not self.corrupts(axis.path)]
        if isinstance(method, LinearSSL) and isinstance(self.views.pairing, MinedPairing):
            yield (*place, "kind"), method.kind, "its closed form knows local pairs only; use a method that learns by gradient"
        if jitters and method.pairs_in_time:
            yield (
                (*place, "kind"),
                method.kind,
                f"{method.kind} chooses its own windows in time, so {jitters[0]} does not reach it; "
                f"sweep {method.pairs_in_time!r} instead, or use another method",
            )
        negatives = getattr(method, "negatives", None)
        if negatives is not None and negatives.scope in ("subject", "any") and not self._pools():
            yield (
                (*place, "negatives", "scope"),
                negatives.scope,
                "models see one session, so that there are no windows of others; use 'session', or let models train on several by views.pool",
            )
        if method.kind == "supcon" and self.target.kind != "categorical":
            yield (*place, "kind"), method.kind, f"it contrasts classes, and the target is {self.target.kind}; use 'y_aware'"

    def _pools(self) -> bool:
        return self.views.pool is not None or any(sweep.path == POOL for sweep in self.sweeps)

    def _without_closed_form(self) -> list[str]:
        """Return the transforms, and the adversary, that change something in some run and that linear SSL has no closed form for."""
        swept = {path.split(".")[0] for path in (*(axis.path for axis in self.axes), *(sweep.path for sweep in self.sweeps))}
        without = (stage for stage in self.views.corruptions if not stage.has_closed_form)
        return [stage.kind for stage in without if stage.kind in swept or not is_idle(stage)]

    def _sweep_problems(self) -> Iterator[tuple[Place, Any, str]]:
        for i, sweep in enumerate(self.sweeps):
            for j, value in enumerate(sweep.values):
                try:
                    method, _, _, views = self.with_setting(sweep.path, value)
                    if sweep.path == POOL:
                        yield from self._pool_problems(("sweeps", i, "values", j), views)
                    if sweep.path == "method":
                        yield from self._method_problems(("sweeps", i, "values", j), method)
                except KeyError:
                    allowed = [f"training.{name}" for name in Optimisation.model_fields] + [
                        "method",
                        "data.fraction",
                        POOL,
                        *self.views.doses(),
                    ]
                    yield ("sweeps", i, "path"), sweep.path, _unknown("setting", sweep.path, allowed)
                    break
                except ValidationError as error:
                    yield ("sweeps", i, "values", j), value, f"{sweep.path}: {error.errors()[0]['msg']}"

    def with_setting(self, path: str, value: Any) -> tuple[Method, Optimisation | None, float, Views]:
        """Return the method, the optimisation, the part of the training windows and the views, with one swept setting put in.

        Raises
        ------
        KeyError
            When the path is not a setting.
        pydantic.ValidationError
            When the setting cannot take the value.
        """
        family, _, field = path.partition(".")
        common = self.training.optimisation()
        own = self.method.optimisation(common)
        if family == "training" and field in Optimisation.model_fields:
            settings = (own or common).model_dump()
            return self.method, Optimisation.model_validate({**settings, field: value}), 1.0, self.views
        if path == "data.fraction":
            return self.method, own, _Amount.model_validate({"fraction": value}).fraction, self.views
        if path == POOL:
            return self.method, own, 1.0, Views.model_validate({**self.views.model_dump(), "pool": value})
        if path in self.views.doses():
            return self.method, own, 1.0, self.views.at(path, value)
        if family == "method":
            chosen = value if not field else _put(self.method, field.split("."), value)
            method = _Chosen.model_validate({"method": chosen}).method
            return method, method.optimisation(common), 1.0, self.views
        raise KeyError(path)


class _Chosen(Declaration):
    method: Method


class _Amount(Declaration):
    fraction: Annotated[float, Field(gt=0, le=1)]


def _put(declared: Any, path: list[str], value: Any) -> dict[str, Any]:
    if not isinstance(declared, Declaration) or path[0] not in type(declared).model_fields:
        raise KeyError(path[0])
    inner = value if len(path) == 1 else _put(getattr(declared, path[0]), path[1:], value)
    return {**declared.model_dump(), path[0]: inner}


def _repeated(named: Iterator[tuple[Place, str]] | Any) -> Iterator[tuple[Place, Any, str]]:
    places = list(named)
    counts = Counter(name for _, name in places)
    seen: set[str] = set()
    for place, name in places:
        if counts[name] > 1 and name in seen:
            yield place, name, f"{name!r} stands twice; each needs a name of its own"
        seen.add(name)


def _unknown(what: str, got: str, known: Any) -> str:
    close = get_close_matches(got, list(known), n=1)
    hint = f" Did you mean {close[0]!r}?" if close else f" Allowed: {', '.join(repr(name) for name in sorted(known)) or 'none'}."
    return f"unknown {what} {got!r}.{hint}"
