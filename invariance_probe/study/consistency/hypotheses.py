"""Check hypotheses against the axes, arms and sessions of their study.

In: a study. Out: each problem as its place, the value there, and a sentence that says
what is wrong and what to do.
"""

from collections.abc import Collection, Iterator

from pydantic import ValidationError

from invariance_probe.study.consistency.words import meant, unknown
from invariance_probe.study.declaration import Problem
from invariance_probe.study.design import Axis, Design
from invariance_probe.study.hypotheses import CONTROLS, AnyHypothesis, Contrast


def hypothesis_problems(study: Design) -> Iterator[Problem]:
    """Yield hypotheses that their study cannot test.

    Either their axis or dose is not swept, or their group does not exist, or an arm that
    they compare is missing, or their prediction or controls do not fit their axis.
    """
    known = study.views.doses()
    axes = {meant(axis.path, known): axis for axis in study.axes}
    groups = {source.group for source in study.recordings if source.group}
    for i, hypothesis in enumerate(study.hypotheses):
        axis = axes.get(hypothesis.axis)
        if axis is None and hypothesis.axis:
            yield (
                ("hypotheses", i, "axis"),
                hypothesis.axis,
                _not_swept(hypothesis.axis, axes, known),
            )
        elif (
            axis is not None
            and (hypothesis.dose not in axis.doses or hypothesis.dose == known.get(hypothesis.axis))
            and (said := _not_a_dose(study, axis, hypothesis))
        ):
            yield ("hypotheses", i, "dose"), hypothesis.dose, said
        if hypothesis.group is not None and hypothesis.group not in groups:
            yield (
                ("hypotheses", i, "group"),
                hypothesis.group,
                unknown("group", hypothesis.group, groups),
            )
        if isinstance(hypothesis, Contrast):
            yield from _contrast_problems(study, i, hypothesis)
            continue
        if study.is_jitter(hypothesis.axis) and hypothesis.predicts in (
            "invariant",
            "distributed",
            "few",
        ):
            changes = (
                "within a jitter's window the target itself changes, so no code can be invariant "
                "to a time jitter; predict 'tolerated' (learning to ignore the jitter costs no "
                "more than the margin) or 'sensitive'"
            )
            yield ("hypotheses", i, "predicts"), hypothesis.predicts, changes
        if hypothesis.axis in CONTROLS:
            no_margin = (
                f"the axis {hypothesis.axis} compares mined pairs with their controls, which only "
                "a contrast can test; add `kind: contrast`, with `predicts: beneficial`"
            )
            yield ("hypotheses", i, "axis"), hypothesis.axis, no_margin
        if axis is not None and study.corrupts(axis.path) and axis.path in known:
            absent = {"independent", "shared"} - set(study.arms)
            if absent:
                yield (
                    ("arms",),
                    study.arms,
                    f"a hypothesis about {axis.path} needs the arms 'independent' and 'shared'; "
                    f"missing: {', '.join(sorted(absent))}",
                )


def _not_swept(got: str, axes: Collection[str], known: Collection[str]) -> str:
    """Write the message that the study does not sweep the axis of a hypothesis.

    Parameters
    ----------
    got
        The axis of the hypothesis.
    axes
        Paths that the study sweeps.
    known
        Paths that the study's views have, swept or not.
    """
    if got in known:
        swept = ", ".join(repr(path) for path in axes)
        return (
            f"{got!r} is not swept; the study sweeps {swept}. Add it to axes, or name an axis "
            "that is swept"
        )
    return unknown("axis", got, [path for path in axes if path in known] or known)


def _not_a_dose(study: Design, axis: Axis, hypothesis: AnyHypothesis) -> str:
    """Write the message that says which doses a hypothesis may be about.

    Parameters
    ----------
    study
        The study.
    axis
        The axis of the hypothesis.
    hypothesis
        A hypothesis whose dose is not swept, or is the identity dose.

    Returns
    -------
    reason
        Empty if the axis gives this dose in percent. Then the axis has the problem.
    """
    identity, path = study.views.doses().get(hypothesis.axis), hypothesis.axis
    possible = [dose for dose in axis.doses if dose == identity or _takes(study, path, dose)]
    in_percent = [dose for dose in axis.doses if dose not in possible]
    if any(dose == 100 * hypothesis.dose for dose in in_percent):
        return ""  # the problem is reported at the axis
    part = hypothesis.dose / 100
    percent = f"; write {hypothesis.dose:g} % as {part:g}" if part in possible else ""
    listed = ", ".join(f"{dose:g}" for dose in possible if dose != identity) or "none"
    return f"{hypothesis.dose:g} is not a swept dose of {path}; allowed: {listed}{percent}"


def _takes(study: Design, path: str, dose: float) -> bool:
    """Whether a path of the views can take a dose."""
    try:
        study.views.at(path, dose)
    except ValidationError:
        return False
    return True


def _contrast_problems(study: Design, i: int, hypothesis: Contrast) -> Iterator[Problem]:
    """Yield problems of the controls or the role of a contrast.

    A contrast cannot be confirmatory if its pairs are chosen by the target itself.

    Parameters
    ----------
    study
        The study.
    i
        Position of the hypothesis in the study, from 0.
    hypothesis
        The contrast.
    """
    missing = set(CONTROLS[hypothesis.axis]) - {"shifted"} - set(hypothesis.controls)
    if missing:
        needed = (
            f"the controls must include {' and '.join(sorted(missing))}, because mined pairs show "
            "a benefit only if they do better than these pairs too; add them"
        )
        yield ("hypotheses", i, "controls"), hypothesis.controls, needed
    foreign = set(hypothesis.controls) - set(CONTROLS[hypothesis.axis])
    if foreign:
        allowed = ", ".join(CONTROLS[hypothesis.axis])
        strange = (
            f"{', '.join(sorted(foreign))} cannot be used as a control on {hypothesis.axis}; "
            f"allowed: {allowed}"
        )
        yield ("hypotheses", i, "controls"), hypothesis.controls, strange
    guide = getattr(study.views.pairing, "guide", None)
    if guide is not None and guide.name == study.target.name and hypothesis.role == "confirmatory":
        yield (
            ("hypotheses", i, "role"),
            hypothesis.role,
            f"pairs guided by the target {study.target.name!r} itself show what its labels are "
            "worth, not what the code is like; use another guide, or role 'exploratory'",
        )
