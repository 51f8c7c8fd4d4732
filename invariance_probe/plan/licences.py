"""Licences: which SSL methods may support a verdict, and for which claims.

A method is calibrated by counting its wrong verdicts on simulated worlds of known truth.
Its licence says with which settings that was done, and for which claims. A method and a
use (what a claim is about) go in; the reasons against the use come out. The table is
changed by hand, together with the report that supports it (reports/calibration); the
command `invariance-probe calibrate` does the counting. A method without a licence can
be used, but what is found about learning is then an estimate without a verdict.
"""

import math
from dataclasses import dataclass, field
from typing import Any

from invariance_probe.study.counting import counted
from invariance_probe.study.declaration import Declaration, canonical_json
from invariance_probe.study.methods import Method, MoCo, SimCLR, TrainedMethod, title_of
from invariance_probe.study.training import Optimisation

BY_TORCH = (("torch", "float32"), ("torch", "float64"))
"""Kernels and precisions of training steps computed by PyTorch."""
BY_KERNELS = (("native", "float32"), ("native", "bfloat16"))
"""Kernels and precisions of training steps computed by compiled kernels."""


@dataclass(frozen=True)
class Use:
    """What a claim that rests on a method is about.

    Attributes
    ----------
    axis
        The swept path.
    dose
        The primary dose.
    base
        Kind of the views' base: whether views are halves of split counts.
    target
        Kind of the target.
    sessions
        Number of sessions that the claim rests on.
    """

    axis: str
    dose: float
    base: str
    target: str
    sessions: int


@dataclass(frozen=True)
class Counted:
    """The uses for which the wrong claims of a method were counted.

    Attributes
    ----------
    axis
        The swept path.
    doses
        Lowest and highest dose, both included.
    targets, bases
        Kinds of targets, and of the views' base. `count_splitting` works on spike counts
        only, so the base also says which kind of signal was used.
    fewest_sessions
        Smallest number of sessions for which claims were counted.
    findings
        The findings of learning that passed; contrasts do not use them.
    """

    axis: str
    doses: tuple[float, float] = (0.0, math.inf)
    targets: tuple[str, ...] = ("continuous",)
    bases: tuple[str, ...] = ("count_splitting",)
    fewest_sessions: int = 1
    findings: tuple[str, ...] = ("free", "costly")

    def reasons_against(self, use: Use) -> list[str]:
        """Return why a use is not covered by what was counted; empty if it is."""
        low, high = self.doses
        reasons = []
        if not low <= use.dose <= high:
            reasons.append(f"{self.axis} = {use.dose:g} (calibrated: {low:g} to {high:g})")
        for name, got, known in (
            ("targets of kind", use.target, self.targets),
            ("views with the base", use.base, self.bases),
        ):
            if got not in known:
                reasons.append(f"{name} {got!r} (calibrated: {', '.join(map(repr, known))})")
        if use.sessions < self.fewest_sessions:
            reasons.append(
                f"studies of {counted(use.sessions, 'session')} "
                f"(calibrated: from {self.fewest_sessions})"
            )
        return reasons


@dataclass(frozen=True)
class Licence:
    """The settings with which a method was calibrated, and for which claims.

    Attributes
    ----------
    example
        The method as it was calibrated. Only the kind of its encoder is binding.
    fixed
        Fields of the method that must have the example's values.
    optimisation
        The optimisation with which it was calibrated. It is also used when the method is
        the second method of a panel.
    within
        Lowest and highest allowed value of fields of the optimisation, both included.
    arithmetic
        Allowed pairs of kernels and precision.
    dimensions
        Lowest and highest allowed number of dimensions of the representation.
    counted
        The uses for which its wrong claims were counted.
    """

    example: Method
    fixed: tuple[str, ...]
    optimisation: Optimisation
    within: dict[str, tuple[float, float]] = field(default_factory=dict)
    arithmetic: tuple[tuple[str, str], ...] = BY_TORCH
    dimensions: tuple[int, int] = (8, 64)
    counted: tuple[Counted, ...] = ()


_AS_BY_DEFAULT = ("optimizer", "schedule", "warmup")
_CALIBRATED_AT = Optimisation(steps=400, batch_size=128, learning_rate=3e-3)
_NEAR = {
    "steps": (200, 1000),
    "batch_size": (64, 512),
    "learning_rate": (1e-3, 9e-3),
    "weight_decay": (0, 0.1),
}
_DROPOUT = Counted("unit_dropout.rate", (0.2, 0.8))
_ANY_TARGET = ("continuous", "circular", "categorical")

LICENCES: dict[str, Licence] = {
    "simclr": Licence(
        SimCLR(temperature=0.2), ("temperature", "negatives"), _CALIBRATED_AT, _NEAR,
        (*BY_TORCH, *BY_KERNELS),
        counted=(
            _DROPOUT,
            Counted("time_jitter.window_s", (0.0, 6.4)),
            Counted("mined.share", (0.0, 1.0), _ANY_TARGET),
            Counted("state.share", (0.0, 1.0), _ANY_TARGET),
        ),
    ),
    "moco": Licence(
        MoCo(), ("temperature", "queue", "key_decay", "negatives"), _CALIBRATED_AT, _NEAR,
        counted=(Counted("unit_dropout.rate", (0.2, 0.8), fewest_sessions=5),),
    ),
}  # fmt: skip
"""The methods that passed the calibration, by kind."""


def unlicensed(method: Method, optimisation: Optimisation | None, use: Use) -> list[str]:
    """Return why a method with these settings may not support a claim.

    Parameters
    ----------
    method
        The method, with its encoder.
    optimisation
        How it is trained; must not be None for a method that has a licence.
    use
        What the claim is about.

    Returns
    -------
    reasons
        One sentence per reason; empty if the method is licensed for this use.
    """
    licence = LICENCES.get(method.kind)
    if licence is None:
        able = ", ".join(licensed_for(use)) or "no method for this axis, dose, target and base"
        return [f"{title_of(method)} has not passed the calibration (licensed: {able})"]
    assert isinstance(method, TrainedMethod) and optimisation is not None
    reasons = [*_of_method(method, licence), *_of_optimisation(optimisation, licence)]
    counted = {one.axis: one for one in licence.counted}.get(use.axis)
    if counted is None:
        reasons.append(f"{use.axis} (calibrated: {', '.join(one.axis for one in licence.counted)})")
    else:
        reasons += counted.reasons_against(use)
    return [f"{method.kind} was not calibrated for {reason}" for reason in reasons]


def _of_method(method: TrainedMethod, licence: Licence) -> list[str]:
    """Return the settings of a method that its licence does not cover, as texts."""
    assert isinstance(licence.example, TrainedMethod)
    used = [
        ("method", name, getattr(method, name), getattr(licence.example, name))
        for name in licence.fixed
    ]
    used.append(("encoder", "kind", method.encoder.kind, licence.example.encoder.kind))
    reasons = _departures(used)
    fewest, most = licence.dimensions
    if not fewest <= method.encoder.dimensions <= most:
        reasons.append(f"{method.encoder.dimensions} dimensions (calibrated: {fewest} to {most})")
    return reasons


def _of_optimisation(optimisation: Optimisation, licence: Licence) -> list[str]:
    """Return the training settings that a licence does not cover, as texts."""
    default = Optimisation()
    reasons = _departures(
        [
            ("training", name, getattr(optimisation, name), getattr(default, name))
            for name in _AS_BY_DEFAULT
        ]
    )
    reasons += [
        f"training.{name} = {getattr(optimisation, name):g} (calibrated: {low:g} to {high:g})"
        for name, (low, high) in licence.within.items()
        if not low <= getattr(optimisation, name) <= high
    ]
    used_by = (optimisation.kernels, optimisation.precision)
    if used_by not in licence.arithmetic:
        known = ", ".join(" ".join(pair) for pair in licence.arithmetic)
        reasons.append(
            f"training.kernels {used_by[0]} with precision {used_by[1]} (calibrated: {known})"
        )
    return reasons


def _departures(used: list[tuple[str, str, Any, Any]]) -> list[str]:
    return [
        f"{of}.{name} = {_said(got)} (calibrated: {_said(known)})"
        for of, name, got, known in used
        if got != known
    ]


def _said(value: Any) -> str:
    return (
        canonical_json(value.model_dump(mode="json"))
        if isinstance(value, Declaration)
        else str(value)
    )


def licensed_natively(method: Method, optimisation: Optimisation | None) -> bool:
    """Whether native kernels are licensed to train a method at a precision."""
    licence = LICENCES.get(method.kind)
    return (
        licence is not None
        and optimisation is not None
        and ("native", optimisation.precision) in licence.arithmetic
    )


def licensed_for(use: Use) -> list[str]:
    """Return the kinds of methods that are licensed for a use, as calibrated."""
    return [
        kind
        for kind, licence in LICENCES.items()
        if not unlicensed(licence.example, licence.optimisation, use)
    ]


def licensed_findings(method: Method, use: Use) -> tuple[str, ...]:
    """Return the findings of learning that a method may support.

    Parameters
    ----------
    method
        The method; only its kind matters here.
    use
        What the claim is about; only its axis matters here.

    Returns
    -------
    findings
        Names of findings, such as `free`; empty for a method or an axis without a
        licence.
    """
    licence = LICENCES.get(method.kind)
    return (
        ()
        if licence is None
        else next((one.findings for one in licence.counted if one.axis == use.axis), ())
    )


def other_methods(method: Method) -> list[tuple[Method, Optimisation]]:
    """Return every other licensed method, with this method's encoder.

    Each is paired with the optimisation with which it was calibrated.
    """
    found: list[tuple[Method, Optimisation]] = []
    for kind, licence in LICENCES.items():
        if kind != method.kind:
            assert isinstance(licence.example, TrainedMethod)
            encoder = getattr(method, "encoder", licence.example.encoder)
            found.append(
                (licence.example.model_copy(update={"encoder": encoder}), licence.optimisation)
            )
    return found
