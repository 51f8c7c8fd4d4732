"""Recognise the format of a file by its first bytes.

If a file is no `.npz` archive, the message of the reader can then name its format and say
how to convert it. Nothing is parsed.
"""

import re
import zipfile
import zlib
from pathlib import Path

from invariance_probe.errors import DataError
from invariance_probe.study.counting import some

BY_NAME = {
    ".nwb": "nwb", ".npz": "npz", ".mat": "mat", ".csv": "table", ".tsv": "table",
    ".parquet": "table", ".pq": "table", ".txt": "table", ".gz": "table", ".h5": "brainset",
    ".hdf5": "brainset", ".edf": "mne", ".bdf": "mne", ".rec": "mne", ".vhdr": "mne",
    ".fif": "mne", ".fif.gz": "mne", ".set": "mne", ".gdf": "mne", ".cnt": "mne",
}  # fmt: skip
"""Kind of recording that a file is likely to be, by the end of its name."""
BY_CONTENT = {"F.npy": "suite2p", "spike_times.npy": "phy", "spike_clusters.npy": "phy"}
"""Kind of recording that a folder is likely to be, by a file in it."""
FOREIGN = {
    "spikeinterface_info.json": "spikeinterface",
    "si_folder.json": "spikeinterface",
    "cached.json": "spikeinterface",
}
"""Package that writes folders of a kind, by a file in it; it loads them itself."""
FORMATS = {
    b"\x93NUMPY": "it is a single NumPy array (.npy); save named arrays with np.savez",
    b"\x89HDF\r\n\x1a\n": (
        "it is an HDF5 file, which `kind: nwb`, `kind: mat` (MATLAB 7.3) or `kind: brainset` may "
        "read; else load it with h5py and save its arrays with np.savez"
    ),
    b"MATLAB 5.0": ("it is a MATLAB file (.mat), which `kind: mat` reads"),
    b"0       ": ("it is an EDF file, which `kind: mne` reads"),
    b"\xffBIOSEMI": ("it is a BDF file, which `kind: mne` reads"),
    b"\0\0\0d\0\0\0\x1f": (
        "it is a FIF file, which `kind: mne` reads if it holds a continuous recording or epochs; "
        "averages, transforms and models of the head are not read"
    ),
    b"PAR1": "it is a parquet file; rename it so that its name ends in .parquet",
    b"ARROW1": "it is a feather file; save the table as .parquet or .csv",
    b"CDF": (
        "it is a netCDF file; open it with xarray, and give its arrays to Recording.from_signals "
        "in Python"
    ),
    b"version https://": "it is a pointer of Git LFS and not the file; run git lfs pull",
    b"\x80": "it is a Python pickle, which is never loaded; save its arrays with np.savez",
}
"""Format of a file and how to read it or save its arrays, by its first bytes."""
TEXT = frozenset(bytes(range(32, 127)) + b"\t\r\n")
"""Bytes of plain text."""


def described(path: Path) -> str:
    """Say what format a file seems to have, and how to read or convert it.

    If the format is unknown, the text gives the first bytes of the file.
    """
    with path.open("rb") as file:
        start = file.read(16)
    for first, said in FORMATS.items():
        if start.startswith(first):
            return said
    if not start:
        return "it is empty"
    if start.startswith(b"PK"):
        return _of_archive(path)
    if TEXT.issuperset(start):
        return f"it is text that begins with {start.decode()!r}, which `kind: table` may read"
    return f"it begins with {start!r}; save named arrays with np.savez"


def _of_archive(path: Path) -> str:
    """Say what a zip archive holds that is no `.npz` archive."""
    damaged = "the archive is damaged or incomplete; copy or save it again"
    try:
        with zipfile.ZipFile(path) as archive:
            names = archive.namelist()
            if archive.testzip() is not None:
                return damaged
    except (zipfile.BadZipFile, zlib.error, OSError, EOFError):
        return damaged
    if any(name.endswith(".pkl") for name in names):
        return (
            "it is an archive with a Python pickle (such as torch.save writes), which is never "
            "loaded; save its arrays with np.savez"
        )
    if any(name.startswith("xl/") for name in names):
        return "it is a spreadsheet (.xlsx); save the sheet as .csv"
    if any(name.endswith(".npy") for name in names):
        return "it is an archive of NumPy arrays, which `kind: npz` reads"
    return f"it is a zip archive of {some(names, 3)}; unpack it first"


def kind_of(path: Path) -> str:
    """Guess the kind of recording from the name of a file, or the files in a folder.

    Raises
    ------
    DataError
        When there is no such file, or its name says nothing.
    """
    if not path.exists():
        raise DataError(f"no such file or folder: {path}")
    if path.is_dir():
        return _kind_of_folder(path)
    for ending in ("".join(path.suffixes[-2:]), path.suffix):
        if ending.lower() in BY_NAME:
            return BY_NAME[ending.lower()]
    said = described(path)
    named = re.search(r"`kind: (\w+)`", said)
    raise DataError(
        f"{path}: its format cannot be recognised from its name, but {said}"
        + (f"; state it with --kind {named[1]}" if named else "")
    )


def _kind_of_folder(path: Path) -> str:
    """Kind of recording that a folder is, by the files in it."""
    for name, kind in BY_CONTENT.items():
        if (path / name).is_file():
            return kind
    for name, package in FOREIGN.items():
        if (path / name).is_file():
            raise DataError(
                f"{path} is a folder of {package}; load it with {package}.load in Python, and give "
                "the object to Recording.from_signals"
            )
    raise DataError(
        f"{path} is a folder that contains none of {', '.join(BY_CONTENT)}, so its format "
        "cannot be recognised; state it with --kind"
    )
