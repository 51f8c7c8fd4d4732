"""What a file holds, in sentences, and a study of it to start from.

In: the `Contents` of a file. Out: text for `invariance-probe data inspect`. A proposed
study runs as it is, but what it claims is for its author to decide.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np

from invariance_probe.data.contents import Contents, Series, SpikeTrains, Table
from invariance_probe.data.intervals import union
from invariance_probe.data.proposal import Draft, proposed, session_of, yaml_text
from invariance_probe.errors import DataError
from invariance_probe.study.counting import counted

SPIKES_BIN_S = 0.1
"""Length of a bin that is proposed for spike trains, in seconds."""
FEWEST_ROWS = 10
"""Fewest intervals of a table that is proposed as a target."""
BINS_AN_INTERVAL = 3
"""Bins that a typical interval holds, where being inside of it is the proposed target."""
FEWEST_BINS = 500
"""Bins that a short recording has at least, where intervals are decoded."""
PLAIN_BINS_S = (0.02, 0.05, 0.1, 0.2, 0.5, 1.0)
"""Lengths of bins that are proposed where intervals are decoded, in seconds."""
FASTEST_HZ = 1000.0
"""Rate beyond which a series is raw data rather than a target, in samples per second."""
MOSTLY = 0.9
"""Fraction of the steps of a sampled series that are no gap, such as between trials.

Of events at random times, two thirds are no farther apart than 1.5 medians.
"""
GAPLESS = 0.95
"""Fraction of the time that the intervals of a table cover if none lies outside."""
MOST_CLASSES = 20
"""Most values of a column that is shown as one of labels."""
RARE = 0.05
"""Fraction of rows whose value may occur once in a column that is shown as one of labels."""
MOST_LISTED = 8
"""Most channels or values that a sentence lists."""


def sentences(contents: Contents) -> Iterator[str]:
    """Describe what a file holds, one sentence for each signal and each note.

    Parameters
    ----------
    contents
        What a reader found.
    """
    for name, spikes in contents.spikes.items():
        yield _of_spikes(name, spikes)
    for name, series in contents.series.items():
        yield _of_series(name, series)
    for name, table in contents.tables.items():
        yield from _of_table(name, table)
    if not (contents.spikes or contents.series or contents.tables):
        yield "It holds no spike trains, no series and no table of intervals."
    for sentence in contents.sentences():
        yield f"Note: {sentence}."


def study_of(contents: Contents, kind: str, path: str, settings: Mapping[str, object]) -> str:
    """Write a commented study of a file, with its signals filled in.

    Parameters
    ----------
    contents
        What a reader found.
    kind
        Kind of the file.
    path
        Path of the file, relative to where the study will be.
    settings
        Fields of the recording that the file does not say.

    Returns
    -------
    study
        YAML.

    Raises
    ------
    DataError
        When the file has no activity, or nothing that could be decoded.
    """
    activities = [*contents.spikes, *contents.series]
    if not activities:
        raise DataError(
            f"{path} holds no spike trains and no series, so there is no activity to study"
            + (
                ". Its tables can be named under `beside` of the recording that they belong to"
                if contents.tables
                else ""
            )
            + "".join(f". {sentence}" for sentence in contents.sentences())
        )
    given = dict(settings)
    activity = str(given.pop("activity", activities[0]))
    if activity not in activities:
        raise DataError(f"{path} has no activity {activity!r}; it has {', '.join(activities)}")
    others = given.get("beside")
    names = tuple(f"{name}/" for name in others) if isinstance(others, Mapping) else ()
    # what lies in a file of its own was recorded to be decoded
    targets = sorted(_targets(contents, activity), key=lambda one: not one.signal.startswith(names))
    if not targets:
        raise DataError(
            f"{path} holds activity ({activity!r}), but nothing that could be decoded from it: no "
            f"other series that is sampled throughout, and no table with {FEWEST_ROWS} intervals "
            "or more. Name a target in another file under `beside` (docs/data)"
        )
    return proposed(
        [partial(_draft, contents, kind, path, given, activity, targets, one) for one in targets],
        path,
        Path(),
    )


def _draft(
    contents: Contents,
    kind: str,
    path: str,
    settings: Mapping[str, object],
    activity: str,
    targets: "Sequence[_Target]",
    first: "_Target",
) -> Draft:
    """Fill in the recording of a study for one of its targets, with bins that suit it."""
    given = dict(settings)
    spikes = activity in contents.spikes
    bin_s = SPIKES_BIN_S if spikes else _rounded(contents.series[activity].interval_s)
    between = None
    ends = contents.spikes[activity].last_s if spikes else contents.series[activity].times[-1]
    begins = 0.0 if spikes else contents.series[activity].times[0]
    if first.is_table:
        table = contents.tables[first.signal]
        start, stop = table.start[table.complete], table.stop[table.complete]
        between = [float(np.floor(start.min())), float(np.ceil(stop.max()))]
        begins, ends = between
        longest = float(np.median(stop - start)) / BINS_AN_INTERVAL
        longest = min(longest, (ends - begins) / FEWEST_BINS)
        bin_s = max([bin_s, *(one for one in PLAIN_BINS_S if one <= longest)])
    bin_s = float(str(given.pop("bin_s", bin_s)))
    session = str(given.pop("session", session_of(path)))
    return Draft(
        target=first.name,
        kind=first.kind,
        bin_s=bin_s,
        bins=float(ends - begins) / bin_s,
        values={
            "entry": "signals",
            "study": yaml_text(f"{session}-dropout"),
            "kind": kind,
            "path": yaml_text(path),
            "session": yaml_text(session),
            "subject": yaml_text(str(given.pop("subject", contents.subject or "subject-1"))),
            "activity": yaml_text(activity),
            "activities": [*contents.spikes, *contents.series],
            "counts": given.get("activity_kind", "counts" if spikes else "signal") == "counts",
            "between": given.pop("between_s", between),
            "targets": [
                f"{'' if one is first else '# '}{yaml_text(one.name)}: {one.source}"
                for one in [first, *(one for one in targets if one is not first)]
            ],
            "settings": {name: json.dumps(value) for name, value in given.items()},
        },
    )


def _of_spikes(name: str, spikes: SpikeTrains) -> str:
    sizes = np.array([len(times) for times in spikes.times])
    if spikes.observed is None:
        observed = "The file does not say when they were observed."
    else:
        seconds = float(np.diff(spikes.observed, axis=1).sum())
        observed = (
            f"They were observed in {counted(len(spikes.observed), 'interval')}, "
            f"{seconds:g} s in all."
        )
    silent = f" {int((sizes == 0).sum())} of them never fire." if (sizes == 0).any() else ""
    return (
        f"{name!r}: spike trains of {counted(len(sizes), 'unit')}, {sizes.sum()} spikes, the last "
        f"at {spikes.last_s:g} s.{silent} {observed}"
    )


def _of_series(name: str, series: Series) -> str:
    shown = ", ".join(series.channels[:MOST_LISTED])
    more = len(series.channels) - MOST_LISTED
    channels = f"{shown} and {more} more" if more > 0 else shown
    if not len(series.times):
        return f"{name!r}: a series without samples ({channels})."
    steps = np.diff(series.times)
    holes = int((steps > 1.5 * series.interval_s).sum()) if len(steps) else 0
    missing = (
        int(np.isnan(series.values).any(axis=1).sum()) if series.values.dtype.kind == "f" else 0
    )
    return (
        f"{name!r}: a series of {counted(len(series.times), 'sample')} of "
        f"{counted(len(series.channels), 'channel')} ({channels})"
        + (f" in {series.unit}" if series.unit else "")
        + f", from {series.times[0]:g} to {series.times[-1]:g} s, {series.interval_s:g} s apart"
        + (f", with {counted(holes, 'gap')}" if holes else "")
        + (f", {missing} of them incomplete" if missing else "")
        + "."
    )


def _of_table(name: str, table: Table) -> Iterator[str]:
    whole = table.complete
    if not whole.any():
        yield f"{name!r}: a table of {counted(len(whole), 'row')}, none with a start and a stop."
        return
    start, stop = table.start[whole], table.stop[whole]
    order = np.argsort(start, kind="stable")
    overlaps = int((start[order][1:] < np.maximum.accumulate(stop[order])[:-1]).sum())
    lasting = stop - start
    of = counted(len(whole), "interval")
    if not whole.all():
        of = f"{counted(len(whole), 'row')}, {len(start)} of them with a start and a later stop,"
    yield (
        f"{name!r}: a table of {of} between {start.min():g} and {stop.max():g} s, which last "
        f"{lasting.min():g} to {lasting.max():g} s"
        + (f"; {overlaps} begin before an earlier one ends" if overlaps else "")
        + "."
    )
    for column, values in table.columns.items():
        if classes := _classes(values):
            listed = ", ".join(f"{value} ({count})" for value, count in classes)
            yield f"    {column!r} of {name!r}: {listed}."


def _classes(values: np.ndarray) -> list[tuple[str, int]]:
    """Values of a column of labels with their counts; empty where it is none."""
    values = np.asarray(values)
    if values.ndim != 1 or values.dtype.kind not in "biufUSO":
        return []
    texts = values.astype(str)
    found, counts = np.unique(texts, return_counts=True)
    return (
        [(str(value), int(count)) for value, count in zip(found, counts, strict=True)]
        if len(found) <= MOST_CLASSES
        and int((counts > 1).sum()) >= 2
        and int((counts == 1).sum()) <= RARE * len(texts)
        else []
    )


@dataclass(frozen=True)
class _Target:
    """Something that could be decoded: its name, source (YAML), kind, and signal."""

    name: str
    source: str
    kind: str
    signal: str
    """Name of the series or table."""
    is_table: bool = False


def _targets(contents: Contents, activity: str) -> Iterator[_Target]:
    """Yield what could be decoded, the likeliest first, each name once.

    These are series that are sampled throughout, then the tables with the most rows, and
    their columns of labels.
    """
    used: set[str] = set()
    own = contents.series[activity].channels if activity in contents.series else ()
    for name, series in contents.series.items():
        # a series of the same channels is the activity in another form (raw, corrected)
        if name != activity and series.channels != own and _is_sampled(series):
            yield _Target(
                _unused(_name(name), used), f"{{series: {yaml_text(name)}}}", "continuous", name
            )
    tables = sorted(contents.tables.items(), key=lambda item: -int(item[1].complete.sum()))
    for name, table in tables:
        if int(table.complete.sum()) < FEWEST_ROWS:
            continue
        if not _is_gapless(table):
            source = f"{{inside: {yaml_text(name)}}}"
            yield _Target(_unused(f"in_{_name(name)}", used), source, "categorical", name, True)
        for column, values in table.columns.items():
            if _classes(values):
                source = f"{{table: {yaml_text(name)}, column: {yaml_text(column)}}}"
                yield _Target(_unused(_name(column), used), source, "categorical", name, True)


def _is_sampled(series: Series) -> bool:
    """Whether a series has samples throughout, unlike events, and is no raw recording."""
    steps = np.diff(series.times)
    return (
        len(steps) > 1
        and series.interval_s >= 1 / FASTEST_HZ
        and bool((steps <= 1.5 * series.interval_s).mean() >= MOSTLY)
    )


def _is_gapless(table: Table) -> bool:
    """Whether intervals leave hardly any time between them, so that all bins lie inside."""
    held = union(np.column_stack([table.start, table.stop])[table.complete])
    return bool(np.diff(held, axis=1).sum() >= GAPLESS * np.ptp(held))


def _unused(name: str, used: set[str]) -> str:
    """A name that no other target has, which is then used."""
    number, found = 2, name
    while found in used:
        found, number = f"{name}_{number}", number + 1
    used.add(found)
    return found


def _name(text: str) -> str:
    """A name for a target: the last part of a path, with plain characters."""
    last: Sequence[str] = text.rsplit("/", 1)[-1]
    return "".join(c if c.isalnum() else "_" for c in last).strip("_") or "target"


def _rounded(seconds: float) -> float:
    """A bin of two significant digits that holds at least one sample."""
    digits = 1 - int(np.floor(np.log10(seconds)))
    rounded = round(seconds, digits)
    return rounded if rounded >= seconds * (1 - 1e-6) else rounded + 10.0**-digits
