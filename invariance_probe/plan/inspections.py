"""What is known of a study's recordings once they have been inspected.

In: what one opening of a recording found (`data.opening`). Out: an `Inspection`, which
can be stored as JSON, and the `Session`s that a plan is made of. An inspection holds
everything that a plan, a report and the checks of several sessions together need, so
that the recording itself is not opened for them. Nothing is opened or stored here.
"""

from collections.abc import Iterator
from typing import Literal

from invariance_probe.study.declaration import Declaration, Place, Problem, sha256_of
from invariance_probe.study.recordings import Planted, PlantKind, RecordingSource
from invariance_probe.study.session import PLANT, Content, Session
from invariance_probe.study.study import Study

_UNREAD = {
    "schema_version": True,
    "name": True,
    "question": True,
    "recordings": True,
    "hypotheses": {"__all__": {"id", "claim", "margin"}},
    "training": {"kernels"},
}
"""Fields of a study that no check of a recording reads.

The recording itself stands in its inspection. Everything else counts as read.
"""


def design_sha256(study: Study) -> str:
    """Hash of all that checks of a recording may read of a study.

    Names, the question, the words and margins of claims, and the way in which sums are
    computed are left out: changing them inspects nothing again.
    """
    return sha256_of(study.model_dump(mode="json", exclude=_UNREAD))  # type: ignore[arg-type]


class Stamp(Declaration):
    """State of a file by which it is recognised without being read."""

    size: int
    """Size in bytes."""
    modified_ns: int
    """Time of the last change of its content, in nanoseconds."""
    changed_ns: int
    """Time of the last change of content, name or permissions, in nanoseconds.

    Programs that set the time of modification, as copying does, cannot set this one.
    """
    inode: int
    """Number of the file in its file system."""


class Remark(Declaration):
    """A caution about a recording."""

    place: tuple[str | int, ...]
    """Where in the study the caution has its cause."""
    got: str | int | float
    """The value there."""
    text: str
    """The caution in words."""


class InspectedPlant(Declaration):
    """A planted control of a session."""

    plant: PlantKind
    """What its target is made of."""
    fingerprint: str
    """Hash of its content."""
    content: Content
    """Hashes of the parts of its content."""


class InspectedSession(Declaration):
    """What was found in one session."""

    session: str
    subject: str
    group: str
    fingerprint: str
    """Hash of all content that can affect a result."""
    content: Content
    """Hashes of the parts of that content."""
    activity_fingerprint: str
    """Hash of the activity alone."""
    alternatives: str
    """Hash of the array of alternative targets that the null reads; empty if none."""
    activity_kind: Literal["counts", "signal"]
    bin_s: float
    bins: int
    """Length in bins."""
    unit_ids: tuple[str, ...]
    columns: dict[str, tuple[int, ...]]
    """Arrays over time by name, each with its shape after the first axis."""
    cautions: tuple[Remark, ...]
    plants: tuple[InspectedPlant, ...]

    def at(self, source: RecordingSource, index: int) -> Session:
        """The session as plans know it.

        Parameters
        ----------
        source
            Where it comes from.
        index
            Position of the source in the study, to which cautions refer.
        """
        return Session(
            self.session, self.subject, self.group, self.fingerprint, source, self.alternatives,
            len(self.unit_ids), self.bins, tuple(_problem(one, index) for one in self.cautions),
            self.activity_kind, self.bin_s, self.unit_ids, self.content,
        )  # fmt: skip


class Inspection(Declaration):
    """What was found in one entry of a study's `recordings`."""

    version: Literal[1] = 1
    """Version of this format."""
    code: str
    """Hash of the code that inspected."""
    inspected_at: str
    """When it was inspected (UTC, ISO 8601)."""
    source: RecordingSource
    """The entry as it is declared."""
    design: str
    """`design_sha256` of the study that it was inspected for."""
    path: str
    """The file that was read; empty for a simulated recording."""
    stamp: Stamp | None
    """State of that file; None where it cannot be relied on.

    That is so for a simulated recording, and where the file was written so shortly before
    that a later change could leave the same times.
    """
    sessions: tuple[InspectedSession, ...]

    def sessions_at(self, index: int) -> Iterator[Session]:
        """Yield the sessions of the entry.

        Parameters
        ----------
        index
            Position of the entry in the study.
        """
        for found in self.sessions:
            yield found.at(self.source, index)

    def planted(self) -> Iterator[Session]:
        """Yield the planted controls of the entry's sessions."""
        for found in self.sessions:
            for one in found.plants:
                yield Session(
                    planted_name(found.session, one.plant), found.subject, found.group,
                    one.fingerprint, Planted(of=self.source, plant=one.plant),
                    units=len(found.unit_ids), bins=found.bins, parts=one.content,
                )  # fmt: skip


def planted_name(session: str, plant: str) -> str:
    """Name of a session's planted control."""
    return f"{session}{PLANT}{plant}"


def _problem(remark: Remark, index: int) -> Problem:
    """A caution, at the position that its recording has in the study now."""
    place: Place = remark.place
    if place[:1] == ("recordings",):
        place = ("recordings", index, *place[2:])
    return place, remark.got, remark.text
