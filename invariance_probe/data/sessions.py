"""Sessions of a study: open every declared recording, read or simulated.

In: the recordings that a study declares and the folder of its file. Out: `Recording`s,
and `Session`s that carry names, fingerprints and sizes but no arrays.
"""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from invariance_probe.data.alternatives import fingerprint_of
from invariance_probe.data.catalog import resolve
from invariance_probe.data.inspection import Inspected, inspect
from invariance_probe.data.planting import plant
from invariance_probe.data.readers import READERS
from invariance_probe.data.readers.npz import read_npz
from invariance_probe.data.recording import Recording
from invariance_probe.data.simulate import GENERATORS
from invariance_probe.errors import DataError
from invariance_probe.study.declaration import Problem
from invariance_probe.study.recordings import AnySource, Planted, RecordingSource
from invariance_probe.study.session import PLANT, OtherSession, Session
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
    The session's recording.

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
        return read_npz(entry, folder)
    return READERS[source.kind](source, base)  # type: ignore[operator]


def open_other(other: OtherSession, base: Path) -> Recording:
    """Read or simulate another session that a run depends on.

    Parameters
    ----------
    other
        Name, source and planned fingerprint of that session.
    base
        Folder of the study file. Relative paths start from it.

    Returns
    -------
    The other session's recording.

    Raises
    ------
    DataError
        When its data differ from those that the run was planned with.
    """
    recording = open_recording(other.source, other.name, base)
    if recording.fingerprint != other.fingerprint:
        raise DataError(
            f"the data of session {other.name!r} changed while the study ran; run it again"
        )
    return recording


def session_names(source: RecordingSource) -> list[str]:
    """Names of a source's sessions.

    A simulation can have several sessions, which are numbered from 1.
    """
    if source.kind == "simulated" and source.sessions > 1:
        return [f"{source.session}-{i + 1}" for i in range(source.sessions)]
    if source.kind == "catalog":
        return [source.session or resolve(source)[0].session]
    return [source.session]


def find_sessions(study: Study, base: Path) -> tuple[Session, ...]:
    """Open every recording of a study and describe its sessions.

    Parameters
    ----------
    study
        The study.
    base
        Folder of the study file. Relative paths start from it.

    Returns
    -------
    The sessions, with fingerprints and cautions.

    Raises
    ------
    DataError
        When a recording cannot be read.
    """
    return tuple(
        replace(
            session,
            alternatives=fingerprint_of(recording, study),
            cautions=_cautions(study, recording, index),
        )
        for index, source in enumerate(study.recordings)
        for session, recording in opened(source, base)
    )


def _cautions(study: Study, recording: Recording, index: int) -> tuple[Problem, ...]:
    """Cautions about a recording; none where the study's checks refuse it.

    A refused recording is reported by `data.problems`, with its place in the study.
    """
    try:
        return tuple(inspect(Inspected.of(study, recording, index), "caution"))
    except DataError:
        return ()


def plant_sessions(study: Study, sessions: tuple[Session, ...], base: Path) -> tuple[Session, ...]:
    """Make the planted controls of every confirmatory session of counts.

    There is one control per session and kind of plant (`data.planting`). A study
    without a hypothesis about a corruption has none, and neither has a `quick` study.

    Parameters
    ----------
    study
        The study.
    sessions
        Its recorded or simulated sessions.
    base
        Folder of the study file. Relative paths start from it.

    Returns
    -------
    The planted sessions; pilots and sessions of signals have none.
    """
    if study.quick or not any(study.corrupts(hypothesis.axis) for hypothesis in study.hypotheses):
        return ()
    found = []
    for session in sessions:
        assert session.source.kind != "planted"
        if session.source.pilot or session.activity_kind != "counts":
            continue
        for kind in ("one_unit", "projection"):
            source = Planted(of=session.source, plant=kind)
            name = f"{session.name}{PLANT}{kind}"
            recording = open_recording(source, name, base)
            bins, units = recording.activity.shape
            found.append(
                Session(
                    name,
                    session.subject,
                    session.group,
                    recording.fingerprint,
                    source,
                    units=units,
                    bins=bins,
                )
            )
    return tuple(found)


def opened(source: RecordingSource, base: Path) -> Iterator[tuple[Session, Recording]]:
    """Yield every session of a source with its recording.

    Parameters
    ----------
    source
        The recording source that the study declares.
    base
        Folder of the study file. Relative paths start from it.
    """
    for name in session_names(source):
        recording = open_recording(source, name, base)
        bins, units = recording.activity.shape
        session = Session(
            name, recording.subject, recording.group, recording.fingerprint, source,
            units=units, bins=bins, activity_kind=recording.activity_kind,
        )  # fmt: skip
        yield session, recording
