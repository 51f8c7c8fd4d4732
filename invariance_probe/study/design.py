"""What a study declares: recordings, target, views, method, axes, arms and hypotheses.

Each field states what it allows. What two fields must agree on is checked in
`study.consistency`, once a design becomes a `Study`.
"""

import math
from collections.abc import Iterator
from typing import Annotated, Any, Literal

from pydantic import Field

from invariance_probe.study.baselines import Messengers
from invariance_probe.study.declaration import (
    FILE_NAME,
    LONGEST_NAME,
    Declaration,
    Place,
    added,
    sha256_of,
)
from invariance_probe.study.hypotheses import AnyHypothesis, Contrast, Hypothesis
from invariance_probe.study.methods import Method, Reliance, SimCLR
from invariance_probe.study.nulls import LinearShift, Null
from invariance_probe.study.pairing import SHARE, SOURCES
from invariance_probe.study.panel import Panel
from invariance_probe.study.probes import LogisticProbe, Probe, RidgeProbe, Target
from invariance_probe.study.recordings import RecordingSource
from invariance_probe.study.specificity import SpecificityControl
from invariance_probe.study.state_pairing import STATE_SHARE, STATE_SOURCES
from invariance_probe.study.training import Optimisation, Training
from invariance_probe.study.views import POOL, Views

TEST_BLOCKS = 8
"""The fewest test blocks of a session that the two-way variance may rest on."""


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


Measurement = Annotated[Messengers | Reliance, Field(discriminator="kind")]


class Design(Declaration):
    """The fields of a study, and what follows from them; use `study.study.Study`, which is checked."""

    schema_version: Literal[1] = 1
    name: Annotated[str, Field(pattern=FILE_NAME, min_length=1, max_length=LONGEST_NAME)]
    """Also the name of the report's folder."""
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
    arms: Annotated[tuple[Literal["independent", "shared", "paired"], ...], Field(min_length=1)] = (
        "independent",
        "shared",
    )
    null: Null = LinearShift()
    """What decodes no better than this leaves the study before any SSL result is seen."""
    probes: Annotated[tuple[Probe, ...], Field(max_length=1)] = ()
    """The decoder; ridge (logistic for a categorical target) when left out."""
    hypotheses: Annotated[tuple[AnyHypothesis, ...], Field(min_length=1)]
    panel: Panel | None = added(None)
    """The recipes that claims about learning must hold under, beside the study's own; `longer`,
    `wider` and `other` when left out."""
    controls: tuple[SpecificityControl, ...] = ()
    """Specificity controls at the primary doses, shown beside and in no verdict. Of unit dropout: spike thinning at the same rate,
    white noise of the same power (variance p / (1 - p)), dropout stratified by firing rate. Of pepper: noise of the same mean square. Of
    progressive loss and cutouts: dropout that loses as many values, and noise of that variance where whole
    values are lost at their mean."""
    measurements: tuple[Measurement, ...] = added(())
    """What else is measured of every session, in no verdict; each kind at most once."""
    quick: bool = False
    """Leave out the costly gates; then no hypothesis is confirmatory."""

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

    def doses_of(self, path: str) -> list[float]:
        """Return the doses of an axis that change something."""
        return [dose for dose in self.axis(path).doses if dose != self.identity(path)]

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
        """Yield every method of the study with its place: its own, those of its panel, swept ones, and those whose loss is attacked."""
        yield ("method",), self.method
        for i, recipe in enumerate(self.panel.recipes if self.panel else ()):
            if recipe.method is not None:
                yield ("panel", "recipes", i, "method"), recipe.method
        for i, sweep in enumerate(self.sweeps):
            if sweep.path == "method":
                for j, value in enumerate(sweep.values):
                    yield (
                        ("sweeps", i, "values", j),
                        _Chosen.model_validate({"method": value}).method,
                    )
        for i, asked in enumerate(self.measurements):
            if isinstance(asked, Reliance):
                yield ("measurements", i, "of"), asked.of

    def is_jitter(self, path: str) -> bool:
        """Say whether a path sweeps the pairing in time."""
        return path.split(".")[0] == "time_jitter"

    def corrupts(self, path: str) -> bool:
        """Say whether a path sweeps what is done to a view, and not which windows make a pair."""
        return path.split(".")[0] not in ("time_jitter", "mined", "state")

    @property
    def dose_claims(self) -> tuple[Hypothesis, ...]:
        """The hypotheses about what a dose costs; the others are contrasts."""
        return tuple(
            hypothesis for hypothesis in self.hypotheses if isinstance(hypothesis, Hypothesis)
        )

    @property
    def contrasts(self) -> tuple[Contrast, ...]:
        """The hypotheses that distant pairs help."""
        return tuple(
            hypothesis for hypothesis in self.hypotheses if isinstance(hypothesis, Contrast)
        )

    def sha256(self) -> str:
        """Return the hash of the resolved study."""
        return sha256_of(self.model_dump(mode="json"))

    def with_setting(
        self, path: str, value: Any
    ) -> tuple[Method, Optimisation | None, float, Views]:
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
            return (
                self.method,
                Optimisation.model_validate({**settings, field: value}),
                1.0,
                self.views,
            )
        if path == "data.fraction":
            return (
                self.method,
                own,
                _Amount.model_validate({"fraction": value}).fraction,
                self.views,
            )
        if path == POOL:
            return (
                self.method,
                own,
                1.0,
                Views.model_validate({**self.views.model_dump(), "pool": value}),
            )
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
