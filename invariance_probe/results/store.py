"""The run store: one folder of results and encoders that serves all studies.

In: a run, and what was measured or trained for it. Out: the same, verified. Every result
and every encoder is stored in a folder of its own, named by its content key: a hash of
everything that determines it. What can be deleted or repaired is decided in `upkeep`, not
here.

A commit writes a private folder on the same file system, flushes it to disk and renames
it once, so a reader sees all of it or nothing. Readers verify hashes, and refuse a stored
specification that differs from the requested one. Damaged folders are reported and never
used. They can be moved aside, and are never deleted.
"""

import hashlib
import io
import json
import os
import shutil
import uuid
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, fields
from pathlib import Path
from typing import IO, Any, Literal, TypeVar

import numpy as np

from invariance_probe.errors import DamagedError, StoreError, WriteError
from invariance_probe.plan.figures.decoded import TrainingFigures
from invariance_probe.plan.run import Run, RunResult
from invariance_probe.results import faults
from invariance_probe.results.index import Index, Line, read_tags
from invariance_probe.results.private import private_name
from invariance_probe.study.declaration import canonical_json

Family = Literal["results", "encoders"]
T = TypeVar("T")

FILES: dict[Family, tuple[str, ...]] = {
    "results": ("result.json", "spec.json"),
    "encoders": ("spec.json", "training.json", "weights.npz"),
}  # fmt: skip
"""Files in a folder of each family, besides the manifest with their hashes."""
MANIFEST = "manifest.json"
INDEXED = 1000
"""Number of runs from which the index is used.

Fewer runs are read from their folders, which is quick enough.
"""
PACK = 20_000
"""Most runs in a pack, which is one file of the index.

If the first reader of a large store is killed, the packs that it has written remain.
"""
WORTH_A_PACK = 200
"""Fewest newly read runs for which a pack is written."""


class Store:
    """Results and encoders under one root folder.

    Parameters
    ----------
    root
        Root folder; it is made by the first commit.
    durable
        Whether a commit waits until its data are on the disk. If not, a power failure can
        lose commits; only benchmarks turn this off.
    """

    def __init__(self, root: Path, durable: bool = True) -> None:
        self.root, self.durable = Path(root), durable
        self.index = Index(self.root)

    def has(self, key: str) -> bool:
        """Whether the result with a key is stored; it is not read."""
        return self.folder("results", key).is_dir()

    def result(self, run: Run) -> RunResult | None:
        """Read the stored result of a run; None if there is none.

        Raises
        ------
        DamagedError
            If the stored files are incomplete or were changed.
        StoreError
            If they belong to a run with a different specification.
        """
        text = self._result(run)
        return None if text is None else RunResult.from_json(json.loads(text))

    def results(self, runs: Iterable[Run]) -> dict[str, RunResult]:
        """Read the stored results of runs, by key; runs without one are left out.

        Raises
        ------
        DamagedError
            If stored files are incomplete or were changed. The message has one line per
            such folder.
        StoreError
            If a folder belongs to a run with a different specification.
        """
        found, damaged = self.read(runs)
        if damaged:
            raise DamagedError("\n".join(damaged.values()))
        return found

    def read(self, runs: Iterable[Run]) -> tuple[dict[str, RunResult], dict[str, str]]:
        """Read the stored results of runs, and report the damaged ones.

        Returns
        -------
        results, damaged
            Intact results by run key; and what is wrong with damaged ones, by run key.
        """
        return self._find(runs, lambda status, text: RunResult.from_json(json.loads(text)))

    def statuses(self, runs: Iterable[Run]) -> tuple[dict[str, str], dict[str, str]]:
        """Read only the status of each stored result, such as `done` or `failed`.

        Returns
        -------
        statuses, damaged
            Statuses by run key; and what is wrong with damaged results, by run key.
        """
        return self._find(runs, lambda status, text: status)

    def commit_result(self, run: Run, result: RunResult) -> None:
        """Store the result of a run, unless another process has already done so.

        Parameters
        ----------
        run
            The run.
        result
            What was measured.

        Raises
        ------
        WriteError
            If the disk is full or cannot be written to.
        """
        files = {"spec.json": _json(run.specification()), "result.json": _json(result.to_json())}
        self.commit("results", run.key(), files)

    def encoder(self, run: Run) -> dict[str, np.ndarray] | None:
        """Read the weights of a run's stored encoder by name; None if not stored."""
        files = self.files("encoders", run.train_key())
        if files is None:
            return None
        with np.load(io.BytesIO(files["weights.npz"]), allow_pickle=False) as archive:
            return {name: archive[name] for name in archive.files}

    def training(self, run: Run) -> TrainingFigures | None:
        """Read how a run's stored encoder was trained; None if it is not stored."""
        files = self.files("encoders", run.train_key())
        if files is None:
            return None
        return read_training(files["training.json"])

    def commit_encoder(
        self,
        run: Run,
        weights: Mapping[str, np.ndarray],
        training: TrainingFigures,
        seconds: float = 0.0,
    ) -> None:
        """Store an encoder's weights with the description of its training.

        Parameters
        ----------
        run
            The run that trained the encoder.
        weights
            Weights by name.
        training
            Description of its training, such as the final SSL loss.
        seconds
            Duration of the training.

        Raises
        ------
        WriteError
            If the disk is full or cannot be written to.
        """
        packed = io.BytesIO()
        np.savez(packed, **weights)  # type: ignore[arg-type]
        files = {
            "spec.json": _json(run.specification()),
            "weights.npz": packed.getvalue(),
            "training.json": _json({"seconds": seconds, **asdict(training)}),
        }
        self.commit("encoders", run.train_key(), files)

    def folder(self, family: Family, key: str) -> Path:
        """Return the folder of a key, whether or not it exists.

        Parameters
        ----------
        family
            `results` or `encoders`.
        key
            Content key, in hexadecimal digits.
        """
        return self.root / family / key[:2] / key

    def keys(self, family: Family) -> list[str]:
        """List the stored keys of a family (`results` or `encoders`), sorted."""
        return sorted(read_tags(self.root / family))

    def commit(self, family: Family, key: str, files: Mapping[str, bytes]) -> None:
        """Store files under a key, unless its folder already exists.

        Parameters
        ----------
        family
            `results` or `encoders`.
        key
            Content key.
        files
            Contents by file name.

        Raises
        ------
        WriteError
            If the disk is full or cannot be written to.
        """
        folder = self.folder(family, key)
        if folder.is_dir():
            return
        private = self.root / "private" / private_name()
        try:
            faults.at("store.begin")
            private.mkdir(parents=True)
            for name, content in {**files, MANIFEST: _json(_manifest(files))}.items():
                faults.at("store.write")
                self._write_through(private / name, content)
            self._sync_folder(private)
            folder.parent.mkdir(parents=True, exist_ok=True)
            faults.at("store.rename")
            private.rename(folder)
            faults.at("store.renamed")
            self._sync_folder(folder.parent)
        except OSError as error:
            shutil.rmtree(private, ignore_errors=True)
            if not folder.is_dir():  # else another process was first, which is no failure
                raise WriteError(_cannot_write(self.root, error)) from error

    @property
    def recordings(self) -> Path:
        """Folder of the recordings that were passed as arrays in Python."""
        return self.root / "recordings"

    def keep_recording(self, fingerprint: str, write: Callable[[IO[bytes]], None]) -> None:
        """Write a recording's arrays to FINGERPRINT.npz, unless that file exists.

        Parameters
        ----------
        fingerprint
            Hash of the recording's content.
        write
            Function that writes the arrays to an open file.

        Raises
        ------
        WriteError
            If the disk is full or cannot be written to.
        """
        path = self.recordings / f"{fingerprint}.npz"
        if path.is_file():
            return
        private = self.root / "private" / private_name()
        try:
            private.mkdir(parents=True)
            with (private / path.name).open("wb") as file:
                write(file)
                file.flush()
                if self.durable:
                    os.fsync(file.fileno())
            self.recordings.mkdir(exist_ok=True)
            (private / path.name).replace(path)
            self._sync_folder(self.recordings)
        except OSError as error:
            raise WriteError(_cannot_write(self.root, error)) from error
        finally:
            shutil.rmtree(private, ignore_errors=True)

    def files(self, family: Family, key: str) -> dict[str, bytes] | None:
        """Read and verify the files stored under a key; None if there are none.

        Parameters
        ----------
        family
            `results` or `encoders`.
        key
            Content key.

        Returns
        -------
        files
            Contents by file name.

        Raises
        ------
        DamagedError
            If a file is missing, incomplete or changed.
        """
        folder = self.folder(family, key)
        try:
            manifest = json.loads((folder / MANIFEST).read_bytes())
            files = {name: (folder / name).read_bytes() for name in FILES[family]}
        except (OSError, ValueError) as error:
            if not folder.is_dir():
                return None
            raise DamagedError(f"{folder} is damaged ({error}); {_REMEDY}") from error
        true = _manifest(files)
        if manifest != true:
            changed = (
                [n for n, digest in true.items() if manifest.get(n) != digest]
                if isinstance(manifest, dict)
                else [MANIFEST]
            )
            raise DamagedError(
                f"{folder}: {', '.join(changed) or MANIFEST} was changed after it was "
                f"written; {_REMEDY}"
            )
        return files

    def set_aside(self, family: Family, key: str, check: bool = True) -> Path | None:
        """Move a damaged folder aside, so that its run is repeated.

        Parameters
        ----------
        family
            `results` or `encoders`.
        key
            Content key.
        check
            Whether to move the folder back if it turns out to be intact. Another process
            may already have replaced the damaged folder by a new one.

        Returns
        -------
        Path or None
            Where the folder is now; None if it did not exist, or was intact and moved back.

        Raises
        ------
        WriteError
            If the store cannot be written to.
        """
        aside = self.root / "damaged" / f"{family}-{key}-{uuid.uuid4().hex[:8]}"
        folder = self.folder(family, key)
        try:
            aside.parent.mkdir(exist_ok=True)
            faults.at("store.aside")
            folder.rename(aside)
        except FileNotFoundError:
            return None
        except OSError as error:
            raise WriteError(_cannot_write(self.root, error)) from error
        # checked after the move, because another process may have replaced the folder before
        if check and _is_sound(aside, family) and not folder.is_dir():
            aside.rename(folder)
            return None
        return aside

    def _result(self, run: Run) -> bytes | None:
        """Return the verified text of a run's result; None if there is none."""
        files = self.files("results", run.key())
        if files is None:
            return None
        # the key of a run is the hash of its specification
        if hashlib.sha256(files["spec.json"]).hexdigest() != run.key():
            _refuse_other_spec(
                self.folder("results", run.key()),
                json.loads(files["spec.json"]),
                run.specification(),
            )
        return files["result.json"]

    def _find(
        self, runs: Iterable[Run], keep: Callable[[str, bytes], T]
    ) -> tuple[dict[str, T], dict[str, str]]:
        """Read every stored result, through the index if there are many.

        Parameters
        ----------
        runs
            The runs whose results are read.
        keep
            Function of a result's status and text that returns what to keep of it.

        Returns
        -------
        found, damaged
            What was kept, by run key; and what is wrong with damaged results, by run key.
        """
        asked = {run.key(): run for run in runs}
        if len(asked) < INDEXED:
            return self._open(asked.values(), keep)
        tags = read_tags(self.root / "results", asked.__contains__)
        found = {
            line.key: keep(line.status, line.result)
            for line in self.index.lines(self.index.packs())
            if tags.get(line.key) == line.tag
        }
        new = [asked[key] for key in tags if key not in found]
        damaged: dict[str, str] = {}
        for start in range(0, len(new), PACK):
            lines: dict[str, Line] = {}
            part = new[start : start + PACK]
            read, wrong = self._open(part, lambda status, text: (status, text))
            for key, (status, text) in read.items():
                lines[key] = Line(key, tags[key], status, text)
                found[key] = keep(status, text)
            damaged |= wrong
            if len(lines) >= WORTH_A_PACK:
                self.index.add(lines.values())
        if new:
            self.index.compact(lambda: read_tags(self.root / "results"))
        return found, damaged

    def _open(
        self, runs: Iterable[Run], keep: Callable[[str, bytes], T]
    ) -> tuple[dict[str, T], dict[str, str]]:
        """Read results from their folders, without the index; see `_find`."""
        found, damaged = {}, {}
        for run in runs:
            try:
                text = self._result(run)
            except DamagedError as error:
                damaged[run.key()] = str(error)
                continue
            if text is not None:
                found[run.key()] = keep(json.loads(text)["status"], text)
        return found, damaged

    def _write_through(self, path: Path, content: bytes) -> None:
        with path.open("wb") as file:
            file.write(content)
            faults.at("store.flush")
            file.flush()
            if self.durable:
                os.fsync(file.fileno())

    def _sync_folder(self, folder: Path) -> None:
        if self.durable:
            handle = os.open(folder, os.O_RDONLY)
            try:
                os.fsync(handle)
            finally:
                os.close(handle)


_REMEDY = (
    "`invariance-probe run` moves it aside and repeats the run; `invariance-probe store verify` "
    "finds all damaged folders"
)


def _cannot_write(root: Path, error: OSError) -> str:
    """Write the error message for a store that cannot be written to."""
    try:
        free = f"; its disk has {shutil.disk_usage(root).free / 1e6:.0f} MB free"
    except OSError:
        free = ""
    return (
        f"the store {root} cannot be written to ({error.strerror or error}{free}). Nothing that "
        "was committed is lost: free some space (`store gc` lists what can be deleted), or correct "
        "the permissions, and run the same command again; it continues where it stopped"
    )


def _is_sound(folder: Path, family: Family) -> bool:
    try:
        manifest = json.loads((folder / MANIFEST).read_bytes())
        return bool(
            manifest == _manifest({name: (folder / name).read_bytes() for name in FILES[family]})
        )
    except (OSError, ValueError):
        return False


def _refuse_other_spec(folder: Path, stored: dict[str, Any], asked: dict[str, Any]) -> None:
    normal = json.loads(canonical_json(asked))
    if stored != normal:
        differing = sorted(
            name for name in stored.keys() | normal.keys() if stored.get(name) != normal.get(name)
        )
        raise StoreError(
            f"{folder} contains a run with another specification than the requested one (they "
            f"differ in {', '.join(differing)}); delete this folder to have the run repeated"
        )


def read_training(text: bytes) -> TrainingFigures:
    """Read the description of a training from the text of training.json.

    Other entries, which earlier versions wrote, are ignored.
    """
    said = json.loads(text)
    names = [field.name for field in fields(TrainingFigures)]
    return TrainingFigures(**{name: said[name] for name in names if name in said})


def _json(value: Any) -> bytes:
    try:
        return canonical_json(value).encode()
    except ValueError:  # a diagnostic may be infinite; results never are
        return json.dumps(value, sort_keys=True).encode()


def _manifest(files: Mapping[str, bytes]) -> dict[str, str]:
    return {name: hashlib.sha256(content).hexdigest() for name, content in sorted(files.items())}
