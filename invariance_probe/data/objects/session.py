"""One session, from objects in Python.

In: objects for the activity, targets and tables, with the words of a study's recordings.
Out: names for the declaration that a file would have, and the `Contents` that a reader
would find, which `data.assembly` puts on one grid of bins.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from invariance_probe.data.checked import Parts, apart, text_of, trains
from invariance_probe.data.contents import Contents, Series, SpikeTrains
from invariance_probe.data.objects.forms import ACTIVITY, SERIES, TABLES, signal_of
from invariance_probe.errors import DataError
from invariance_probe.study.signals import SignalsRecording

ACTIVITY_NAME = "activity"
"""Name of the activity among the signals."""
OFF = 1e-3
"""Part of a bin by which the times of counts may miss its start or middle."""


@dataclass
class _Named:
    """Objects by the name of the signal that they hold; one object has one name."""

    objects: dict[str, object] = field(default_factory=dict)

    def name(self, given: object, wanted: str) -> str:
        """Name of an object: the one that it has already, or a new one."""
        for name, known in self.objects.items():
            if known is given:
                return name
        unique, number = wanted, 2
        while unique in self.objects or unique == ACTIVITY_NAME:
            unique, number = f"{wanted}-{number}", number + 1
        self.objects[unique] = given
        return unique


class GivenSession:
    """The objects of one session, each with the name of the signal that it holds.

    Parameters
    ----------
    where
        The session, for messages.
    activity
        Object that holds spike trains or a series.
    targets
        Objects that hold a series, or the sources of targets as a study declares them,
        with objects in the place of names.
    trials, during, observed
        Objects that hold tables of intervals, or None.
    streams
        Objects that hold a series or spike trains, by the name of the stream, or dicts of
        such an object (`signal`) and some of its `channels`.

    Raises
    ------
    DataError
        When the targets are no dict.
    """

    def __init__(
        self,
        where: str,
        activity: object,
        targets: Mapping[str, object],
        *,
        trials: object,
        during: object,
        observed: object,
        streams: Mapping[str, object] | None = None,
    ) -> None:
        self.where, self.activity, self.observed = where, activity, observed
        self._series, self._tables, self._streams = _Named(), _Named(), _Named()
        if not isinstance(targets, Mapping):
            raise DataError(
                f"{where}: targets must be a dict from names to objects, but it is of type "
                f"{type(targets).__name__}"
            )
        if streams is not None and not isinstance(streams, Mapping):
            raise DataError(
                f"{where}: streams must be a dict from names to objects, but it is of type "
                f"{type(streams).__name__}"
            )
        self.trials = None if trials is None else self._tables.name(trials, "trials")
        self.during = None if during is None else self._tables.name(during, "during")
        self.targets = {
            str(name): self._source(str(name), given) for name, given in targets.items()
        }
        self.streams = {
            str(name): self._stream(str(name), given)
            for name, given in ({} if streams is None else streams).items()
        }

    def _stream(self, name: str, given: object) -> dict[str, object]:
        """Declaration of a stream, with the name of its object in the object's place."""
        source = {**given} if isinstance(given, dict) and "signal" in given else {"signal": given}
        return source | {"signal": self._streams.name(source["signal"], f"stream {name}")}

    def _source(self, name: str, given: object) -> dict[str, object]:
        """Declaration of a target, with the name of its object in the object's place."""
        source = {**given} if isinstance(given, dict) else {"series": given}
        channels = source.get("channels")
        if isinstance(channels, str | list | tuple):
            listed = [channels] if isinstance(channels, str) else channels
            source["channels"] = [text_of(channel) for channel in listed]
        if "series" in source:
            source["series"] = self._series.name(source["series"], name)
        for key in ("table", "inside"):
            if key in source:
                source[key] = self._tables.name(source[key], name)
        return source

    def contents(self, declared: SignalsRecording) -> Contents:
        """Take the signals from the objects.

        Parameters
        ----------
        declared
            The declaration that a file with these signals would have.

        Raises
        ------
        DataError
            When an object holds no such signal, or one that cannot be used.
        """
        parts = Parts(declared, self.where)
        with parts.part(ACTIVITY_NAME):
            found = signal_of(self.activity, ACTIVITY, "activity", parts.notes, "'activity'")
            if isinstance(found, SpikeTrains):
                parts.spikes[ACTIVITY_NAME] = self._with_observed(found, parts.notes)
            else:
                parts.series[ACTIVITY_NAME] = self._with_phase(found, declared, parts.notes)
        for name, given in self._series.objects.items():
            with parts.part(name):
                parts.series[name] = signal_of(given, SERIES, "a series", parts.notes, repr(name))
        for name, given in self._streams.objects.items():
            with parts.part(name):
                found = signal_of(given, ACTIVITY, "a stream", parts.notes, repr(name))
                if isinstance(found, SpikeTrains):
                    parts.spikes[name] = found
                else:
                    parts.series[name] = found
        for name, given in self._tables.objects.items():
            with parts.part(name):
                parts.tables[name] = signal_of(
                    given, TABLES, "a table of intervals", parts.notes, repr(name)
                )
        return parts.contents()

    def _with_observed(self, spikes: SpikeTrains, notes: list[str]) -> SpikeTrains:
        """The same spike trains, observed in the given intervals if there are any."""
        if self.observed is None:
            return spikes
        table = signal_of(self.observed, TABLES, "observed", notes, "'observed'")
        observed = apart(table.start, table.stop, notes, "intervals of 'observed'")
        if not len(observed):
            raise DataError("observed holds no interval with a stop after its start")
        return trains(spikes.names, spikes.times, observed, [], "'activity'")

    def _with_phase(self, series: Series, declared: SignalsRecording, notes: list[str]) -> Series:
        """The same series; counts are put at the start of the bins that they count."""
        if self.observed is not None:
            raise DataError(
                "observed is for spike trains; a series is observed where it has samples"
            )
        if declared.activity_kind != "counts" or not series.interval_s > 0:
            return series
        at = float((series.times[0] - declared.origin_s) / series.interval_s % 1)
        middle = abs(at - 0.5) < OFF
        if not middle and OFF < at < 1 - OFF:
            notes.append(
                f"times of the counts are at {at:.3g} of bins of {series.interval_s:g} s, neither "
                "at the start nor in the middle, so the counts were made on another grid; set "
                "origin_s to the start of the first of them"
            )
            return series
        place = "middle" if middle else "start"
        notes.append(f"times of the counts are taken for the {place} of the bins that they count")
        times = series.times - (series.interval_s / 2 if middle else 0)
        return replace(series, times=times)
