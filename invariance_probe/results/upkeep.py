"""Upkeep of a store: verify it, find what can go, and merge another store.

In: a store, and the plans of studies to keep. Out: what is damaged, what can be
deleted, and what was copied. Nothing is deleted silently: damaged folders are moved
aside, and folders that nobody needs are listed first.
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
from invariance_probe.plan.run import RunResult, key_of, train_key_of
from invariance_probe.results.inspections import Inspections
from invariance_probe.results.private import GRACE_S, left_behind, private_name
from invariance_probe.results.store import FILES, MANIFEST, Family, Store, read_training

_PROVENANCE = ("seconds", "registration", "measured_at", "code_sha256")
"""Fields in which two measurements of one run may differ."""


@dataclass(frozen=True)
class Damage:
    """One folder that cannot be used, and why."""

    family: Family
    key: str
    why: str


def verify(store: Store, on_folder: Callable[[], None] = lambda: None) -> tuple[int, list[Damage]]:
    """Read everything in a store again.

    Besides the hashes it is checked that a result stands under the key of its
    specification, and an encoder under the key of what determined its training.

    Parameters
    ----------
    store
        The store.
    on_folder
        Called before each folder, to show progress.

    Returns
    -------
    count, damage
        Number of folders, and what is wrong with the damaged ones.
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
    """Move damaged folders aside so that they are made again; yield the paths.

    A run whose result is sound but whose encoder is damaged has to be measured again,
    with the same result. So its result is moved aside as well.

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
        Private folders of dead processes.
    results, encoders
        Folders of runs and encoders that no named study needs.
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
    """Find what can be deleted; without plans, only leftovers of dead processes.

    Parameters
    ----------
    store
        The store.
    kept
        Plans of the studies whose runs and encoders stay; all others can go.
    grace_s
        Seconds for which private folders of other machines are left alone.
    """
    leftovers, plans = left_behind(store.root / "private", grace_s), list(kept)
    if not plans:
        return Rubbish(leftovers)
    runs = [run for plan in plans for run in plan.runs]
    references = [other for run in runs if (other := run.reference()) is not None]
    keys = {run.key() for run in runs}
    encoders = {run.train_key() for run in (*runs, *references)}
    return Rubbish(
        leftovers,
        [store.folder("results", key) for key in store.keys("results") if key not in keys],
        [store.folder("encoders", key) for key in store.keys("encoders") if key not in encoders],
    )


def delete(store: Store, rubbish: Rubbish) -> None:
    """Delete what `find_rubbish` found.

    Each folder leaves its place in one rename, so that no reader sees half of it.

    Parameters
    ----------
    store
        The store.
    rubbish
        What to delete.

    Raises
    ------
    WriteError
        When something cannot be deleted.
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
        Number of folders that were already here.
    conflicts
        Where both stores have different content under one key, in words; the content
        here stays.
    damaged
        What is damaged in either store, in words; it is not copied.
    """

    copied: int = 0
    already: int = 0
    conflicts: list[str] = field(default_factory=list)
    damaged: list[str] = field(default_factory=list)


def merge(store: Store, other: Store, on_folder: Callable[[], None] = lambda: None) -> Merged:
    """Copy what another store has and this one lacks, verified.

    Encoders are copied first, so that no result is ever here without its encoder. What was
    found in recordings, and recordings that were given as arrays, are copied too, and not
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
        When there is no other store.
    WriteError
        When this store cannot be written.
    """
    if not any((other.root / family).is_dir() for family in FILES):
        raise StoreError(f"{other.root} is not a run store: it has neither results nor encoders")
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
    """Copy a file into an open one."""
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
    """Whether two files say the same, except for when and how quickly they were made.

    One of them may be of an earlier version.
    """
    if own == other or name not in _SAID:
        return own == other
    # as text, in which a number that is not defined equals itself
    first, second = (json.dumps(_SAID[name](text), sort_keys=True) for text in (own, other))
    return first == second


def _result_said(text: bytes) -> dict[str, Any]:
    """What a result says, without when and how quickly it was measured."""
    said = RunResult.from_json(json.loads(text)).to_json()
    return {name: value for name, value in said.items() if name not in _PROVENANCE}


_SAID: dict[str, Callable[[bytes], dict[str, Any]]] = {
    "result.json": _result_said,
    "training.json": lambda text: asdict(read_training(text)),
}
"""What the files that may differ in provenance or version say, as plain data."""
