"""Conditions: one dose of one axis in one arm, under one setting.

A study and a setting (`settings.py`) go in; the conditions of SSL training come out.
The second kind of condition is a corruption of the inputs alone, which the code is
measured under: it keeps nothing of a setting but the swept transform. Nothing is
trained here.
"""

from dataclasses import dataclass

from invariance_probe.plan.run import Arm
from invariance_probe.plan.settings import Setting
from invariance_probe.study.specificity import as_strong_as
from invariance_probe.study.study import Study
from invariance_probe.study.views import NoSplitting, TimeJitter, Views

ARMS_OF_A_CONTROL: tuple[Arm, ...] = ("independent", "shared")
"""Arms in which a specificity control is trained."""


@dataclass(frozen=True)
class Condition:
    """The dose of one axis and the arm of one training condition.

    Attributes
    ----------
    views
        The views with the dose put in.
    axis
        The swept path, for example `unit_dropout.rate`; empty at the identity dose.
    dose
        The dose on that axis, in the axis's own unit.
    arm
        How draws are shared between views; `none` at the identity dose, where the arms
        are one and the same run.
    fraction
        Part of the training windows that is used, in (0, 1].
    """

    views: Views
    axis: str = ""
    dose: float = 0.0
    arm: Arm = "none"
    fraction: float = 1.0


def conditions_of(study: Study, setting: Setting) -> tuple[Condition, ...]:
    """Every SSL condition under a setting, the identity dose first.

    Parameters
    ----------
    study
        The study, with its axes, doses and arms.
    setting
        What the conditions are trained under. An axis whose path the setting itself
        holds (a swept value) is not swept.

    Returns
    -------
    conditions
        The identity dose, then every axis x dose x arm.
    """
    paths = [axis.path for axis in study.axes if axis.path != setting.path]
    clean = setting.views
    for path in paths:
        clean = clean.at(path, study.identity(path))
    dosed = [
        Condition(clean.at(path, dose), path, dose, arm, setting.fraction)  # type: ignore[arg-type]
        for path in paths
        for dose in study.doses_of(path)
        for arm in study.arms_of(path)
    ]
    return (Condition(clean, fraction=setting.fraction), *dosed)


def controls_beside(study: Study, axis: str, clean: Condition) -> tuple[Condition, ...]:
    """The specificity controls on an axis.

    Each control is another corruption that is as strong as one of the primary doses of
    the hypotheses on this axis. A control that has no dose of that strength is left
    out.

    Parameters
    ----------
    study
        The study, with its hypotheses and the names of its controls.
    axis
        The swept path.
    clean
        The condition at the identity dose, into whose views the control is put.

    Returns
    -------
    conditions
        Every control in the arms `independent` and `shared`.
    """
    strong = [
        as_strong_as(axis, dose, name, clean.views)
        for dose in sorted({h.dose for h in study.hypotheses if h.axis == axis})
        for name in study.controls
    ]
    return tuple(
        Condition(found[2], found[0], found[1], arm)
        for found in strong
        if found
        for arm in ARMS_OF_A_CONTROL
    )


def corruptions_of(study: Study) -> tuple[Condition, ...]:
    """Every swept dose as a corruption of the inputs alone, without an arm."""
    return tuple(
        Condition(_corruption(study.views, axis.path, dose), axis.path, dose)
        for axis in study.axes
        if study.corrupts(axis.path)
        for dose in study.doses_of(axis.path)
    )


def uncorrupted() -> Condition:
    """The condition whose views are the inputs as they are."""
    return Condition(Views(pairing=TimeJitter(), base=NoSplitting()))


def _corruption(views: Views, path: str, dose: float) -> Views:
    """Views that hold one swept transform or adversary, and nothing else.

    They have no pairing, no base and no other transform.
    """
    kind = path.split(".")[0]
    adversary = (
        views.adversary if views.adversary is not None and views.adversary.kind == kind else None
    )
    transforms = tuple(t for t in views.transforms if t.kind == kind)
    alone = Views(
        pairing=TimeJitter(), base=NoSplitting(), transforms=transforms, adversary=adversary
    )
    return alone.at(path, dose) if transforms or adversary else alone
