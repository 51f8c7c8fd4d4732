"""Check the recordings of a study together.

In: descriptions of all inspected sessions (`plan.inspections`). Out: problems, each with
its place in the study (the path of a field). The problems found here are recordings with
the same activity, repeated session names, null distributions that lack other sessions,
and pools (sessions that one model is trained on) whose sessions cannot be joined. No
recording is opened.
"""

from collections.abc import Iterator, Mapping, Sequence

from invariance_probe.data.alternatives import session_problems
from invariance_probe.data.joined import check_joinable
from invariance_probe.errors import DataError
from invariance_probe.plan.inspections import InspectedSession
from invariance_probe.study.declaration import PathInStudy, Problem
from invariance_probe.study.session import Session, companions_of
from invariance_probe.study.study import Study
from invariance_probe.study.views import POOL

Entries = Sequence[Sequence[InspectedSession]]
"""The inspected sessions of each entry of a study's recordings."""


def repeated_sessions(entries: Entries) -> Iterator[list[Problem]]:
    """Yield for each entry a list of problems with repeated sessions.

    A session must not have the activity or the name of an earlier one.
    """
    activities: dict[str, str] = {}
    names: set[str] = set()
    for i, found in enumerate(entries):
        place: PathInStudy = ("recordings", i)
        problems: list[Problem] = []
        for one in found:
            first = activities.setdefault(one.activity_fingerprint, one.session)
            if first != one.session:
                again = (
                    f"session {one.session!r} has the same activity as session {first!r}, so one "
                    "recording would count twice; list each recording once. A recording that was "
                    "used as a pilot cannot be used again to confirm"
                )
                problems.append((place, one.session, again))
            if one.session in names:
                twice = (
                    f"two recordings have the session name {one.session!r}; give each recording "
                    "its own `session` name"
                )
                problems.append(((*place, "session"), one.session, twice))
            names.add(one.session)
        yield problems


def joint_problems(study: Study, entries: Entries) -> Iterator[Problem]:
    """Yield the reasons why a study's sessions cannot form its null or its pool.

    Parameters
    ----------
    study
        The study.
    entries
        Descriptions of its sessions, none of which was refused.
    """
    sessions = [
        one.at(source, index)
        for index, (source, found) in enumerate(zip(study.recordings, entries, strict=True))
        for one in found
    ]
    yield from session_problems(study, sessions)
    described = {one.session: one for found in entries for one in found}
    yield from _pool_problems(study, sessions, described)


def _pool_problems(
    study: Study, sessions: Sequence[Session], described: Mapping[str, InspectedSession]
) -> Iterator[Problem]:
    """Yield the reasons why models cannot be trained on the sessions of a pool.

    Either a session is alone in its pool, or the sessions cannot be joined.

    Parameters
    ----------
    study
        The study.
    sessions
        All its sessions.
    described
        Description of each session, by name.
    """
    swept = [
        (("sweeps", i, "values", j), value)
        for i, s in enumerate(study.sweeps)
        if s.path == POOL
        for j, value in enumerate(s.values)
    ]
    guide = getattr(study.views.pairing, "guide", None)
    arrays = [study.target.name] if guide is None else [study.target.name, guide.name]
    for place, pool in [(("views", "pool"), study.views.pool), *swept]:
        known: set[str] = set()
        for session in sessions if pool else ():
            if session.name in known:
                continue
            companions = companions_of(session, tuple(sessions), pool)
            if companions is None:
                alone = (
                    f"session {session.name!r} is the only session of its {pool}, so it cannot be "
                    f"pooled with another one; give it the same {pool} as another session, or "
                    "remove the pool"
                )
                yield place, pool, alone
                return
            known |= {other.name for other in companions.sessions}
            try:
                others = [described[other.name] for other in companions.sessions]
                check_joinable([described[session.name], *others], arrays)
            except DataError as error:
                yield place, pool, str(error)
                return
