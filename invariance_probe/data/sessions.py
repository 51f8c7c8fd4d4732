"""Sessions of a study: open every declared recording, read or simulated.

In: the recordings that a study declares and the folder of its file. Out: `Recording`s,
and descriptions of sessions by names, fingerprints and sizes, which hold no arrays.
"""

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import get_args

from invariance_probe.data.alternatives import fingerprint_of
from invariance_probe.data.catalog import resolve
from invariance_probe.data.inspection import Inspected, inspect, without_target
from invariance_probe.data.planting import plant
from invariance_probe.data.readers import READERS
from invariance_probe.data.recording import Recording
from invariance_probe.data.simulate import GENERATORS
from invariance_probe.errors import DataError
from invariance_probe.plan.inspections import (
    InspectedPlant,
    InspectedSession,
    Remark,
    planted_name,
)
from invariance_probe.study.declaration import Problem
from invariance_probe.study.recordings import AnySource, Planted, PlantKind, RecordingSource
from invariance_probe.study.session import PLANT, Session
from invariance_probe.study.study import Study


def open_recording(source: AnySource, session: str, base: Path) -> Recording:
    """Read or simulate one session of a source.

    Parameters
    ----------
    source
        The recording source that the study declares.
    session
        Name of the session to open.
    base
        Folder of the study file. Relative paths start from it.

    Returns
    -------
    recording
        The recording of the session.

    Raises
    ------
    DataError
        When the file is missing or cannot be read.
    """
    if source.kind == "planted":
        return plant(open_recording(source.of, session.partition(PLANT)[0], base), source, session)
    if source.kind == "simulated":
        return GENERATORS[source.generator](source, session)  # type: ignore[operator]
    if source.kind == "catalog":
        entry, folder = resolve(source)
        return READERS[entry.kind](entry, folder)
    return READERS[source.kind](source, base)


def session_names(source: RecordingSource) -> list[str]:
    """List the names of a source's sessions.

    Only a simulation can have several sessions; their names end in -1, -2 and so on.
    """
    if source.kind == "simulated" and source.sessions > 1:
        return [f"{source.session}-{i + 1}" for i in range(source.sessions)]
    if source.kind == "catalog":
        return [source.session or resolve(source)[0].session]
    return [source.session]


def opened(source: RecordingSource, base: Path) -> Iterator[Recording]:
    """Open the sessions of a source one after the other.

    Parameters
    ----------
    source
        The recording source that the study declares.
    base
        Folder of the study file. Relative paths start from it.

    Yields
    ------
    The recording of each session.
    """
    for name in session_names(source):
        recording = open_recording(source, name, base)
        assert recording.session == name
        yield recording


def find_sessions(study: Study, base: Path) -> tuple[Session, ...]:
    """Open every recording of a study and describe its sessions.

    A recording is refused only if it cannot be read. All further checks, and the
    planted controls, are in `data.problems`.

    Parameters
    ----------
    study
        The study.
    base
        Folder of the study file. Relative paths start from it.

    Returns
    -------
    sessions
        Names, sizes, fingerprints and cautions of each session.

    Raises
    ------
    DataError
        When a recording cannot be read.
    """
    return tuple(
        described(study, source, recording, *_remarks(study, recording, index)).at(source, index)
        for index, source in enumerate(study.recordings)
        for recording in opened(source, base)
    )


def _remarks(
    study: Study, recording: Recording, index: int
) -> tuple[tuple[Problem, ...], tuple[str, ...]]:
    """Cautions and notes about a recording; no cautions if it cannot be cut into folds."""
    try:
        inspected = Inspected.of(study, recording, index)
    except DataError:
        return (), recording.notes
    notes = (*recording.notes, *without_target(inspected))
    return tuple(inspect(inspected, "caution")), notes


def described(
    study: Study,
    source: RecordingSource,
    recording: Recording,
    cautions: Iterable[Problem],
    notes: Iterable[str] = (),
    plants: bool = False,
) -> InspectedSession:
    """Describe a recording by what plans and reports need, without its arrays.

    Parameters
    ----------
    study
        The study.
    source
        Where the recording comes from.
    recording
        The whole recording.
    cautions
        Remarks for the reader of the report, each with its place in the study.
    notes
        What was left out of the recording, or is not known of it, in sentences.
    plants
        Whether to make the planted controls of the session as well, to include their
        fingerprints.

    Returns
    -------
    session
        Names, sizes, fingerprints and cautions of the recording.
    """
    return InspectedSession(
        session=recording.session,
        subject=recording.subject,
        group=recording.group,
        fingerprint=recording.fingerprint,
        content=recording.content,
        activity_fingerprint=recording.activity_fingerprint,
        alternatives=fingerprint_of(recording, study),
        activity_kind=recording.activity_kind,
        bin_s=recording.bin_s,
        bins=len(recording.activity),
        unit_ids=recording.unit_ids,
        columns=recording.columns,
        streams={name: stream.values.size for name, stream in recording.streams.items()},
        cautions=tuple(Remark(place=place, got=got, text=text) for place, got, text in cautions),
        notes=tuple(notes),
        plants=tuple(_planted(study, source, recording)) if plants else (),
    )


def _planted(
    study: Study, source: RecordingSource, recording: Recording
) -> Iterator[InspectedPlant]:
    """Yield kind and fingerprint of each planted control of a session.

    A planted control has the session's activity and a target of known redundancy
    (`data.planting`). Only sessions of spike counts that are not pilots have controls,
    one of each kind. A study has none if it is `quick`, or if no hypothesis is about a
    corruption.
    """
    if study.quick or not any(study.corrupts(hypothesis.axis) for hypothesis in study.hypotheses):
        return
    if source.pilot or recording.activity_kind != "counts":
        return
    kinds: tuple[PlantKind, ...] = get_args(PlantKind)
    for kind in kinds:
        declared = Planted(of=source, plant=kind)
        planted = plant(recording, declared, planted_name(recording.session, kind))
        yield InspectedPlant(plant=kind, fingerprint=planted.fingerprint, content=planted.content)
