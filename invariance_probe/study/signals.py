"""Recordings in files of a lab: spike trains, series and tables on one clock.

In: the entries of a study's `recordings` whose `kind` is a file format. Out: frozen
declarations that say which signals of the file are used, and the bins that they are put
in. Nothing here opens a file.
"""

from typing import Annotated, ClassVar, Literal, Self

from pydantic import Discriminator, Field, Tag, model_validator

from invariance_probe.study.declaration import Declaration, Name

Positive = Annotated[float, Field(gt=0)]


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


class SignalsRecording(Declaration):
    """One session in a file that holds signals on one clock.

    Signals are put on one grid of bins, which starts at `origin_s`. Bins in which the
    activity was not observed, or a target is unknown, are left out, and what is left out
    is told.
    """

    located_by: ClassVar[str] = "path"
    """Name of the field that is reported if the recording cannot be opened."""

    files_beside: ClassVar[bool] = False
    """Whether files beside the named one, with the same beginning, are read as well."""

    kind: str
    path: str
    """Path of the file or folder, relative to the study file."""
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
    """Time from which bins lie at whole multiples of `bin_s`, on the file's clock (seconds).

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
        """Names of all signals that are used: the activity, tables, and series of targets."""
        series = (one.series for one in self.targets.values() if isinstance(one, FromSeries))
        return frozenset([self.activity, *self.tables_used(), *series])

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if self.between_s is not None and not self.between_s[0] < self.between_s[1]:
            raise ValueError(
                f"between_s is {list(self.between_s)}; the first time must be before the last"
            )
        return self


class NwbRecording(SignalsRecording):
    """One session in an NWB file (Neurodata Without Borders 2)."""

    kind: Literal["nwb"] = "nwb"


class PhyRecording(SignalsRecording):
    """One session in a folder of Kilosort and phy: one unit per cluster used."""

    kind: Literal["phy"] = "phy"
    groups: Annotated[tuple[str, ...], Field(min_length=1)] = ("good",)
    """Labels of the clusters that make up the spike trains `units`."""
    labels: Annotated[tuple[str, ...], Field(min_length=1)] = ("group",)
    """Columns of the cluster tables that hold the labels, such as `group` or `KSLabel`.

    A cluster has the label of the first column that says one, else it is `unsorted`.
    """
    sample_rate_hz: Positive | None = None
    """Samples of the raw recording per second; what `params.py` says if omitted."""


class Suite2pRecording(SignalsRecording):
    """One imaging plane in a suite2p folder: one channel per region of interest."""

    kind: Literal["suite2p"] = "suite2p"
    activity: str = "corrected"
    """Series to use: `corrected` (`F - neuropil_factor * Fneu`), `F`, `Fneu` or `spks`."""
    rate_hz: Positive
    """Frames per second, which the folder does not say without unpickling."""
    neuropil_factor: Annotated[float, Field(ge=0)] = 0.7
    """Part of the neuropil signal `Fneu` that is subtracted from `F` in `corrected`."""
    cells_only: bool = True
    """Whether regions that `iscell.npy` does not mark as cells are left out."""


class MatSeries(Declaration):
    """Samples over time in a variable of a MATLAB file.

    Its clock is a rate, an interval, or a variable of times: exactly one of them.
    """

    values: str
    """Path of the variable, such as `behaviour.position`."""
    axes: Annotated[tuple[Literal["time", "channel", "trial"], ...], Field(min_length=1)]
    """What each axis of the variable stands for, in MATLAB's order.

    The axis of a cell array or struct array comes before the axes of what it holds.
    """
    times: str | None = None
    """Path of the variable (time,) of sample times."""
    ticks_per_s: Positive = 1.0
    """Ticks of `times` per second: 1000 for milliseconds."""
    rate_hz: Positive | str | None = None
    """Samples per second, or the path of the variable that holds this number."""
    interval_s: Positive | str | None = None
    """Seconds between samples, such as a bin length, or the path of its variable."""
    start_s: float = 0.0
    """Time of the first sample, or of the first sample of each trial (seconds)."""
    channels: str | None = None
    """Path of the variable with the channels' names; they are 1, 2 ... if omitted."""
    unit: str = ""
    """Unit of measure."""
    trials: str = "trials"
    """Table whose rows are the trials, for variables with an axis `trial`.

    Times then count from the start of each trial. Where the table has no start, the
    trials are put one after another.
    """

    @model_validator(mode="after")
    def _has_one_clock(self) -> Self:
        given = [self.times, self.rate_hz, self.interval_s]
        if sum(clock is not None for clock in given) != 1:
            raise ValueError("name exactly one of times, rate_hz and interval_s")
        if "time" not in self.axes or len(set(self.axes)) < len(self.axes):
            raise ValueError(
                f"axes are {list(self.axes)}; they must include time, and no axis may be repeated"
            )
        return self


class MatSpikes(Declaration):
    """Spike times in a variable of a MATLAB file.

    The variable is a cell array of times, or one vector of times beside a vector of
    units.
    """

    times: str
    """Path of the variable of spike times, such as `spikes.times`."""
    units: str | None = None
    """Path of the variable (spike,) that says which unit fired each spike."""
    axes: tuple[Literal["unit", "trial"], ...] = ("unit",)
    """What each axis of the cell array stands for."""
    names: str | None = None
    """Path of the variable with the units' names; they are 1, 2 ... if omitted."""
    ticks_per_s: Positive = 1.0
    """Ticks of `times` per second: 1000 for milliseconds, 30000 for samples at 30 kHz."""
    trials: str = "trials"
    """Table whose rows are the trials; times then count from the start of each trial."""

    @model_validator(mode="after")
    def _has_an_axis_of_units(self) -> Self:
        if "unit" not in self.axes or len(set(self.axes)) < len(self.axes):
            raise ValueError(
                f"axes are {list(self.axes)}; one of them must be unit, and each occurs once"
            )
        return self


class MatTable(Declaration):
    """Intervals, such as trials, in variables of a MATLAB file."""

    start: str | None = None
    """Path of the variable with one start per row.

    If omitted, the rows are the trials of the variables that have an axis `trial`.
    """
    stop: str | None = None
    """Path of the variable with one stop per row."""
    columns: dict[str, str] = Field(default_factory=dict)
    """Paths of the variables with one value or text per row, by the name of the column."""
    ticks_per_s: Positive = 1.0
    """Ticks of start and stop per second: 1000 for milliseconds."""


class MatRecording(SignalsRecording):
    """One session in a MATLAB file (.mat of version 7.3 or older).

    Such a file does not say what its variables mean, so the study names them.
    """

    kind: Literal["mat"] = "mat"
    series: dict[str, MatSeries] = Field(default_factory=dict)
    """Series by name."""
    spikes: dict[str, MatSpikes] = Field(default_factory=dict)
    """Spike trains by name."""
    tables: dict[str, MatTable] = Field(default_factory=dict)
    """Tables of intervals by name."""


class SampleColumns(Declaration):
    """Samples over time in a table: one row per sample, one column per channel."""

    file: str = ""
    """Name of the file, if the recording's path is a folder."""
    time: str | None = None
    """Column of sample times."""
    ticks_per_s: Positive = 1.0
    """Ticks of `time` per second: 1000 for milliseconds."""
    rate_hz: Positive | None = None
    """Samples per second.

    Beside `time`, it replaces time stamps that are rounded or jittered: samples are then
    evenly spaced from the first stamp, as long as no stamp is off by half a bin.
    """
    start_s: float = 0.0
    """Time of the first sample if there is no column of times (seconds)."""
    columns: tuple[str, ...] = ()
    """Columns of the channels; all columns of numbers if omitted."""
    labels: tuple[str, ...] = ()
    """Columns of labels, such as states; columns of text are labels anyway.

    Each is given as a table of intervals with one row per run of equal labels.
    """
    unit: str = ""
    """Unit of measure."""

    @model_validator(mode="after")
    def _has_a_clock(self) -> Self:
        if self.time is None and self.rate_hz is None:
            raise ValueError("name the column of times (time), or give a rate (rate_hz)")
        return self


class SpikeColumns(Declaration):
    """Spike times in a table: one row per spike."""

    file: str = ""
    """Name of the file, if the recording's path is a folder."""
    unit: str = "unit"
    """Column that says which unit fired the spike."""
    time: str = "time"
    """Column of spike times."""
    ticks_per_s: Positive = 1.0
    """Ticks of `time` per second: 1000 for milliseconds, 30000 for samples at 30 kHz."""


class IntervalColumns(Declaration):
    """Intervals, such as trials, in a table: one row per interval."""

    file: str = ""
    """Name of the file, if the recording's path is a folder."""
    start: str = "start"
    """Column of starts."""
    stop: str | None = None
    """Column of stops; `stop` if omitted, unless `duration` is given."""
    duration: str | None = None
    """Column of durations, if the table has no stops."""
    ticks_per_s: Positive = 1.0
    """Ticks of these columns per second: 1000 for milliseconds."""

    @model_validator(mode="after")
    def _ends_once(self) -> Self:
        if self.stop is not None and self.duration is not None:
            raise ValueError("name the column of stops or that of durations, not both")
        return self


class TableRecording(SignalsRecording):
    """One session in a table, or in a folder of tables (csv, tsv, parquet)."""

    kind: Literal["table"] = "table"
    series: dict[str, SampleColumns] = Field(default_factory=dict)
    """Series by name."""
    spikes: dict[str, SpikeColumns] = Field(default_factory=dict)
    """Spike trains by name."""
    tables: dict[str, IntervalColumns] = Field(default_factory=dict)
    """Tables of intervals by name."""
    separator: str | None = None
    """Character between columns; that of the file's ending if omitted."""
    decimal: Literal[".", ","] = "."
    """Decimal mark of numbers."""


class BrainsetRecording(SignalsRecording):
    """One session in an HDF5 file of torch_brain and temporaldata."""

    kind: Literal["brainset"] = "brainset"
    activity: str = "spikes"


ChannelType = Annotated[str, Field(pattern=r"^[a-z][a-z_0-9]*$")]
"""Type of a channel, such as `eeg`, `eog` or `misc`, in the words of MNE."""


class EventTrials(Declaration):
    """Trials around events: the table `trials` has one row per event.

    A row holds the times from the first to the last of `window_s`, and not the last one.
    """

    table: str = "events"
    """Name of the table of events."""
    window_s: tuple[float, float]
    """Start and stop of a trial, from the start of its event (seconds)."""
    column: str | None = None
    """Column of the table by which events are chosen; all are taken if omitted."""
    labels: tuple[str, ...] = ()
    """Values of that column in the events to take."""

    @model_validator(mode="after")
    def _lasts(self) -> Self:
        if not self.window_s[0] < self.window_s[1]:
            raise ValueError(
                f"window_s is {list(self.window_s)}; the start of a trial must be before its stop"
            )
        if (self.column is None) != (not self.labels):
            raise ValueError("column and labels belong together: name both or neither")
        return self


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


class MneRecording(SignalsRecording):
    """One session in a file of EEG, MEG or intracranial recordings.

    EDF, EDF+ and BDF are read by the package itself, FIF, BrainVision, EEGLAB, GDF and
    others through MNE (extra `eeg`).
    """

    files_beside: ClassVar[bool] = True

    kind: Literal["mne"] = "mne"
    activity: str = "eeg"
    """Series to use, named by type of channel: `eeg`, `mag`, `grad`, `ecog`, `emg` ...

    A type at a second rate has the rate in its name, such as `eeg@10Hz`.
    """
    types: dict[str, ChannelType] = Field(default_factory=dict)
    """Types of channels by name, where the file gives none or a wrong one."""
    unit_of_measure: Literal["V", "mV", "uV", "nV"] | None = None
    """Unit of the electric potentials whose unit the file does not say."""
    breaks: tuple[str, ...] = ("bad", "edge", "boundary", "new segment")
    """Beginnings of the annotations that mark breaks, in lower case.

    Bins that such an annotation touches are left out, and no window crosses it.
    """
    event_trials: EventTrials | None = None
    """Makes the table `trials` from events."""
    filter: Filter | None = None
    """Filters the activity; nothing is filtered if omitted.

    `folds.embargo_s` must be at least as long as the filter reaches.
    """
    bids: bool | Literal["auto"] = "auto"
    """Whether tables of a BIDS dataset that belong to the file are read.

    `auto`: where there are any. `true`: there must be some.
    """

    @property
    def reach_s(self) -> float:
        """Time before and after a bin in which samples enter its activity (seconds)."""
        return 0.0 if self.filter is None else self.filter.reach_s


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
