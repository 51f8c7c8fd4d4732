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
    given = source if isinstance(source, dict) else vars(source)
    return next((name for name in ("series", "table", "inside") if name in given), None)


TargetSource = Annotated[
    Annotated[FromSeries, Tag("series")]
    | Annotated[FromColumn, Tag("table")]
    | Annotated[FromIntervals, Tag("inside")],
    Discriminator(
        _told_apart_by,
        custom_error_type="study",
        custom_error_message="a target comes from a series {series: NAME}, from the labels of "
        "intervals {table: NAME, column: NAME}, or from being inside of them {inside: TABLE}",
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
    """Time at which the grid of bins starts, on the file's clock (seconds)."""
    between_s: tuple[float, float] | None = None
    """First and last time to use (seconds); everything if omitted."""
    during: str | None = None
    """Name of a table: only bins wholly inside its intervals are used."""
    trials: str | None = None
    """Name of the table of trials. Windows never cross a border of a trial."""
    targets: dict[str, TargetSource] = Field(default_factory=dict)
    """Targets by name, and where their values come from."""

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
    """One session in a folder of Kilosort and phy: a unit for every cluster that is used."""

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
    """One imaging plane in a folder of suite2p: a channel for every region of interest."""

    kind: Literal["suite2p"] = "suite2p"
    activity: str = "corrected"
    """Series to use: `corrected` (`F - neuropil_factor * Fneu`), `F`, `Fneu` or `spks`."""
    rate_hz: Positive
    """Frames per second, which the folder does not say without unpickling."""
    neuropil_factor: Annotated[float, Field(ge=0)] = 0.7
    """Part of the neuropil signal `Fneu` that is subtracted from `F` in `corrected`."""
    cells_only: bool = True
    """Whether regions that `iscell.npy` does not mark as cells are left out."""


AnySignals = NwbRecording | PhyRecording | Suite2pRecording
"""Every format whose files hold signals on one clock."""
