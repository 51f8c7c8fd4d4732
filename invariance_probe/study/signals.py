"""Recordings in files of a lab: spike trains, series and tables on one clock.

In: the entries of a study's `recordings` whose `kind` is a file format. Out: frozen
declarations that say which signals of the file are used, and the bins that they are put
in. Nothing here opens a file.
"""

from typing import Annotated, Any, ClassVar, Literal, Self, get_args

from pydantic import Discriminator, Field, Tag, model_validator

from invariance_probe.study.declaration import Declaration, Name, added
from invariance_probe.study.formats import (
    AnyFile,
    BrainsetFile,
    MatFile,
    MneFile,
    NwbFile,
    PhyFile,
    Positive,
    SignalsFile,
    Suite2pFile,
    TableFile,
)


class FromSeries(Declaration):
    """A continuous target: the sample of a series nearest to the centre of each bin."""

    series: str
    """Name of the series in the file."""
    channels: tuple[str, ...] = ()
    """Names of the channels to use; all of them if omitted."""
    max_gap_s: Positive | None = None
    """Largest distance in time from a bin's centre to its sample (seconds).

    Half a bin if omitted. A bin whose nearest sample is farther has no target and is
    left out. Nothing is interpolated.
    """


class FromColumn(Declaration):
    """A categorical target: the label of the interval that a bin lies in."""

    table: str
    """Name of the table of intervals in the file."""
    column: str
    """Name of the column that holds the labels."""
    cover: Annotated[float, Field(gt=0, le=1)] = 0.5
    """Smallest fraction of a bin that the intervals of one label must cover."""


class FromIntervals(Declaration):
    """A target of two classes: 1 inside the intervals of a table, else 0."""

    inside: str
    """Name of the table of intervals in the file."""
    cover: Annotated[float, Field(gt=0, le=1)] = 0.5
    """Smallest fraction of a bin that must lie inside the intervals."""


def _told_apart_by(source: object) -> str | None:
    """Name the field by which a source of a target is recognised."""
    given = source if isinstance(source, dict) else getattr(source, "__dict__", {})
    return next((name for name in ("series", "table", "inside") if name in given), None)


TargetSource = Annotated[
    Annotated[FromSeries, Tag("series")]
    | Annotated[FromColumn, Tag("table")]
    | Annotated[FromIntervals, Tag("inside")],
    Discriminator(
        _told_apart_by,
        custom_error_type="study",
        custom_error_message="a target comes from a series {series: NAME}, from the labels of "
        "intervals {table: NAME, column: NAME}, or from whether a bin lies inside of intervals "
        "{inside: TABLE}",
    ),
]
"""Where the values of a target come from."""


class StreamSource(Declaration):
    """A further signal of the session, from which second views of pairs can be made."""

    signal: str
    """Name of the series, which keeps its samples, or of spike trains, which are counted."""
    channels: tuple[str, ...] = ()
    """Names of the channels or units to use; all of them if omitted."""


class SignalsRecording(SignalsFile):
    """One session in a file that holds signals on one clock.

    Signals are put on one grid of bins, which starts at `origin_s`. Bins in which the
    activity was not observed are left out, and what is left out is told.
    """

    located_by: ClassVar[str] = "path"
    """Name of the field that is reported if the recording cannot be opened."""

    session: Name
    """Name of the session, unique within the study."""
    subject: Name = "subject"
    """The animal or person."""
    group: str = ""
    """Group of sessions; hypotheses and pooling can be limited to one."""
    pilot: bool = False
    """Whether this is a pilot session, for tuning and exploratory hypotheses only."""
    activity: str = "units"
    """Name of the spike trains, which are counted, or of the series, which is averaged."""
    activity_kind: Literal["counts", "signal"] | None = None
    """Whether the activity is counts or a continuous signal.

    If omitted, spike trains are counts, and series are signals. The samples of a series
    of counts are summed in each bin.
    """
    units: tuple[str, ...] = ()
    """Names of the units or channels to use; all of them if omitted."""
    bin_s: Positive
    """Length of a bin in seconds."""
    origin_s: float = 0.0
    """Time from which bins lie at whole multiples of `bin_s` (seconds).

    Where the file does not say when units were observed, the recording starts here.
    """
    between_s: tuple[float, float] | None = None
    """First and last time to use (seconds); everything if omitted."""
    during: str | None = None
    """Name of a table: only bins wholly inside its intervals are used."""
    trials: str | None = None
    """Name of the table of trials.

    Only bins wholly inside a row are used, and no window crosses from one to the next.
    """
    targets: dict[str, TargetSource] = Field(default_factory=dict)
    """Targets by name, and where their values come from."""
    streams: dict[Name, StreamSource] = added({})
    """Further signals by name, each at its own sampling rate.

    Bins in which one of them was not observed are left out.
    """
    beside: dict[Name, AnyFile] = added({})
    """Other files of the same session, such as behaviour beside a sorting, by a name.

    Their signals are called `NAME/SIGNAL`. Their clocks are that of the recording, or are
    turned into it by `offset_s` and `seconds_per_s`.
    """

    @property
    def reach_s(self) -> float:
        """Time before and after a bin in which samples enter its activity (seconds).

        It is 0 unless the activity is filtered.
        """
        return 0.0

    def tables_used(self) -> tuple[str, ...]:
        """Names of the tables of intervals that are used."""
        own = [self.trials, self.during]
        for source in self.targets.values():
            own.append(source.table if isinstance(source, FromColumn) else None)
            own.append(source.inside if isinstance(source, FromIntervals) else None)
        return tuple(name for name in own if name is not None)

    def signals_used(self) -> frozenset[str]:
        """Names of all signals that are used: activity, streams, tables, series of targets."""
        series = (one.series for one in self.targets.values() if isinstance(one, FromSeries))
        streams = (one.signal for one in self.streams.values())
        return frozenset([self.activity, *streams, *self.tables_used(), *series])

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if self.between_s is not None and not self.between_s[0] < self.between_s[1]:
            raise ValueError(
                f"between_s is {list(self.between_s)}; the first time must be before the last"
            )
        return self

    @model_validator(mode="after")
    def _streams_are_other_signals(self) -> Self:
        for name, stream in self.streams.items():
            if stream.signal == self.activity and _overlap(stream.channels, self.units):
                raise ValueError(
                    f"the stream {name!r} is the activity itself ({self.activity!r}); name another "
                    "signal, or other units than those of the activity in `units` and `channels`"
                )
            for target, source in self.targets.items():
                if (
                    isinstance(source, FromSeries)
                    and source.series == stream.signal
                    and _overlap(stream.channels, source.channels)
                ):
                    raise ValueError(
                        f"the stream {name!r} is the target {target!r} ({stream.signal!r}), so "
                        "that models would be trained on what is decoded; name another signal, or "
                        "other channels"
                    )
        return self


def _overlap(names: tuple[str, ...], others: tuple[str, ...]) -> bool:
    """Whether two choices of channels share one; an empty choice is all channels."""
    return not names or not others or not set(names).isdisjoint(others)


class NwbRecording(NwbFile, SignalsRecording):
    """One session in an NWB file (Neurodata Without Borders 2)."""


class PhyRecording(PhyFile, SignalsRecording):
    """One session in a folder of Kilosort and phy."""


class Suite2pRecording(Suite2pFile, SignalsRecording):
    """One imaging plane in a suite2p folder."""

    activity: str = "corrected"
    """Series to use: `corrected` (`F - neuropil_factor * Fneu`), `F`, `Fneu` or `spks`."""


class MatRecording(MatFile, SignalsRecording):
    """One session in a MATLAB file (.mat of version 7.3 or older)."""


class TableRecording(TableFile, SignalsRecording):
    """One session in a table, or in a folder of tables (csv, tsv, parquet)."""


class BrainsetRecording(BrainsetFile, SignalsRecording):
    """One session in an HDF5 file of torch_brain and temporaldata."""

    activity: str = "spikes"


class Filter(Declaration):
    """A filter of the activity without phase shift (FIR, window design of MNE).

    Every sample of the result depends on the samples within `reach_s` before and after.
    """

    low_hz: Positive | None = None
    """Slower oscillations are removed; none if omitted."""
    high_hz: Positive | None = None
    """Faster oscillations are removed; none if omitted."""

    @model_validator(mode="after")
    def _passes_something(self) -> Self:
        if self.low_hz is None and self.high_hz is None:
            raise ValueError("name low_hz, high_hz or both")
        if self.low_hz is not None and self.high_hz is not None and self.low_hz >= self.high_hz:
            raise ValueError(f"low_hz is {self.low_hz:g}; it must be below high_hz")
        return self

    @property
    def low_width_hz(self) -> float | None:
        """Width of the transition below `low_hz`; that of MNE's own choice."""
        return None if self.low_hz is None else min(max(self.low_hz / 4, 2.0), self.low_hz)

    @property
    def high_width_hz(self) -> float | None:
        """Width of the transition above `high_hz`."""
        return None if self.high_hz is None else max(self.high_hz / 4, 2.0)

    @property
    def reach_s(self) -> float:
        """Time before and after a sample in which others enter its value (seconds).

        It is half the length of a Hamming window whose transition is as wide as the
        narrower one.
        """
        widths = [width for width in (self.low_width_hz, self.high_width_hz) if width is not None]
        return HAMMING / min(widths) / 2


HAMMING = 3.3
"""Length of a Hamming-windowed filter times the width of its transition."""


class MneRecording(MneFile, SignalsRecording):
    """One session in a file of EEG, MEG or intracranial recordings."""

    activity: str = "eeg"
    """Series to use, named by type of channel: `eeg`, `mag`, `grad`, `ecog`, `emg` ...

    A type at a second rate has the rate in its name, such as `eeg@10Hz`.
    """
    filter: Filter | None = None
    """Filters the activity; nothing is filtered if omitted.

    `folds.embargo_s` must be at least as long as the filter reaches.
    """

    @property
    def reach_s(self) -> float:
        """Time before and after a bin in which samples enter its activity (seconds)."""
        return 0.0 if self.filter is None else self.filter.reach_s


def recording_of(declared: SignalsRecording, name: str) -> "AnySignals":
    """Declare a file beside the main one as if it were a recording of its own.

    Parameters
    ----------
    declared
        The recording.
    name
        Name of the file among those beside it.

    Returns
    -------
    own
        A recording that names the signals of this file which are used.
    """
    file = declared.beside[name]
    used: dict[str, Any] = {
        field: signal.removeprefix(f"{name}/")
        for field in ("activity", "trials", "during")
        if (signal := getattr(declared, field)) is not None and signal.startswith(f"{name}/")
    }
    targets = {}
    for target, source in declared.targets.items():
        field = _told_apart_by(source)
        signal = "" if field is None else str(getattr(source, field))
        if field is not None and signal.startswith(f"{name}/"):
            targets[target] = {**source.model_dump(), field: signal.removeprefix(f"{name}/")}
    of_kind = next(one for one in get_args(AnySignals) if issubclass(one, type(file)))
    own: AnySignals = of_kind.model_validate(
        {
            **file.model_dump(),
            **used,
            "units": declared.units if "activity" in used else (),
            "targets": targets,
            "session": declared.session,
            "bin_s": declared.bin_s,
        }
    )
    return own


AnySignals = (
    NwbRecording
    | PhyRecording
    | Suite2pRecording
    | MatRecording
    | TableRecording
    | BrainsetRecording
    | MneRecording
)
"""Every format whose files hold signals on one clock."""
