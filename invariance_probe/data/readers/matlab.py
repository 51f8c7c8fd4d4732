"""Variables of MATLAB files, by path, with the shapes and the order that MATLAB shows.

In: a .mat file of any version (7.3 is HDF5, older ones have a format of their own). Out:
its variables as arrays. Vectors stay matrices of one row or column, cell arrays and
struct arrays are arrays of objects, text is text. What a variable means is not known
here.
"""

import difflib
import zlib
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from scipy.io import loadmat, whosmat
from scipy.io.matlab import MatlabFunction, MatlabObject, MatlabOpaque, MatReadError
from scipy.sparse import csc_matrix

from invariance_probe.data.readers.formats import described
from invariance_probe.errors import DataError

NUMBERS = {"double", "single", "logical"} | {
    f"{sign}int{bits}" for sign in ("", "u") for bits in (8, 16, 32, 64)
}
"""Classes of MATLAB whose values are numbers."""
DAMAGED = (
    MatReadError, ValueError, TypeError, OSError, EOFError, LookupError, NameError, MemoryError,
    ArithmeticError, NotImplementedError, zlib.error,
)  # fmt: skip
"""What SciPy raises on a damaged file."""
DAMAGED_HDF5 = (
    OSError, RuntimeError, LookupError, TypeError, ValueError, MemoryError, ArithmeticError,
)  # fmt: skip
"""What h5py raises on a damaged file."""
OBJECT = (
    "is an object of MATLAB's class {}, which only MATLAB can read; save plain arrays, for example "
    "by table2struct(T, 'ToScalar', true), cellstr(text), seconds(duration) or posixtime(time)"
)


@dataclass(frozen=True)
class Unreadable:
    """A variable that cannot be read, and why."""

    why: str


def opened(path: Path) -> "MatFile":
    """Open a .mat file of any version.

    Raises
    ------
    DataError
        When it is no .mat file, or is damaged.
    """
    if path.is_dir():
        raise DataError(f"{path} is a folder; name the .mat file")
    if h5py.is_hdf5(path):
        return _Hdf5(path)
    try:
        return _Older(path)
    except DAMAGED as error:
        said = described(path)
        said = f"it is damaged ({error})" if "MATLAB" in said or "begins with" in said else said
        raise DataError(f"{path} is not a readable .mat file: {said}") from error


class MatFile(ABC):
    """A .mat file, whose variables are read only when they are needed."""

    path: Path

    @abstractmethod
    def variables(self) -> dict[str, str]:
        """What each variable is, by path; fields of structs are variables."""

    @abstractmethod
    def _found(self, parts: Sequence[str]) -> object:
        """Read a variable by the parts of its path."""

    def value(self, path: str) -> np.ndarray:
        """Read a variable, or a field of a struct.

        Parameters
        ----------
        path
            Names joined by dots, such as `session.spikes.times`. The field of a struct
            array, or of a cell array of structs, is an array of objects: one value per
            element.

        Returns
        -------
        values
            Numbers or text in MATLAB's shape, at least 2-d for numbers; or an array of
            objects, each one such an array, a `dict` for a struct, or `Unreadable`.

        Raises
        ------
        DataError
            When there is no such variable, or it cannot be read.
        """
        value = self._found(path.split("."))
        if isinstance(value, Unreadable):
            raise DataError(f"variable {path!r} {value.why}")
        if isinstance(value, dict):
            raise DataError(
                f"variable {path!r} is a struct; name one of its fields: "
                f"{', '.join(repr(f'{path}.{name}') for name in value)}"
            )
        assert isinstance(value, np.ndarray)
        return value

    def _missing(self, name: str, names: Sequence[str], parents: Sequence[str]) -> DataError:
        """The error that a struct, or the file, has no variable of a name."""
        near = difflib.get_close_matches(name, names, 1)
        hint = f" Did you mean {near[0]!r}?" if near else ""
        place = f"struct {'.'.join(parents)!r}" if parents else "the file"
        listed = ", ".join(map(repr, names)) or "nothing"
        return DataError(f"{place} has no {name!r}; it has {listed}.{hint}")


class _Older(MatFile):
    """A .mat file of version 7 or older, read with SciPy."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._shown = {name: (shape, kind) for name, shape, kind in whosmat(path)}
        self._roots: dict[str, object] = {}
        if not self._shown and path.stat().st_size < 128:
            raise ValueError("the file is shorter than the header of a .mat file, 128 bytes")

    def variables(self) -> dict[str, str]:
        found: dict[str, str] = {}
        for name, (shape, kind) in self._shown.items():
            if kind in ("struct", "cell"):
                found.update(_listed(self._root(name), name))
            elif not name.startswith("__"):
                found[name] = f"{_by(shape)} {kind}"
        return found

    def _root(self, name: str) -> object:
        if name not in self._roots:
            try:
                read = loadmat(self.path, variable_names=[name], squeeze_me=False, spmatrix=True)
                self._roots[name] = _node(read[name])
            except DAMAGED as error:
                self._roots[name] = Unreadable(f"is damaged ({error})")
        return self._roots[name]

    def _found(self, parts: Sequence[str]) -> object:
        if parts[0] not in self._shown:
            raise self._missing(parts[0], list(self._shown), [])
        return self._inside(self._root(parts[0]), parts[1:], parts[:1])

    def _inside(self, node: object, rest: Sequence[str], parents: Sequence[str]) -> object:
        """Follow the rest of a path into structs, element by element in arrays of them."""
        if not rest or isinstance(node, Unreadable):
            return node
        if isinstance(node, dict):
            if rest[0] not in node:
                raise self._missing(rest[0], list(node), parents)
            return self._inside(node[rest[0]], rest[1:], [*parents, rest[0]])
        if isinstance(node, np.ndarray) and node.dtype == object:
            return _each(node, lambda element: self._inside(element, rest, parents))
        raise DataError(f"variable {'.'.join(parents)!r} is no struct, so it has no {rest[0]!r}")


class _Hdf5(MatFile):
    """A .mat file of version 7.3, which is HDF5 with the axes in reverse order."""

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            with path.open("rb") as start, h5py.File(path) as file:
                written = start.read(6) == b"MATLAB"
                written |= any("MATLAB_class" in node.attrs for node in file.values() if node)
                is_nwb = "nwb_version" in file.attrs
        except DAMAGED_HDF5 as error:
            raise DataError(f"{path} is not a readable .mat file: damaged ({error})") from error
        if is_nwb:
            raise DataError(f"{path} is an NWB file, not a .mat file; say kind: nwb")
        if not written:
            raise DataError(
                f"{path} is an HDF5 file, but MATLAB did not write it, so the order of its axes is "
                "not known; save it from MATLAB, or as .npz"
            )

    def variables(self) -> dict[str, str]:
        try:
            with h5py.File(self.path) as file:
                return dict(self._listed(file, ""))
        except DAMAGED_HDF5 as error:
            raise DataError(f"{self.path} is damaged ({error})") from error

    def _listed(self, group: h5py.Group, prefix: str) -> Iterator[tuple[str, str]]:
        for name, node in group.items():
            if name.startswith("#"):
                continue
            path = f"{prefix}{name}"
            if not isinstance(node, h5py.Group | h5py.Dataset):
                yield path, "damaged"
            elif isinstance(node, h5py.Group) and "MATLAB_sparse" not in node.attrs:
                yield from self._listed(node, f"{path}.")
            else:
                yield path, _shown(node)

    def _found(self, parts: Sequence[str]) -> object:
        with h5py.File(self.path) as file:
            try:
                return self._read(file, parts, [])
            except DAMAGED_HDF5 as error:
                raise DataError(f"variable {'.'.join(parts)!r} is damaged ({error})") from error

    def _read(
        self, node: h5py.Group | h5py.Dataset, rest: Sequence[str], parents: Sequence[str]
    ) -> object:
        """Follow a path into groups and references, and read what is at its end."""
        if isinstance(node, h5py.Group):
            if "MATLAB_sparse" in node.attrs:
                return _sparse(node)
            names = [name for name in node if not name.startswith("#")]
            if not rest:
                return dict.fromkeys(names)
            if rest[0] not in names:
                raise self._missing(rest[0], names, parents)
            return self._read(node[rest[0]], rest[1:], [*parents, rest[0]])
        kind = _kind(node)
        if kind not in NUMBERS | {"char", "cell", "struct", ""} or _is_object(node):
            return Unreadable(OBJECT.format(kind))
        if node.attrs.get("MATLAB_empty"):
            shape = tuple(int(length) for length in node[()])
            if 0 not in shape:
                return Unreadable(f"is damaged (empty, but of shape {shape})")
            return np.zeros(shape, dtype=object if kind in ("cell", "struct") else np.float64)
        if node.dtype == h5py.ref_dtype:
            return _each(
                np.asarray(node[()]).T, lambda at: self._read(node.file[at], rest, parents)
            )
        if rest:
            raise DataError(
                f"variable {'.'.join(parents)!r} is no struct, so it has no {rest[0]!r}"
            )
        values = np.asarray(node[()]).T
        if values.dtype.names == ("real", "imag"):
            return values["real"] + 1j * values["imag"]
        if kind == "char":
            rows = values.reshape(len(values), -1)
            return np.array([bytes(row.astype("<u2")).decode("utf-16-le") for row in rows])
        return values


def _kind(node: h5py.Dataset) -> str:
    """MATLAB's class of a variable; empty for the field of a struct array."""
    kind = node.attrs.get("MATLAB_class", b"")
    return kind.decode() if isinstance(kind, bytes) else str(kind)


def _is_object(node: h5py.Dataset) -> bool:
    """Whether numbers only refer to an object that MATLAB keeps elsewhere in the file."""
    return "MATLAB_object_decode" in node.attrs


def _sparse(group: h5py.Group) -> np.ndarray:
    """Read a sparse matrix as a full one."""
    starts = np.asarray(group["jc"][()], dtype=np.int64)
    shape = int(group.attrs["MATLAB_sparse"]), len(starts) - 1
    if "data" not in group:
        return np.zeros(shape)
    values = np.asarray(group["data"][()])
    full = np.zeros(shape, values.dtype)
    full[group["ir"][()], np.repeat(np.arange(shape[1]), np.diff(starts))] = values
    return full


def _node(value: object) -> object:
    """Turn a value of SciPy into numbers, text, a dict, an array of objects or a reason."""
    if isinstance(value, MatlabFunction):
        return Unreadable("is a function")
    if isinstance(value, MatlabOpaque | MatlabObject):
        name = getattr(value, "classname", "") or "that is not known"
        return Unreadable(OBJECT.format(name))
    if isinstance(value, csc_matrix):
        return np.asarray(value.toarray())
    if not isinstance(value, np.ndarray):
        return Unreadable(f"is a {type(value).__name__}")
    if value.dtype.names is not None:
        names = value.dtype.names
        made = _each(value, lambda row: {name: _node(row[name]) for name in names})
        return made.flat[0] if made.size == 1 else made
    return _each(value, _node) if value.dtype == object else value


def _each(array: np.ndarray, change: Callable[[Any], object]) -> np.ndarray:
    """Change every element of an array of objects."""
    changed = np.empty(array.shape, dtype=object)
    for at in np.ndindex(*array.shape):
        changed[at] = change(array[at])
    return changed


def _listed(node: object, path: str) -> Iterator[tuple[str, str]]:
    """What a node, or each field inside it, is, by path."""
    if isinstance(node, dict):
        for name, field in node.items():
            yield from _listed(field, f"{path}.{name}")
    elif isinstance(node, Unreadable):
        yield path, node.why
    elif isinstance(node, np.ndarray) and node.dtype == object:
        first = next(iter(node.flat), None)
        if isinstance(first, dict):
            for name in first:
                yield f"{path}.{name}", f"{_by(node.shape)} struct"
        else:
            yield path, f"{_by(node.shape)} cell"
    elif isinstance(node, np.ndarray):
        text = node.dtype.kind == "U"
        yield path, "text" if text and node.size == 1 else f"{_by(node.shape)} {node.dtype}"


def _shown(node: h5py.Group | h5py.Dataset) -> str:
    """What a variable of a file of version 7.3 is."""
    if isinstance(node, h5py.Group):
        return "sparse"
    kind = _kind(node) or "struct"
    if kind not in NUMBERS | {"char", "cell", "struct"} or _is_object(node):
        return f"object of class {kind}"
    return f"{_by(node.shape[::-1])} {kind}"


def _by(shape: Sequence[int]) -> str:
    return " x ".join(map(str, shape))
