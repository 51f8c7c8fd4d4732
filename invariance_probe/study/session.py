"""The sessions of a study, and which hypotheses are about which session.

The module also finds the scope of a claim (a population, or these recordings only), and
the sessions that an SSL model trains on together (a pool). Nothing here opens a
recording.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, Protocol

from invariance_probe.study.declaration import Declaration, Problem, added
from invariance_probe.study.recordings import AnySource

POPULATION = 4
"""Fewest subjects (or sessions of one subject) for a population claim."""
PLANT = "+"
"""Separator between a session's name and the kind of target planted in it."""
THESE_RECORDINGS = "these recordings"
"""The scope of a claim from fewer subjects or sessions than `POPULATION`."""


def scope_of(subjects: Sequence[str]) -> str:
    """Return the scope of a claim that rests on given sessions (docs/science.md).

    Parameters
    ----------
    subjects
        The subject of each session.

    Returns
    -------
    str
        `population of subjects`, `population of sessions` (of one subject) or
        `these recordings`.
    """
    several = len(set(subjects)) > 1
    units = len(set(subjects)) if several else len(subjects)
    return (
        THESE_RECORDINGS
        if units < POPULATION
        else f"population of {'subjects' if several else 'sessions'}"
    )


ArrayHashes = tuple[tuple[str, str], ...]
"""Names of arrays over time, each with the hash of its values, ordered by name."""


def where_known(name: str) -> str:
    """Name of the mask of the bins in which an array over time is known."""
    return f"{name} (where known)"


def as_stream(name: str) -> str:
    """Name of a stream among the arrays over time, which may have the same name."""
    return f"{name} (stream)"


class Content(Declaration):
    """Hashes of a recording's content, part by part.

    A run's keys hold the hashes of those parts alone that the run reads.
    """

    recording: str
    """Hash of the activity with its bins and units, and of trials and segments."""
    arrays: ArrayHashes = ()
    """Hash of each array over time."""

    def of(self, names: Collection[str]) -> ArrayHashes:
        """Hashes of the arrays with given names; those that are not there are left out.

        An array that is not known in all bins comes with the mask of those where it is.
        """
        read = {*names, *map(where_known, names)}
        return tuple((name, found) for name, found in self.arrays if name in read)


@dataclass(frozen=True)
class Session:
    """One recorded or simulated session of a study."""

    name: str
    subject: str
    group: str
    fingerprint: str
    """Hash of all content of the recording, whether or not the study reads it."""
    source: AnySource
    alternatives: str = ""
    """Hash of the array of alternative targets that the null reads; empty if none."""
    units: int = 0
    """Number of units; 0 if unknown."""
    bins: int = 0
    """Length in bins; 0 if unknown."""
    cautions: tuple[Problem, ...] = ()
    """Cautions about its recording: place in the study, value there, and text."""
    activity_kind: Literal["counts", "signal"] = "counts"
    """Whether the activity is spike counts or a continuous signal."""
    bin_s: float = 0.0
    """Length of a bin in seconds; 0 if the recording was not inspected."""
    unit_ids: tuple[str, ...] = ()
    """Name of each unit; empty if the recording was not inspected."""
    parts: Content | None = None
    """Hashes of the parts of its content; None if the recording was not inspected."""
    notes: tuple[str, ...] = ()
    """What its reader left out, joined, converted or could not know, in sentences."""
    streams: Mapping[str, int] = field(default_factory=dict)
    """Number of values of each stream, by name."""

    @property
    def content(self) -> Content:
        """Hashes of the parts of its content; one hash of all where they are not known."""
        return self.parts or Content(recording=self.fingerprint)

    def as_other(self, names: Collection[str]) -> "OtherSession":
        """Describe this session to a run of another session.

        Parameters
        ----------
        names
            The arrays over time that the run reads of it.
        """
        return OtherSession(
            name=self.name, fingerprint=self.content.recording, arrays=self.content.of(names)
        )


class OtherSession(Declaration):
    """Another session that a run reads.

    Its name seeds random sequences. Where its recording comes from is in no key.
    """

    name: str
    fingerprint: str
    """Hash of its activity, bins, units, trials and segments."""
    arrays: ArrayHashes = added(())
    """Hash of each array over time that the run reads of it."""


class Companions(Declaration):
    """The other sessions that a session's SSL models train on."""

    sessions: tuple[OtherSession, ...]


def companions_of(
    session: Session, sessions: tuple[Session, ...], pool: str, names: Collection[str] = ()
) -> Companions | None:
    """Return the other sessions that a session's SSL models train on.

    Pilot sessions are pooled with pilot sessions only, and all others with others only,
    so that no model has seen both. A session with a planted target is in no pool.

    Parameters
    ----------
    session
        The session that is measured.
    sessions
        All sessions of the study.
    pool
        `subject`: sessions of the same subject and group; `group`: of the same group.
    names
        The arrays over time that training reads.

    Returns
    -------
    Companions or None
        None where the pool holds no other session.
    """
    others = [
        other.as_other(names)
        for other in sessions
        if other.name != session.name
        and other.source.kind != "planted"
        and other.source.pilot == session.source.pilot
        and (other.group, other.subject if pool == "subject" else "")
        == (session.group, session.subject if pool == "subject" else "")
    ]
    return Companions(sessions=tuple(others)) if others else None


class AboutSessions(Protocol):
    """A hypothesis of any kind: it says which sessions it is about."""

    @property
    def group(self) -> str | None:
        """The group of the sessions; None for all of them."""

    @property
    def role(self) -> Literal["confirmatory", "exploratory"]:
        """`confirmatory` hypotheses are never about pilot sessions."""


def covers(hypothesis: AboutSessions, session: Session) -> bool:
    """Whether a hypothesis is about a session.

    A confirmatory hypothesis is never about a pilot session.

    Parameters
    ----------
    hypothesis
        A hypothesis of the study.
    session
        A session of the study.
    """
    if session.source.pilot and hypothesis.role == "confirmatory":
        return False
    return hypothesis.group is None or hypothesis.group == session.group
