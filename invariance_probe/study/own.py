"""User-defined classes that a study names, and the files that they are in.

In: a class as `module:Class`, its version and its settings, and the folder of the study.
Out: the declaration that they have in common, and the source file of the module. The
file is found and hashed here, but never imported: declarations and judging need none
of what a class is made with.
"""

import hashlib
import json
import re
import sys
from dataclasses import dataclass
from importlib.machinery import PathFinder
from pathlib import Path
from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator, Field, JsonValue

from invariance_probe.study.declaration import Declaration, canonical_json

_NAMED = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*:[A-Za-z_]\w*")


def _names_a_class(of: str) -> str:
    if not _NAMED.fullmatch(of):
        raise ValueError(
            "a user-defined class is named module:Class, such as agreeing_pairs:AgreeingPairs, "
            "where agreeing_pairs.py is beside the study's file"
        )
    return of


def _plain(settings: Any) -> Any:
    """Settings as they are after a round trip through JSON, so that tuples are lists."""
    try:
        return json.loads(canonical_json(settings))
    except TypeError as error:
        raise ValueError(
            f"settings may hold only numbers, strings, lists and mappings ({error}); pass only "
            "these, and build every other object from them inside the class"
        ) from None


Of = Annotated[str, AfterValidator(_names_a_class)]
Settings = Annotated[dict[str, JsonValue], BeforeValidator(_plain)]


class OwnClass(Declaration):
    """A user-defined class: where it is, which version, and with which settings."""

    of: Of
    """The class, as `module:Class`.

    The module is looked for in the folder of the study's file (the working folder for a
    study made in Python), and then among the installed packages.
    """
    version: Annotated[int, Field(ge=1)]
    """Version of the code, which is in every key.

    Raise it whenever the code changes what it computes: stored runs of an earlier version
    are then not used.
    """
    settings: Settings = Field(default_factory=dict)
    """Keyword arguments of the class, which are in every key."""

    @property
    def module(self) -> str:
        """Name of the module."""
        return self.of.partition(":")[0]

    @property
    def class_name(self) -> str:
        """Name of the class."""
        return self.of.partition(":")[2]

    @property
    def title(self) -> str:
        """How sentences name it."""
        return f"{self.of} version {self.version}"

    def __hash__(self) -> int:
        return hash(self.canonical())


def name_of_class(own: type) -> str:
    """Write a class as `module:Class`, by which a worker process can import it.

    Parameters
    ----------
    own
        The class.

    Raises
    ------
    ValueError
        When it was defined in a notebook or script, or in a function, since no other
        process can import it from there.
    """
    if own.__module__ == "__main__" or own.__qualname__ != own.__name__:
        inside = (
            "a notebook or in the script that is run"
            if own.__module__ == "__main__"
            else own.__qualname__.rpartition(".")[0]
        )
        raise ValueError(
            f"the class {own.__name__} is defined in {inside}, and worker processes, which "
            "train the models, cannot import it from there; put it in a file of its own, such "
            "as own.py in the working folder, and import it"
        )
    return f"{own.__module__}:{own.__name__}"


@dataclass(frozen=True)
class Source:
    """The source file of a module, and its hash.

    Attributes
    ----------
    path
        The file.
    sha256
        SHA-256 of its bytes. Modules that it imports are not in it.
    """

    path: Path
    sha256: str


def source_of(module: str, base: Path) -> Source | None:
    """Find the source file of a module, without importing anything.

    Parameters
    ----------
    module
        Name of the module; dots separate the names of packages.
    base
        Folder of the study, which is searched first; then `sys.path` is.

    Returns
    -------
    source
        None where there is no such file.
    """
    places: list[str] | None = [str(base.resolve()), *sys.path]
    found = None
    names = module.split(".")
    for i in range(len(names)):
        found = None if places is None else PathFinder.find_spec(".".join(names[: i + 1]), places)
        if found is None:
            return None
        within = found.submodule_search_locations
        places = None if within is None else list(within)
    if found is None or found.origin is None or not found.has_location:
        return None
    try:
        path = Path(found.origin)
        return Source(path, hashlib.sha256(path.read_bytes()).hexdigest())
    except OSError:
        return None


def changed_class(of: str, version: int, hashes: set[str], base: Path) -> str:
    """Say that a class changed while its version stayed the same; empty if it did not.

    Parameters
    ----------
    of, version
        The class as a study names it, and its version.
    hashes
        SHA-256 of the source files with which stored runs of that version were measured.
    base
        Folder of the study.
    """
    now = source_of(of.partition(":")[0], base)
    others = sorted(hashes - {now.sha256} if now else hashes)
    if not others or (now is None and len(others) == 1):
        return ""
    measured = " and ".join(f"SHA-256 {one[:12]}" for one in others)
    present = (
        f"{now.path.name} has SHA-256 {now.sha256[:12]} now" if now else "its file is not here"
    )
    return (
        f"{of} changed while its version stayed {version}: stored runs were measured with code of "
        f"{measured}, and {present}. If the change alters what is computed, set its version to "
        f"{version + 1}, so that all its runs are measured anew, or delete the store; if it does "
        "not, the stored runs stand"
    )
