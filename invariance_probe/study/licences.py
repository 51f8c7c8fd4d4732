"""Which SSL methods may carry a verdict: those that passed the calibration, at settings like those it was run at.

`invariance-probe calibrate` measures; the table is changed by hand, with the report that shows it (reports/calibration).
A method that is not in it can be used, but its hypotheses get estimates and no verdict.
"""

from dataclasses import dataclass, field
from typing import Any

from invariance_probe.study.declaration import Declaration, canonical_json
from invariance_probe.study.methods import Method, MoCo, SimCLR, TrainedMethod
from invariance_probe.study.training import Optimisation

BY_TORCH = (("torch", "float32"), ("torch", "float64"))
BY_KERNELS = (("native", "float32"), ("native", "bfloat16"))


@dataclass(frozen=True)
class Licence:
    """The settings that a method was calibrated at, and how far from them it may be used.

    Attributes
    ----------
    example
        The method as it was calibrated; of its encoder only the kind binds.
    fixed
        Fields of the method that must have the example's values.
    within
        Lowest and highest value of fields of the optimisation.
    arithmetic
        Kernels and precisions that training steps may be computed by.
    dimensions
        Fewest and most dimensions of the representation.
    on
        What its claims were counted on: corruptions of inputs, jitters of pairs, and contrasts of distant pairs.
    fewest_sessions
        Of a study; claims from fewer were not counted.
    """

    example: Method
    fixed: tuple[str, ...]
    within: dict[str, tuple[float, float]] = field(default_factory=dict)
    arithmetic: tuple[tuple[str, str], ...] = BY_TORCH
    dimensions: tuple[int, int] = (8, 64)
    on: tuple[str, ...] = ("corruptions", "jitters", "contrasts")
    fewest_sessions: int = 1


_AS_BY_DEFAULT = ("optimizer", "schedule", "warmup")
_NEAR = {"steps": (200, 1000), "batch_size": (64, 512), "learning_rate": (1e-3, 9e-3), "weight_decay": (0, 0.1)}

LICENCES: dict[str, Licence] = {
    "simclr": Licence(SimCLR(temperature=0.2), ("temperature", "negatives"), _NEAR, (*BY_TORCH, *BY_KERNELS)),
    "moco": Licence(MoCo(), ("temperature", "queue", "key_decay", "negatives"), _NEAR, on=("corruptions",), fewest_sessions=5),
}
"""The methods that passed."""


def unlicensed(method: Method, optimisation: Optimisation | None) -> list[str]:
    """Return why a method at its settings carries no verdict; empty where it does."""
    licence = LICENCES.get(method.kind)
    if licence is None:
        return [f"{method.kind} has not passed the calibration (licensed: {', '.join(LICENCES)})"]
    assert isinstance(method, TrainedMethod) and isinstance(licence.example, TrainedMethod) and optimisation is not None
    used = [("method", name, getattr(method, name), getattr(licence.example, name)) for name in licence.fixed]
    used.append(("encoder", "kind", method.encoder.kind, licence.example.encoder.kind))
    used += [("training", name, getattr(optimisation, name), getattr(Optimisation(), name)) for name in _AS_BY_DEFAULT]
    reasons = [
        f"{of}.{name} = {_said(got)} (calibrated: {_said(calibrated)})" for of, name, got, calibrated in used if got != calibrated
    ]
    reasons += [
        f"training.{name} = {getattr(optimisation, name):g} (calibrated: {low:g} to {high:g})"
        for name, (low, high) in licence.within.items()
        if not low <= getattr(optimisation, name) <= high
    ]
    if (used_by := (optimisation.kernels, optimisation.precision)) not in licence.arithmetic:
        reasons.append(f"training.kernels {used_by[0]} with precision {used_by[1]} (calibrated: {_pairs(licence.arithmetic)})")
    fewest, most = licence.dimensions
    if not fewest <= method.encoder.dimensions <= most:
        reasons.append(f"{method.encoder.dimensions} dimensions (calibrated: {fewest} to {most})")
    return [f"{method.kind} was not calibrated at {reason}" for reason in reasons]


def not_counted(method: Method, about: str, sessions: int) -> list[str]:
    """Return why a licensed method carries no verdict in a study of so many sessions about `corruptions`, `jitters` or `contrasts`."""
    licence = LICENCES.get(method.kind)
    if licence is None:
        return []
    reasons = [] if about in licence.on else [f"{method.kind} was not calibrated on {about} (but on {', '.join(licence.on)})"]
    if sessions < licence.fewest_sessions:
        reasons.append(f"{method.kind} was not calibrated in studies of {sessions} sessions (but from {licence.fewest_sessions})")
    return reasons


def _pairs(arithmetic: tuple[tuple[str, str], ...]) -> str:
    return ", ".join(" ".join(pair) for pair in arithmetic)


def _said(value: Any) -> str:
    return canonical_json(value.model_dump(mode="json")) if isinstance(value, Declaration) else str(value)


def second_method(method: Method) -> Method | None:
    """Return another licensed method with the encoder of this one, or None where there is none."""
    for kind, licence in LICENCES.items():
        if kind != method.kind:
            changed: dict[str, Any] = {"encoder": getattr(method, "encoder", licence.example.encoder)}  # type: ignore[union-attr]
            return licence.example.model_copy(update=changed)
    return None
