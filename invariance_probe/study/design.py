"""The fields of a study: recordings, target, views, method, axes, hypotheses.

In: the values of a YAML study. Out: a frozen `Design`, and what follows from it, such as
the doses and arms of an axis. Each field checks its own range. Contradictions between
fields are found in `study.consistency`, when a design becomes a `Study`.

A stage of the views (a pairing or an augmentation) has a dose. An axis sweeps it; its
`path`, such as `unit_dropout.rate`, names the kind of stage and the field. The identity
dose changes nothing.
"""

import math
from collections.abc import Iterator
from typing import Annotated, Any, Literal, Self

from pydantic import Field, model_validator

from invariance_probe.errors import DataError
from invariance_probe.study.baselines import Messengers
from invariance_probe.study.declaration import (
    FILE_NAME,
    LONGEST_NAME,
    ArrayName,
    Declaration,
    PathInStudy,
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

PART_OF_A_BIN = 1e-6
"""Part of a bin by which a time in seconds may miss a whole number of bins."""
TEST_BLOCKS = 8
"""Fewest test blocks per session from which a variance may be estimated."""


class Within(Declaration):
    """States to which windows are restricted, such as waking.

    A bin counts where an array of the recording has one of the given values.
    """

    array: ArrayName
    """Name of the integer array (time,) that holds the state of each bin."""
    values: Annotated[tuple[int, ...], Field(min_length=1)]
    """Values of that array in the bins to use."""


class Window(Declaration):
    """One SSL example: successive bins of one trial or segment.

    Its length is given in bins or in seconds.
    """

    length_bins: Annotated[int, Field(ge=1)] = 1
    """Length of a window in bins."""
    stride_bins: Annotated[int, Field(ge=1)] = added(1)
    """Bins from the start of one window to the start of the next."""
    length_s: Annotated[float, Field(gt=0)] | None = added(None)
    """Length of a window in seconds, instead of `length_bins`."""
    stride_s: Annotated[float, Field(gt=0)] | None = added(None)
    """Seconds from the start of one window to the start of the next; `length_s` if omitted."""
    cover: Annotated[float, Field(gt=0, le=1)] | None = added(None)
    """Smallest fraction of a window that its label must cover, for a categorical target.

    A window has the label that covers most of it, and no target if that is less than
    this fraction. If omitted, the target of a window is its value at the centre.
    """
    within: Within | None = added(None)
    """The states in which the target is known, such as waking.

    Baselines, nulls, folds, probes and tests see only the bins in these states. If
    omitted, all bins are used.
    """

    @model_validator(mode="after")
    def _in_bins_or_seconds(self) -> Self:
        in_bins = self.model_fields_set & {"length_bins", "stride_bins"}
        if self.length_s is not None and in_bins:
            raise ValueError(
                f"give a window's length and stride in seconds, without {min(in_bins)}"
            )
        if self.length_s is None and self.stride_s is not None:
            raise ValueError("stride_s needs length_s; beside length_bins, give stride_bins")
        return self

    @property
    def may_hold_several_bins(self) -> bool:
        """Whether a window has more than one bin, or a length in seconds."""
        return self.length_s is not None or self.length_bins > 1

    def in_bins(self, bin_s: float) -> "Window":
        """The same window with its length and stride in bins.

        Parameters
        ----------
        bin_s
            Length of a bin in seconds.

        Raises
        ------
        DataError
            When the length or the stride is not a whole number of bins.
        """
        if self.length_s is None:
            return self
        return Window(
            length_bins=_whole_bins("length_s", self.length_s, bin_s),
            stride_bins=_whole_bins("stride_s", self.stride_s or self.length_s, bin_s),
            cover=self.cover,
            within=self.within,
        )


def _whole_bins(name: str, seconds: float, bin_s: float) -> int:
    """Return a time as a number of bins, or raise DataError if it is not a whole one."""
    bins = round(seconds / bin_s)
    if bins < 1 or abs(seconds / bin_s - bins) > PART_OF_A_BIN:
        raise DataError(
            f"window.{name} is {seconds:g} s, which is not a whole number of bins of {bin_s:g} s; "
            f"use {max(bins, 1) * bin_s:g} s, or another bin_s"
        )
    return bins


class Folds(Declaration):
    """How a session is cut into training and test parts.

    Every encoder sees the training part of its own fold only.
    """

    scheme: Literal["trials", "blocks", "sessions", "shuffled"] = "blocks"
    """What a fold's test part is made of.

    `trials`: successive whole trials. `blocks`: contiguous stretches of time.
    `sessions`: whole recorded segments. `shuffled`: windows assigned to folds one by one
    at random. Use `shuffled` only to show its harm: every test window then has training
    windows beside it, so a decoder can succeed by telling the time.
    """
    count: Annotated[int, Field(ge=2, le=50)] = 5
    """Number of folds."""
    embargo_s: Annotated[float, Field(ge=0)] = 0.0
    """Training windows closer than this to a test window are left out (seconds)."""

    @property
    def blocks_per_fold(self) -> int:
        """Number of test blocks per fold: a session has at least `TEST_BLOCKS`."""
        return math.ceil(TEST_BLOCKS / self.count)


class Axis(Declaration):
    """The values over which one dose is swept."""

    path: str
    """The swept field as `kind.field`, for example `unit_dropout.rate`."""
    doses: Annotated[tuple[float, ...], Field(min_length=2)]
    """The values of the field; the identity dose must be among them."""


class Sweep(Declaration):
    """A further setting to vary, in combination with every dose of the axes.

    For example `training.steps`, `method`, `data.fraction`, or the dose of another
    stage of the views (an interaction).
    """

    path: str
    """The setting to vary."""
    values: Annotated[tuple[Any, ...], Field(min_length=1)]
    """Its values."""


Measurement = Annotated[Messengers | Reliance, Field(discriminator="kind")]


class Design(Declaration):
    """The fields of a study, and what follows from them.

    Use `study.study.Study`, whose fields are checked against each other.
    """

    schema_version: Literal[1] = 1
    """Version of the study format."""
    name: Annotated[str, Field(pattern=FILE_NAME, min_length=1, max_length=LONGEST_NAME)]
    """Short name of the study, which also names the folder of its report."""
    question: str
    """The scientific question, in words; printed in the report."""
    recordings: Annotated[tuple[RecordingSource, ...], Field(min_length=1)]
    """The sessions that the study is about."""
    target: Target
    """What is decoded."""
    window: Window = Window()
    folds: Folds = Folds()
    method: Method = SimCLR()
    """The SSL method, with its encoder."""
    training: Training = Training()
    views: Views = Views()
    axes: Annotated[tuple[Axis, ...], Field(min_length=1)]
    """The augmentation doses that are swept."""
    sweeps: tuple[Sweep, ...] = ()
    """Further settings, each crossed with the axes."""
    arms: Annotated[tuple[Literal["independent", "shared", "paired"], ...], Field(min_length=1)] = (
        "independent",
        "shared",
    )
    """How the random draws of the swept transform are shared.

    `independent`: one draw for each view. `paired`: one draw for both views of a pair.
    `shared`, the reference: one draw per step for the whole batch.
    """
    null: Null = LinearShift()
    """The null of the decodability test.

    A session that is decoded no better than this leaves the study before any SSL result
    is seen.
    """
    probes: Annotated[tuple[Probe, ...], Field(max_length=1)] = ()
    """The decoder; ridge (logistic for a categorical target) if omitted."""
    hypotheses: Annotated[tuple[AnyHypothesis, ...], Field(min_length=1)]
    """The claims, written before looking at any result."""
    panel: Panel | None = added(None)
    """Further training recipes under which claims about learning must hold.

    They must always hold under the study's own recipe too. If omitted, the further
    recipes are `longer`, `wider` and, if another method is licensed, `other`.
    """
    controls: tuple[SpecificityControl, ...] = ()
    """Specificity controls at the primary doses; they enter no verdict.

    For unit dropout: spike thinning at the same rate, white noise of the same power
    (variance p / (1 - p)), and dropout stratified by firing rate. For pepper: noise of
    the same mean square. For progressive loss and cutouts: dropout that loses as many
    values, and noise of the same variance where whole values are lost at their mean.
    """
    measurements: tuple[Measurement, ...] = added(())
    """Further measurements of every session, each kind at most once.

    They enter no verdict.
    """
    quick: bool = False
    """Whether to leave out the costly gates; no hypothesis is then confirmatory."""

    @property
    def probe(self) -> Probe:
        """The decoder of this study."""
        if self.probes:
            return self.probes[0]
        return LogisticProbe() if self.target.kind == "categorical" else RidgeProbe()

    def axis(self, path: str) -> Axis:
        """Return the axis that sweeps a path."""
        return next(axis for axis in self.axes if axis.path == path)

    def identity(self, path: str) -> float:
        """Return the identity dose of a swept path."""
        return self.views.doses()[path]

    def doses_of(self, path: str) -> list[float]:
        """Return the doses of an axis, except its identity dose."""
        return [dose for dose in self.axis(path).doses if dose != self.identity(path)]

    def arms_of(self, path: str) -> tuple[str, ...]:
        """Return the arms of an axis: the ways in which its doses are applied.

        For a corruption they say how random draws are shared. For mined pairs and pairs
        across states they are the sources of the distant partners; a quick study leaves
        out `oracle`. A jitter has the arm `independent` only, and an adversary has no arm
        `paired`.
        """
        if path == SHARE:
            return SOURCES[: SOURCES.index("oracle")] if self.quick else SOURCES
        if path == STATE_SHARE:
            return STATE_SOURCES
        kind = path.split(".")[0]
        if self.views.adversary is not None and kind == self.views.adversary.kind:
            return tuple(arm for arm in self.arms if arm != "paired")
        return ("independent",) if kind == self.views.pairing.kind else self.arms

    def methods(self) -> Iterator[tuple[PathInStudy, Method]]:
        """Yield every method of the study with its place.

        These are the study's own method, those of its panel's recipes, those that a
        sweep lists, and those whose loss a measurement attacks.
        """
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
        """Whether a path sweeps the time jitter, which pairs windows near in time."""
        return path.split(".")[0] == "time_jitter"

    def corrupts(self, path: str) -> bool:
        """Whether an axis varies how views are corrupted.

        If not, it varies how windows are paired, or the path is empty.
        """
        return path.split(".")[0] not in ("", "time_jitter", "mined", "state")

    @property
    def dose_claims(self) -> tuple[Hypothesis, ...]:
        """The hypotheses about what a dose costs, as opposed to contrasts."""
        return tuple(
            hypothesis for hypothesis in self.hypotheses if isinstance(hypothesis, Hypothesis)
        )

    @property
    def contrasts(self) -> tuple[Contrast, ...]:
        """The hypotheses that claim that distant pairs help."""
        return tuple(
            hypothesis for hypothesis in self.hypotheses if isinstance(hypothesis, Contrast)
        )

    def sha256(self) -> str:
        """Return the hexadecimal SHA-256 of the study, with all defaults filled in."""
        return sha256_of(self.model_dump(mode="json"))

    def with_setting(
        self, path: str, value: Any
    ) -> tuple[Method, Optimisation | None, float, Views]:
        """Return the study's training settings with one setting changed.

        Parameters
        ----------
        path
            The setting: `training.FIELD`, `data.fraction`, `views.pool`, a path
            of the views, `method`, or `method.FIELD`.
        value
            Its new value.

        Returns
        -------
        method : Method
            The method.
        optimisation : Optimisation or None
            Its optimisation; None for a method in closed form.
        fraction : float
            Fraction of the training windows that is used, in (0, 1].
        views : Views
            The views.

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
    if isinstance(declared, dict):  # settings of a user-defined class, checked there
        below = declared.get(path[0], {})
        return {**declared, path[0]: value if len(path) == 1 else _put(below, path[1:], value)}
    if not isinstance(declared, Declaration) or path[0] not in type(declared).model_fields:
        raise KeyError(path[0])
    inner = value if len(path) == 1 else _put(getattr(declared, path[0]), path[1:], value)
    return {**declared.model_dump(), path[0]: inner}
