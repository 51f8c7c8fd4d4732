"""Upkeep of a run store: verify, repair, clean up, and merge another store.

In: a store, and the plans of the studies to keep. Out: what is damaged, what can be
deleted, and what was copied. Nothing is deleted silently: damaged folders are moved
aside, and folders that no study needs are listed first.
"""

import json
import shutil
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict, dataclass, field
from functools import partial
from pathlib import Path
from typing import IO, Any

from invariance_probe.errors import DamagedError, StoreError, WriteError
from invariance_probe.plan.plan import Plan
from invariance_probe.plan.roles import EncoderExamination
from invariance_probe.plan.run import RunResult, key_of, train_key_of
from invariance_probe.results.inspections import Inspections
from invariance_probe.results.private import GRACE_S, left_behind, private_name
from invariance_probe.results.store import FILES, MANIFEST, Family, Store, read_training

_PROVENANCE = ("seconds", "registration", "measured_at", "code_sha256", "augmentation_sha256")
"""Fields in which two measurements of one run may differ."""


@dataclass(frozen=True)
class Damage:
    """One folder that cannot be used, and why."""

    family: Family
    key: str
    why: str


def verify(store: Store, on_folder: Callable[[], None] = lambda: None) -> tuple[int, list[Damage]]:
    """Read everything in a store and check it.

    Besides the hashes, this checks that every result is stored under the key of its
    specification, and every encoder under the key of what determined its training.

    Parameters
    ----------
    store
        The store.
    on_folder
        Called before each folder, to show progress.

    Returns
    -------
    count, damage
        Number of folders that were read, and the damaged ones among them.
    """
    damage, count = [], 0
    for family in FILES:
        for key in store.keys(family):
            on_folder()
            count += 1
            if (why := _wrong(store, family, key)) is not None:
                damage.append(Damage(family, key, why))
    return count, damage


def _wrong(store: Store, family: Family, key: str) -> str | None:
    folder = store.folder(family, key)
    try:
        files = store.files(family, key)
        if files is None:  # deleted meanwhile
            return None
        spec: dict[str, Any] = json.loads(files["spec.json"])
        belongs = key_of(spec) if family == "results" else train_key_of(spec)
        if belongs != key:
            return f"{folder} holds the specification of {belongs}"
        if (
            family == "results"
            and (result := RunResult.from_json(json.loads(files["result.json"]))).key != key
        ):
            return f"{folder} holds the result of {result.key}"
    except DamagedError as error:
        return str(error).partition(";")[0]
    except (ValueError, KeyError, TypeError) as error:
        return f"{folder} cannot be read as {family} ({type(error).__name__}: {error})"
    return None


def repair(store: Store, damage: Iterable[Damage]) -> Iterator[Path]:
    """Move damaged folders aside, and yield their new paths.

    The next `run` of a study makes them again. If an encoder is damaged, the result of its
    run is moved aside too, because only runs without a result are repeated. The new result
    is the same.

    Parameters
    ----------
    store
        The store.
    damage
        What `verify` found.
    """
    bad_encoders = set()
    for one in damage:
        if (aside := store.set_aside(one.family, one.key, check=False)) is not None:
            yield aside
        if one.family == "encoders":
            bad_encoders.add(one.key)
    for key in store.keys("results") if bad_encoders else ():
        files = store.files("results", key)
        if files is None or "examination" in (spec := json.loads(files["spec.json"])):
            continue
        if (
            train_key_of(spec) in bad_encoders
            and (aside := store.set_aside("results", key, check=False)) is not None
        ):
            yield aside


@dataclass(frozen=True)
class Rubbish:
    """What can be deleted from a store.

    Attributes
    ----------
    leftovers
        Private folders that dead processes left behind.
    results, encoders
        Folders of results and encoders that none of the studies to keep needs.
    """

    leftovers: list[Path]
    results: list[Path] = field(default_factory=list)
    encoders: list[Path] = field(default_factory=list)

    @property
    def paths(self) -> list[Path]:
        """All folders that can be deleted."""
        return [*self.leftovers, *self.results, *self.encoders]

    @property
    def size(self) -> int:
        """Total size in bytes."""
        return sum(
            file.stat().st_size
            for path in self.paths
            for file in (path, *path.rglob("*"))
            if file.is_file()
        )


def find_rubbish(store: Store, kept: Iterable[Plan] = (), grace_s: float = GRACE_S) -> Rubbish:
    """Find what can be deleted from a store.

    Parameters
    ----------
    store
        The store.
    kept
        Plans of the studies to keep. All results and encoders that they do not need can be
        deleted; without any plan, only leftovers of dead processes can.
    grace_s
        Age (s) from which private folders of other machines count as left behind.
    """
    leftovers, plans = left_behind(store.root / "private", grace_s), list(kept)
    if not plans:
        return Rubbish(leftovers)
    runs = [run for plan in plans for run in plan.runs]
    examined = [run for run in runs if isinstance(run, EncoderExamination)]
    references = [other for run in examined if (other := run.reference()) is not None]
    keys = {run.key() for run in runs}
    encoders = {run.train_key() for run in (*runs, *references)}
    return Rubbish(
        leftovers,
        [store.folder("results", key) for key in store.keys("results") if key not in keys],
        [store.folder("encoders", key) for key in store.keys("encoders") if key not in encoders],
    )


def delete(store: Store, rubbish: Rubbish) -> None:
    """Delete what `find_rubbish` found.

    Each folder is renamed before it is deleted, so that no reader sees half of it.

    Parameters
    ----------
    store
        The store.
    rubbish
        What to delete.

    Raises
    ------
    WriteError
        If something cannot be deleted.
    """
    for path in rubbish.paths:
        going = store.root / "private" / private_name()  # if killed, it counts as left behind
        try:
            going.parent.mkdir(exist_ok=True)
            path.rename(going)
            shutil.rmtree(going) if going.is_dir() else going.unlink()
        except FileNotFoundError:  # another gc was first
            continue
        except OSError as error:
            raise WriteError(
                f"{path} cannot be deleted: {error.strerror}; check the permissions of the store"
            ) from error


@dataclass
class Merged:
    """Outcome of merging another store into this one.

    Attributes
    ----------
    copied
        Number of folders copied.
    already
        Number of folders that both stores had.
    conflicts
        One message per key under which the stores have different content; this store keeps
        its own.
    damaged
        One message per folder that is damaged in either store; it is not copied.
    """

    copied: int = 0
    already: int = 0
    conflicts: list[str] = field(default_factory=list)
    damaged: list[str] = field(default_factory=list)


def merge(store: Store, other: Store, on_folder: Callable[[], None] = lambda: None) -> Merged:
    """Copy what another store has and this one lacks, after verifying it.

    Encoders are copied first, so that no result is ever without its encoder. Inspections
    of recordings, and recordings that were passed as arrays, are copied too but not
    counted.

    Parameters
    ----------
    store
        The store to copy to.
    other
        The store to copy from.
    on_folder
        Called before each folder, to show progress.

    Raises
    ------
    StoreError
        If `other` is not a run store.
    WriteError
        If `store` cannot be written to.
    """
    if not any((other.root / family).is_dir() for family in FILES):
        raise StoreError(
            f"{other.root} is not a run store: it has neither results nor encoders; name the "
            "folder of a store"
        )
    merged = Merged()
    for family in sorted(FILES):
        for key in other.keys(family):
            on_folder()
            _take(store, other, family, key, merged)
    for path in sorted(other.recordings.glob("*.npz")):
        store.keep_recording(path.stem, partial(_copy_into, path))
    Inspections(store.root).take(Inspections(other.root))
    return merged


def _copy_into(path: Path, file: IO[bytes]) -> None:
    """Copy the content of a file into an open file."""
    with path.open("rb") as source:
        shutil.copyfileobj(source, file)


def _take(store: Store, other: Store, family: Family, key: str, merged: Merged) -> None:
    here, there = store.folder(family, key), other.folder(family, key)
    if _same_file(here / MANIFEST, there / MANIFEST):
        merged.already += 1
        return
    if (why := _wrong(other, family, key)) is not None or (
        why := _wrong(store, family, key)
    ) is not None:
        merged.damaged.append(why)
        return
    files, own = other.files(family, key), store.files(family, key)
    if files is None:
        return
    if own is None:
        store.commit(family, key, files)
        merged.copied += 1
    elif differing := [name for name in FILES[family] if not _equal(own[name], files[name], name)]:
        merged.conflicts.append(f"{there}: {', '.join(differing)} differs from {here}")
    else:
        merged.already += 1


def _same_file(first: Path, second: Path) -> bool:
    try:
        return first.read_bytes() == second.read_bytes()
    except OSError:
        return False


def _equal(own: bytes, other: bytes, name: str) -> bool:
    """Whether two files agree, apart from when and how quickly they were made.

    One of them may have been written by an earlier version. `name` is their file name.
    """
    if own == other or name not in _SAID:
        return own == other
    # as text, in which a number that is not defined equals itself
    first, second = (json.dumps(_SAID[name](text), sort_keys=True) for text in (own, other))
    return first == second


def _result_said(text: bytes) -> dict[str, Any]:
    """Return the content of a result, without times, speed and registration."""
    said = RunResult.from_json(json.loads(text)).to_json()
    return {name: value for name, value in said.items() if name not in _PROVENANCE}


_SAID: dict[str, Callable[[bytes], dict[str, Any]]] = {
    "result.json": _result_said,
    "training.json": lambda text: asdict(read_training(text)),
}
"""Files that may differ in provenance or version; readers of everything else."""
