"""Checkpoints: an interrupted training continues and ends with the same bits.

In: the tensors that a training has reached after a step. Each has the run as first
axis, or is one number for all runs. Out: one file per run, named by the run's train key
(a hash of everything that the training depends on). A run does not depend on the others
in its stack, so it may continue in another stack. A file is replaced as a whole or not
at all, and holds tensors only. It is read only by the version of torch that wrote it,
on the same kind of device. Damaged files are ignored.

Random numbers are computed from the run's key and the step, and so is the order of the
windows. Neither is stored.
"""

import hashlib
import json
import os
import time
import uuid
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from invariance_probe.methods.base import Method

EVERY_S = 60.0
"""Seconds between two checkpoints. A shorter training writes none."""
HEADER = "invariance_probe.checkpoint"
"""Key in a file's metadata that holds its header (run, step, versions, hash)."""

Tensors = Mapping[str, Tensor]
"""Training state of stacked runs by name: (run, ...), or one scalar for all."""


_DAMAGES = (OSError, ValueError, KeyError, TypeError, AttributeError, SafetensorError)
"""Exceptions that reading a damaged or foreign file may raise."""


class Stopped(Exception):  # noqa: N818
    """Raised when the process was told to end and training is interrupted.

    Its state has been saved, and it can continue later.
    """


@dataclass(frozen=True, eq=False)
class Checkpoints:
    """The folder that holds all checkpoints.

    Attributes
    ----------
    folder
        Created when the first checkpoint is written. If it is None, none are written.
    device
        The device of the stacked tensors.
    stop
        Returns whether the process should end at the next step.
    every_s
        Seconds between two checkpoints.
    code
        Hash of the code of a user-defined method, with which alone a training goes on;
        empty for all other methods.
    """

    folder: Path | None = None
    device: torch.device = field(default_factory=lambda: torch.device("cpu"))
    stop: Callable[[], bool] = lambda: False
    every_s: float = EVERY_S
    code: str = ""

    def of(self, keys: Sequence[str]) -> "Checkpoint":
        """Return the checkpoint of stacked runs, given their training keys."""
        return Checkpoint(self, tuple(keys))

    def step(self, key: str) -> int:
        """Number of steps that the checkpoint of a training has reached.

        It is 0 if there is no usable file.

        Parameters
        ----------
        key
            Train key of the run.
        """
        try:
            with safe_open(self._path(key), framework="pt") as file:
                return self._step(key, file.metadata())
        except _DAMAGES:
            return 0

    def read(self, keys: Sequence[str]) -> tuple[int, dict[str, Tensor]] | None:
        """Read the saved training state of stacked runs.

        Parameters
        ----------
        keys
            Train keys of the runs.

        Returns
        -------
        step, state
            Number of steps that all runs have done, and their state. None is returned
            instead if a run has no usable checkpoint, or if the runs are not at the
            same step.
        """
        found = [self._read_one(key) for key in keys]
        known = [one for one in found if one is not None]
        if (
            len(known) < len(keys)
            or len({step for step, _ in known}) > 1
            or len({frozenset(some) for _, some in known}) > 1
        ):
            return None
        states = [tensors for _, tensors in known]
        stacked = {
            name: (value if _shared(name) else torch.stack([one[name] for one in states])).to(
                self.device
            )
            for name, value in states[0].items()
        }
        return known[0][0], {_own(name): value for name, value in stacked.items()}

    def write(self, keys: Sequence[str], step: int, tensors: Tensors) -> None:
        """Save each run's part of a state.

        If the disk cannot take it, a warning is issued and the training continues.

        Parameters
        ----------
        keys
            Train keys of the runs.
        step
            Number of steps that they have done.
        tensors
            Their state.
        """
        if self.folder is None:
            return
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            for i, key in enumerate(keys):
                own = {
                    _named(name, t): (t if t.dim() == 0 else t[i]).detach().cpu().clone()
                    for name, t in tensors.items()
                }
                header = {
                    "key": key,
                    "step": step,
                    **self._versions(),
                    "sha256": _digest(step, own),
                }
                _replace(self._path(key), save(own, {HEADER: json.dumps(header)}))
        except OSError as error:
            warnings.warn(
                f"a checkpoint could not be written, training goes on without: {error}",
                stacklevel=2,
            )

    def remove(self, key: str) -> None:
        """Delete the checkpoint of a training whose result has been stored.

        Incomplete files left by writers that were killed are deleted too.

        Parameters
        ----------
        key
            Train key of the run.
        """
        if self.folder is not None:
            path = self._path(key)
            for file in (path, *self.folder.glob(_private(path, "*"))):
                file.unlink(missing_ok=True)

    def _path(self, key: str) -> Path:
        """File of one training."""
        return (self.folder or Path(os.devnull)) / f"{key}.safetensors"

    def _versions(self) -> dict[str, str]:
        """What the reader and the writer of a file must have in common.

        It is the version of torch, the kind of device, and the code of a user-defined
        method.
        """
        own = {"code": self.code} if self.code else {}
        return {"torch": torch.__version__, "device": self.device.type, **own}

    def _step(self, key: str, metadata: Mapping[str, str] | None) -> int:
        """Number of steps according to a file's header; 0 if it must not be used.

        A file must not be used if it belongs to another run, version of torch, kind of
        device or code of a user-defined method.
        """
        header = json.loads((metadata or {}).get(HEADER, "{}"))
        expected = {"key": key, **self._versions()}
        return (
            int(header["step"])
            if all(header.get(name) == value for name, value in expected.items())
            else 0
        )

    def _read_one(self, key: str) -> tuple[int, dict[str, Tensor]] | None:
        """Steps done and tensors of one run; None if there is no usable file."""
        try:
            with safe_open(self._path(key), framework="pt") as file:
                step = self._step(key, file.metadata())
                tensors = {name: file.get_tensor(name) for name in file.keys()} if step else {}  # noqa: SIM118
                kept = json.loads(file.metadata()[HEADER])["sha256"] if step else ""
        except _DAMAGES:
            return None
        return (step, tensors) if step and kept == _digest(step, tensors) else None


class Checkpoint:
    """The checkpoint of one stack that is being trained, with its timer.

    Parameters
    ----------
    among
        The folder of all checkpoints.
    keys
        Train keys of the stack's runs.
    """

    def __init__(self, among: Checkpoints, keys: tuple[str, ...]) -> None:
        self._among, self._keys, self._last = among, keys, time.monotonic()

    def read(self) -> tuple[int, dict[str, Tensor]] | None:
        """Steps done and the saved state; None if training starts from the beginning."""
        return self._among.read(self._keys)

    def offer(self, step: int, state: Callable[[], Tensors]) -> None:
        """Save the state if enough time has passed or if the process should end.

        Parameters
        ----------
        step
            Number of steps done.
        state
            Returns the state; called only if it is saved.

        Raises
        ------
        Stopped
            If the process should end. The state is saved before.
        """
        stopping = self._among.stop()
        if not stopping and time.monotonic() - self._last < self._among.every_s:
            return
        self._among.write(self._keys, step, state())
        self._last = time.monotonic()
        if stopping:
            raise Stopped(f"stopped after step {step}")


def training_state(method: Method, optimizer: torch.optim.Optimizer) -> dict[str, Tensor]:
    """Collect the state of the models and their update rule, by name.

    Nothing is copied.

    Parameters
    ----------
    method
        The models that are trained.
    optimizer
        Their update rule.

    Returns
    -------
    state
        Tensors (run, ...), or scalars for all runs.
    """
    tensors = {f"model.{name}": tensor for name, tensor in _own_tensors(method)}
    tensors |= {f"more.{name}": tensor for name, tensor in method.more_state().items()}
    for i, parameter in enumerate(_learned(optimizer)):
        kept = optimizer.state.get(parameter, {})
        tensors |= {
            f"optimizer.{i}.{name}": value
            for name, value in kept.items()
            if isinstance(value, Tensor)
        }
    return tensors


@torch.no_grad()
def restore_training(method: Method, optimizer: torch.optim.Optimizer, tensors: Tensors) -> None:
    """Put a saved state into newly built models and their update rule.

    Parameters
    ----------
    method, optimizer
        As they were built, before the first step.
    tensors
        What `training_state` returned.
    """
    for name, tensor in _own_tensors(method):
        tensor.copy_(tensors[f"model.{name}"])
    method.set_more_state(
        {
            name.removeprefix("more."): value
            for name, value in tensors.items()
            if name.startswith("more.")
        }
    )
    parameters = list(_learned(optimizer))
    for name, value in tensors.items():
        family, _, rest = name.partition(".")
        if family == "optimizer":
            place, _, kept = rest.partition(".")
            optimizer.state[parameters[int(place)]][kept] = value


def _own_tensors(method: Method) -> Iterator[tuple[str, Tensor]]:
    """Parameters and buffers of a method, by name."""
    yield from method.named_parameters()
    yield from method.named_buffers()


def _learned(optimizer: torch.optim.Optimizer) -> Iterator[Tensor]:
    """Parameters that the update rule changes, in a fixed order."""
    for group in optimizer.param_groups:
        yield from group["params"]


# Prefix of tensors that are one number for all runs. When the files of several runs are
# stacked, these must not be stacked.
_SHARED = "shared."


def _named(name: str, tensor: Tensor) -> str:
    """Name of a tensor in a file; scalars for all runs are marked by a prefix."""
    return _SHARED + name if tensor.dim() == 0 else name


def _shared(name: str) -> bool:
    """Whether a name in a file belongs to a scalar for all runs."""
    return name.startswith(_SHARED)


def _own(name: str) -> str:
    """Name of a tensor without the mark of a scalar for all runs."""
    return name.removeprefix(_SHARED)


def _private(path: Path, unique: str) -> str:
    """Name of the temporary file that is filled and then renamed to `path`."""
    return f".{path.name}.{unique}"


def _replace(path: Path, content: bytes) -> None:
    """Write a file as a whole: to a temporary file that is then renamed."""
    private = path.with_name(_private(path, uuid.uuid4().hex))
    try:
        with private.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        private.replace(path)
    except OSError:
        private.unlink(missing_ok=True)
        raise


def _digest(step: int, tensors: Tensors) -> str:
    """Hash of the step and of every tensor's name, shape, type and bytes."""
    digest = hashlib.sha256(str(step).encode())
    for name, tensor in sorted(tensors.items()):
        digest.update(f"|{name} {tuple(tensor.shape)} {tensor.dtype}|".encode())
        digest.update(tensor.contiguous().reshape(-1).view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()
