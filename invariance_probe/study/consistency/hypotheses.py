"""What a hypothesis needs of the axes, arms and sessions of its study."""

from collections.abc import Iterator
from typing import Any

from invariance_probe.study.consistency.words import unknown
from invariance_probe.study.declaration import Place
from invariance_probe.study.design import Design
from invariance_probe.study.hypotheses import CONTROLS, Contrast


def hypothesis_problems(study: Design) -> Iterator[tuple[Place, Any, str]]:
    """Yield hypotheses about what is not swept, not there, or not compared."""
    axes = {axis.path: axis for axis in study.axes}
    groups = {source.group for source in study.recordings if source.group}
    for i, hypothesis in enumerate(study.hypotheses):
        axis = axes.get(hypothesis.axis)
        if axis is None:
            yield ("hypotheses", i, "axis"), hypothesis.axis, unknown("axis", hypothesis.axis, axes)
        elif hypothesis.dose not in axis.doses or hypothesis.dose == study.views.doses().get(
            axis.path
        ):
            allowed = ", ".join(
                f"{dose:g}" for dose in axis.doses if dose != study.views.doses().get(axis.path)
            )
            yield (
                ("hypotheses", i, "dose"),
                hypothesis.dose,
                f"not a swept dose of {axis.path}; allowed: {allowed}",
            )
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
                "the label itself changes over a jitter's window, so that no code is invariant to it; predict 'tolerated' (being made "
                "constant over it costs no more than the margin) or 'sensitive'"
            )
            yield ("hypotheses", i, "predicts"), hypothesis.predicts, changes
        if hypothesis.axis in CONTROLS:
            no_margin = "how mined pairs compare with their controls is a contrast; add `kind: contrast` (predicts: beneficial)"
            yield ("hypotheses", i, "axis"), hypothesis.axis, no_margin
        if axis is not None and study.corrupts(axis.path) and axis.path in study.views.doses():
            absent = {"independent", "shared"} - set(study.arms)
            if absent:
                yield (
                    ("arms",),
                    study.arms,
                    f"a hypothesis about {axis.path} needs the arms 'independent' and 'shared'; missing: {', '.join(sorted(absent))}",
                )


def _contrast_problems(
    study: Design, i: int, hypothesis: Contrast
) -> Iterator[tuple[Place, Any, str]]:
    missing = set(CONTROLS[hypothesis.axis]) - {"shifted"} - set(hypothesis.controls)
    if missing:
        needed = f"mined pairs that do not beat {' and '.join(sorted(missing))} pairs are no benefit; name them too"
        yield ("hypotheses", i, "controls"), hypothesis.controls, needed
    foreign = set(hypothesis.controls) - set(CONTROLS[hypothesis.axis])
    if foreign:
        allowed = ", ".join(CONTROLS[hypothesis.axis])
        strange = (
            f"{', '.join(sorted(foreign))} is no control on {hypothesis.axis}; allowed: {allowed}"
        )
        yield ("hypotheses", i, "controls"), hypothesis.controls, strange
    guide = getattr(study.views.pairing, "guide", None)
    if guide is not None and guide.name == study.target.name and hypothesis.role == "confirmatory":
        yield (
            ("hypotheses", i, "role"),
            hypothesis.role,
            f"pairs that are guided by the target {study.target.name!r} itself say what its labels are worth, not how the code is; "
            "use another guide, or role 'exploratory'",
        )
