"""Objects of neo: SpikeTrain, AnalogSignal, Epoch, and a Segment that holds them.

In: such an object, or a Block of one segment. Out: spike trains, a series or a table,
with their units of time and measure converted. Objects are recognised by what they
have; neo is not imported.

Spike trains say from when to when they were recorded (`t_start`, `t_stop`).
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Protocol, Self, TypeVar, runtime_checkable

import numpy as np

from invariance_probe.data.checked import differing, intervals, samples, text_of, trains
from invariance_probe.data.contents import Series, SpikeTrains, Table
from invariance_probe.data.objects.seconds import Quantity, seconds
from invariance_probe.errors import DataError

One = TypeVar("One")


@runtime_checkable
class SpikeTrain(Protocol):
    """Spike times of one unit."""

    @property
    def magnitude(self) -> np.ndarray:
        """Times, without their unit."""

    @property
    def dimensionality(self) -> object:
        """The unit."""

    @property
    def name(self) -> str | None:
        """Its name."""

    @property
    def t_start(self) -> Quantity:
        """Time from which it was recorded."""

    @property
    def t_stop(self) -> Quantity:
        """Time until which it was recorded."""

    @property
    def left_sweep(self) -> object:
        """Time before each spike of its waveform."""

    def rescale(self, units: str) -> Self:
        """Convert to another unit."""


@runtime_checkable
class Signal(Protocol):
    """Samples over time: AnalogSignal or IrregularlySampledSignal."""

    @property
    def magnitude(self) -> np.ndarray:
        """Values (sample, channel), without their unit."""

    @property
    def dimensionality(self) -> object:
        """The unit of measure."""

    @property
    def times(self) -> Quantity:
        """Time of each sample."""

    @property
    def name(self) -> str | None:
        """Its name."""

    @property
    def array_annotations(self) -> Mapping[str, np.ndarray]:
        """One value per channel, by name."""

    def time_slice(self, t_start: object, t_stop: object) -> object:
        """A part of it."""


@runtime_checkable
class Epoch(Protocol):
    """Intervals with labels."""

    @property
    def times(self) -> Quantity:
        """Start of each interval."""

    @property
    def durations(self) -> Quantity:
        """Duration of each interval."""

    @property
    def labels(self) -> np.ndarray:
        """Label of each interval."""

    @property
    def array_annotations(self) -> Mapping[str, np.ndarray]:
        """One value per interval, by name."""


@runtime_checkable
class Segment(Protocol):
    """Everything that was recorded on one clock."""

    @property
    def spiketrains(self) -> Iterable[object]:
        """Spike trains."""

    @property
    def analogsignals(self) -> Sequence[Signal]:
        """Signals that are sampled evenly."""

    @property
    def irregularlysampledsignals(self) -> Sequence[Signal]:
        """Signals that are not."""

    @property
    def epochs(self) -> Sequence[Epoch]:
        """Intervals with labels."""


@runtime_checkable
class Block(Protocol):
    """Several segments."""

    @property
    def segments(self) -> Sequence[Segment]:
        """The segments."""


@runtime_checkable
class _TrainList(Protocol):
    @property
    def multiplexed(self) -> object:
        """Spike trains in another form, as neo's own list of them has it."""

    def __len__(self) -> int:
        """Number of spike trains."""

    def __getitem__(self, at: int) -> object:
        """One of them."""


def is_trains(given: object) -> bool:
    """Whether an object is a SpikeTrain, several of them, or a Segment that has some."""
    if isinstance(given, Block):
        return len(given.segments) != 1 or is_trains(given.segments[0])
    if isinstance(given, Segment):
        return any(True for _ in given.spiketrains)
    if isinstance(given, dict):
        return bool(given) and all(isinstance(one, SpikeTrain) for one in given.values())
    if isinstance(given, list | tuple):
        return bool(given) and all(isinstance(one, SpikeTrain) for one in given)
    return isinstance(given, SpikeTrain | _TrainList)


def is_signal(given: object) -> bool:
    """Whether an object is a signal, or a Segment or Block of which one is asked."""
    return isinstance(given, Segment | Block) or (
        isinstance(given, Signal) and not isinstance(given, SpikeTrain | Epoch)
    )


def is_epoch(given: object) -> bool:
    """Whether an object is an Epoch, or a Segment or Block of which one is asked."""
    return isinstance(given, Segment | Block | Epoch)


def is_proxy(given: object) -> bool:
    """Whether an object stands for one whose data are not loaded."""
    return type(given).__name__.endswith("Proxy")


def trains_of_neo(given: object, notes: list[str], where: str) -> SpikeTrains:
    """Take each spike train for a unit, observed from its start to its stop.

    Parameters
    ----------
    given
        A SpikeTrain, several, some by name, a Segment, or a Block of one segment.
    notes
        Gets a sentence for everything that was left out, converted or looks wrong.
    where
        The signal's name, for notes.
    """
    found = _trains(given)
    foreign = [one for one in found.values() if not isinstance(one, SpikeTrain)]
    if foreign or not found:
        why = f"such as a {type(foreign[0]).__name__}, which is not loaded" if foreign else "none"
        raise DataError(f"its spike trains cannot be used ({why}); read them with lazy=False")
    known = [one for one in found.values() if isinstance(one, SpikeTrain)]
    names = differing(list(found), notes, f"units of {where}")
    times = [seconds(one, f"spike times of {where}", notes) for one in known]
    ends = np.array([[_at(one.t_start), _at(one.t_stop)] for one in known])
    first, last = ends[:, 0].max(), ends[:, 1].min()
    if not first < last:
        raise DataError(
            f"there is no time at which all {len(known)} spike trains were recorded, by their "
            "t_start and t_stop"
        )
    if len(np.unique(ends, axis=0)) > 1:
        notes.append(
            f"spike trains of {where} were recorded at different times (t_start, t_stop); the time "
            f"common to all, {first:g} s to {last:g} s, is used"
        )
    return trains(names, times, np.array([[first, last]]), notes, where)


def series_of_neo(given: object, notes: list[str], where: str) -> Series:
    """Take the channels of a signal, in its unit of measure."""
    signal = given
    if isinstance(given, Segment | Block):
        segment = _segment(given)
        signals = [*segment.analogsignals, *segment.irregularlysampledsignals]
        signal = _only(signals, "signals", "segment.analogsignals[0]")
    if not isinstance(signal, Signal):
        raise DataError(f"its {type(signal).__name__} is not loaded; read it with lazy=False")
    times = seconds(signal.times, f"times of {where}", notes)
    values = np.asarray(signal.magnitude).reshape(len(times), -1)
    names = signal.array_annotations.get("channel_names", np.arange(values.shape[1]))
    labels = differing([text_of(name) for name in np.asarray(names).tolist()], notes, where)
    return samples(values, times, labels, str(signal.dimensionality), notes, where)


def table_of_epoch(given: object, notes: list[str], where: str) -> Table:
    """Take one row per interval, with the column `label` and those of its annotations."""
    epoch = given
    if isinstance(given, Segment | Block):
        epoch = _only(_segment(given).epochs, "epochs", "segment.epochs[0]")
    if not isinstance(epoch, Epoch):
        raise DataError(f"its {type(epoch).__name__} is not loaded; read it with lazy=False")
    start = seconds(epoch.times, f"times of {where}", notes)
    stop = start + seconds(epoch.durations, f"durations of {where}", notes)
    columns = {
        str(name): np.asarray(values)
        for name, values in epoch.array_annotations.items()
        if np.asarray(values).dtype.kind in "biufU"
    }
    labels = np.asarray(epoch.labels)
    if len(labels) == len(start):
        columns["label"] = labels.astype(str) if labels.dtype.kind in "OS" else labels
    return intervals(start, stop, columns, notes, where)


def _trains(given: object) -> dict[str, object]:
    """Spike trains by name; the name of one without a name is its position."""
    if isinstance(given, dict):
        return {text_of(name): one for name, one in given.items()}
    if isinstance(given, Segment | Block):
        found = list(_segment(given).spiketrains)
    else:
        found = [given] if isinstance(given, SpikeTrain) else list(_listed(given))
    made: dict[str, object] = {}
    for at, one in enumerate(found):
        name = one.name if isinstance(one, SpikeTrain) and one.name else str(at)
        made[name if name not in made else f"{name} ({at})"] = one
    return made


def _listed(given: object) -> Iterable[object]:
    assert isinstance(given, list | tuple | _TrainList)
    return (given[at] for at in range(len(given)))


def _segment(given: Segment | Block) -> Segment:
    """The one segment of a block, or the segment itself."""
    if isinstance(given, Segment):
        return given
    return _only(given.segments, "segments", "block.segments[0]")


def _only(found: Sequence[One], what: str, such: str) -> One:
    if len(found) != 1:
        raise DataError(f"it has {len(found)} {what}, and one is needed; give one, such as {such}")
    return found[0]


def _at(time: Quantity) -> float:
    return float(seconds(time, "t_start and t_stop", [])[0])
