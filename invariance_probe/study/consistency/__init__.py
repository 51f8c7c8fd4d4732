"""Check that the parts of a study agree with each other.

In: a study whose fields are valid one by one. Out: every contradiction between them, with
its place in the study file. Each file of this folder checks one part: axes and doses,
hypotheses, methods, or pairings. Recordings are not read here.
"""

import math
from collections.abc import Iterator

from invariance_probe.study.consistency.doses import axis_problems, control_problems, sweep_problems
from invariance_probe.study.consistency.hypotheses import hypothesis_problems
from invariance_probe.study.consistency.methods import (
    closed_form_problems,
    measurement_problems,
    method_problems,
    recipe_problems,
)
from invariance_probe.study.consistency.pairings import (
    pairing_problems,
    pool_problems,
    state_problems,
    stream_problems,
)
from invariance_probe.study.consistency.words import repeated
from invariance_probe.study.declaration import Problem
from invariance_probe.study.design import Design
from invariance_probe.study.nulls import PseudoSession
from invariance_probe.study.signals import SignalsRecording
from invariance_probe.study.transforms import OwnTransform, cuts_bins


def disagreements(study: Design) -> Iterator[Problem]:
    """Yield every contradiction between the parts of a study.

    Yields
    ------
    problem
        Its place in the study, the value there, and a sentence that says what is wrong
        and what to do.
    """
    yield from _named_twice(study)
    yield from _transform_problems(study)
    yield from pairing_problems(study)
    yield from state_problems(study)
    yield from stream_problems(study)
    yield from pool_problems(study, ("views", "pool"), study.views)
    yield from axis_problems(study)
    yield from hypothesis_problems(study)
    yield from method_problems(study, ("method",), study.method)
    yield from recipe_problems(study)
    yield from control_problems(study)
    yield from sweep_problems(study)
    yield from closed_form_problems(study)
    yield from measurement_problems(study)
    yield from _decoding_problems(study)
    yield from _filter_problems(study)
    yield from _cover_problems(study)


def _cover_problems(study: Design) -> Iterator[Problem]:
    """Yield why the target of a window cannot be the label that covers most of it."""
    cover = study.window.cover
    if cover is None:
        return
    if study.target.kind != "categorical":
        yield (
            ("window", "cover"),
            cover,
            f"cover is for labels, but the target is {study.target.kind}; leave it out: the "
            "target of a window is then its value at the centre",
        )
    elif isinstance(study.null, PseudoSession) and study.null.array is not None:
        yield (
            ("window", "cover"),
            cover,
            "the alternative targets of the null are read at the centres of windows; leave cover "
            "out, or use another null",
        )


def _named_twice(study: Design) -> Iterator[Problem]:
    """Yield sessions, hypotheses, axes and transforms whose name is not unique."""
    names = [
        source.session or source.name if source.kind == "catalog" else source.session
        for source in study.recordings
    ]
    yield from repeated((("recordings", i, "session"), name) for i, name in enumerate(names))
    yield from repeated(
        (("hypotheses", i, "id"), hypothesis.id) for i, hypothesis in enumerate(study.hypotheses)
    )
    yield from repeated((("axes", i, "path"), axis.path) for i, axis in enumerate(study.axes))
    kinds = [stage.kind for stage in study.views.transforms]
    yield from repeated((("views", "transforms", i, "kind"), kind) for i, kind in enumerate(kinds))


def _transform_problems(study: Design) -> Iterator[Problem]:
    """Yield transforms that remove some of a window's bins, if it has only one."""
    for i, transform in enumerate(study.views.transforms):
        if cuts_bins(transform) and not study.window.may_hold_several_bins:
            longer = "window.length_bins is 1; use longer windows"
            yield (
                ("views", "transforms", i, "kind"),
                transform.kind,
                f"{transform.title} needs windows of several bins, but {longer}"
                if isinstance(transform, OwnTransform)
                else f"{transform.kind} changes only some bins of a window, but {longer}, or a "
                "block of units",
            )


def _filter_problems(study: Design) -> Iterator[Problem]:
    """Yield an embargo that does not keep training and test data apart after a filter."""
    if study.folds.scheme not in ("trials", "blocks"):
        return
    for source in study.recordings:
        if not isinstance(source, SignalsRecording):
            continue
        apart = round(study.folds.embargo_s / source.bin_s) * source.bin_s
        if apart < source.reach_s:
            least = math.ceil(source.reach_s / source.bin_s) * source.bin_s
            yield (
                ("folds", "embargo_s"),
                study.folds.embargo_s,
                f"the filter of session {source.session!r} reaches {source.reach_s:.4g} s before "
                "and after a bin, so nearer training bins hold parts of the test data; use an "
                f"embargo_s of at least {least:g}, or a filter that reaches less (higher low_hz)",
            )
            return


def _decoding_problems(study: Design) -> Iterator[Problem]:
    """Yield folds and probes that do not fit the rest of the study."""
    if study.folds.scheme == "shuffled" and study.folds.embargo_s > 0:
        yield (
            ("folds", "embargo_s"),
            study.folds.embargo_s,
            "with folds.scheme 'shuffled', test windows lie on all sides of every window, so an "
            "embargo leaves nothing to train on; use an embargo of 0, or the scheme 'blocks'",
        )
    for i, probe in enumerate(study.probes):
        if (probe.kind == "logistic") != (study.target.kind == "categorical"):
            yield (
                ("probes", i, "kind"),
                probe.kind,
                f"{probe.kind!r} cannot decode a {study.target.kind} target; use "
                + ("'logistic'" if study.target.kind == "categorical" else "'ridge'"),
            )
