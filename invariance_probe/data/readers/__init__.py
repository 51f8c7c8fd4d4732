"""Readers of recordings: one per file format, and one for arrays given in Python.

A file of binned arrays (`npz`) is read to a recording at once. A file of signals is read
to its `Contents`, whose signals `data.assembly` puts on one grid of bins.
"""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, get_args

from pydantic import ValidationError

from invariance_probe.data.contents import Contents
from invariance_probe.data.merging import beside, on_clock
from invariance_probe.data.readers.arrays import read_arrays
from invariance_probe.data.readers.brainset import read_brainset
from invariance_probe.data.readers.mat import read_mat
from invariance_probe.data.readers.mne import read_mne
from invariance_probe.data.readers.npz import read_npz
from invariance_probe.data.readers.nwb import read_nwb
from invariance_probe.data.readers.phy import read_phy
from invariance_probe.data.readers.suite2p import read_suite2p
from invariance_probe.data.readers.table import read_table
from invariance_probe.data.recording import Recording
from invariance_probe.errors import DataError
from invariance_probe.study.signals import AnySignals, SignalsRecording, recording_of

CONTENTS: dict[str, Callable[[Path, Any], Contents]] = {
    "nwb": read_nwb,
    "phy": read_phy,
    "suite2p": read_suite2p,
    "mat": read_mat,
    "table": read_table,
    "brainset": read_brainset,
    "mne": read_mne,
}
"""Reader of each format whose files hold signals, by kind."""


def read_signals(source: AnySignals, base: Path) -> Recording:
    """Read a file of signals, and put them on one grid of bins.

    Parameters
    ----------
    source
        The declared file, the signals that are used, and the bins.
    base
        Folder that the path of the file starts from.

    Returns
    -------
    recording
        The session.

    Raises
    ------
    DataError
        When the file cannot be read, or lacks a declared signal.
    """
    return Recording.from_contents(source, _held(source, base), str(base / source.path))


def read_contents(kind: str, path: Path, settings: Mapping[str, Any]) -> Contents:
    """Read what a file holds, without a study.

    Parameters
    ----------
    kind
        Format of the file.
    path
        The file or folder.
    settings
        Fields of the recording that the file does not say.

    Raises
    ------
    DataError
        When no reader knows the format, a setting is missing or wrong, or the file cannot
        be read.
    """
    if kind not in CONTENTS:
        raise DataError(
            f"{path}: files of kind {kind!r} hold no signals; known: {', '.join(CONTENTS)}"
        )
    declared = next(one for one in get_args(AnySignals) if one.model_fields["kind"].default == kind)
    try:
        source: SignalsRecording = declared.model_validate(
            {"path": str(path), "session": "session", "bin_s": 1.0, **settings}
        )
    except ValidationError as error:
        item = error.errors()[0]
        field = str(item["loc"][0])
        if item["type"] == "missing" and len(item["loc"]) == 1:
            meaning = (declared.model_fields[field].description or "").split(". ")[0].rstrip(".")
            raise DataError(
                f"{path}: {field} is not known ({meaning}); give it with --set {field}=VALUE"
            ) from None
        raise DataError(
            f"{path}: {'.'.join(map(str, item['loc']))}: {item['msg']} (fields of kind {kind}: "
            f"{', '.join(declared.model_fields)}); give one with --set FIELD=VALUE"
        ) from None
    return _held(source, Path())


def _held(source: SignalsRecording, base: Path) -> Contents:
    """What a declared file and the files beside it hold, on the clock of the recording."""
    others = {
        name: on_clock(_contents(recording_of(source, name), base / file.path), file)
        for name, file in source.beside.items()
    }
    return beside(on_clock(_contents(source, base / source.path), source), others)


def _contents(source: SignalsRecording, path: Path) -> Contents:
    if not path.exists():
        raise DataError(f"no such file or folder: {path}")
    return CONTENTS[source.kind](path, source)


READERS: dict[str, Callable[[Any, Path], Recording]] = {
    "npz": read_npz,
    "arrays": read_arrays,
    **dict.fromkeys(CONTENTS, read_signals),
}
"""Reader of each kind of recording that a study can declare, by kind."""
