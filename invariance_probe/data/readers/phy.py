"""Read sorted spikes from a folder of Kilosort and phy.

In: the folder (the layout of phy's template GUI). Out: the spike trains `units`, the
clusters with the declared labels, and `all`, every cluster. `params.py` is parsed, never
executed, and no pickle is read. Templates, features, amplitudes and raw data are not
read.
"""

import ast
import csv
import io
import sys
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

import numpy as np

from invariance_probe.data.contents import Contents, Note, SpikeTrains
from invariance_probe.data.readers.npy import check_folder, mapped
from invariance_probe.errors import DataError
from invariance_probe.study.counting import counted, some
from invariance_probe.study.signals import PhyRecording

UNSORTED = "unsorted"
"""Label of a cluster that no table labels."""
NO_LABEL = ("", "nan", "None")
"""Entries of a table that say nothing."""
MOST_LABELS = 20
"""Most values of a column that is described as one of labels."""
USED = {"spike_times.npy", "spike_clusters.npy", "spike_templates.npy"}
"""Arrays that are read."""

Columns = dict[str, dict[int, str]]
"""Columns of the cluster tables by name: an entry by the id of its cluster."""


def read_phy(path: Path, declared: PhyRecording) -> Contents:
    """Read the spike trains of all clusters.

    Parameters
    ----------
    path
        The folder that holds `spike_times.npy`.
    declared
        Which clusters are used, and the sample rate if `params.py` does not say it.

    Returns
    -------
    contents
        Spike trains `units` and `all`, in the order of the clusters' ids. A unit is
        called by the id of its cluster. `units` is missing if no cluster has a declared
        label.

    Raises
    ------
    DataError
        When the spikes cannot be read, or the sample rate is not known.
    """
    check_folder(path, "spike_times.npy", "phy")
    notes: list[str] = []
    samples, clusters = _spikes(path, notes)
    ids, firsts = np.unique(clusters, return_index=True)
    seconds = samples / _sample_rate(path, declared, len(samples), len(ids), notes)
    times = dict(zip(ids.tolist(), np.split(seconds, firsts[1:]), strict=True)) if len(ids) else {}
    columns = _cluster_tables(path, set(times), notes)
    labels = {cluster: _label(cluster, declared.labels, columns) for cluster in times}
    chosen = [cluster for cluster, label in labels.items() if label in declared.groups]
    selection = _on_labels(declared, labels, columns)
    others = sorted(file.name for file in path.glob("*.npy") if file.name not in USED)
    spikes = {"units": chosen, "all": list(times)}
    return Contents(
        spikes={
            name: SpikeTrains(tuple(map(str, members)), tuple(times[member] for member in members))
            for name, members in spikes.items()
            if members
        },
        notes=(*map(Note, notes), *(Note(sentence, "units") for sentence in selection)),
        unread=(f"arrays that no study uses and that are not read: {some(others)}",)
        if others
        else (),
    )


def _spikes(path: Path, notes: list[str]) -> tuple[np.ndarray, np.ndarray]:
    """Read all spikes, ordered by cluster and then by time.

    Returns
    -------
    samples, clusters
        Sample and cluster of each spike (spike,), int64.
    """
    samples = _whole_numbers(path / "spike_times.npy")
    templates = path / "spike_templates.npy"
    if (path / "spike_clusters.npy").exists():
        clusters = _whole_numbers(path / "spike_clusters.npy")
    elif templates.exists():
        clusters = _whole_numbers(templates)
        notes.append(
            "there is no spike_clusters.npy: clusters are taken from spike_templates.npy, as "
            "before any curation"
        )
    else:
        raise DataError(
            f"{path} holds neither spike_clusters.npy nor spike_templates.npy, so the units are "
            "not known; copy one of them into the folder"
        )
    if len(samples) != len(clusters):
        raise DataError(
            f"{path}: there are {counted(len(samples), 'spike time')} and "
            f"{counted(len(clusters), 'cluster number')}; copy both arrays from one sorting"
        )
    if (back := -np.diff(samples)).max(initial=0) > 0:
        notes.append(
            f"{(back > 0).sum()} of {counted(len(samples), 'spike')} come before the spike ahead "
            f"of them, by up to {counted(int(back.max()), 'sample')}; they are put in order, which "
            "is wrong if recordings were joined whose clocks restart"
        )
    if (samples < 0).any():
        notes.append(
            f"{(samples < 0).sum()} of {counted(len(samples), 'spike')} have a negative time and "
            f"are kept, the first at sample {samples.min()}"
        )
    order = np.lexsort((samples, clusters))
    samples, ordered = samples[order], clusters[order]
    same = (np.diff(samples) == 0) & (np.diff(ordered) == 0)
    if same.any():
        notes.append(
            f"{same.sum()} of {counted(len(samples), 'spike')} have the same sample as another "
            f"spike of their cluster and are kept; clusters {some(np.unique(ordered[1:][same]))}"
        )
    if templates.exists():
        moved = _whole_numbers(templates)
        if len(moved) == len(clusters) and (differ := int((moved != clusters).sum())):
            notes.append(
                f"{differ} of {counted(len(clusters), 'spike')} have another cluster than template:"
                " the sorting was curated, and clusters are used"
            )
    return samples, ordered


def _whole_numbers(path: Path) -> np.ndarray:
    """Read whole numbers, one for each spike, from a row or a column (spike,) int64."""
    values = mapped(path)
    if values.size not in values.shape:
        raise DataError(f"{path} has shape {values.shape}; it must hold one number per spike")
    values = values.reshape(-1)
    if values.dtype.kind == "f":
        fractions = ~(np.isfinite(values) & (values == np.floor(values)))
        if fractions.any():
            raise DataError(
                f"{path} holds {values[fractions][0]:g}, and {fractions.sum()} of {values.size} "
                "values are no whole numbers; times must be counted in samples, not in seconds"
            )
    return values.astype(np.int64)


def _sample_rate(
    path: Path, declared: PhyRecording, spikes: int, clusters: int, notes: list[str]
) -> float:
    """Take the sample rate from the declaration, else from `params.py` (samples per second)."""
    said, why = _rate_of_parameters(path / "params.py", notes)
    rate = declared.sample_rate_hz or said
    if rate is None:
        raise DataError(
            f"{path} holds {counted(spikes, 'spike')} of {counted(clusters, 'cluster')}, but their "
            f"sample rate is not known: {why}. Set sample_rate_hz to the samples per second of "
            "the raw recording"
        )
    if said is not None and said != rate:
        notes.append(
            f"params.py says a sample rate of {said:.10g} Hz; the declared {rate:.10g} Hz is used"
        )
    source = "params.py" if declared.sample_rate_hz is None else "sample_rate_hz"
    notes.append(f"spike times are samples divided by {rate:.10g} Hz, from {source}")
    return rate


def _rate_of_parameters(path: Path, notes: list[str]) -> tuple[float | None, str]:
    """Find the sample rate in `params.py` without executing it.

    Returns
    -------
    rate
        Samples per second; None if the file does not say it.
    why
        Why it is not known.
    """
    if not path.is_file():
        return None, "there is no params.py"
    try:
        lines = ast.parse(path.read_bytes()).body
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        why = f"params.py cannot be parsed ({error})"
        notes.append(why)
        return None, why
    found: float | None = None
    why, skipped = "params.py does not assign sample_rate", []
    for line in lines:
        match line:
            case ast.Assign(targets=[ast.Name(id=name)], value=value):
                pass
            case _:
                skipped.append(line.lineno)
                continue
        try:
            values = ast.literal_eval(value)
        except (ValueError, TypeError, SyntaxError, RecursionError, MemoryError):
            skipped.append(line.lineno)
            values = None
        if name == "sample_rate":
            found, why = _positive(values), "sample_rate of params.py is no positive number"
    if skipped:
        notes.append(
            "params.py holds more than plain values; it is never executed, and what is in line "
            f"{some(sorted(set(skipped)))} was not read"
        )
    return found, why


def _positive(value: object) -> float | None:
    """A positive, finite number; None for anything else."""
    if (
        isinstance(value, int | float)
        and not isinstance(value, bool)
        and 0 < value <= sys.float_info.max
    ):
        return float(value)
    return None


def _cluster_tables(path: Path, clusters: set[int], notes: list[str]) -> Columns:
    """Read every table of clusters, and note what in them cannot be used.

    If a column is in several tables, the first counts: `.tsv` before `.csv`, and
    `cluster_info`, which repeats the others, last.

    Parameters
    ----------
    path
        The folder.
    clusters
        Ids of the clusters that have spikes.
    notes
        Notes to add to.

    Returns
    -------
    columns
        Every entry of the clusters that have spikes.
    """
    columns: Columns = {}
    sources: dict[str, str] = {}
    tables = sorted(
        [*path.glob("*.tsv"), *path.glob("*.csv")],
        key=lambda file: (file.stem == "cluster_info", file.suffix == ".csv", file.name),
    )
    for file in tables:
        for column, entries in _table(file, clusters, notes).items():
            if column not in columns:
                columns[column], sources[column] = entries, file.name
                continue
            earlier = columns[column]
            differ = sorted(i for i in entries if earlier.get(i, entries[i]) != entries[i])
            if differ:
                notes.append(
                    f"{sources[column]} and {file.name} disagree on {column!r} of "
                    f"{counted(len(differ), 'cluster')}, and {sources[column]} is used: "
                    f"{some(differ)}"
                )
            columns[column] = {**entries, **earlier}
    return columns


def _table(file: Path, clusters: set[int], notes: list[str]) -> Columns:
    """Read one table of clusters; it has no columns if it cannot be used."""
    with file.open(encoding="utf-8-sig", errors="replace") as opened:
        header = opened.readline().rstrip("\r\n")
        delimiter = "\t" if "\t" in header or file.suffix == ".tsv" else ","
        names = next(csv.reader(io.StringIO(header), delimiter=delimiter), [])
        keys = ["cluster_id", "id"] if file.stem == "cluster_info" else ["cluster_id"]
        key = next((names.index(name) for name in keys if name in names), None)
        if key is None:
            notes.append(f"{file.name} has no column 'cluster_id' and is not used")
            return {}
        try:
            rows = [row for row in csv.reader(opened, delimiter=delimiter) if any(row)]
        except csv.Error as error:
            notes.append(f"{file.name} cannot be read and is not used: {error}")
            return {}
    known = {}
    unreadable, silent, repeated = [], [], []
    for row in rows:
        cluster = _id(row[key]) if key < len(row) else None
        if cluster is None:
            unreadable.append(repr("".join(row[key : key + 1])))
        elif cluster not in clusters:
            silent.append(cluster)
        else:
            if cluster in known:
                repeated.append(cluster)
            known[cluster] = row
    for ids, why in (
        (unreadable, "have no whole number as cluster_id and are not used"),
        (silent, "are of clusters without spikes and are not used"),
        (repeated, "repeat an earlier cluster, whose last row is used"),
    ):
        if ids:
            of = f"{len(ids)} of {counted(len(rows), 'row')} of {file.name}"
            notes.append(f"{of} {why}: {some(ids)}")
    return {
        name: {
            cluster: row[at].strip()
            for cluster, row in known.items()
            if at < len(row) and row[at].strip() not in NO_LABEL
        }
        for at, name in enumerate(names)
        if at != key
    }


def _id(text: str) -> int | None:
    """Id of a cluster, such as `7` or `7.0`; None for anything else."""
    try:
        value = float(text)
    except ValueError:
        return None
    return int(value) if value.is_integer() else None


def _label(cluster: int, wanted: tuple[str, ...], columns: Mapping[str, dict[int, str]]) -> str:
    """Label of a cluster in the first wanted column that says one."""
    said = (columns[column][cluster] for column in wanted if cluster in columns.get(column, {}))
    return next(said, UNSORTED)


def _on_labels(
    declared: PhyRecording, labels: Mapping[int, str], columns: Columns
) -> Iterator[str]:
    """Say which clusters are used, which are not, and which columns there are."""
    where = " or ".join(map(repr, declared.labels))
    groups = " or ".join(map(repr, declared.groups))
    chosen = sum(label in declared.groups for label in labels.values())
    if missing := [name for name in declared.labels if name not in columns]:
        yield f"no table of clusters has a column {' or '.join(map(repr, missing))}"
    if not chosen:
        yield (
            f"'units' is missing, because none of {counted(len(labels), 'cluster')} has {groups} "
            f"as {where}; the folder holds {_tally(labels.values()) or 'no spikes'}. Change groups "
            "or labels, or use activity: all"
        )
    elif chosen < len(labels):
        yield (
            f"'units' are the {chosen} of {counted(len(labels), 'cluster')} that have {groups} as "
            f"{where}"
        )
        for label in sorted(set(labels.values()) - set(declared.groups)):
            out = [cluster for cluster, said in labels.items() if said == label]
            yield f"{label!r}, and so not in 'units': {counted(len(out), 'cluster')} ({some(out)})"
    numbers = []
    for name, entries in columns.items():
        values = [entries.get(cluster, "no entry") for cluster in labels]
        if all(_number(value) for value in entries.values()) or len(set(values)) > MOST_LABELS:
            numbers.append(name)
        elif name not in declared.labels:
            yield (
                f"column {name!r} of the cluster tables is not used; it has {_tally(values)}; "
                f"labels: [{name}] would use it"
            )
    if numbers:
        listed = some(map(repr, numbers), most=30)
        yield f"columns of the cluster tables that hold no labels and are not used: {listed}"


def _number(text: str) -> bool:
    """Whether a string is a number."""
    try:
        float(text)
    except ValueError:
        return False
    return True


def _tally(values: Iterable[str]) -> str:
    """Values with the number of clusters that have them, the most frequent first."""
    return ", ".join(f"{value!r} ({count})" for value, count in Counter(values).most_common())
