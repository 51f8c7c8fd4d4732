"""Find the file of sleep stages that belongs to a polysomnogram.

In: the path of a recording. Out: the EDF file of its stages, which holds annotations and
no signals. Sleep-EDF calls them `SC4001E0-PSG.edf` and `SC4001EC-Hypnogram.edf`, where
the last letter names who scored the night.

References
----------
Kemp et al. 2000, IEEE Transactions on Biomedical Engineering 47:1185.
"""

import re
from pathlib import Path

from invariance_probe.data.readers.mne.edf_header import is_edf

STARTS_AT = slice(168, 184)
"""Bytes of an EDF header with the date and time of the first record."""
RECORDING = re.compile(r"(?P<night>.+?)[-_ ]?PSG", re.IGNORECASE)
STAGES = re.compile(r"(?P<night>.+?)[-_ ]?Hypnogram", re.IGNORECASE)
"""Names of both files, without their ending."""


def hypnogram_of(path: Path) -> Path | None:
    """Find the stages of a night beside its recording.

    Parameters
    ----------
    path
        The recording; its name ends in PSG.

    Returns
    -------
    hypnogram
        The file whose name begins alike, but for the letter of the scorer; None if there
        is none, or several of them.
    """
    named = RECORDING.fullmatch(path.stem)
    if named is None or not path.is_file():
        return None
    nights = {named["night"], named["night"][:-1]} - {""}
    found = [
        one
        for one in sorted(path.parent.iterdir())
        if (stages := STAGES.fullmatch(one.stem)) is not None
        and nights & {stages["night"], stages["night"][:-1]}
        and is_edf(one)
    ]
    return found[0] if len(found) == 1 else None


def start_of(path: Path) -> str:
    """Date and time of the first record by the header of an EDF file, as text."""
    with path.open("rb") as file:
        return file.read(STARTS_AT.stop)[STARTS_AT].decode("latin-1")
