"""Inspections of recordings, kept in the run store.

In: what was found in a recording (`plan.inspections`). Out: the same, as long as it is
still true of the recording, or the last of it where the file is gone. A failure to
read or write an inspection is never an error: the recording is inspected again.

There is one file for each declared source, study design and path. It is written
privately and renamed once, so that a reader sees a whole file, and the last of several
writers stays. All of them can be deleted at any time while the recordings are there.
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
        """Find the inspection of a recording that is still true of it.

        Parameters
        ----------
        source
            The source as it is declared.
        design
            `plan.inspections.design_sha256` of the study.
        path
            The file of the recording; empty for a simulated one.
        stamp
            State of that file; None for a simulated recording.
        code
            Hash of the code that would inspect it now.

        Returns
        -------
        None where there is none, the file has changed, or the code has.
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
            The source as it is declared.
        design
            `plan.inspections.design_sha256` of the study.
        path
            Where the file should be; empty where that is not known.

        Returns
        -------
        The inspection of the file at that path. Where there is none, as in a store that
        was copied from another machine, the one of another path, if all that there are
        found the same content.
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
        """Write an inspection, if possible.

        Nothing is written where the disk is full or the store belongs to somebody else.

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
        """Copy what another store knows of recordings, unless this one knows it later.

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
        """Read an inspection; None where there is none, or it is damaged."""
        try:
            return Inspection.model_validate_json(file.read_bytes())
        except (OSError, ValidationError):
            return None


def _key(source: RecordingSource, design: str) -> str:
    """Hash of what is inspected and for which design."""
    return sha256_of([canonical_json(source.model_dump(mode="json")), design])[:32]


def _is_of(found: Inspection, source: RecordingSource, design: str) -> bool:
    return found.source == source and found.design == design


def _content(inspection: Inspection) -> tuple[str, ...]:
    """Hashes of everything that was found."""
    return tuple(
        print_
        for one in inspection.sessions
        for print_ in (
            one.fingerprint,
            one.alternatives,
            *(plant.fingerprint for plant in one.plants),
        )
    )
