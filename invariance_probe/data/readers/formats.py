"""Recognise the format of a file by its first bytes.

If a file is no `.npz` archive, the message of the reader can then name its format and say
how to convert it. Nothing is parsed.
"""

from pathlib import Path

from invariance_probe.errors import DataError

BY_NAME = {
    ".nwb": "nwb", ".npz": "npz", ".mat": "mat", ".csv": "table", ".tsv": "table",
    ".parquet": "table", ".pq": "table", ".txt": "table", ".gz": "table", ".h5": "brainset",
    ".hdf5": "brainset", ".edf": "mne", ".bdf": "mne", ".rec": "mne", ".vhdr": "mne",
    ".fif": "mne", ".fif.gz": "mne", ".set": "mne", ".gdf": "mne", ".cnt": "mne",
}  # fmt: skip
"""Kind of recording that a file is likely to be, by the end of its name."""
BY_CONTENT = {"F.npy": "suite2p", "spike_times.npy": "phy", "spike_clusters.npy": "phy"}
"""Kind of recording that a folder is likely to be, by a file in it."""
FORMATS = {
    b"\x93NUMPY": "it is a single NumPy array (.npy); save named arrays with np.savez",
    b"\x89HDF\r\n\x1a\n": (
        "it is an HDF5 file, which `kind: nwb`, `kind: mat` (MATLAB 7.3) or `kind: brainset` may "
        "read; else load it with h5py and save its arrays with np.savez"
    ),
    b"MATLAB 5.0": ("it is a MATLAB file (.mat), which `kind: mat` reads"),
    b"0       ": ("it is an EDF file, which `kind: mne` reads"),
    b"\xffBIOSEMI": ("it is a BDF file, which `kind: mne` reads"),
    b"\x80": "it is a Python pickle, which is never loaded; save its arrays with np.savez",
}
"""Format of a file and how to save its arrays as an archive, by its first bytes."""


def described(path: Path) -> str:
    """Say what format a file seems to have, and how to convert it.

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
        return "the archive is damaged or incomplete; copy or save it again"
    return f"it begins with {start!r}; save named arrays with np.savez"


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
        for name, kind in BY_CONTENT.items():
            if (path / name).is_file():
                return kind
        raise DataError(
            f"{path} is a folder that contains none of {', '.join(BY_CONTENT)}, so its format "
            "cannot be recognised; state it with --kind"
        )
    for ending in ("".join(path.suffixes[-2:]), path.suffix):
        if ending.lower() in BY_NAME:
            return BY_NAME[ending.lower()]
    raise DataError(
        f"{path}: its format cannot be recognised from its name (known: {', '.join(BY_NAME)}); "
        f"{described(path)}. State it with --kind"
    )
