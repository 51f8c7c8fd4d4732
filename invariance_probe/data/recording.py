"""Recording: one session's activity, targets, trials and segments.

In: arrays and names from a reader, a simulation, or a user of Python. Out: a
`Recording`, checked when it is made, whose arrays and targets can be looked up by name.
Files are read elsewhere (`data.readers`), and windows are cut in `data.windows`.
"""

import hashlib
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from numbers import Real
from typing import Any, Literal, Self

import numpy as np
import pandas as pd
from pydantic import ValidationError

from invariance_probe.data.arrays import (
    UNKNOWN,
    as_numbers,
    as_single,
    axes_advice,
    check_complete,
    check_radians,
    constant_columns,
    filled,
    unknown_note,
)
from invariance_probe.data.assembly import assembled
from invariance_probe.data.checked import text_of
from invariance_probe.data.contents import Contents
from invariance_probe.data.from_python import (
    alternatives_given,
    as_given,
    as_row,
    check_columns,
    columns_given,
    known_given,
    labels_given,
    refusal,
    streams_given,
    targets_given,
)
from invariance_probe.data.objects.session import ACTIVITY_NAME, GivenSession
from invariance_probe.data.streams import Stream
from invariance_probe.errors import DataError
from invariance_probe.study.probes import Target
from invariance_probe.study.recordings import ArraysRecording
from invariance_probe.study.session import Content, as_stream, where_known
from invariance_probe.study.signals import SignalsRecording

MOST_SPIKES = 32767
"""Largest count allowed in one bin, because count splitting stores halves as int16."""


@dataclass(frozen=True, eq=False)
class Recording:
    """One recorded or simulated session.

    In Python it is made by `from_arrays` or `from_dataframe`, if it is binned already, or
    by `from_signals`. A study lists it among its recordings.

    Attributes
    ----------
    session, subject, group
        Names of the session, of the animal or person, and of a group of sessions.
    activity
        (time, unit): int32 counts, or float32 signals.
    activity_kind
        `counts` or `signal`.
    bin_s
        Length of a bin in seconds.
    unit_ids
        Name of each unit.
    targets
        Arrays by name, each with time as its first axis.
    known
        Whether a target is known in each bin (time,), by its name; a target that is
        known throughout is left out. Its values in other bins mean nothing.
    trials
        Trial of each bin (time,), or None.
    segments
        Gap-free segment of each bin (time,).
    truth
        The parameters that a simulation was made with. Empty for real recordings.
    alternatives
        Alternative targets by name, (draw, time, ...): target sequences that the
        experimenter could equally well have drawn, for a null distribution. They are
        not part of the fingerprint, because runs that use them record their hash.
    pieces
        Number of the unbroken piece that each bin lies in (time,), if bins outside the
        study's states were removed (`data.states`); otherwise None.
    unusable
        Reason why an array of the file cannot be a target, by its name. Used in
        messages only, and not part of any fingerprint.
    notes
        One sentence for everything that a reader left out, joined, converted or could
        not know. Not part of any fingerprint.
    streams
        Further signals by name, each at its own sampling rate.

    Raises
    ------
    DataError
        For text, NaN, infinities, negative or non-integer counts, signals whose
        variation is lost in single precision, and wrong shapes or lengths.
    """

    session: str
    subject: str
    group: str
    activity: np.ndarray
    activity_kind: Literal["counts", "signal"]
    bin_s: float
    unit_ids: tuple[str, ...]
    targets: Mapping[str, np.ndarray]
    trials: np.ndarray | None
    segments: np.ndarray
    known: Mapping[str, np.ndarray] = field(default_factory=dict)
    truth: Mapping[str, Any] = field(default_factory=dict)
    alternatives: Mapping[str, np.ndarray] = field(default_factory=dict)
    pieces: np.ndarray | None = None
    unusable: Mapping[str, str] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    streams: Mapping[str, Stream] = field(default_factory=dict)

    def __post_init__(self) -> None:
        object.__setattr__(self, "activity", self._kept(np.asarray(self.activity)))
        shape, where = self.activity.shape, f"session {self.session!r}"
        if not (np.isfinite(self.bin_s) and self.bin_s > 0):
            raise DataError(
                f"{where}: bin_s is {self.bin_s}; it must be a positive number of seconds"
            )
        if len(self.unit_ids) != shape[1]:
            raise DataError(
                f"{where}: there are {len(self.unit_ids)} unit_ids, but the activity has "
                f"{shape[1]} units; give one unit id per unit. The activity has shape {shape}, "
                "which must be (time, unit)"
            )
        for name, values in (
            ("trial", self.trials),
            ("segment", self.segments),
            ("piece", self.pieces),
            *((f"mask of the target {name!r}", mask) for name, mask in self.known.items()),
            *((f"stream {name!r} (first)", one.first) for name, one in self.streams.items()),
        ):
            if values is not None and values.shape != shape[:1]:
                raise DataError(
                    f"{where}: the {name} array has shape {values.shape}, but must have shape "
                    f"({shape[0]},){axes_advice(values.shape, shape)}"
                )

        for name, stream in self.streams.items():
            for what, values in (("activity", self.activity), *self.targets.items()):
                own = np.asarray(values).reshape(shape[0], -1)
                if own.dtype.kind in "biuf" and np.array_equal(
                    stream.values[stream.first], own.astype(np.float32)
                ):
                    raise DataError(
                        f"{where}: the stream {name!r} holds the same numbers as {what!r}; give "
                        "another signal"
                    )

    @classmethod
    def from_arrays(
        cls,
        activity: Any,
        *,
        bin_s: float,
        targets: Mapping[str, Any],
        known: Mapping[str, Any] | None = None,
        trials: Any = None,
        segments: Any = None,
        session: str = "session",
        subject: str = "subject",
        group: str = "",
        activity_kind: Literal["counts", "signal"] = "counts",
        unit_ids: Any = None,
        alternatives: Mapping[str, Any] | None = None,
        streams: Mapping[str, Any] | None = None,
    ) -> Self:
        """Make a recording from arrays; they are copied.

        Parameters
        ----------
        activity : (time, unit)
            Spike counts per bin, or a continuous signal.
        bin_s
            Length of a bin in seconds.
        targets : (time,) or (time, column)
            What can be decoded, by name: numbers or text labels.
        known : (time,), optional
            Bins in which a target is known, as booleans by the target's name. What the
            target holds in other bins, such as NaN, is not read. Windows without a
            target train and are not decoded. Targets that are not named are known in
            all bins.
        trials : (time,), optional
            Trial of each bin, numbers or text labels. Windows never cross a trial
            border.
        segments : (time,), optional
            Gap-free part of the recording that each bin lies in. Windows never cross
            the border of such a segment.
        session
            Name of the session, unique within a study.
        subject
            The animal or person.
        group
            Group of sessions; hypotheses and pooling can be limited to one.
        activity_kind
            `counts` (whole numbers) or `signal`.
        unit_ids : (unit,), optional
            Names of the units; 0, 1, 2 ... if omitted.
        alternatives : (draw, time) or (draw, time, column), optional
            Target sequences that the experimenter could equally well have drawn, by
            name. A study can use them for the null distribution of its decoder.
        streams : (sample,) or (sample, channel), optional
            Further signals, such as an LFP, by name. Each has the same number of samples
            in every bin, and so its own sampling rate. Pairs can be made of a window of
            the activity and the window of a stream.

        Raises
        ------
        DataError
            For arrays whose lengths differ, text where numbers are needed, NaN,
            infinities, negative counts, and objects other than numbers and text.

        Examples
        --------
        >>> gen = np.random.default_rng(0)
        >>> speed = np.sin(np.arange(500) / 20)
        >>> counts = gen.poisson(np.exp(0.5 + speed[:, None] * gen.standard_normal(30)))
        >>> recording = Recording.from_arrays(counts, bin_s=0.05, targets={"speed": speed})
        >>> recording
        Recording(session='session': 500 bins of 0.05 s, 30 units, targets speed)

        The camera lost the animal for a second:

        >>> speed[100:120] = np.nan
        >>> Recording.from_arrays(
        ...     counts, bin_s=0.05, targets={"speed": speed}, known={"speed": ~np.isnan(speed)}
        ... )
        Recording(session='session': 500 bins of 0.05 s, 30 units, targets speed)
            Note: the target 'speed' is unknown in 20 of 500 bins
        """
        where = f"session {session!r}"
        if not isinstance(bin_s, Real):
            raise DataError(f"{where}: bin_s is {bin_s!r}; it must be a number of seconds")
        if activity_kind not in ("counts", "signal"):
            raise DataError(
                f"{where}: activity_kind is {activity_kind!r}; allowed: 'counts', 'signal'"
            )
        counts = as_given(activity, f"{where}: activity")
        bins = len(counts) if counts.ndim else 0
        units = counts.shape[1] if counts.ndim == 2 else 0
        names = np.arange(units) if unit_ids is None else as_row(unit_ids, f"{where}: unit_ids")
        found = targets_given(targets, counts, session)
        masks = known_given(known or {}, found, session)
        return cls(
            session=session,
            subject=subject,
            group=group,
            activity=counts,
            activity_kind=activity_kind,
            bin_s=float(bin_s),
            unit_ids=tuple(str(name) for name in np.atleast_1d(names)),
            targets={
                name: filled(values, masks[name]) if name in masks else values
                for name, values in found.items()
            },
            known=masks,
            notes=tuple(unknown_note(name, mask) for name, mask in masks.items()),
            trials=None if trials is None else labels_given(trials, f"{where}: trials"),
            segments=np.zeros(bins, dtype=np.int64)
            if segments is None
            else labels_given(segments, f"{where}: segments"),
            alternatives=alternatives_given(alternatives or {}, counts, session),
            streams=streams_given({} if streams is None else streams, bins, float(bin_s), session),
        )

    @classmethod
    def from_dataframe(
        cls,
        frame: pd.DataFrame,
        *,
        bin_s: float,
        targets: Sequence[str] | Mapping[str, str | Sequence[str]],
        units: Sequence[str] | None = None,
        trials: str | None = None,
        segments: str | None = None,
        session: str = "session",
        subject: str = "subject",
        group: str = "",
        activity_kind: Literal["counts", "signal"] = "counts",
    ) -> Self:
        """Make a recording from a data frame with one row per bin, in order of time.

        Parameters
        ----------
        frame
            The data frame; its index is not read.
        bin_s
            Length of a bin in seconds.
        targets
            Columns that can be decoded. A mapping gives several columns one name, as in
            `{"velocity": ["vx", "vy"]}`.
        units
            Columns that hold the units' activity; if omitted, all columns that are not
            named as targets, trials or segments. Units get the names of their columns.
        trials, segments
            Columns of trials and of gap-free segments; see `from_arrays`.
        session, subject, group, activity_kind
            See `from_arrays`.

        Raises
        ------
        DataError
            As for `from_arrays`, and for columns that are missing or occur twice.

        Examples
        --------
        >>> frame = pd.DataFrame({"u1": [0, 2, 1], "u2": [1, 0, 0], "x": [0.1, 0.4, 0.2]})
        >>> recording = Recording.from_dataframe(frame, bin_s=0.1, targets=["x"])
        >>> recording.unit_ids, recording.activity.shape
        (('u1', 'u2'), (3, 2))
        """
        listed = [targets] if isinstance(targets, str) else targets
        columns = listed if isinstance(listed, Mapping) else {name: [name] for name in listed}
        asked = {name: [of] if isinstance(of, str) else list(of) for name, of in columns.items()}
        named = [name for names in asked.values() for name in names]
        labels = [name for name in (trials, segments) if name is not None]
        chosen = list(
            frame.columns.drop([*named, *labels], errors="ignore") if units is None else units
        )
        check_columns(frame, [*named, *labels, *chosen], session)
        return cls.from_arrays(
            columns_given(frame, chosen, session).reshape(len(frame), -1),
            bin_s=bin_s,
            targets={name: columns_given(frame, names, session) for name, names in asked.items()},
            trials=None if trials is None else columns_given(frame, [trials], session),
            segments=None if segments is None else columns_given(frame, [segments], session),
            session=session,
            subject=subject,
            group=group,
            activity_kind=activity_kind,
            unit_ids=[str(name) for name in chosen],
        )

    @classmethod
    def from_signals(
        cls,
        activity: Any,
        *,
        bin_s: float,
        targets: Mapping[str, Any],
        trials: Any = None,
        during: Any = None,
        observed: Any = None,
        units: Sequence[Any] = (),
        activity_kind: Literal["counts", "signal"] | None = None,
        origin_s: float = 0.0,
        between_s: tuple[float, float] | None = None,
        streams: Mapping[str, Any] | None = None,
        session: str = "session",
        subject: str = "subject",
        group: str = "",
    ) -> Self:
        """Make a recording from spike times, series and tables on one clock.

        All of them are put on one grid of bins, as the signals of a file are. Bins in
        which the activity was not observed are left out, and a target may be unknown in
        some bins. What is left out, converted or not known is told in the recording's
        `notes`, which its representation and the report show.

        Objects of pandas, xarray, pynapple, neo, spikeinterface and MNE are recognised
        by what they have; none of these packages is needed. Times are seconds, except
        where an object has durations or a unit of time.

        Parameters
        ----------
        activity
            Spike trains: a dict from units to spike times (spike,), a pynapple TsGroup, a
            spikeinterface sorting with its recording or an analyzer, neo SpikeTrains or a
            Segment. Or a series: a tuple of times (sample,) and values (sample, channel),
            a pandas Series or DataFrame whose index is time, an xarray DataArray with a
            coordinate `time`, a pynapple Tsd or TsdFrame, a neo AnalogSignal, an MNE Raw
            or Epochs. Spikes are counted in each bin, and series are averaged.
        bin_s
            Length of a bin in seconds.
        targets
            What can be decoded, by name. A series, as above: the sample nearest to the
            centre of each bin. Or a dict, as in a study file, with an object in the place
            of the name: `{"series": S, "channels": [...], "max_gap_s": ...}`,
            `{"table": T, "column": ..., "cover": ...}` for the labels of intervals, or
            `{"inside": T}` for 1 inside the intervals and 0 outside.
        trials
            Table of trials: only bins wholly inside a row are used, and no window crosses
            from one to the next. A table is a DataFrame or dict with columns `start` and
            `stop` (or `duration`), an array (interval, 2), a pynapple IntervalSet, a neo
            Epoch, an MNE Raw (its annotations) or Epochs.
        during
            Table: only bins wholly inside its intervals are used.
        observed
            Table of the intervals in which all units were observed, for spike trains.
            Without it, what the object says (neo, spikeinterface); otherwise all of the
            time from `origin_s` to the last spike or interval.
        units
            Names of the units or channels to use; all of them if omitted.
        activity_kind
            `counts` for a series of counts, whose samples are summed in each bin.
        origin_s
            Time from which bins lie at whole multiples of `bin_s`.
        between_s
            First and last time to use, in seconds.
        streams
            Further signals by name: a series, which keeps its own sampling rate, or spike
            trains, which are counted in the bins; or a dict
            `{"signal": S, "channels": [...]}`. Bins in which one of them was not observed
            are left out. Pairs can be made of a window of the activity and the window of a
            stream.
        session, subject, group
            See `from_arrays`.

        Raises
        ------
        DataError
            For objects of other types, times that are no seconds or go back, a sorting
            without a time base or with several segments, epochs that share samples, and
            as for a file: names that are missing, and no bin that is left.

        Examples
        --------
        >>> gen = np.random.default_rng(0)
        >>> spikes = {unit: np.sort(gen.uniform(0, 60, 300)) for unit in ("a", "b")}
        >>> times = np.arange(0, 50, 0.01)
        >>> trials = {"start": [0, 10, 20], "stop": [8, 18, 28], "choice": ["L", "R", "L"]}
        >>> Recording.from_signals(
        ...     spikes,
        ...     bin_s=0.5,
        ...     trials=trials,
        ...     targets={
        ...         "speed": (times, np.sin(times)),
        ...         "choice": {"table": trials, "column": "choice"},
        ...     },
        ...     observed=[[0, 60]],
        ... )
        Recording(session='session': 48 bins of 0.5 s, 2 units, targets choice, speed)
            Note: 72 of 120 bins are left out: they lie between the rows of 'trials'
            Note: 385 of 600 spikes lie in no bin that is used
        """
        where = f"session {session!r}"
        if not isinstance(bin_s, Real):
            raise DataError(f"{where}: bin_s is {bin_s!r}; it must be a number of seconds")
        given = GivenSession(
            where,
            activity,
            targets,
            trials=trials,
            during=during,
            observed=observed,
            streams=streams,
        )
        try:
            declared = SignalsRecording.model_validate(
                {
                    "kind": "objects",
                    "path": "",
                    "session": session,
                    "subject": subject,
                    "group": group,
                    "activity": ACTIVITY_NAME,
                    "activity_kind": activity_kind,
                    "units": [text_of(name) for name in np.atleast_1d(as_row(units, "units"))],
                    "bin_s": float(bin_s),
                    "origin_s": origin_s,
                    "between_s": between_s,
                    "during": given.during,
                    "trials": given.trials,
                    "targets": given.targets,
                    "streams": given.streams,
                }
            )
        except ValidationError as error:
            raise DataError(f"{where}: {refusal(error)}") from None
        return cls.from_contents(declared, given.contents(declared), where)

    @classmethod
    def from_contents(cls, declared: SignalsRecording, contents: Contents, where: str) -> Self:
        """Make a recording from signals on one clock, put on one grid of bins.

        Parameters
        ----------
        declared
            Which signals are used, and the bins.
        contents
            What a file holds, or what was given in Python.
        where
            The file or the session, for messages.

        Raises
        ------
        DataError
            When a signal is missing or cannot be used, or no bin is left.
        """
        made = assembled(declared, contents, where)
        return cls(
            session=declared.session,
            subject=made.subject,
            group=declared.group,
            activity=made.activity,
            activity_kind=made.activity_kind,
            bin_s=declared.bin_s,
            unit_ids=made.unit_ids,
            targets=made.targets,
            known=made.known,
            trials=made.trials,
            segments=made.segments,
            pieces=made.pieces,
            notes=made.notes,
            streams=made.streams,
        )

    def declared(self, pilot: bool = False) -> ArraysRecording:
        """Wrap the recording as an entry of a study's `recordings`.

        A study wraps recordings by itself; call this to declare a pilot session.

        Parameters
        ----------
        pilot
            Whether this is a pilot session, on which no confirmatory hypothesis is
            judged.

        Returns
        -------
        declared
            Names and fingerprint of the recording, which it holds in memory.

        Raises
        ------
        DataError
            When the session or subject has a name that is not allowed.
        """
        try:
            declared = ArraysRecording(
                session=self.session,
                subject=self.subject,
                group=self.group,
                pilot=pilot,
                fingerprint=self.fingerprint,
            )
        except ValidationError as error:
            raise DataError(refusal(error)) from None
        return declared.holding(self)

    def __repr__(self) -> str:
        bins, units = self.activity.shape
        line = (
            f"Recording(session={self.session!r}: {bins} bins of {self.bin_s:g} s, {units} units, "
            f"targets {', '.join(sorted(self.targets)) or 'none'})"
        )
        return "\n".join([line, *(f"    Note: {note}" for note in self.notes)])

    def _kept(self, activity: np.ndarray) -> np.ndarray:
        """Check the activity and convert it to int32 counts or float32 signals."""
        where = f"session {self.session!r}: activity"
        if activity.ndim != 2 or 0 in activity.shape:
            raise DataError(
                f"{where} has shape {activity.shape}, but must have shape (time, unit), with at "
                "least one bin and one unit"
            )
        if activity.dtype.kind not in "biuf":
            raise DataError(
                f"{where} holds values of type {activity.dtype}, such as "
                f"{str(activity.flat[0])!r}, but must hold numbers; save it with .astype(float)"
            )
        if not np.isfinite(activity).all():
            time, unit = (int(x) for x in np.argwhere(~np.isfinite(activity))[0])
            raise DataError(
                f"{where} has a NaN or infinite value, first at bin {time}, unit {unit}; "
                "remove or interpolate it"
            )
        if self.activity_kind == "signal":
            return as_single(activity, where)
        if (activity < 0).any() or (activity != np.round(activity)).any():
            raise DataError(
                f"{where}_kind is 'counts', but not all values are whole numbers >= 0; use "
                "'signal' for rates and other continuous values"
            )
        if activity.max() > MOST_SPIKES:
            raise DataError(
                f"session {self.session!r}: one bin holds {int(activity.max())} spikes, but at "
                f"most {MOST_SPIKES} are allowed; use shorter bins"
            )
        return activity.astype(np.int32)

    @cached_property
    def stretches(self) -> np.ndarray:
        """Number of the stretch that each bin lies in (time,), from 0.

        A stretch is a maximal run of bins in one trial, one segment and one piece. No
        window crosses the border of a stretch.
        """
        border = np.diff(self.whole_trials) != 0
        if self.pieces is not None:
            border |= np.diff(self.pieces) != 0
        return np.concatenate([[0], np.cumsum(border)]).astype(np.int64)

    @cached_property
    def whole_trials(self) -> np.ndarray:
        """Number of the trial that each bin lies in (time,), from 0.

        A trial ends at every change of trial or segment; without trials, a segment
        counts as one. Unlike a stretch, a trial does not end where bins were removed
        inside it (`pieces`).
        """
        border = np.diff(self.segments) != 0
        if self.trials is not None:
            border |= np.diff(self.trials) != 0
        return np.concatenate([[0], np.cumsum(border)]).astype(np.int64)

    @cached_property
    def fingerprint(self) -> str:
        """SHA-256 hash of all content that can affect a result.

        The names of session, subject and group are not included.
        """
        digest = hashlib.sha256(f"{self.activity_kind} {self.bin_s!r} {self.unit_ids!r}".encode())
        arrays = {
            "activity": self.activity,
            "segments": self.segments,
            **{f"target {k}": v for k, v in sorted(self.targets.items())},
            **{where_known(name): mask for name, mask in sorted(self.known.items())},
        }
        for name, stream in sorted(self.streams.items()):
            digest.update(f"|{as_stream(name)} {stream.fingerprint}|".encode())
        if self.trials is not None:
            arrays["trials"] = self.trials
        if self.pieces is not None:
            arrays["pieces"] = self.pieces
        for name, values in arrays.items():
            digest.update(f"|{name} {values.shape} {values.dtype.str}|".encode())
            digest.update(np.ascontiguousarray(values).tobytes())
        return digest.hexdigest()

    @cached_property
    def content(self) -> Content:
        """Hashes of the parts of its content that can affect a result."""
        parts = [
            self.activity_kind,
            repr(self.bin_s),
            repr(self.unit_ids),
            self.activity_fingerprint,
            _hash_of(self.segments),
            "" if self.trials is None else _hash_of(self.trials),
            *([] if self.pieces is None else [_hash_of(self.pieces)]),
        ]
        return Content(
            recording=hashlib.sha256("|".join(parts).encode()).hexdigest(),
            arrays=tuple(
                (name, _hash_of(np.asarray(values)))
                for name, values in sorted(
                    [
                        *self.targets.items(),
                        *((where_known(name), mask) for name, mask in self.known.items()),
                    ],
                    key=lambda item: item[0],
                )
            )
            + tuple(
                (as_stream(name), stream.fingerprint)
                for name, stream in sorted(self.streams.items())
            ),
        )

    def reading(self, names: Collection[str]) -> "Recording":
        """The same recording with no other arrays and streams than those with given names.

        The name of a stream among them is that of `study.session.as_stream`.
        """
        return replace(
            self,
            targets={name: values for name, values in self.targets.items() if name in names},
            known={name: mask for name, mask in self.known.items() if name in names},
            streams={name: one for name, one in self.streams.items() if as_stream(name) in names},
        )

    @cached_property
    def activity_fingerprint(self) -> str:
        """SHA-256 hash of the activity alone, to find duplicate recordings."""
        return _hash_of(self.activity)

    @cached_property
    def columns(self) -> dict[str, tuple[int, ...]]:
        """Shape of each target by name, without its first axis (time)."""
        return {name: np.shape(values)[1:] for name, values in self.targets.items()}

    def array(self, name: str, asked: str) -> np.ndarray:
        """Look up an array of the recording by its name.

        Parameters
        ----------
        name
            Name of the array.
        asked
            What the study uses it for, such as `target`. For the message only.

        Returns
        -------
        values
            The array, unchanged (time, ...).

        Raises
        ------
        DataError
            When the recording has no such array, or when the array cannot be used; the
            message gives the reason.
        """
        where = self._where(name, asked)
        if asked != "target" and name in self.known:
            raise DataError(
                f"{where} is unknown in {int((~self.known[name]).sum())} of "
                f"{len(self.activity)} bins. Only the target may be; use bins in which it is known"
            )
        if name in self.targets:
            return np.asarray(self.targets[name])
        if name in self.unusable:
            raise DataError(f"{where} cannot be used: {self.unusable[name]}")
        has = ", ".join(map(repr, sorted(self.targets))) or "none"
        raise DataError(f"{where} is not in the recording; its arrays are {has}")

    def stream(self, name: str) -> Stream:
        """Look up a stream of the recording by its name.

        Raises
        ------
        DataError
            When the recording has no such stream.
        """
        if name not in self.streams:
            has = ", ".join(map(repr, sorted(self.streams))) or "none"
            raise DataError(
                f"session {self.session!r} has no stream {name!r}; its streams are {has}. Name "
                "the signal under `streams` in the recording"
            )
        return self.streams[name]

    def numbers(self, name: str, asked: str) -> np.ndarray:
        """Look up an array that must hold numbers without missing values.

        Parameters
        ----------
        name
            Name of the array.
        asked
            What the study uses it for, such as `nuisance`. For the message only.

        Returns
        -------
        values
            (time, column) float64.

        Raises
        ------
        DataError
            As for `array`, and for text, NaN and infinities.
        """
        where, values = self._where(name, asked), self.array(name, asked)
        values = (
            as_numbers(values, where, UNKNOWN) if asked == "target" else as_numbers(values, where)
        )
        return values.reshape(len(values), -1)

    def target(self, declared: Target, asked: str = "target") -> np.ndarray:
        """Values of the declared target in each bin.

        Parameters
        ----------
        declared
            Name and kind of the target.
        asked
            What the study uses it for. For the message only.

        Returns
        -------
        values
            (time, column) float64 for a continuous target; (time,) int64 classes 0, 1
            ... for a categorical target; (time,) float64 in radians for a circular one.

        Raises
        ------
        DataError
            When the target is missing, has NaN, is constant, has only one class, or is
            circular and not in radians. Bins in which it is unknown are not looked at.
        """
        where, values = self._where(declared.name, asked), self.array(declared.name, asked)
        if declared.kind != "continuous" and values.shape[1:] == (1,):
            values = values[:, 0]  # how MATLAB saves a vector
        if declared.kind != "continuous" and values.ndim != 1:
            raise DataError(
                f"{where} has shape {values.shape}, but a {declared.kind} target must have shape "
                "(time,)"
            )
        known = self.known_bins(declared.name)
        if declared.kind == "categorical":
            check_complete(values[known], where, UNKNOWN)
            names, classes = np.unique(values[known], return_inverse=True)
            if len(names) < 2:
                raise DataError(
                    f"{where} has only one class, {names[0]!r}, but at least two are needed"
                )
            if len(names) > 100:
                raise DataError(
                    f"{where} has {len(names)} classes, but at most 100 are allowed; if it is "
                    "continuous, declare a target of kind 'continuous'"
                )
            coded = np.zeros(len(values), dtype=np.int64)
            coded[known] = classes
            return coded
        columns = self.numbers(declared.name, asked)
        found = columns[known]
        constant = np.flatnonzero(constant_columns(found))
        if len(constant):
            raise DataError(
                f"{where} is constant: column {constant[0]} is {found[0, constant[0]]:g} in "
                "every bin, so there is nothing to decode; name another target"
            )
        if declared.kind == "circular":
            check_radians(found, where)
            return columns[:, 0]
        return columns

    def known_bins(self, name: str) -> np.ndarray:
        """Whether a target is known in each bin (time,), as booleans."""
        return self.known.get(name, np.ones(len(self.activity), dtype=bool))

    def _where(self, name: str, asked: str) -> str:
        """Beginning of a message: the session, the array, and what it is used for."""
        return f"session {self.session!r}: {asked} {name!r}"


def _hash_of(values: np.ndarray) -> str:
    """SHA-256 hash of an array's shape, type and values."""
    digest = hashlib.sha256(f"{values.shape} {values.dtype.str}".encode())
    digest.update(np.ascontiguousarray(values).tobytes())
    return digest.hexdigest()
