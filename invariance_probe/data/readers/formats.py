"""Recognise the format of a file by its first bytes.

If a file is no `.npz` archive, the message of the reader can then name its format and say
how to convert it. Nothing is parsed.
"""

from pathlib import Path

FORMATS = {
    b"\x93NUMPY": "it is a single NumPy array (.npy); save named arrays by np.savez",
    b"\x89HDF\r\n\x1a\n": (
        "it is an HDF5 file (.nwb, .h5, or .mat of MATLAB 7.3); declare an NWB file by kind: nwb, "
        "or load it by h5py and save its arrays by np.savez"
    ),
    b"MATLAB 5.0": (
        "it is a MATLAB file (.mat), which no reader of this version opens; load it by "
        "scipy.io.loadmat and save its arrays by np.savez"
    ),
    b"0       ": (
        "it is an EDF file, which no reader of this version opens; load it by mne.io.read_raw_edf "
        "and save its arrays by np.savez"
    ),
    b"\xffBIOSEMI": (
        "it is a BDF file, which no reader of this version opens; load it by mne.io.read_raw_bdf "
        "and save its arrays by np.savez"
    ),
    b"\x80": "it is a Python pickle, which is never loaded; save its arrays by np.savez",
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
    return f"it begins with {start!r}; save named arrays by np.savez"
