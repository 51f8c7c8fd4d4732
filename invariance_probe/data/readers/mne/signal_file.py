"""What the readers of all formats give: channels, samples and annotations.

In: nothing. Out: the abstract `SignalFile`, which hides whether a file is EDF or is read
through MNE.
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import ClassVar

import numpy as np

from invariance_probe.data.readers.mne.channels import Channel


@dataclass(frozen=True, eq=False)
class Annotations:
    """Texts that a file gives to times.

    Attributes
    ----------
    onset, duration
        In seconds from the first sample (annotation,); a duration of 0 is none.
    description
        The texts (annotation,).
    columns
        Further columns by name, each (annotation,).
    """

    onset: np.ndarray
    duration: np.ndarray
    description: np.ndarray
    columns: Mapping[str, np.ndarray] = field(default_factory=dict)


@dataclass(frozen=True, eq=False)
class Trials:
    """Trials that a file of epochs holds.

    Attributes
    ----------
    start, stop
        Start and stop in seconds on the clock of the samples (trial,).
    columns
        Events and metadata of the trials, each (trial,).
    """

    start: np.ndarray
    stop: np.ndarray
    columns: Mapping[str, np.ndarray]


class SignalFile(ABC):
    """A file of signals, of which nothing is in memory yet.

    Attributes
    ----------
    in_si
        Whether values are given in SI units, whatever unit they are stored in.
    """

    in_si: ClassVar[bool]

    @property
    @abstractmethod
    def channels(self) -> tuple[Channel, ...]:
        """All channels that hold samples."""

    @property
    @abstractmethod
    def annotations(self) -> Annotations:
        """Everything that is annotated in the file."""

    @property
    @abstractmethod
    def notes(self) -> tuple[str, ...]:
        """One sentence for everything that was left out or could not be known."""

    @property
    def trials(self) -> Trials | None:
        """Trials, if it is a file of epochs."""
        return None

    @abstractmethod
    def times(self, rate_hz: float) -> np.ndarray:
        """Times of the samples of a rate (sample,), in seconds from the first sample."""

    @abstractmethod
    def values(self, channels: Sequence[Channel], start: int, stop: int) -> np.ndarray:
        """Values from one sample to another (sample, channel) float64, as in the file.

        All channels must have the same rate. Values are in the unit of the file; a
        channel's `factor` is not applied.
        """
