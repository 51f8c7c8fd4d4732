"""Check axes, sweeps and specificity controls against the rest of a study.

In: a study. Out: each problem as its place, the value there, and a sentence that says
what is wrong and what to do.
"""

from collections.abc import Iterator

from pydantic import ValidationError

from invariance_probe.study.consistency.hypotheses import hypothesis_problems
from invariance_probe.study.consistency.methods import method_problems
from invariance_probe.study.consistency.pairings import pool_problems
from invariance_probe.study.consistency.words import reason_of, unknown
from invariance_probe.study.declaration import Problem
from invariance_probe.study.design import Design
from invariance_probe.study.specificity import HAVE_CONTROLS, as_strong_as
from invariance_probe.study.training import Optimisation
from invariance_probe.study.views import POOL, Views


def axis_problems(study: Design) -> Iterator[Problem]:
    """Yield axes that the views do not have, and doses that an axis cannot take."""
    known = study.views.doses()
    for i, axis in enumerate(study.axes):
        if axis.path not in known:
            yield ("axes", i, "path"), axis.path, unknown("axis", axis.path, known)
            continue
        identity = known[axis.path]
        if identity not in axis.doses:
            yield (
                ("axes", i, "doses"),
                axis.doses,
                f"the identity dose {identity:g} is missing. Every axis needs the dose that "
                "changes nothing; add it to doses",
            )
        if len(set(axis.doses)) < len(axis.doses):
            again = next(dose for dose in axis.doses if axis.doses.count(dose) > 1)
            yield (
                ("axes", i, "doses"),
                axis.doses,
                f"the dose {again:g} appears twice; keep only one of them",
            )
        for j, dose in enumerate(axis.doses):
            try:
                study.views.at(axis.path, dose)
            except ValidationError as error:
                yield ("axes", i, "doses", j), dose, f"{axis.path}: {reason_of(error)}"


def control_problems(study: Design) -> Iterator[Problem]:
    """Yield specificity controls that no hypothesis can have, or that clash.

    Such a control is another corruption that is as strong as the one of a hypothesis.
    """
    if not study.controls or any(axis_problems(study)) or any(hypothesis_problems(study)):
        return  # no control can be matched in strength to a wrong axis or hypothesis
    # The views with every axis at its identity dose: a control is added to these.
    clean = study.views
    for axis in study.axes:
        clean = clean.at(axis.path, study.identity(axis.path))
    known: dict[tuple[str, float], Views] = {}
    for i, control in enumerate(study.controls):
        found = [as_strong_as(h.axis, h.dose, control, clean) for h in study.hypotheses]
        if not any(found):
            yield (
                ("controls", i),
                control,
                f"the control {control!r} is not available for any hypothesis of this study: "
                f"{HAVE_CONTROLS}. Remove this control",
            )
        for path, dose, views in filter(None, found):
            kind = path.split(".")[0]
            if control == "dropout" and any(
                transform.kind == kind for transform in study.views.transforms
            ):
                yield (
                    ("controls", i),
                    control,
                    f"{kind} is already a transform of this study, so it cannot also be a "
                    f"control; sweep it up to {dose:g}, and remove this control",
                )
            elif known.setdefault((path, dose), views) != views:
                two = (
                    f"two hypotheses need the control {path}={dose:g}, one with lost units silent "
                    "and the other with them at their mean"
                )
                yield ("controls", i), control, f"{two}; declare the same `value` for both"


def sweep_problems(study: Design) -> Iterator[Problem]:
    """Yield swept settings that do not exist, and values that they cannot take."""
    for i, sweep in enumerate(study.sweeps):
        for j, value in enumerate(sweep.values):
            try:
                method, _, _, views = study.with_setting(sweep.path, value)
                if sweep.path == POOL:
                    yield from pool_problems(study, ("sweeps", i, "values", j), views)
                if sweep.path == "method":
                    yield from method_problems(study, ("sweeps", i, "values", j), method)
            except KeyError:
                allowed = [f"training.{name}" for name in Optimisation.model_fields] + [
                    "method",
                    "data.fraction",
                    POOL,
                    *study.views.doses(),
                ]
                yield ("sweeps", i, "path"), sweep.path, unknown("setting", sweep.path, allowed)
                break
            except ValidationError as error:
                yield ("sweeps", i, "values", j), value, f"{sweep.path}: {reason_of(error)}"
