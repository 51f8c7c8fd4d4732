"""A session of a study, and which hypotheses are about it."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

from invariance_probe.study.declaration import Declaration, Place
from invariance_probe.study.hypotheses import Contrast, Hypothesis
from invariance_probe.study.recordings import AnySource, RecordingSource

POPULATION = 4
"""Fewest sessions (or subjects) from which a population is inferred."""
PLANT = "+"
"""Stands between a session's name and the kind of target that is planted in it."""
THESE_RECORDINGS = "these recordings"
"""The scope of a claim that rests on fewer."""


def scope_of(subjects: Sequence[str]) -> str:
    """Return what claims from sessions of these subjects are about.

    Returns
    -------
    str
        `population of subjects`, `population of sessions` (of one subject) or `these recordings`.
    """
    several = len(set(subjects)) > 1
    units = len(set(subjects)) if several else len(subjects)
    return (
        THESE_RECORDINGS
        if units < POPULATION
        else f"population of {'subjects' if several else 'sessions'}"
    )


@dataclass(frozen=True)
class Session:
    """One recorded or simulated session of a study."""

    name: str
    subject: str
    group: str
    fingerprint: str
    source: AnySource
    alternatives: str = ""
    """Hash of the array of alternative targets that the study's null reads; empty where it reads none."""
    units: int = 0
    """How many units its activity has; 0 where nobody asked."""
    bins: int = 0
    """How many bins it lasts; 0 where nobody asked."""
    cautions: tuple[tuple[Place, Any, str], ...] = ()
    """What inspection found in its recording that a reader should know: place, value, text."""
    activity_kind: Literal["counts", "signal"] = "counts"
    """Whether its activity is spike counts or a continuous signal."""


class OtherSession(Declaration):
    """Another session that reaches a run; its fingerprint is part of the run's key."""

    name: str
    fingerprint: str
    source: RecordingSource


class Companions(Declaration):
    """The other sessions that a session's SSL models train on."""

    sessions: tuple[OtherSession, ...]


def companions_of(session: Session, sessions: tuple[Session, ...], pool: str) -> Companions | None:
    """Return the other sessions of a session's pool, `subject` or `group`; None where there is none.

    Pilot sessions keep to themselves: what confirmatory sessions are measured with has not seen them, nor they the others.
    """
    others = [
        OtherSession(name=other.name, fingerprint=other.fingerprint, source=other.source)
        for other in sessions
        if other.name != session.name
        and other.source.kind != "planted"
        and other.source.pilot == session.source.pilot
        and (other.group, other.subject if pool == "subject" else "")
        == (session.group, session.subject if pool == "subject" else "")
    ]
    return Companions(sessions=tuple(others)) if others else None


def covers(hypothesis: Hypothesis | Contrast, session: Session) -> bool:
    """Say whether a hypothesis is about a session; a confirmatory one is never about a pilot."""
    if session.source.pilot and hypothesis.role == "confirmatory":
        return False
    return hypothesis.group is None or hypothesis.group == session.group
