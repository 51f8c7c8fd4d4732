"""What the fields of a study must agree on, each disagreement with its own place in the study."""

from collections import Counter
from collections.abc import Iterator
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from invariance_probe.study.declaration import Place
from invariance_probe.study.hypotheses import CONTROLS, Contrast
from invariance_probe.study.methods import LinearSSL, Method, Reliance
from invariance_probe.study.pairing import SHARE, MinedPairing
from invariance_probe.study.specificity import HAVE_CONTROLS, as_strong_as
from invariance_probe.study.state_pairing import STATE_SHARE, StatePairing
from invariance_probe.study.training import Optimisation
from invariance_probe.study.transforms import cuts_bins, is_idle
from invariance_probe.study.views import POOL, Views

if TYPE_CHECKING:
    from invariance_probe.study.study import Study

ACROSS_UNITS = (
    "cutmix",
    "waveform_drift",
    "unit_permutation",
    "worst_of_masks",
    "ascended_mask",
    "learned_mask",
    "adversarial_noise",
    "learned_policy",
)
"""Stages of views that compare or mix units or windows, and would do so over the border of two sessions."""
OF_ONE_SESSION = ("linear_ssl", "swap_vae", "relative_positioning", "temporal_shuffling")
"""Methods that need one session's units, or take two windows' distance in time."""


def disagreements(study: "Study") -> Iterator[tuple[Place, Any, str]]:
    """Yield everything in a study that contradicts something else in it: its place, the value got, and why with what to do."""
    yield from _repeated((("recordings", i, "session"), name) for i, name in _session_names(study))
    yield from _repeated((("hypotheses", i, "id"), hypothesis.id) for i, hypothesis in enumerate(study.hypotheses))
    yield from _repeated((("axes", i, "path"), axis.path) for i, axis in enumerate(study.axes))
    kinds = [stage.kind for stage in study.views.transforms]
    yield from _repeated((("views", "transforms", i, "kind"), kind) for i, kind in enumerate(kinds))
    for i, transform in enumerate(study.views.transforms):
        if cuts_bins(transform) and study.window.length_bins == 1:
            single = (
                f"{transform.kind} takes some bins of a window and leaves others, and window.length_bins is 1; use longer windows"
            )
            yield ("views", "transforms", i, "kind"), transform.kind, single + ", or a block of units"
    yield from _pairing_problems(study)
    yield from _state_problems(study)
    yield from _pool_problems(study, ("views", "pool"), study.views)
    yield from _axis_problems(study)
    yield from _hypothesis_problems(study)
    yield from _method_problems(study, ("method",), study.method)
    if study.second_method is not None:
        yield from _method_problems(study, ("second_method",), study.second_method)
    yield from _control_problems(study)
    yield from _sweep_problems(study)
    if study.training.adaptive is not None and isinstance(study.method, LinearSSL):
        same = (
            "linear_ssl has no randomness, so every look would see the same; leave training.adaptive out, or use another method"
        )
        yield ("training", "adaptive"), list(study.training.adaptive.looks), same
    if study.window.length_bins > 1:
        for name, method in (("method", study.method), ("second_method", study.second_method)):
            if isinstance(method, LinearSSL):
                longer = f"linear_ssl reads windows of one bin, and window.length_bins is {study.window.length_bins}; use another method"
                yield (name, "kind"), method.kind, longer
    yield from _measurement_problems(study)
    if study.folds.scheme == "shuffled" and study.folds.embargo_s > 0:
        yield (
            ("folds", "embargo_s"),
            study.folds.embargo_s,
            "shuffled windows have test windows on all sides, so an embargo leaves nothing to train on; use 0, or the scheme 'blocks'",
        )
    for i, probe in enumerate(study.probes):
        if (probe.kind == "logistic") != (study.target.kind == "categorical"):
            yield (
                ("probes", i, "kind"),
                probe.kind,
                f"{probe.kind!r} cannot decode a {study.target.kind} target; use "
                + ("'logistic'" if study.target.kind == "categorical" else "'ridge'"),
            )


def _session_names(study: "Study") -> Iterator[tuple[int, str]]:
    for i, source in enumerate(study.recordings):
        name = source.session or source.name if source.kind == "catalog" else source.session
        yield i, name


def _measurement_problems(study: "Study") -> Iterator[tuple[Place, Any, str]]:
    yield from _repeated((("measurements", i, "kind"), asked.kind) for i, asked in enumerate(study.measurements))
    for i, asked in enumerate(study.measurements):
        if not asked.budgets or tuple(sorted(set(asked.budgets))) != asked.budgets:
            reason = "name the budgets that are compared, ascending and each once, such as [1, 2, 4, 8]"
            yield ("measurements", i, "budgets"), list(asked.budgets), reason
        if study.window.length_bins > 1:
            longer = f"{asked.kind} reads windows of one bin, and window.length_bins is {study.window.length_bins}; use 1"
            yield ("measurements", i, "kind"), asked.kind, longer
        if isinstance(asked, Reliance) and _pools(study):
            alone = "reliance trains models of one session each; leave it out, or let no model train on several (views.pool)"
            yield ("measurements", i, "kind"), asked.kind, alone


def _axis_problems(study: "Study") -> Iterator[tuple[Place, Any, str]]:
    known = study.views.doses()
    for i, axis in enumerate(study.axes):
        if axis.path not in known:
            yield ("axes", i, "path"), axis.path, _unknown("axis", axis.path, known)
            continue
        identity = known[axis.path]
        if identity not in axis.doses:
            yield (
                ("axes", i, "doses"),
                axis.doses,
                f"the identity dose {identity:g} is missing: every axis needs the dose that changes nothing",
            )
        if len(set(axis.doses)) < len(axis.doses):
            yield ("axes", i, "doses"), axis.doses, "a dose stands twice"
        for j, dose in enumerate(axis.doses):
            try:
                study.views.at(axis.path, dose)
            except ValidationError as error:
                yield ("axes", i, "doses", j), dose, f"{axis.path}: {error.errors()[0]['msg']}"


def _pairing_problems(study: "Study") -> Iterator[tuple[Place, Any, str]]:
    pairing = study.views.pairing
    if isinstance(pairing, MinedPairing) and pairing.share and SHARE not in [axis.path for axis in study.axes]:
        yield (
            ("views", "pairing", "share"),
            pairing.share,
            f"mined pairs need their controls, which only the axis {SHARE!r} brings; sweep it, or leave the share at 0",
        )
    if isinstance(pairing, MinedPairing) and pairing.elsewhere and not _pools(study):
        alone = "models see one session, so that there is no other to take partners from; give views.pool, or leave it out"
        yield ("views", "pairing", "elsewhere"), pairing.elsewhere, alone
    if isinstance(pairing, MinedPairing) and pairing.guide is None and pairing.gap_s < 3 * pairing.smoothing_s:
        yield (
            ("views", "pairing", "gap_s"),
            pairing.gap_s,
            f"activity that is smoothed by {pairing.smoothing_s:g} s is alike over 3 of its SDs whatever it codes; use at least "
            f"{3 * pairing.smoothing_s:g} s, or smooth less",
        )


def _state_problems(study: "Study") -> Iterator[tuple[Place, Any, str]]:
    """Yield what is wrong with pairs across states."""
    pairing, within = study.views.pairing, study.window.within
    if not isinstance(pairing, StatePairing):
        return
    place = ("views", "pairing")
    if within is None:
        unknown = (
            "pairs across states need `window: {within: {array: ..., values: [...]}}`, which says where windows are labelled"
        )
        yield (*place, "kind"), pairing.kind, unknown
    for name, states in (("partners", pairing.partners), ("others", pairing.others)):
        labelled = set(states) & set(within.values if within else ())
        if labelled:
            yield (
                (*place, name),
                list(states),
                f"state {min(labelled)} is one of window.within.values; it cannot be its own partner",
            )
    if pairing.share and STATE_SHARE not in [axis.path for axis in study.axes]:
        controls = f"pairs across states need their controls, which only the axis {STATE_SHARE!r} brings; sweep it"
        yield (*place, "share"), pairing.share, f"{controls}, or leave the share at 0"
    if pairing.gap_s < 3 * pairing.smoothing_s:
        near = f"smoothing by {pairing.smoothing_s:g} s mixes what is nearer than 3 of its SDs; use at least {3 * pairing.smoothing_s:g} s"
        yield (*place, "gap_s"), pairing.gap_s, near
    for at, method in study.methods():
        if method.kind in ("supcon", "y_aware"):
            yield (*at, "kind"), method.kind, "it reads the target of both windows, and windows of other states have none"
        if method.kind == "myow":
            yield (
                (*at, "kind"),
                method.kind,
                "it mines partners of its own among all windows it is shown, those asleep too; use another method",
            )


def _pool_problems(study: "Study", place: Place, views: Views) -> Iterator[tuple[Place, Any, str]]:
    """Yield why models cannot train on several sessions under these views."""
    if views.pool is None:
        return
    if study.window.within is not None:
        yield place, views.pool, "windows of other sessions are cut in all states; leave window.within out, or the pool"
    by_activity = isinstance(views.pairing, StatePairing) or getattr(views.pairing, "guide", True) is None
    unguided = [views.pairing.kind] if by_activity else []
    stages = [*unguided, *(stage.kind for stage in views.corruptions if stage.kind in ACROSS_UNITS)]
    if stages:
        mixing = (
            f"{', '.join(stages)} compares or mixes units and windows as if all were of one session; leave it out, or the pool"
        )
        yield place, views.pool, mixing
    for _, method in study.methods():
        if method.kind in OF_ONE_SESSION:
            yield place, views.pool, f"{method.kind} reads windows of one session; use another method, or leave the pool out"


def _hypothesis_problems(study: "Study") -> Iterator[tuple[Place, Any, str]]:
    axes = {axis.path: axis for axis in study.axes}
    groups = {source.group for source in study.recordings if source.group}
    for i, hypothesis in enumerate(study.hypotheses):
        axis = axes.get(hypothesis.axis)
        if axis is None:
            yield ("hypotheses", i, "axis"), hypothesis.axis, _unknown("axis", hypothesis.axis, axes)
        elif hypothesis.dose not in axis.doses or hypothesis.dose == study.views.doses().get(axis.path):
            allowed = ", ".join(f"{dose:g}" for dose in axis.doses if dose != study.views.doses().get(axis.path))
            yield ("hypotheses", i, "dose"), hypothesis.dose, f"not a swept dose of {axis.path}; allowed: {allowed}"
        if hypothesis.group is not None and hypothesis.group not in groups:
            yield ("hypotheses", i, "group"), hypothesis.group, _unknown("group", hypothesis.group, groups)
        if isinstance(hypothesis, Contrast):
            missing = set(CONTROLS[hypothesis.axis]) - {"shifted"} - set(hypothesis.controls)
            if missing:
                needed = f"mined pairs that do not beat {' and '.join(sorted(missing))} pairs are no benefit; name them too"
                yield ("hypotheses", i, "controls"), hypothesis.controls, needed
            foreign = set(hypothesis.controls) - set(CONTROLS[hypothesis.axis])
            if foreign:
                allowed = ", ".join(CONTROLS[hypothesis.axis])
                unknown = f"{', '.join(sorted(foreign))} is no control on {hypothesis.axis}; allowed: {allowed}"
                yield ("hypotheses", i, "controls"), hypothesis.controls, unknown
            guide = getattr(study.views.pairing, "guide", None)
            if guide is not None and guide.name == study.target.name and hypothesis.role == "confirmatory":
                yield (
                    ("hypotheses", i, "role"),
                    hypothesis.role,
                    f"pairs that are guided by the target {study.target.name!r} itself say what its labels are worth, not how the code is; "
                    "use another guide, or role 'exploratory'",
                )
            continue
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


def _method_problems(study: "Study", place: Place, method: Method) -> Iterator[tuple[Place, Any, str]]:
    """Yield why a method cannot be used in this study."""
    if isinstance(method, LinearSSL):
        for kind in _without_closed_form(study):
            yield (
                (*place, "kind"),
                method.kind,
                f"it has no closed form for {kind}; use another method, or another corruption",
            )
    jitters = [axis.path for axis in study.axes if not study.corrupts(axis.path)]
    if isinstance(method, LinearSSL) and isinstance(study.views.pairing, MinedPairing):
        yield (*place, "kind"), method.kind, "its closed form knows local pairs only; use a method that learns by gradient"
    if jitters and method.pairs_in_time:
        yield (
            (*place, "kind"),
            method.kind,
            f"{method.kind} chooses its own windows in time, so {jitters[0]} does not reach it; "
            f"sweep {method.pairs_in_time!r} instead, or use another method",
        )
    negatives = getattr(method, "negatives", None)
    if negatives is not None and negatives.scope in ("subject", "any") and not _pools(study):
        yield (
            (*place, "negatives", "scope"),
            negatives.scope,
            "models see one session, so that there are no windows of others; use 'session', or let models train on several by views.pool",
        )
    if method.kind == "supcon" and study.target.kind != "categorical":
        yield (*place, "kind"), method.kind, f"it contrasts classes, and the target is {study.target.kind}; use 'y_aware'"


def _pools(study: "Study") -> bool:
    return study.views.pool is not None or any(sweep.path == POOL for sweep in study.sweeps)


def _without_closed_form(study: "Study") -> list[str]:
    """Return the transforms, and the adversary, that change something in some run and that linear SSL has no closed form for."""
    swept = {path.split(".")[0] for path in (*(axis.path for axis in study.axes), *(sweep.path for sweep in study.sweeps))}
    without = (stage for stage in study.views.corruptions if not stage.has_closed_form)
    return [stage.kind for stage in without if stage.kind in swept or not is_idle(stage)]


def _control_problems(study: "Study") -> Iterator[tuple[Place, Any, str]]:
    if not study.controls or any(_axis_problems(study)) or any(_hypothesis_problems(study)):
        return  # of which nothing can be as strong
    clean = study.views
    for axis in study.axes:
        clean = clean.at(axis.path, study.identity(axis.path))
    known: dict[tuple[str, float], Views] = {}
    for i, control in enumerate(study.controls):
        found = [as_strong_as(h.axis, h.dose, control, clean) for h in study.hypotheses]
        if not any(found):
            yield ("controls", i), control, f"no hypothesis has a control as strong: {HAVE_CONTROLS}; leave it out"
        for path, dose, views in filter(None, found):
            kind = path.split(".")[0]
            if control == "dropout" and any(transform.kind == kind for transform in study.views.transforms):
                yield (
                    ("controls", i),
                    control,
                    f"{kind} is a transform of this study already; sweep it up to {dose:g} and leave this out",
                )
            elif known.setdefault((path, dose), views) != views:
                two = f"two hypotheses ask for {path}={dose:g}, once with units lost as silent and once at their mean"
                yield ("controls", i), control, f"{two}; declare the same `value` for both"


def _sweep_problems(study: "Study") -> Iterator[tuple[Place, Any, str]]:
    for i, sweep in enumerate(study.sweeps):
        for j, value in enumerate(sweep.values):
            try:
                method, _, _, views = study.with_setting(sweep.path, value)
                if sweep.path == POOL:
                    yield from _pool_problems(study, ("sweeps", i, "values", j), views)
                if sweep.path == "method":
                    yield from _method_problems(study, ("sweeps", i, "values", j), method)
            except KeyError:
                allowed = [f"training.{name}" for name in Optimisation.model_fields] + [
                    "method",
                    "data.fraction",
                    POOL,
                    *study.views.doses(),
                ]
                yield ("sweeps", i, "path"), sweep.path, _unknown("setting", sweep.path, allowed)
                break
            except ValidationError as error:
                yield ("sweeps", i, "values", j), value, f"{sweep.path}: {error.errors()[0]['msg']}"


def _repeated(named: Iterator[tuple[Place, str]] | Any) -> Iterator[tuple[Place, Any, str]]:
    places = list(named)
    counts = Counter(name for _, name in places)
    seen: set[str] = set()
    for place, name in places:
        if counts[name] > 1 and name in seen:
            yield place, name, f"{name!r} stands twice; each needs a name of its own"
        seen.add(name)


def _unknown(what: str, got: str, known: Any) -> str:
    close = get_close_matches(got, list(known), n=1)
    hint = f" Did you mean {close[0]!r}?" if close else f" Allowed: {', '.join(repr(name) for name in sorted(known)) or 'none'}."
    return f"unknown {what} {got!r}.{hint}"
