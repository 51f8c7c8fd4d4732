"""Conditions: one dose of an axis in one arm, under a setting.

Every condition of SSL training comes from a setting (`settings.py`); corruptions of the inputs
alone, which the code is measured under, hold nothing of a setting but the swept transform.
"""

from dataclasses import dataclass

from invariance_probe.plan.run import Arm
from invariance_probe.plan.settings import Setting
from invariance_probe.study.specificity import as_strong_as
from invariance_probe.study.study import Study
from invariance_probe.study.views import NoSplitting, TimeJitter, Views

ARMS_OF_A_CONTROL: tuple[Arm, ...] = ("independent", "shared")


@dataclass(frozen=True)
class Condition:
    """One setting of the swept dose and the arm; `axis` is empty at the identity dose."""

    views: Views
    axis: str = ""
    dose: float = 0.0
    arm: Arm = "none"
    fraction: float = 1.0


def conditions_of(study: Study, setting: Setting) -> tuple[Condition, ...]:
    """Return every SSL condition under a setting, the identity dose first; a path that the setting holds is not swept."""
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
    """Return the specificity controls on an axis, each another corruption as strong as a primary dose."""
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
    """Return every swept corruption of the inputs alone."""
    return tuple(
        Condition(_corruption(study.views, axis.path, dose), axis.path, dose)
        for axis in study.axes
        if study.corrupts(axis.path)
        for dose in study.doses_of(axis.path)
    )


def uncorrupted() -> Condition:
    """Return the inputs as they are."""
    return Condition(Views(pairing=TimeJitter(), base=NoSplitting()))


def _corruption(views: Views, path: str, dose: float) -> Views:
    """Return views with nothing but one swept transform or adversary: no pairing, no base, no other transform."""
    kind = path.split(".")[0]
    adversary = (
        views.adversary if views.adversary is not None and views.adversary.kind == kind else None
    )
    transforms = tuple(t for t in views.transforms if t.kind == kind)
    alone = Views(
        pairing=TimeJitter(), base=NoSplitting(), transforms=transforms, adversary=adversary
    )
    return alone.at(path, dose) if transforms or adversary else alone
