"""Files that MNE reads: FIF, BrainVision, EEGLAB, GDF and others, raw or in epochs.

In: a file. Out: a `SignalFile`. Samples are read when they are asked for. What MNE warns
of is told. This file is imported only where MNE is needed.
"""

import re
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import Protocol

import mne
import numpy as np
import pandas as pd

from invariance_probe.data.checked import differing, text_of
from invariance_probe.data.readers.formats import described
from invariance_probe.data.readers.mne.channels import Channel
from invariance_probe.data.readers.mne.signal_file import Annotations, SignalFile, Trials
from invariance_probe.errors import DataError
from invariance_probe.study.counting import counted
from invariance_probe.study.signals import MneRecording

VOLT = 107
"""Number that FIF files give to volts."""
EPOCHS_FIF = re.compile(r"epo\.fif(\.gz)?$")
"""End of the names of FIF files with epochs, by MNE's convention."""


class _Info(Protocol):
    """What is used of MNE's raw recordings and epochs alike."""

    info: mne.Info
    ch_names: list[str]

    def get_channel_types(self) -> list[str]: ...


def open_with_mne(path: Path, declared: MneRecording) -> SignalFile:
    """Open a file that MNE reads, raw or in epochs.

    Parameters
    ----------
    path
        The file.
    declared
        The bins, between which epochs are put.

    Raises
    ------
    DataError
        When MNE cannot read the file.
    """
    notes: list[str] = []
    with _told(path, notes):
        if EPOCHS_FIF.search(path.name):
            return EpochsFile(
                mne.read_epochs(path, preload=False, verbose="WARNING"), declared, notes
            )
        try:
            raw = mne.io.read_raw(path, preload=False, verbose="WARNING")
        except TypeError as error:
            if path.suffix.lower() != ".set" or "trials" not in str(error):
                raise
            epochs = mne.read_epochs_eeglab(path, verbose="WARNING")
            return EpochsFile(epochs, declared, notes)
    if path.suffix.lower() == ".set":
        notes.append("EEGLAB files do not say their unit of measure; MNE takes values for uV")
    return RawFile(raw, notes)


@contextmanager
def _told(path: Path, notes: list[str]) -> Iterator[None]:
    """Note what MNE warns of; raise a DataError in place of any of its errors."""
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        try:
            yield
        except DataError:
            raise
        except OSError as error:
            raise DataError(f"{path} cannot be read by MNE: {_in_line(error)}") from error
        except Exception as error:  # MNE's readers raise errors of all types
            seems = "" if isinstance(error, NotImplementedError) else f"; {described(path)}"
            raise DataError(f"{path} cannot be read by MNE: {_in_line(error)}{seems}") from error
    notes += [f"MNE: {_in_line(one.message)}" for one in told if one.category is RuntimeWarning]


def _in_line(said: object) -> str:
    """Message of a warning or error in one line, without its full stop."""
    return " ".join(str(said).split()).rstrip(".") or type(said).__name__


def _channels_of(found: _Info, notes: list[str]) -> tuple[Channel, ...]:
    """Channels of a recording, whose values MNE gives in SI units."""
    types = found.get_channel_types() if len(found.ch_names) else []
    names = differing(found.ch_names, notes, "channels")
    rate, bads = float(found.info["sfreq"]), found.info["bads"]
    made = []
    for number, (name, type_) in enumerate(zip(names, types, strict=True)):
        held = found.info["chs"][number]
        unit = "V" if int(held["unit"]) == VOLT else ""
        place = held["loc"][:3]
        known = np.isfinite(place).all() and np.any(place)
        position = (float(place[0]), float(place[1]), float(place[2])) if known else None
        bad = found.ch_names[number] in bads
        made.append(Channel(name, number, type_, unit, rate, position, bad))
    return tuple(made)


class RawFile(SignalFile):
    """A continuous recording that MNE reads.

    Parameters
    ----------
    raw
        The recording, whose samples are not in memory.
    notes
        What was told when the file was opened.
    """

    in_si = True

    def __init__(self, raw: mne.io.BaseRaw, notes: list[str]) -> None:
        self.raw = raw
        self._notes = notes
        self._channels = _channels_of(raw, notes)
        if raw.first_samp:
            notes.append(
                f"the first sample of the file is number {raw.first_samp} of its recording; all "
                "times count from the first sample of the file"
            )

    @property
    def channels(self) -> tuple[Channel, ...]:
        """All channels that hold samples."""
        return self._channels

    @property
    def notes(self) -> tuple[str, ...]:
        """What was left out or could not be known."""
        return tuple(self._notes)

    @cached_property
    def annotations(self) -> Annotations:
        """Annotations, whose onsets MNE counts from sample 0 of the recording."""
        found, before = self.raw.annotations, self.raw.first_time
        return Annotations(
            np.asarray(found.onset, dtype=np.float64) - before,
            np.nan_to_num(np.asarray(found.duration, dtype=np.float64)),
            np.array(found.description.tolist(), dtype=np.str_),
        )

    def times(self, rate_hz: float) -> np.ndarray:
        """Times of the samples (sample,), in seconds from the first one."""
        return np.arange(self.raw.n_times) / rate_hz

    def values(self, channels: Sequence[Channel], start: int, stop: int) -> np.ndarray:
        """Values from one sample to another (sample, channel), in SI units."""
        picks = [one.number for one in channels]
        found: np.ndarray = self.raw.get_data(picks, start, stop, verbose="ERROR")
        return found.T


class EpochsFile(SignalFile):
    """A file of epochs, which are put one after another.

    Parameters
    ----------
    epochs
        The epochs.
    declared
        The bins: after each epoch one bin is empty, so that no window crosses it.
    notes
        What was told when the file was opened.
    """

    in_si = True

    def __init__(self, epochs: mne.BaseEpochs, declared: MneRecording, notes: list[str]) -> None:
        self.epochs = epochs
        self._notes = notes
        self._channels = _channels_of(epochs, notes)
        rate = float(epochs.info["sfreq"])
        bins = np.ceil(len(epochs.times) / rate / declared.bin_s - 1e-6) + 1
        self.starts = declared.origin_s + np.arange(len(epochs)) * bins * declared.bin_s
        notes.append(
            f"the {counted(len(epochs), 'epoch')} of {len(epochs.times)} samples are put one after "
            f"another, in the order of the file, with an empty bin after each; time 0 of an epoch "
            f"is {0 - epochs.tmin:g} s after its start"
        )

    @property
    def channels(self) -> tuple[Channel, ...]:
        """All channels that hold samples."""
        return self._channels

    @property
    def notes(self) -> tuple[str, ...]:
        """What was left out or could not be known."""
        return tuple(self._notes)

    @property
    def annotations(self) -> Annotations:
        """None: annotations of epochs are on the clock of the raw recording."""
        return Annotations(np.zeros(0), np.zeros(0), np.zeros(0, dtype=np.str_))

    @property
    def trials(self) -> Trials:
        """One row per epoch, with the names of its events and its metadata."""
        names = {code: name for name, code in self.epochs.event_id.items()}
        codes = self.epochs.events[:, 2]
        columns = {"event": np.array([names.get(code, str(code)) for code in codes], dtype=np.str_)}
        metadata = self.epochs.metadata
        for name in () if metadata is None else metadata.columns:
            values = metadata[name]
            numeric = pd.api.types.is_numeric_dtype(values)
            texts = [text_of(one) if pd.notna(one) else "" for one in values]
            columns[str(name)] = values.to_numpy() if numeric else np.array(texts, dtype=np.str_)
        lasts = len(self.epochs.times) / float(self.epochs.info["sfreq"])
        return Trials(self.starts, self.starts + lasts, columns)

    def times(self, rate_hz: float) -> np.ndarray:
        """Times of the samples (sample,), in seconds from the first one."""
        within = np.arange(len(self.epochs.times)) / rate_hz
        return (self.starts[:, None] + within).ravel()

    def values(self, channels: Sequence[Channel], start: int, stop: int) -> np.ndarray:
        """Values from one sample to another (sample, channel), in SI units."""
        each = len(self.epochs.times)
        first, last = start // each, -(-stop // each)
        picks = [one.number for one in channels]
        found = self.epochs[first:last].get_data(picks=picks, copy=True, verbose="ERROR")
        samples = found.transpose(0, 2, 1).reshape(-1, len(picks))
        return samples[start - first * each : stop - first * each]
