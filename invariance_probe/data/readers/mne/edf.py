"""Read EDF, EDF+, BDF and BDF+ files: the clock, samples and annotations.

In: a file. Out: a `SignalFile`. The onset of each record of an EDF+ file gives the time
of its samples, so that pauses stay pauses. Every channel keeps its own rate.

References
----------
Kemp & Olivan 2003, European data format 'plus' (EDF+), Clin Neurophysiol 114:1755.
"""

from collections.abc import Sequence
from functools import cached_property
from itertools import pairwise
from pathlib import Path

import numpy as np

from invariance_probe.data.checked import differing, some
from invariance_probe.data.readers.mne.channels import NO_UNIT, Channel, types_by_label
from invariance_probe.data.readers.mne.edf_header import Header, number_in
from invariance_probe.data.readers.mne.signal_file import Annotations, SignalFile
from invariance_probe.errors import DataError
from invariance_probe.study.counting import counted

TRIGGERS = 0xFFFF
"""Bits of the channel `Status` of a BDF file that hold triggers."""
LEAST_OFF_S = 1e-3
"""Time by which the onset of a record may differ from the end of the one before it."""


class EdfFile(SignalFile):
    """An EDF or BDF file.

    Parameters
    ----------
    path
        The file.

    Raises
    ------
    DataError
        When the header or the clock cannot be read.
    """

    in_si = False

    def __init__(self, path: Path) -> None:
        self.path = path
        self.header = Header.of(path)
        self._notes = list(self.header.notes)
        self._texts: list[tuple[float, float, str]] = []
        self._runs = self._clock()
        self._channels = self._find_channels()

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
        """Annotations of an EDF+ file, in order of time."""
        rows = sorted(self._texts, key=lambda row: row[0])
        onset, duration, texts = zip(*rows, strict=True) if rows else ((), (), ())
        return Annotations(
            np.array(onset, dtype=np.float64),
            np.array(duration, dtype=np.float64),
            np.array(texts, dtype=np.str_),
        )

    def times(self, rate_hz: float) -> np.ndarray:
        """Times of the samples, from the onsets of the runs of contiguous records."""
        each = round(rate_hz * self.header.record_s)
        parts = [
            onset + np.arange((last - first) * each) / rate_hz for first, last, onset in self._runs
        ]
        return np.concatenate([np.zeros(0), *parts])

    def values(self, channels: Sequence[Channel], start: int, stop: int) -> np.ndarray:
        """Physical values, by the ranges in the header."""
        found = np.zeros((stop - start, len(channels)))
        for column, channel in enumerate(channels):
            each = self.header.samples[channel.number]
            first, last = start // each, -(-stop // each)
            numbers = self._numbers(channel.number, first, last)
            numbers = numbers[start - first * each : stop - first * each]
            low, high, low_number, high_number = self._ranges(channel.number)
            if channel.type == "stim" and self.header.bytes_a_sample == 3 and low == low_number:
                found[:, column] = numbers & TRIGGERS
                continue
            gain = (high - low) / (high_number - low_number)
            found[:, column] = (numbers - low_number) * gain + low
        return found

    def _ranges(self, signal: int) -> tuple[float, float, float, float]:
        """Lowest and highest physical value, and the numbers that stand for them."""
        low, high, low_number, high_number = (
            number_in(self.header.fields[name][signal].encode(), self.path, f"field {name!r}")
            for name in ("low", "high", "low_number", "high_number")
        )
        return low, high, low_number, high_number

    def _is_empty(self, signal: int) -> bool:
        """Whether the range of a signal has no width, so that its values are unknown."""
        low, high, low_number, high_number = self._ranges(signal)
        return low == high or low_number == high_number

    @cached_property
    def _records(self) -> np.ndarray:
        """All records (record, byte), mapped."""
        header = self.header
        width = header.bytes_a_sample * sum(header.samples)
        if not header.records or not width:
            return np.zeros((0, max(width, 1)), dtype=np.uint8)
        shape = (header.records, width)
        return np.memmap(self.path, np.uint8, "r", header.first_byte, shape)

    def _bytes_of(self, signal: int, first: int, last: int) -> np.ndarray:
        """Bytes of a signal from one record to another (record, byte)."""
        size = self.header.bytes_a_sample
        at = size * sum(self.header.samples[:signal])
        return self._records[first:last, at : at + size * self.header.samples[signal]]

    def _numbers(self, signal: int, first: int, last: int) -> np.ndarray:
        """Numbers of a signal from one record to another (sample,), as in the file."""
        held = np.ascontiguousarray(self._bytes_of(signal, first, last))
        if self.header.bytes_a_sample == 2:
            return held.view("<i2").ravel().astype(np.int64)
        parts = held.reshape(-1, 3).astype(np.int64)
        numbers: np.ndarray = parts @ np.array([1, 1 << 8, 1 << 16])
        return np.where(numbers >= 1 << 23, numbers - (1 << 24), numbers)

    def _find_channels(self) -> tuple[Channel, ...]:
        """Channels that hold samples, with names that differ."""
        fields = self.header.fields
        if self.header.record_s <= 0 and not all(self.header.is_text):
            raise DataError(
                f"{self.path}: a record lasts {self.header.record_s:g} s by the header, so the "
                "rates of its signals are unknown"
            )
        signals = [i for i, text in enumerate(self.header.is_text) if not text]
        signals = [i for i in signals if self.header.samples[i]]
        empty = [i for i in signals if self._is_empty(i)]
        if empty:
            self._notes.append(
                f"{len(empty)} of {counted(len(signals), 'channel')} have an empty range in the "
                f"header, so their values are unknown, and are left out: "
                f"{some(fields['label'][i] for i in empty)}"
            )
        signals = [i for i in signals if i not in empty]
        labels, units = ([fields[name][i] for i in signals] for name in ("label", "unit"))
        names = differing(labels, self._notes, "channels")
        types, named = types_by_label(labels, units)
        if not named and "eeg" in types:
            self._notes.append(
                f"labels do not say what channels record, so {types.count('eeg')} of {len(types)} "
                "are taken for EEG; types: {NAME: TYPE} says otherwise"
            )
        found = []
        for signal, name, type_, unit in zip(signals, names, types, units, strict=True):
            rate = self.header.samples[signal] / self.header.record_s
            found.append(Channel(name, signal, type_, "" if unit in NO_UNIT else unit, rate))
        return tuple(found)

    def _clock(self) -> list[tuple[int, int, float]]:
        """Runs of contiguous records: first, one after the last, and onset in seconds.

        The texts of all records are collected on the way.
        """
        header = self.header
        texts = [i for i, text in enumerate(header.is_text) if text]
        if not texts:
            if header.variant.endswith("+D"):
                raise DataError(
                    f"{self.path} is discontinuous ({header.variant}), but has no signal of "
                    "annotations, so the times of its records are unknown"
                )
            return [(0, header.records, 0.0)] if header.records else []
        onsets = []
        for record in range(header.records):
            found = [row for i in texts for row in _texts_of(self._bytes_of(i, record, record + 1))]
            keeping = next((onset for onset, _, text in found if not text), None)
            onsets.append(np.nan if keeping is None else keeping)
            self._texts += [row for row in found if row[2]]
        return self._placed(np.array(onsets))

    def _placed(self, onsets: np.ndarray) -> list[tuple[int, int, float]]:
        """Join contiguous records; times then count from the first record."""
        if not len(onsets):
            return []
        first = float(onsets[0]) if np.isfinite(onsets[0]) else 0.0
        self._texts = self._without_stamps(first)
        if not np.isfinite(onsets).all():
            missing = np.flatnonzero(~np.isfinite(onsets))
            if self.header.variant.endswith("+D"):
                raise DataError(
                    f"{self.path} is discontinuous, but {counted(len(missing), 'record')} have no "
                    f"time: {some(missing)}"
                )
            self._notes.append(
                f"{counted(len(missing), 'record')} have no time, so all are taken as contiguous: "
                f"{some(missing)}"
            )
            return [(0, len(onsets), 0.0)]
        if all(self.header.is_text):
            return []
        lasts, fastest = self.header.record_s, max(self.header.samples)
        off = max(lasts / fastest / 2, LEAST_OFF_S)
        late = np.diff(onsets) - lasts
        if (late < -off).any():
            at = int(np.argmin(late))
            raise DataError(
                f"{self.path}: record {at + 1} starts at {onsets[at + 1]:g} s, before record {at} "
                f"ends at {onsets[at] + lasts:g} s, so the times of its samples are unknown"
            )
        borders = [0, *(1 + np.flatnonzero(late > off)).tolist(), len(onsets)]
        self._tell_pauses(late[late > off])
        return [(a, b, float(onsets[a]) - first) for a, b in pairwise(borders)]

    def _tell_pauses(self, pauses: np.ndarray) -> None:
        if len(pauses):
            contiguous = (
                ""
                if self.header.variant.endswith("+D")
                else (f", although the header says that it is contiguous ({self.header.variant})")
            )
            self._notes.append(
                f"the recording was paused {counted(len(pauses), 'time')}, for {pauses.sum():g} s "
                f"in all{contiguous}; times count on during a pause, and no window crosses it"
            )

    def _without_stamps(self, first: float) -> list[tuple[float, float, str]]:
        """Texts on the clock of the samples, without those that repeat their own time."""
        kept = [row for row in self._texts if not _is_stamp(row)]
        if stamps := len(self._texts) - len(kept):
            self._notes.append(
                f"{stamps} of {len(self._texts)} annotations only repeat their time and are left "
                "out"
            )
        return [(onset - first, duration, text) for onset, duration, text in kept]


def _is_stamp(row: tuple[float, float, str]) -> bool:
    """Whether a text is the time of the record, such as `+1.000000`."""
    onset, _, text = row
    try:
        return text[0] in "+-" and float(text) == onset
    except ValueError:
        return False


def _texts_of(held: np.ndarray) -> list[tuple[float, float, str]]:
    """Onset, duration and text of all annotations in a record.

    The first one of a record has no text: it gives the time of the record.
    """
    rows = []
    for part in held.tobytes().split(b"\x00"):
        if b"\x14" not in part:
            continue
        times, *texts = part.split(b"\x14")
        onset, _, duration = times.partition(b"\x15")
        try:
            at, lasts = float(onset), float(duration or 0)
        except ValueError:
            continue
        said = [_decoded(text) for text in texts if text]
        rows += [(at, lasts, text) for text in said or [""]]
    return rows


def _decoded(text: bytes) -> str:
    """Text of an annotation: UTF-8, or what older programs write."""
    try:
        return text.decode("utf-8").strip()
    except UnicodeDecodeError:
        return text.decode("latin-1").strip()
