"""The run store: one content-addressed folder of encoders and results that serves all studies.

Something is committed by writing a private folder on the same file system, flushing it to disk and renaming it
once, so that a reader sees all of it or nothing. Readers verify a hash, and a stored specification that differs
from the one asked for is refused.
"""

import hashlib
import io
import json
import os
import shutil
import uuid
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from invariance_probe.errors import StoreError
from invariance_probe.study.declaration import canonical_json
from invariance_probe.study.run import ALGORITHM_VERSION, Run, RunResult

MANIFEST = "manifest.json"
_LABELS = {"subject", "group", "setting"}


class Store:
    """Results and encoders under one root folder.

    Parameters
    ----------
    root
        Made when something is first committed.
    """

    def __init__(self, root: Path) -> None:
        self.root = Path(root)

    def has(self, key: str) -> bool:
        """Say whether a result is stored, without reading it."""
        return self._folder("results", key).is_dir()

    def result(self, run: Run) -> RunResult | None:
        """Return the stored result of a run, or None.

        Raises
        ------
        StoreError
            When the stored files are damaged or belong to another specification.
        """
        key = run.key()
        files = self._read("results", key)
        if files is None:
            return None
        _refuse_other_spec(self._folder("results", key), json.loads(files["spec.json"]), _spec(run))
        return RunResult.from_json(json.loads(files["result.json"]))

    def results(self, runs: Iterable[Run]) -> dict[str, RunResult]:
        """Return the stored results of runs, by key; runs without one are left out."""
        found = ((run.key(), self.result(run)) for run in runs)
        return {key: result for key, result in found if result is not None}

    def commit_result(self, run: Run, result: RunResult) -> None:
        """Store a result; when another process was first, its result stays."""
        self._commit("results", run.key(), {"spec.json": _json(_spec(run)), "result.json": _json(result.to_json())})

    def encoder(self, run: Run) -> dict[str, np.ndarray] | None:
        """Return the stored weights of a run's encoder by name, or None."""
        files = self._read("encoders", run.train_key())
        if files is None:
            return None
        with np.load(io.BytesIO(files["weights.npz"]), allow_pickle=False) as archive:
            return {name: archive[name] for name in archive.files}

    def training(self, run: Run) -> dict[str, float]:
        """Return the figures of the training of a run's stored encoder; empty where there is none."""
        files = self._read("encoders", run.train_key())
        return {} if files is None else dict(json.loads(files["training.json"]))

    def commit_encoder(self, run: Run, weights: Mapping[str, np.ndarray], training: Mapping[str, float]) -> None:
        """Store an encoder's weights with its training's figures."""
        packed = io.BytesIO()
        np.savez(packed, **weights)  # type: ignore[arg-type]
        files = {"spec.json": _json(_spec(run)), "weights.npz": packed.getvalue(), "training.json": _json(dict(training))}
        self._commit("encoders", run.train_key(), files)

    def _folder(self, family: str, key: str) -> Path:
        return self.root / family / key[:2] / key

    def _commit(self, family: str, key: str, files: dict[str, bytes]) -> None:
        folder = self._folder(family, key)
        if folder.is_dir():
            return
        private = self.root / "private" / f"{os.getpid()}-{uuid.uuid4().hex}"
        private.mkdir(parents=True)
        for name, content in {**files, MANIFEST: _json(_manifest(files))}.items():
            _write_through(private / name, content)
        _sync_folder(private)
        folder.parent.mkdir(parents=True, exist_ok=True)
        try:
            private.rename(folder)
        except OSError:
            shutil.rmtree(private, ignore_errors=True)
            if not folder.is_dir():
                raise
        _sync_folder(folder.parent)

    def _read(self, family: str, key: str) -> dict[str, bytes] | None:
        folder = self._folder(family, key)
        if not folder.is_dir():
            return None
        try:
            manifest = json.loads((folder / MANIFEST).read_bytes())
            files = {name: (folder / name).read_bytes() for name in manifest}
        except (OSError, ValueError) as error:
            raise StoreError(f"{folder} is damaged ({error}); delete this folder, and the run will be made again") from error
        damaged = [name for name, digest in _manifest(files).items() if manifest[name] != digest]
        if damaged:
            raise StoreError(
                f"{folder}: {', '.join(damaged)} was changed after it was written; delete this folder, and the run will be made again"
            )
        return files


def _spec(run: Run) -> dict[str, Any]:
    return {"algorithm": ALGORITHM_VERSION, **run.model_dump(mode="json", exclude=_LABELS)}


def _refuse_other_spec(folder: Path, stored: dict[str, Any], asked: dict[str, Any]) -> None:
    normal = json.loads(canonical_json(asked))
    if stored != normal:
        differing = sorted(name for name in stored.keys() | normal.keys() if stored.get(name) != normal.get(name))
        raise StoreError(
            f"{folder} holds another specification; differing: {', '.join(differing)}; delete this folder, and the run will be made again"
        )


def _json(value: Any) -> bytes:
    try:
        return canonical_json(value).encode()
    except ValueError:  # a diagnostic may be infinite; results never are
        return json.dumps(value, sort_keys=True).encode()


def _manifest(files: Mapping[str, bytes]) -> dict[str, str]:
    return {name: hashlib.sha256(content).hexdigest() for name, content in sorted(files.items())}


def _write_through(path: Path, content: bytes) -> None:
    with path.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


def _sync_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
