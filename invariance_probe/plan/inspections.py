"""What is known of a study's recordings once they have been inspected.

In: what was found when a recording was opened. Out: an `Inspection`, which can be stored
as JSON, and the `Session`s of a plan. An inspection contains everything that plans,
reports and the checks across sessions need, so that they do not open the recording
again. Nothing is opened or stored here.
"""

from collections.abc import Iterator
from typing import Literal

from invariance_probe.study.declaration import Declaration, PathInStudy, Problem, added, sha256_of
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

(The recordings themselves are part of their inspections.) All other fields count as
read.
"""


def design_sha256(study: Study) -> str:
    """Return the hash of all fields that checks of a recording may read.

    Names, the question, the texts and margins of claims, and `training.kernels` are left
    out. After a change of these, stored inspections stay valid.
    """
    return sha256_of(study.model_dump(mode="json", exclude=_UNREAD))  # type: ignore[arg-type]


class Stamp(Declaration):
    """State of a file, by which a change can be noticed without reading the file."""

    size: int
    """Size in bytes."""
    modified_ns: int
    """Time of the last change of its content, in nanoseconds."""
    changed_ns: int
    """Time of the last change of content, name or permissions, in nanoseconds.

    Programs can set `modified_ns`, for example when they copy a file, but not this.
    """
    inode: int
    """Inode number of the file in its file system."""


class Remark(Declaration):
    """A caution about a recording."""

    place: tuple[str | int, ...]
    """Place in the study of the value that is its cause."""
    got: str | int | float
    """That value."""
    text: str
    """The caution in words."""


class InspectedPlant(Declaration):
    """A control made from a session: a target of known redundancy, planted in it."""

    plant: PlantKind
    """What the target is made of."""
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
    """Shape of each array over time, without its first axis (time), by name."""
    streams: dict[str, int] = added({})
    """Number of values of each stream, by name."""
    cautions: tuple[Remark, ...]
    notes: tuple[str, ...] = ()
    """What its reader left out, joined, converted or could not know, in sentences."""
    plants: tuple[InspectedPlant, ...]

    def at(self, source: RecordingSource, index: int) -> Session:
        """Return the `Session` of a plan that was found here.

        Parameters
        ----------
        source
            The entry of the study that it comes from.
        index
            Position of that entry in the study's `recordings`; cautions name it.
        """
        return Session(
            self.session, self.subject, self.group, self.fingerprint, source, self.alternatives,
            len(self.unit_ids), self.bins, tuple(_problem(one, index) for one in self.cautions),
            self.activity_kind, self.bin_s, self.unit_ids, self.content,
            self.notes, self.streams,
        )  # fmt: skip


class Inspection(Declaration):
    """What was found in one entry of a study's `recordings`."""

    version: Literal[1] = 1
    """Version of this format."""
    code: str
    """Hash of the toolkit's code that made the inspection."""
    inspected_at: str
    """Time of the inspection (UTC, ISO 8601)."""
    source: RecordingSource
    """The entry of the study."""
    design: str
    """`design_sha256` of the study for which it was made."""
    path: str
    """The file that was read; empty for a simulated recording."""
    stamp: Stamp | None
    """State of that file; None if a change of it could not be noticed.

    It is None for a simulated recording, and if the file was written so shortly before
    the inspection that a later change might not alter its times.
    """
    sessions: tuple[InspectedSession, ...]

    def sessions_at(self, index: int) -> Iterator[Session]:
        """Yield the sessions of the entry.

        Parameters
        ----------
        index
            Position of the entry in the study's `recordings`; cautions name it.
        """
        for found in self.sessions:
            yield found.at(self.source, index)

    def planted(self) -> Iterator[Session]:
        """Yield the control sessions with planted targets of the entry's sessions."""
        for found in self.sessions:
            for one in found.plants:
                yield Session(
                    planted_name(found.session, one.plant), found.subject, found.group,
                    one.fingerprint, Planted(of=self.source, plant=one.plant),
                    units=len(found.unit_ids), bins=found.bins, bin_s=found.bin_s,
                    parts=one.content,
                )  # fmt: skip


def planted_name(session: str, plant: str) -> str:
    """Return the name of the control made by planting a target in a session."""
    return f"{session}{PLANT}{plant}"


def _problem(remark: Remark, index: int) -> Problem:
    """Return a caution whose place names the current position of its recording."""
    place: PathInStudy = remark.place
    if place[:1] == ("recordings",):
        place = ("recordings", index, *place[2:])
    return place, remark.got, remark.text
