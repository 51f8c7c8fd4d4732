"""Specificity controls: corruptions of another kind that are equally strong.

They show whether a result is due to the kind of a corruption or merely to its strength.
In: the corruption that a hypothesis is about, and the name of a control. Out: the dose
at which the control is as strong, by a closed form. There is none where the strength
depends on the recording. That is so for gain modulation, unit permutation, waveform
drift and cutmix. Noise has none where lost values are set to zero counts (`silent`), or
where views are halves of split counts.
"""

from typing import Literal

from invariance_probe.study.transforms import (
    GaussianNoise,
    Pepper,
    ProgressiveUnitLoss,
    SpikeThinning,
    StratifiedDropout,
    TimeCutout,
    Transform,
    UnitCutout,
    UnitDropout,
)
from invariance_probe.study.views import Views

SpecificityControl = Literal["thinning", "noise", "stratified", "dropout"]
HAVE_CONTROLS = (
    "unit_dropout can have thinning, noise and stratified; pepper can have noise; "
    "progressive_unit_loss, unit_cutout and time_cutout can have dropout, and also noise if "
    "values are lost at their mean and counts are not split"
)
"""Sentence that says which corruption has which controls."""
Strong = tuple[Transform, str, float]
"""A control: its transform, its path (`kind.field`) and its dose."""


def as_strong_as(
    path: str, dose: float, control: SpecificityControl, clean: Views
) -> tuple[str, float, Views] | None:
    """Return a control that is as strong as a given corruption.

    Parameters
    ----------
    path, dose
        The corruption that a hypothesis is about: its swept path and its dose.
    control
        The name of the control.
    clean
        The study's views with every axis at its identity dose.

    Returns
    -------
    (path, dose, views) or None
        The control's path and dose, and views with the control at that dose; None where
        no closed form says how strong the control must be.
    """
    kind = path.split(".")[0]
    own = next((transform for transform in clean.transforms if transform.kind == kind), None)
    strong = (
        None
        if own is None
        else _strong(own, dose, clean.base.kind == "count_splitting").get(control)
    )
    if strong is None:
        return None
    added, at, its_dose = strong
    others = tuple(t for t in clean.transforms if t.kind != added.kind)
    return at, its_dose, clean.model_copy(update={"transforms": (*others, added)}).at(at, its_dose)


def _strong(own: Transform, dose: float, split: bool) -> dict[SpecificityControl, Strong]:
    """Return the controls as strong as a transform at a dose, by name.

    `split` says whether the views are halves of split counts.
    """
    if isinstance(own, UnitDropout):
        return _beside_dropout(dose)
    if isinstance(own, Pepper):
        return {"noise": _noise(dose * own.amplitude**2)}
    if isinstance(own, ProgressiveUnitLoss):
        return _beside_loss(own, dose / 2, split)
    return _beside_loss(own, dose, split) if isinstance(own, UnitCutout | TimeCutout) else {}


def _beside_dropout(rate: float) -> dict[SpecificityControl, Strong]:
    """Return the controls that are as strong as unit dropout at a rate.

    Thinning removes as many spikes. To a linear readout, noise of variance p / (1 - p)
    does the same as dropout with probability p (Wager et al. 2013, arXiv:1307.1493).
    Stratified dropout removes as many units, the same fraction at every firing rate.
    """
    return {
        "thinning": (SpikeThinning(), "spike_thinning.rate", rate),
        "noise": _noise(rate / (1 - rate)),
        "stratified": (StratifiedDropout(), "stratified_dropout.rate", rate),
    }


def _beside_loss(
    own: ProgressiveUnitLoss | UnitCutout | TimeCutout, part: float, split: bool
) -> dict[SpecificityControl, Strong]:
    """Return the controls as strong as losing a part of a window's values.

    Dropout loses as many values, but of any units. Where lost values are set to their
    mean, the mean squared change of the standardised inputs equals the part that is
    lost, so noise of this variance is as strong. Halves of split counts have no such
    noise: they are standardised by the whole counts but vary more, and how much more
    depends on the recording.
    """
    dropout: dict[SpecificityControl, Strong] = {
        "dropout": (UnitDropout(value=own.value), "unit_dropout.rate", part)
    }
    return dropout | ({"noise": _noise(part)} if own.value == "mean" and not split else {})


def _noise(variance: float) -> Strong:
    return GaussianNoise(), "gaussian_noise.sigma", variance**0.5
