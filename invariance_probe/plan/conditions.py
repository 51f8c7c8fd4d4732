"""Conditions: one dose of one axis in one arm, under one setting.

A study and a setting (`settings.py`) go in; the conditions of SSL training come out.
A second kind of condition is a corruption of the inputs only, with which decoders
without SSL are tested. Its views have the swept transform and nothing else. Nothing is
trained here.
"""

from dataclasses import dataclass

from invariance_probe.plan.run import Arm
from invariance_probe.plan.settings import Setting
from invariance_probe.study.specificity import as_strong_as
from invariance_probe.study.study import Study
from invariance_probe.study.views import NoSplitting, TimeJitter, Views

ARMS_OF_A_CONTROL: tuple[Arm, ...] = ("independent", "shared")
"""Arms in which specificity controls are trained."""


@dataclass(frozen=True)
class Condition:
    """One dose of one axis in one arm.

    Attributes
    ----------
    views
        The views at that dose.
    axis
        The swept path, for example `unit_dropout.rate`; empty at the identity dose.
    dose
        The dose, in the unit of the axis.
    arm
        How random draws are shared between views; `none` at the identity dose, where all
        arms are the same.
    fraction
        Fraction of the training windows that is used, in (0, 1].
    """

    views: Views
    axis: str = ""
    dose: float = 0.0
    arm: Arm = "none"
    fraction: float = 1.0


def conditions_of(study: Study, setting: Setting) -> tuple[Condition, ...]:
    """Return every SSL condition under a setting, the identity dose first.

    Parameters
    ----------
    study
        The study, with its axes, doses and arms.
    setting
        The setting under which the conditions are trained. If it is itself a value on
        the path of an axis, this axis is not swept.

    Returns
    -------
    conditions
        The identity dose, then every combination of axis, dose and arm.
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
    """Return the specificity controls of an axis.

    Each control is another corruption, as strong as the primary dose of a hypothesis on
    this axis. A control for which no such dose is known is left out.

    Parameters
    ----------
    study
        The study, with its hypotheses and the names of its controls.
    axis
        The swept path.
    clean
        The condition at the identity dose; the control is added to its views.

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
    """Return every swept dose as a corruption of the inputs only, without an arm."""
    return tuple(
        Condition(_corruption(study.views, axis.path, dose), axis.path, dose)
        for axis in study.axes
        if study.corrupts(axis.path)
        for dose in study.doses_of(axis.path)
    )


def uncorrupted() -> Condition:
    """Return the condition whose views are the unchanged inputs."""
    return Condition(Views(pairing=TimeJitter(), base=NoSplitting()))


def _corruption(views: Views, path: str, dose: float) -> Views:
    """Return views with one swept transform or adversary, and nothing else.

    They neither pair windows nor split counts, and have no other transform.
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
