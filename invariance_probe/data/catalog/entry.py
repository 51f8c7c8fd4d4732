"""What the catalogue says about a recording: its files, origin, licence and use.

An entry is one row of data. Nothing is opened or downloaded here.
"""

from dataclasses import dataclass

from invariance_probe.study.probes import Target
from invariance_probe.study.recordings import NpzRecording
from invariance_probe.study.signals import AnySignals


@dataclass(frozen=True)
class CataloguedFile:
    """One file of an entry.

    Attributes
    ----------
    path
        Where it lies below a data folder.
    size
        Its length in bytes.
    sha256
        Its SHA-256 hash.
    url
        Public address that serves these very bytes; None if there is none.
    """

    path: str
    size: int
    sha256: str
    url: str | None = None


@dataclass(frozen=True)
class Entry:
    """One recording, or a few files that belong together.

    Attributes
    ----------
    what
        A few words, for the table of all entries.
    subjects
        How many animals or people, with the noun.
    about
        What was recorded.
    good_for
        What it can be used for, and what not.
    citation
        What to cite.
    licence
        The licence, and who states it.
    source
        Page of the public source.
    checked
        Where the sizes and hashes come from.
    files
        The files.
    recording
        Declaration of the session, whose path starts from a data folder; None if a study
        cannot use the entry by its name.
    target
        A target that the recording has; None if it has none.
    use
        How to use it if `recording` is None, or what a user must know of the declaration.
    made
        How the files were made from public ones, if they have no public address.
    """

    what: str
    subjects: str
    about: str
    good_for: str
    citation: str
    licence: str
    source: str
    checked: str
    files: tuple[CataloguedFile, ...]
    recording: NpzRecording | AnySignals | None = None
    target: Target | None = None
    use: str = ""
    made: str = ""

    @property
    def size(self) -> int:
        """Total size in bytes."""
        return sum(file.size for file in self.files)

    @property
    def is_public(self) -> bool:
        """Whether every file has a public address."""
        return all(file.url is not None for file in self.files)
