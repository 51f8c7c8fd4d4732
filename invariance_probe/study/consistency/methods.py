"""Check methods and measurements against the rest of a study.

In: a study. Out: each problem as its place, the value there, and a sentence that says
what is wrong and what to do.
"""

from collections.abc import Iterator

from invariance_probe.study.consistency.pairings import pools
from invariance_probe.study.consistency.words import repeated
from invariance_probe.study.declaration import PathInStudy, Problem
from invariance_probe.study.design import Design
from invariance_probe.study.methods import LinearSSL, Method, Reliance, path_in_time, title_of
from invariance_probe.study.pairing import MinedPairing
from invariance_probe.study.transforms import is_idle


def method_problems(study: Design, place: PathInStudy, method: Method) -> Iterator[Problem]:
    """Yield why a method cannot be used in a study.

    Parameters
    ----------
    study
        The study.
    place
        Place of the method in the study: its own method, a swept one or a recipe's.
    method
        The method.
    """
    if isinstance(method, LinearSSL):
        for kind in _without_closed_form(study):
            yield (
                (*place, "kind"),
                method.kind,
                f"linear_ssl has no closed-form solution with {kind}; use another method, "
                "or another corruption",
            )
    jitters = [axis.path for axis in study.axes if not study.corrupts(axis.path)]
    if isinstance(method, LinearSSL) and isinstance(study.views.pairing, MinedPairing):
        yield (
            (*place, "kind"),
            method.kind,
            "linear_ssl can be computed in closed form only for local pairs, not for mined "
            "pairs; use a method trained by gradient descent",
        )
    if jitters and path_in_time(method):
        yield (
            (*place, "kind"),
            method.kind,
            f"{title_of(method)} chooses its own windows in time, so {jitters[0]} has no effect; "
            f"sweep {path_in_time(method)!r} instead, or use another method",
        )
    yield from _negatives_problems(study, place, method)
    if method.kind == "supcon" and study.target.kind != "categorical":
        yield (
            (*place, "kind"),
            method.kind,
            f"supcon needs classes, but the target is {study.target.kind}; use the method "
            "'y_aware'",
        )


def recipe_problems(study: Design) -> Iterator[Problem]:
    """Yield recipes of a study's own panel that cannot be trained."""
    for i, recipe in enumerate(study.panel.recipes if study.panel else ()):
        place = ("panel", "recipes", i, "method")
        if isinstance(recipe.method, LinearSSL) or isinstance(study.method, LinearSSL):
            closed = (
                "linear_ssl is computed in closed form, so it has no training that recipes could "
                "vary; remove the panel, or use another method"
            )
            yield place, "linear_ssl", closed
        elif recipe.method is not None:
            yield from method_problems(study, place, recipe.method)


def _is_swept(study: Design, kind: str) -> bool:
    """Whether an axis sweeps a dose of this kind of stage."""
    return any(axis.path.split(".")[0] == kind for axis in study.axes)


def _negatives_problems(study: Design, place: PathInStudy, method: Method) -> Iterator[Problem]:
    """Yield negatives from other sessions, if models see only one session."""
    negatives = getattr(method, "negatives", None)
    if negatives is not None and negatives.scope in ("subject", "any") and not pools(study):
        yield (
            (*place, "negatives", "scope"),
            negatives.scope,
            f"with scope {negatives.scope!r}, negatives come from other sessions too, but each "
            "model sees only one session; use 'session', or let models train on several sessions "
            "with views.pool",
        )


def _without_closed_form(study: Design) -> list[str]:
    """Return the corruptions in use that linear SSL has no closed form for.

    A transform or an adversary is in use if it is swept, or if its declared dose changes
    something.
    """
    swept = {
        path.split(".")[0]
        for path in (*(axis.path for axis in study.axes), *(sweep.path for sweep in study.sweeps))
    }
    without = (stage for stage in study.views.corruptions if not stage.has_closed_form)
    return [stage.kind for stage in without if stage.kind in swept or not is_idle(stage)]


def measurement_problems(study: Design) -> Iterator[Problem]:
    """Yield entries of `measurements` that cannot be measured in this study."""
    yield from repeated(
        (("measurements", i, "kind"), asked.kind) for i, asked in enumerate(study.measurements)
    )
    for i, asked in enumerate(study.measurements):
        if not asked.budgets or tuple(sorted(set(asked.budgets))) != asked.budgets:
            reason = (
                "budgets must be a list of one or more budgets in ascending order, each only "
                f"once, such as [1, 2, 4, 8]; got {list(asked.budgets)}"
            )
            yield ("measurements", i, "budgets"), list(asked.budgets), reason
        if study.window.may_hold_several_bins:
            longer = (
                f"{asked.kind} needs windows of one bin; set window.length_bins to 1, without "
                "length_s, or remove the measurement"
            )
            yield ("measurements", i, "kind"), asked.kind, longer
        if isinstance(asked, Reliance):
            yield from _reliance_problems(study, ("measurements", i), asked)


def _reliance_problems(study: Design, place: PathInStudy, asked: Reliance) -> Iterator[Problem]:
    """Yield why the measurement `reliance` cannot be made in this study."""
    if pools(study):
        alone = (
            "reliance trains each model on one session, but this study lets models train on "
            "several; remove the measurement, or remove views.pool"
        )
        yield (*place, "kind"), asked.kind, alone
    adversary = study.views.adversary
    if adversary is not None and not is_idle(adversary) and not _is_swept(study, adversary.kind):
        other = (
            "reliance removes units to raise the loss without an adversary, but this study's "
            f"models are trained against {adversary.kind}; sweep {adversary.kind}, or remove the "
            "adversary or the measurement"
        )
        yield (*place, "kind"), asked.kind, other
    yield from _negatives_problems(study, (*place, "of"), asked.of)


def closed_form_problems(study: Design) -> Iterator[Problem]:
    """Yield settings of a study of closed-form linear SSL that it cannot use."""
    if study.training.adaptive is not None and isinstance(study.method, LinearSSL):
        same = (
            "linear_ssl has no randomness, so every interim analysis would see the same results; "
            "remove training.adaptive, or use another method"
        )
        yield ("training", "adaptive"), list(study.training.adaptive.looks), same
    if study.window.may_hold_several_bins and isinstance(study.method, LinearSSL):
        longer = (
            "linear_ssl needs windows of one bin; set window.length_bins to 1, without length_s, "
            "or use another method"
        )
        yield ("method", "kind"), study.method.kind, longer
