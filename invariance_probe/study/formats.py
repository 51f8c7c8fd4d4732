"""Files that hold signals on one clock, by format.

In: the fields of a recording that say what its file is and how it is read. Out: frozen
declarations. Which of the signals a study uses is declared in `study.signals`. Nothing
here opens a file.
"""

from typing import Annotated, ClassVar, Literal, Self

from pydantic import Field, model_validator

from invariance_probe.study.declaration import Declaration, added

Positive = Annotated[float, Field(gt=0)]


class SignalsFile(Declaration):
    """A file of signals, and how its clock is turned into that of the recording."""

    files_beside: ClassVar[bool] = False
    """Whether files beside the named one, with the same beginning, are read as well."""

    kind: str
    path: str
    """Path of the file or folder, relative to the study file."""
    offset_s: float = 0.0
    """Time of the recording's clock at which the clock of the file is 0 (seconds)."""
    seconds_per_s: Positive = 1.0
    """Seconds of the recording's clock per second of the file's, where the two drift apart."""


class NwbFile(SignalsFile):
    """An NWB file (Neurodata Without Borders 2)."""

    kind: Literal["nwb"] = "nwb"


class PhyFile(SignalsFile):
    """A folder of Kilosort and phy: one unit per cluster used."""

    kind: Literal["phy"] = "phy"
    groups: Annotated[tuple[str, ...], Field(min_length=1)] = ("good",)
    """Labels of the clusters that make up the spike trains `units`."""
    labels: Annotated[tuple[str, ...], Field(min_length=1)] = ("group",)
    """Columns of the cluster tables that hold the labels, such as `group` or `KSLabel`.

    A cluster has the label of the first column that says one, else it is `unsorted`.
    """
    sample_rate_hz: Positive | None = None
    """Samples of the raw recording per second; what `params.py` says if omitted."""


class Suite2pFile(SignalsFile):
    """A suite2p folder of one imaging plane: one channel per region of interest."""

    kind: Literal["suite2p"] = "suite2p"
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


class MatFile(SignalsFile):
    """A MATLAB file (.mat of version 7.3 or older).

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
    markers: dict[str, tuple[float, float]] = added({})
    """Columns that mark events in single samples, and the time around each event.

    A value other than 0 is an event. Each column is given as a table of intervals with
    one row per event, from the first to the last of these times after it (seconds).
    """
    unit: str = ""
    """Unit of measure."""

    @model_validator(mode="after")
    def _has_a_clock(self) -> Self:
        if self.time is None and self.rate_hz is None:
            raise ValueError("name the column of times (time), or give a rate (rate_hz)")
        for column, (start, stop) in self.markers.items():
            if not start < stop:
                raise ValueError(
                    f"markers: {column} has the times [{start:g}, {stop:g}]; the start of an "
                    "interval must be before its stop"
                )
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


class TableFile(SignalsFile):
    """A table, or a folder of tables (csv, tsv, parquet)."""

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


class BrainsetFile(SignalsFile):
    """An HDF5 file of torch_brain and temporaldata."""

    kind: Literal["brainset"] = "brainset"


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


class MneFile(SignalsFile):
    """A file of EEG, MEG or intracranial recordings.

    EDF, EDF+ and BDF are read by the package itself, FIF, BrainVision, EEGLAB, GDF and
    others through MNE (extra `eeg`).
    """

    files_beside: ClassVar[bool] = True

    kind: Literal["mne"] = "mne"
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
    bids: bool | Literal["auto"] = "auto"
    """Whether tables of a BIDS dataset that belong to the file are read.

    `auto`: where there are any. `true`: there must be some.
    """


AnyFile = Annotated[
    NwbFile | PhyFile | Suite2pFile | MatFile | TableFile | BrainsetFile | MneFile,
    Field(discriminator="kind"),
]
"""Every format whose files hold signals on one clock."""
