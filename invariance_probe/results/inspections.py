"""Inspections of recordings, kept in the run store.

An inspection holds what a plan needs to know of a recording: sessions, content hashes and
sizes (`plan.inspections`). In: an inspection. Out: the same, as long as the recording has
not changed, or the last known one if its file is gone. A failure to read or write an
inspection is never an error: the recording is then inspected again.

There is one file for each declared source, study design and path. It is written in a
private folder and renamed once, so that readers only see complete files and the last of
several writers wins. As long as the recordings exist, all these files can be deleted at
any time.
"""

import contextlib
import os
from pathlib import Path

from pydantic import ValidationError

from invariance_probe.plan.inspections import Inspection, Stamp
from invariance_probe.results import faults
from invariance_probe.results.private import private_name
from invariance_probe.study.declaration import canonical_json, sha256_of
from invariance_probe.study.recordings import RecordingSource


class Inspections:
    """The inspections in a run store.

    Parameters
    ----------
    root
        Root folder of the store.
    """

    def __init__(self, root: Path) -> None:
        self.folder, self.private = root / "inspections", root / "private"

    def current(
        self, source: RecordingSource, design: str, path: str, stamp: Stamp | None, code: str
    ) -> Inspection | None:
        """Find the inspection of a recording, unless it is out of date.

        Parameters
        ----------
        source
            The recording, as declared in the study.
        design
            Hash of the parts of the study that checks of a recording read
            (`plan.inspections.design_sha256`).
        path
            The file of the recording; empty for a simulated one.
        stamp
            Size, times and inode of that file; None for a simulated recording.
        code
            Hash of the code that would inspect the recording now.

        Returns
        -------
        Inspection or None
            None if nothing is stored, or if the file or the code has changed since.
        """
        found = self._read(self._file(source, design, path))
        if found is None or not _is_of(found, source, design) or found.path != path:
            return None
        if found.code != code or found.stamp != stamp or (path and stamp is None):
            return None
        return found

    def last(self, source: RecordingSource, design: str, path: str) -> Inspection | None:
        """Find the last inspection of a recording whose file is gone.

        Parameters
        ----------
        source
            The recording, as declared in the study.
        design
            Hash of the parts of the study that checks of a recording read
            (`plan.inspections.design_sha256`).
        path
            Where the file should be; empty if that is not known.

        Returns
        -------
        Inspection or None
            The last inspection of a file at that path. If there is none, as in a store
            copied from another machine, the last one at any path, provided that all of
            them found the same content.
        """
        known = [
            found
            for file in sorted(self.folder.glob(f"{_key(source, design)}-*.json"))
            if (found := self._read(file)) is not None and _is_of(found, source, design)
        ]
        here = [found for found in known if found.path == path]
        if not here and len({_content(found) for found in known}) > 1:
            return None
        return max(here or known, key=lambda found: found.inspected_at, default=None)

    def keep(self, inspection: Inspection) -> None:
        """Write an inspection to the store, if possible.

        Nothing is written if the disk is full or the store is read-only for this user.

        Parameters
        ----------
        inspection
            What was found in a recording.
        """
        file = self._file(inspection.source, inspection.design, inspection.path)
        private = self.private / private_name()
        with contextlib.suppress(OSError):
            try:
                self.folder.mkdir(parents=True, exist_ok=True)
                self.private.mkdir(exist_ok=True)
                faults.at("inspection.write")
                with private.open("xb") as written:
                    written.write(inspection.model_dump_json().encode())
                    written.flush()
                    os.fsync(written.fileno())
                faults.at("inspection.rename")
                private.replace(file)
            except OSError:
                private.unlink(missing_ok=True)
                raise

    def take(self, other: "Inspections") -> None:
        """Copy the inspections of another store that are newer than those here.

        Parameters
        ----------
        other
            The inspections of the other store.
        """
        for file in sorted(other.folder.glob("*.json")):
            found, own = other._read(file), self._read(self.folder / file.name)
            if found is not None and (own is None or own.inspected_at < found.inspected_at):
                self.keep(found)

    def _file(self, source: RecordingSource, design: str, path: str) -> Path:
        return self.folder / f"{_key(source, design)}-{sha256_of(path)[:16]}.json"

    def _read(self, file: Path) -> Inspection | None:
        """Read an inspection; None if the file is missing or damaged."""
        try:
            return Inspection.model_validate_json(file.read_bytes())
        except (OSError, ValidationError):
            return None


def _key(source: RecordingSource, design: str) -> str:
    """Hash the declaration of a recording together with the study's design."""
    return sha256_of([canonical_json(source.model_dump(mode="json")), design])[:32]


def _is_of(found: Inspection, source: RecordingSource, design: str) -> bool:
    return found.source == source and found.design == design


def _content(inspection: Inspection) -> tuple[str, ...]:
    """Return the content hashes of all sessions and planted controls."""
    return tuple(
        print_
        for one in inspection.sessions
        for print_ in (
            one.fingerprint,
            one.alternatives,
            *(plant.fingerprint for plant in one.plants),
        )
    )
