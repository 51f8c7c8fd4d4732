"""Find everything in a study's recordings that keeps the study from running.

In: a study and the folder of its file. Out: problems, each with its place in the study
(the path of a field), the value found there and the reason; and a description of every
session, which is opened only once. Further checks are called from here: those of one
recording cut into windows and folds (`data.inspection`), and those of all recordings
together (`data.together`). Nothing is trained, and errors in the data are reported, not
raised.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from invariance_probe.data.alternatives import null_problems
from invariance_probe.data.arrays import check_complete
from invariance_probe.data.catalog import resolve
from invariance_probe.data.folds import check_classes, make_folds
from invariance_probe.data.inspection import Inspected, inspect, without_target
from invariance_probe.data.labels import labelled_windows
from invariance_probe.data.recording import Recording
from invariance_probe.data.sessions import described, opened
from invariance_probe.data.states import listed, restricted, states_of
from invariance_probe.data.together import joint_problems, repeated_sessions
from invariance_probe.data.windows import Windows
from invariance_probe.errors import DataError
from invariance_probe.plan.inspections import InspectedSession
from invariance_probe.study.baselines import Messengers
from invariance_probe.study.budgets import budget_problems
from invariance_probe.study.declaration import PathInStudy, Problem
from invariance_probe.study.pairing import MinedPairing
from invariance_probe.study.recordings import RecordingSource
from invariance_probe.study.state_pairing import StatePairing
from invariance_probe.study.study import Study
from invariance_probe.study.transforms import needs_counts, title_of
from invariance_probe.study.views import Views

MOST_EPOCHS = 20
"""Largest number of epochs between which messengers are compared.

Messengers are the few units that a decoder rests on. An array with more values than
this is taken for something other than epochs, and refused.
"""


def recording_problems(study: Study, base: Path) -> list[Problem]:
    """List everything that is wrong with a study's recordings.

    Parameters
    ----------
    study
        The study.
    base
        Folder of the study file. Relative paths start from it.

    Returns
    -------
    problems
        Place in the study, value found there, and what is wrong with it; at most one
        problem per place.
    """
    return all_problems(
        study,
        [inspect_source(study, base, index, False) for index in range(len(study.recordings))],
    )


def inspect_source(
    study: Study, base: Path, index: int, plants: bool = True
) -> tuple[list[InspectedSession], list[Problem]]:
    """Open one entry of a study's recordings, each session once, and check it.

    The result holds no arrays, so that their memory is free after the call.

    Parameters
    ----------
    study
        The study.
    base
        Folder of the study file. Relative paths start from it.
    index
        Position of the entry in the study.
    plants
        Whether to make the planted controls of sessions that have no problem.

    Returns
    -------
    sessions
        A description of each session that could be opened.
    problems
        What is wrong with the sessions, or why one could not be opened.
    """
    source = study.recordings[index]
    found: list[InspectedSession] = []
    problems: list[Problem] = []
    try:
        for recording in opened(source, base):
            refused, cautions, notes = _remarks(study, source, recording, index)
            problems += refused
            known = described(study, source, recording, cautions, notes, plants and not refused)
            found.append(known)
    except DataError as error:
        field = source.located_by
        problems.append((("recordings", index, field), getattr(source, field), str(error)))
    return found, problems


def all_problems(
    study: Study, inspected: Sequence[tuple[Sequence[InspectedSession], Sequence[Problem]]]
) -> list[Problem]:
    """Collect the problems of single recordings and those of all together.

    Parameters
    ----------
    study
        The study.
    inspected
        What `inspect_source` returned for each entry of its recordings.

    Returns
    -------
    problems
        Place in the study, value found there, and what is wrong with it; at most one
        problem per place.
    """
    entries = [found for found, _ in inspected]
    problems: list[Problem] = []
    for again, (_, own) in zip(repeated_sessions(entries), inspected, strict=True):
        problems += [*again, *own]
    units = {one.session: len(one.unit_ids) for found in entries for one in found}
    problems += budget_problems(study, units)
    if not problems:
        problems += joint_problems(study, entries)
    return _unique(problems)


def _remarks(
    study: Study, source: RecordingSource, recording: Recording, index: int
) -> tuple[list[Problem], list[Problem], list[str]]:
    """Check one recording for reasons to refuse it, or else for cautions and notes.

    Parameters
    ----------
    study
        The study.
    source
        The source of the recording.
    recording
        The whole recording.
    index
        Index of its source in the study's list.

    Returns
    -------
    refused
        Problems that keep the study from running.
    cautions
        Remarks for the reader; empty for a refused recording.
    notes
        What was left out of the recording, or is not known of it.
    """
    refused = list(_dealt_problems(study, source, recording))
    states = list(_state_problems(study, recording))
    if states:
        return [*refused, *states], [], []
    seen = restricted(recording, study.window)
    cut = _cut(study, seen, index)
    refused += [cut] if isinstance(cut, tuple) else _session_problems(cut)
    refused += null_problems(study, seen)
    if refused or isinstance(cut, tuple):
        return refused, [], []
    return [], list(inspect(cut, "caution")), [*recording.notes, *without_target(cut)]


def _dealt_problems(
    study: Study, source: RecordingSource, recording: Recording
) -> Iterator[Problem]:
    """Yield a problem if gaps between dealt parts are shorter than the embargo.

    A file whose time steps are sorted by condition is cut into parts, which are dealt
    out over the session like cards (`study.recordings.Dealt`). Parts that were
    neighbours in the file may end up in different folds. Only the gap that is removed
    between them then keeps training and test bins apart.

    Parameters
    ----------
    study
        The study, which declares the embargo.
    source
        The source of the recording, which declares the gap.
    recording
        The whole recording.
    """
    declared = resolve(source)[0] if source.kind == "catalog" else source
    dealt, embargo = (
        getattr(declared, "dealt", None),
        round(study.folds.embargo_s / recording.bin_s),
    )
    if dealt is not None and dealt.gap_bins < embargo:
        near = (
            f"the time steps of session {recording.session!r} are dealt out in parts, and "
            f"{dealt.gap_bins} bins are removed between neighbouring parts (dealt.gap_bins). One "
            "part can be training data and its neighbour test data, so this gap must be at least "
            f"as long as the embargo, which is {embargo} bins. Use dealt.gap_bins of at least "
            f"{embargo}, or folds.embargo_s of at most {dealt.gap_bins * recording.bin_s:g} s"
        )
        yield ("folds", "embargo_s"), study.folds.embargo_s, near


def _state_problems(study: Study, recording: Recording) -> Iterator[Problem]:
    """Yield what is wrong with the states that a study names.

    These are the states in which windows lie, and those in which partners of training
    pairs are searched.

    Parameters
    ----------
    study
        The study.
    recording
        The whole recording.
    """
    within, pairing = study.window.within, study.views.pairing
    if within is None:
        return
    try:
        states = np.unique(states_of(recording, within))
    except DataError as error:
        yield ("window", "within"), within.array, str(error)
        return
    if not isinstance(pairing, StatePairing):
        return
    for name, values in (("partners", pairing.partners), ("others", pairing.others)):
        if not np.isin(states, values).any():
            never = (
                f"session {recording.session!r}: {within.array!r} never takes any of the values "
                f"{list(values)}; {listed(states)}"
            )
            yield ("views", "pairing", name), list(values), never
    if len(pairing.offsets(recording.bin_s)[0]) == 1:
        longer = max(pairing.compression, 1.0) * 2 * recording.bin_s
        yield (
            ("views", "pairing", "span_s"),
            pairing.span_s,
            f"a trajectory of {pairing.span_s:g} s is only one bin long in session "
            f"{recording.session!r}, so it has no order in time; use a span_s of at least "
            f"{longer:g} s",
        )


def _cut(study: Study, recording: Recording, index: int) -> Inspected | Problem:
    """Cut a recording into windows and folds, or say why it cannot be cut.

    Parameters
    ----------
    study
        The study.
    recording
        The recording, restricted to the states in `window.within`, if any.
    index
        Index of the recording in the study's list.

    Returns
    -------
    cut
        The recording with its windows and folds. If the target, the windows or the
        folds cannot be made, the problem with the first of these instead, because each
        needs the one before.
    """
    try:
        values = recording.target(study.target)
    except DataError as error:
        return ("target", "name"), study.target.name, str(error)
    try:
        cut = labelled_windows(recording, study.window, values, study.target)
    except DataError as error:
        name = "length_bins" if study.window.length_s is None else "length_s"
        return ("window", name), getattr(study.window, name), str(error)
    try:
        folds = make_folds(recording, cut.windows, study.folds)
        if study.target.kind == "categorical":
            check_classes(cut.values, folds, recording.session)
    except DataError as error:
        place_of = (
            "embargo_s"
            if "embargo_s" in str(error)
            else "count"
            if "fold" in str(error) and "scheme is" not in str(error)
            else "scheme"
        )
        return ("folds", place_of), getattr(study.folds, place_of), str(error)
    return Inspected(study, recording, cut, folds, index)


def _session_problems(inspected: Inspected) -> Iterator[Problem]:
    """Yield what is wrong with a recording after windows and folds are cut.

    Its numbers, epochs, methods, views and mined pairs are checked.
    """
    study, recording = inspected.study, inspected.recording
    windows, folds = inspected.windows, inspected.folds
    yield from inspect(inspected, "refusal")
    if isinstance(study.views.pairing, StatePairing) and not inspected.cut.labelled.all():
        yield (
            ("target", "name"),
            study.target.name,
            f"in session {recording.session!r} {study.target.name!r} is unknown in some of the "
            "states in which windows lie, which pairs across states cannot have; use another "
            "pairing, or bins in which it is known",
        )
    yield from _stream_problems(study, recording, windows)
    yield from _epoch_problems(study, recording, windows.centres)
    yield from _method_problems(study, recording, min(len(fold.train) for fold in folds))
    swept = [
        (("axes", i, "doses", j), dose)
        for i, axis in enumerate(study.axes)
        if study.is_jitter(axis.path)
        for j, dose in enumerate(axis.doses)
    ]
    yield from view_problems(study.views, recording, windows.stride * recording.bin_s, swept)
    if isinstance(study.views.pairing, MinedPairing):
        shortest = min(
            windows.starts[fold.train[-1]] - windows.starts[fold.train[0]] for fold in folds
        )
        yield from _mining_problems(
            study, study.views.pairing, recording, float(shortest) * recording.bin_s
        )


def _stream_problems(study: Study, recording: Recording, windows: Windows) -> Iterator[Problem]:
    """Yield a stream that the recording does not have, or that windows hold nothing of."""
    name, place = study.views.stream, ("views", "pairing", "stream")
    if not name:
        return
    try:
        stream = recording.stream(name)
    except DataError as error:
        yield place, name, str(error)
        return
    length_s = windows.length * recording.bin_s
    if not stream.samples(length_s):
        yield (
            place,
            name,
            f"in session {recording.session!r} a window of {length_s:g} s holds no whole sample of "
            f"{name!r}, whose rate is {stream.rate_hz:g} Hz; use longer windows",
        )


def _epoch_problems(study: Study, recording: Recording, centres: np.ndarray) -> Iterator[Problem]:
    """Yield what is wrong with the epochs between which messengers are compared.

    Messengers are the few units that a decoder rests on.

    Parameters
    ----------
    study
        The study.
    recording
        The recording, restricted to the states in `window.within`, if any.
    centres
        Bin at the centre of each window (window,).
    """
    for i, asked in enumerate(study.measurements):
        place: PathInStudy = ("measurements", i, "epochs")
        if not isinstance(asked, Messengers) or not asked.epochs:
            continue
        where = f"session {recording.session!r}: epochs {asked.epochs!r}"
        try:
            epochs = recording.array(asked.epochs, "epochs")
            if epochs.ndim != 1:
                raise DataError(
                    f"{where} has shape {epochs.shape}, but must have shape (time,), with one "
                    "label per time bin"
                )
            check_complete(epochs, where)
        except DataError as error:
            yield place, asked.epochs, str(error)
            continue
        values, counts = np.unique(epochs[centres], return_counts=True)
        if not 2 <= len(values) <= MOST_EPOCHS:
            what = (
                f"array {asked.epochs!r} has {len(values)} different values in session "
                f"{recording.session!r}, but the number of epochs must be 2 to {MOST_EPOCHS}; "
                "name an array with one value per epoch"
            )
            yield place, asked.epochs, what
        elif counts.min() < 4 * asked.blocks:
            reason = (
                f"epoch {values[counts.argmin()]!s} of session {recording.session!r} has only "
                f"{counts.min()} windows; with {asked.blocks} blocks, every epoch needs at least "
                f"{4 * asked.blocks} windows. Use fewer blocks, or other epochs"
            )
            yield ("measurements", i, "blocks"), asked.blocks, reason


def _mining_problems(
    study: Study, pairing: MinedPairing, recording: Recording, span_s: float
) -> Iterator[Problem]:
    """Yield what is wrong with mined pairs (distant partners) in one recording.

    Parameters
    ----------
    study
        The study.
    pairing
        The study's declaration of mined pairs.
    recording
        The recording, restricted to the states in `window.within`, if any.
    span_s
        Time from the first to the last training window of a fold, in seconds, in the
        fold where it is shortest.
    """
    window_s = study.window.in_bins(recording.bin_s).length_bins * recording.bin_s
    if pairing.gap_s < window_s - 1e-9:
        yield (
            ("views", "pairing", "gap_s"),
            pairing.gap_s,
            f"a window lasts {window_s:g} s in session {recording.session!r}, so windows that are "
            f"{pairing.gap_s:g} s apart overlap; use a gap_s of at least {window_s:g} s",
        )
    elif (
        not study.quick
        and study.contrasts
        and not pairing.elsewhere
        and 4 * pairing.gap_s <= span_s < 6 * pairing.gap_s
    ):
        yield (
            ("views", "pairing", "gap_s"),
            pairing.gap_s,
            f"the training part of one fold of session {recording.session!r} lasts only "
            f"{span_s:g} s. Contrasts are repeated on a third of it, which must be at least two "
            f"gaps of {pairing.gap_s:g} s long. Use a gap_s of at most {span_s / 6:.3g} s, or "
            "`quick: true`",
        )
    if not pairing.elsewhere and 4 * pairing.gap_s > span_s:
        yield (
            ("views", "pairing", "gap_s"),
            pairing.gap_s,
            f"the training part of one fold of session {recording.session!r} lasts only "
            f"{span_s:g} s. It must last at least four gaps of {pairing.gap_s:g} s, so that a "
            "window has partners far enough away in both directions, also after a random shift. "
            f"Use a gap_s of at most {span_s / 4:.3g} s",
        )
    if pairing.guide is not None:
        try:
            recording.target(pairing.guide, "guide")
        except DataError as error:
            yield ("views", "pairing", "guide", "name"), pairing.guide.name, str(error)


def _method_problems(study: Study, recording: Recording, fewest: int) -> Iterator[Problem]:
    """Yield what is wrong with the study's methods on one recording.

    Parameters
    ----------
    study
        The study.
    recording
        The recording, restricted to the states in `window.within`, if any.
    fewest
        Number of training windows in the smallest training part of a fold.
    """
    for place, method in study.methods():
        optimisation = method.optimisation(study.training.optimisation())
        if optimisation is not None and optimisation.batch_size > fewest:
            own = getattr(method, "training", None)
            changed = own is not None and own.batch_size is not None
            yield (
                (*place, "training", "batch_size") if changed else ("training", "batch_size"),
                optimisation.batch_size,
                f"batch_size is {optimisation.batch_size}, but one fold of session "
                f"{recording.session!r} has only {fewest} training windows; use a batch_size of "
                f"at most {fewest}",
            )
        window = study.window.in_bins(recording.bin_s)
        gap_bins = getattr(method, "gap_bins", None)
        if gap_bins is not None and (window.length_bins + gap_bins) % window.stride_bins:
            yield (
                (*place, "gap_bins"),
                gap_bins,
                f"successive windows of a sequence start {window.length_bins + gap_bins} bins "
                f"apart (window and gap), but in session {recording.session!r} windows start only "
                f"every {window.stride_bins} bins; use a length and a gap whose sum is a multiple "
                "of the stride",
            )
        if method.reads_counts and recording.activity_kind == "signal":
            yield (
                (*place, "kind"),
                method.kind,
                f"{method.kind} reconstructs spike counts, but session {recording.session!r} "
                "holds continuous signals; use another method",
            )


def view_problems(
    views: Views,
    recording: Recording,
    step_s: float,
    swept: Sequence[tuple[PathInStudy, float]] = (),
) -> Iterator[Problem]:
    """Yield what is wrong with the views of one recording.

    Jitters must be whole numbers of windows' strides, and some transforms need counts.

    Parameters
    ----------
    views
        The views that the study declares.
    recording
        The recording, restricted to the states in `window.within`, if any.
    step_s
        Seconds from one window to the next.
    swept
        Further jitters, in seconds, each with its place in the study.
    """
    for where, seconds in [(("views", "pairing", "window_s"), views.pairing.window_s), *swept]:
        if abs(seconds / step_s - round(seconds / step_s)) > 1e-6:
            yield (
                where,
                seconds,
                f"a jitter of {seconds:g} s is not a multiple of the time from one window to the "
                f"next, {step_s:g} s in session {recording.session!r}; use a multiple of it",
            )
    if recording.activity_kind == "signal":
        advice = f"but session {recording.session!r} holds continuous signals"
        if views.base.kind == "count_splitting":
            yield (
                ("views", "base", "kind"),
                views.base.kind,
                f"count_splitting needs spike counts, {advice}; use 'none', and add mild "
                "gaussian_noise with a fixed dose to the transforms",
            )
        for i, transform in enumerate(views.transforms):
            if needs_counts(transform):
                yield (
                    ("views", "transforms", i, "kind"),
                    transform.kind,
                    f"{title_of(transform)} needs spike counts, {advice}; use another transform",
                )
            if getattr(transform, "value", "") == "silent":
                yield (
                    ("views", "transforms", i, "value"),
                    "silent",
                    f"with value 'silent' a lost unit has zero spike counts, {advice}; use 'mean'",
                )


def _unique(problems: list[Problem]) -> list[Problem]:
    """Keep the first problem at each place, as an example for all sessions."""
    first: dict[PathInStudy, Problem] = {}
    for problem in problems:
        first.setdefault(problem[0], problem)
    return list(first.values())
