"""Channels of a recording: their types, units of measure and rates.

In: what a file says of each channel. Out: `Channel`s, which know the factor that
turns electric potentials into microvolts. Nothing is read here.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

POTENTIALS = frozenset({"eeg", "eog", "emg", "ecg", "ecog", "seeg", "dbs", "bio"})
"""Types of channels that hold electric potentials, which are given in microvolts."""
PLAUSIBLE_UV = {"eeg": (0.1, 500.0)}
"""Smallest and largest SD in microvolts that is plausible, by type of channel."""
PLAUSIBLE_ELSE_UV = (0.1, 1e4)
"""The same for all other types of electric potentials."""
PER_MICROVOLT = {"V": 1e6, "mV": 1e3, "uV": 1.0, "µV": 1.0, "μV": 1.0, "nV": 1e-3}
"""Microvolts in each unit of electric potentials."""
NO_UNIT = ("", "n/a")
"""What stands for a missing unit of measure."""
LABELS = {
    "eeg": "eeg", "eog": "eog", "emg": "emg", "ecg": "ecg", "ekg": "ecg", "ecog": "ecog",
    "seeg": "seeg", "dbs": "dbs", "status": "stim", "trigger": "stim", "sti": "stim",
}  # fmt: skip
"""Type of a channel by the first word of its label, in lower case."""
OF_BIDS = {
    "heog": "eog", "veog": "eog", "trig": "stim", "temp": "temperature", "megmag": "mag",
    "meggradaxial": "mag", "meggradplanar": "grad", "megrefmag": "ref_meg",
    "megrefgradaxial": "ref_meg", "megrefgradplanar": "ref_meg",
}  # fmt: skip
"""Type of a channel by the word of a BIDS table in lower case, where they differ."""


IN_FEMTO = {"mag": ("fT", 1e15), "ref_meg": ("fT", 1e15), "grad": ("fT/cm", 1e13)}
"""Unit in which magnetic fields are given, and the factor of T or T/m that gives it."""


@dataclass(frozen=True)
class Channel:
    """One channel of a file.

    Attributes
    ----------
    name
        Name, which no other channel of the file has.
    number
        Position in the file.
    type
        What it records, such as `eeg`, `stim` or `misc`.
    unit_in_file
        Unit of measure in which its values are read; empty where it is not known.
    rate_hz
        Samples per second.
    position
        Place of the electrode or sensor (x, y, z) in metres, or None.
    bad
        Whether the file, or a table beside it, says that it is not to be used.
    """

    name: str
    number: int
    type: str
    unit_in_file: str
    rate_hz: float
    position: tuple[float, float, float] | None = None
    bad: bool = False

    @property
    def group(self) -> tuple[str, float]:
        """Type and rate, which the channels of a series share."""
        return self.type, self.rate_hz

    @property
    def lacks_unit(self) -> bool:
        """Whether it holds electric potentials of unknown size."""
        return self.type in POTENTIALS and self.unit_in_file not in PER_MICROVOLT

    @property
    def unit(self) -> str:
        """Unit of measure in which its values are given."""
        if self.type in POTENTIALS:
            return "uV"
        return IN_FEMTO[self.type][0] if self.type in IN_FEMTO else self.unit_in_file

    @property
    def factor(self) -> float:
        """Factor of the values in the file that gives this unit."""
        if self.type in POTENTIALS:
            return PER_MICROVOLT.get(self.unit_in_file, float("nan"))
        return IN_FEMTO[self.type][1] if self.type in IN_FEMTO else 1.0


def types_by_label(labels: Sequence[str], units: Sequence[str]) -> tuple[list[str], bool]:
    """Types of channels by the first words of their labels.

    If no label begins with a known word, channels of electric potentials are taken for
    EEG.

    Parameters
    ----------
    labels, units
        Label and unit of measure of each channel, as in the file.

    Returns
    -------
    types
        One for each channel; `misc` where the label names no other.
    named
        Whether labels name the types.
    """
    words = [label.lower().split() or [""] for label in labels]
    found = [LABELS.get(first[0], "misc") for first in words]
    if any(one in POTENTIALS for one in found):
        return found, True
    electric = [unit in NO_UNIT or unit.lower().endswith("v") for unit in units]
    return [
        "eeg" if one == "misc" and volts else one
        for one, volts in zip(found, electric, strict=True)
    ], False


def names_of_series(channels: Sequence[Channel]) -> Mapping[tuple[str, float], str]:
    """Name of the series of each type and rate: the fastest is called by its type alone."""
    names: dict[tuple[str, float], str] = {}
    for type_ in dict.fromkeys(one.type for one in channels):
        rates = sorted({one.rate_hz for one in channels if one.type == type_}, reverse=True)
        for rate in rates:
            names[type_, rate] = type_ if rate == rates[0] else f"{type_}@{rate:g}Hz"
    return names
