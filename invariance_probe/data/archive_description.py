"""What an `.npz` archive holds, in sentences, and a study of it to start from.

In: a file. Out: text for `invariance-probe data inspect`. What each array may be is
guessed by `data.array_roles`; what a study claims is for its author to decide.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np

from invariance_probe.data import array_roles as roles
from invariance_probe.data.array_roles import Activity, ArrayTarget, BinLength
from invariance_probe.data.epochs import EPOCH, joined
from invariance_probe.data.proposal import Draft, proposed, session_of, yaml_text
from invariance_probe.data.readers.npz_arrays import StoredArray, stored_arrays
from invariance_probe.errors import DataError
from invariance_probe.study.counting import counted, some

MOST_SHOWN = 12
"""Most values that are listed of labels."""
PYNAPPLE = ("Ts", "Tsd", "TsGroup", "IntervalSet")
"""Types of pynapple's objects that hold no bins, as its archives name them."""
GAP_BINS = 1
"""Bins between two parts of a file whose bins are sorted by condition."""
ROUNDS = 16
"""Most parts into which a stretch of one condition is cut."""


@dataclass(frozen=True, eq=False)
class Archive:
    """The arrays of a file, with their likely roles.

    Attributes
    ----------
    path
        The file.
    stored
        Every array as the file has it.
    arrays
        Usable arrays by name; those of several epochs are joined.
    epochs
        Prefixes of names that keep epochs apart, if any.
    activities
        What may be the activity, the likeliest first.
    """

    path: Path
    stored: Mapping[str, StoredArray]
    arrays: Mapping[str, np.ndarray]
    epochs: tuple[str, ...]
    activities: tuple[Activity, ...]

    @classmethod
    def opened(cls, path: Path) -> "Archive":
        """Read a file, and guess what its arrays are.

        Raises
        ------
        DataError
            When the file is missing or is no `.npz` archive.
        """
        stored = stored_arrays(path)
        usable = _as_far_as_read(stored)
        epochs = roles.epochs_of(usable)
        arrays: Mapping[str, np.ndarray] = usable
        if epochs:
            first = roles.activities(
                {
                    name.removeprefix(epochs[0]): values
                    for name, values in usable.items()
                    if name.startswith(epochs[0])
                }
            )
            if first:
                arrays = joined(usable, epochs, first[0].name, str(path))
            else:
                epochs = ()
        return cls(path, stored, arrays, epochs, tuple(roles.activities(arrays)))

    def choice(self, name: str | None) -> Activity:
        """The activity of that name, or the likeliest that has a bin length and a target.

        Raises
        ------
        DataError
            When there is no activity, or none of that name.
        """
        if not self.activities:
            if objects := self.objects():
                raise DataError(f"{self.path} {objects}")
            raise DataError(
                f"{self.path} has no array that can be the activity: none is (time, unit) with "
                f"{roles.FEWEST_TIMES} rows or more, {roles.FEWEST_UNITS} columns or more, and "
                f"fewer columns than rows.{''.join(' ' + said + '.' for said in self.spikes())}"
            )
        if name is None:
            return max(
                self.activities,
                key=lambda one: (
                    any(not target.why_not for target in self.targets(one)),
                    roles.bin_length(self.arrays, one)[0] is not None,
                ),
            )
        for one in self.activities:
            if one.name == name:
                return one
        raise DataError(
            f"{self.path} has no activity {name!r}; it has "
            f"{', '.join(one.name for one in self.activities)}"
        )

    def over_time(self, activity: Activity) -> dict[str, np.ndarray]:
        """Other arrays that have one row per bin of an activity."""
        return {
            name: values
            for name, values in self.arrays.items()
            if values.ndim and len(values) == activity.bins and name != activity.name
        }

    def role(self, activity: Activity, role: str) -> str | None:
        """Name of the array that is the trial, segment or unit_ids of an activity."""
        if role == "unit_ids":
            return roles.unit_names(self.arrays, activity)
        fits = roles.is_trial if role == "trial" else roles.is_segment
        for name, values in self.over_time(activity).items():
            if fits(name, values):
                return name
        return None

    def targets(self, activity: Activity) -> list[ArrayTarget]:
        """What may be decoded from an activity, the likeliest first."""
        used = {self.role(activity, role) for role in ("trial", "segment", "unit_ids")}
        named = {name for name in (*used, activity.name, EPOCH if self.epochs else None) if name}
        return roles.targets(self.arrays, activity, named)

    def objects(self) -> str:
        """Say how to load an object that another package saved; empty if it is none."""
        kind = self.arrays.get("type")
        if kind is not None and kind.size == 1 and str(kind.reshape(-1)[0]) in PYNAPPLE:
            saved, loaded = f"the {kind.reshape(-1)[0]} of pynapple", "pynapple.load_file"
        elif "spike_indexes_seg0" in self.arrays:
            saved, loaded = "a sorting of spikeinterface", "spikeinterface.core.read_npz_sorting"
        else:
            return ""
        return (
            f"holds {saved}, and no bins; load it with {loaded} in Python, and give the object "
            "to Recording.from_signals"
        )

    def spikes(self) -> Iterator[str]:
        """Say which arrays list spikes one by one."""
        for name, values in self.arrays.items():
            if values.ndim != 1 or values.dtype.kind != "f" or "spike" not in name.lower():
                continue
            for units, of in self.arrays.items():
                if of.shape == values.shape and of.dtype.kind in "iu" and units != name:
                    yield (
                        f"{name!r} and {units!r} list {len(values):,} spikes of "
                        f"{len(np.unique(of))} units one by one, which kind npz does not bin: "
                        "count them in bins, or save both as the columns of a .csv file (kind "
                        "table)"
                    )

    def other_clocks(self, activity: Activity) -> Iterator[str]:
        """Say which arrays have samples of their own, at another rate."""
        own, _ = roles.bin_length(self.arrays, activity)
        for name, values in self.arrays.items():
            if values.ndim not in (1, 2) or len(values) in (activity.bins, activity.units):
                continue
            if len(values) >= roles.FEWEST_TIMES and values.dtype.kind in "iuf":
                first_word = Activity(name.partition("_")[0], "signal", len(values), 1)
                length, _ = roles.bin_length(self.arrays, first_word)
                if length not in (None, own) and not roles.is_clock(name, values):
                    yield (
                        f"{name!r} has {len(values):,} samples, {length.seconds:g} s apart "
                        f"(from {length.source}), which are not the bins of {activity.name!r}; "
                        "to decode it, save it with one row per bin"
                    )


def _as_far_as_read(stored: Mapping[str, StoredArray]) -> dict[str, np.ndarray]:
    """Usable arrays; those as long as one that was not read whole are cut like it."""
    usable = {name: one for name, one in stored.items() if not one.why_not}
    rows: dict[int, int] = {}
    for one in usable.values():
        if not one.is_whole:
            length = one.shape[0]
            rows[length] = min(rows.get(length, length), len(one.values))
    return {
        name: one.values[: rows.get(one.shape[0])] if one.shape else one.values
        for name, one in usable.items()
    }


def archive_sentences(path: Path) -> Iterator[str]:
    """Describe what an archive holds, one sentence per array, and what each may be.

    Parameters
    ----------
    path
        The file.

    Raises
    ------
    DataError
        When the file is missing or is no `.npz` archive.
    """
    archive = Archive.opened(path)
    kept = archive.stored
    if archive.epochs:
        yield (
            f"{len(archive.epochs)} epochs with arrays of the same names ({some(archive.epochs)}), "
            "which are joined in time below."
        )
    for name, stored in kept.items():
        if stored.why_not:
            yield f"{name!r}: shape {stored.shape}; it cannot be used: {stored.why_not}."
        elif not name.startswith(archive.epochs or ("\0",)):
            yield _of_array(name, stored.values, stored.shape)
    for name, values in archive.arrays.items():
        if archive.epochs and name not in kept and name != EPOCH:
            yield _of_array(name, values, values.shape)
    if not archive.activities:
        try:
            archive.choice(None)
        except DataError as error:
            yield f"Note: {error}"
        return
    yield from _of_roles(archive, archive.choice(None))


def _of_array(name: str, values: np.ndarray, shape: tuple[int, ...]) -> str:
    if values.size == 1:
        return f"{name!r}: {values.reshape(-1)[0]}."
    said = f"{name!r}: {' x '.join(f'{length:,}' for length in shape)}, {values.dtype}"
    if values.dtype.kind in "US":
        return f"{said} ({some(values.reshape(-1)[:MOST_SHOWN])})."
    finite = values[np.isfinite(values)] if values.dtype.kind == "f" else values
    if not finite.size:
        return f"{said}, without values."
    said += f", {finite.min():g} to {finite.max():g}" if finite.dtype.kind != "b" else ""
    if finite.size < values.size:
        said += f", {values.size - finite.size:,} of its values NaN or infinite"
    if values.ndim == 1 and values.dtype.kind in "biu":
        found, counts = np.unique(values, return_counts=True)
        if len(found) <= MOST_SHOWN < len(values):
            listed = ", ".join(f"{one} ({n:,})" for one, n in zip(found, counts, strict=True))
            said += f": {listed}"
    if values.shape != shape:
        said += f" (in its first {len(values):,} rows)"
    return f"{said}."


def _of_roles(archive: Archive, activity: Activity) -> Iterator[str]:
    """Say which array may play which role."""
    others = [one.name for one in archive.activities if one is not activity]
    yield (
        f"Activity: {activity.name!r}, {_bins(archive, activity):,} bins of "
        f"{counted(activity.units, 'unit')} ({activity.kind})"
        + (f"; others: {some(others)}" if others else "")
        + "."
    )
    length, doubts = roles.bin_length(archive.arrays, activity)
    if length is None:
        yield f"Bin length: not known. {_no_bin_length(archive)}."
    else:
        yield f"Bin length: {length.seconds:g} s, from {length.source}."
    for role in ("trial", "segment", "unit_ids"):
        if name := archive.role(activity, role):
            yield f"{role}: {name!r}."
    for target in archive.targets(activity):
        if target.why_not:
            yield f"Not a target: {target.name!r}, because {target.why_not}."
        else:
            yield f"Target: {target.name!r} ({target.kind})."
    for said in _doubts(archive, activity, doubts):
        yield f"Note: {said}."


def _bins(archive: Archive, activity: Activity) -> int:
    """Number of bins of an activity in the file, of which only the first may be read."""
    stored = archive.stored.get(activity.name)
    return activity.bins if stored is None else stored.shape[0]


def _doubts(archive: Archive, activity: Activity, doubts: list[str]) -> Iterator[str]:
    """Everything about a file that its author should know."""
    yield from (said for one in archive.activities for said in one.doubts)
    yield from doubts
    yield from (target.doubt for target in archive.targets(activity) if target.doubt)
    yield from archive.spikes()
    yield from archive.other_clocks(activity)
    for name in roles.scale_factors(archive.arrays):
        yield (
            f"{name!r} ({archive.arrays[name].reshape(-1)[0]:g}) seems to be a scale factor; it is "
            "not applied, and changes nothing since activity is standardised"
        )


def _no_bin_length(archive: Archive) -> str:
    near = [
        f"{name!r} has {len(values)} values from {values.min():g} to {values.max():g}"
        for name, values in archive.arrays.items()
        if values.ndim == 1
        and values.dtype.kind in "iuf"
        and 1 < values.size < roles.FEWEST_TIMES
        and any(word in name.lower() for word in ("fs", "rate", "freq"))
    ]
    return (
        "No single number is named like one (bin_s, dt, fs, sfreq, rate_hz), and no array of the "
        "same length holds time stamps; give it with --set bin_s=SECONDS"
        + (f" ({'; '.join(near)})" if near else "")
    )


def archive_study(path: Path, settings: Mapping[str, object]) -> str:
    """Write a commented study of an archive, with its arrays filled in.

    Parameters
    ----------
    path
        The file, relative to where the study will be.
    settings
        Fields of the recording that are stated, such as `bin_s`.

    Returns
    -------
    study
        YAML.

    Raises
    ------
    DataError
        When the file has no activity, no bin length, or nothing that could be decoded.
    """
    archive = Archive.opened(path)
    named = settings.get("activity")
    activity = archive.choice(None if named is None else str(named))
    length, doubts = roles.bin_length(archive.arrays, activity)
    if "bin_s" in settings:
        length, doubts = _stated(archive, settings["bin_s"]), []
    targets = archive.targets(activity)
    possible = [target for target in targets if not target.why_not]
    order = _sorted(archive, activity)
    possible.sort(key=lambda target: target.name != order)
    lacking = []
    if length is None:
        lacking.append(f"the length of its bins is not known. {_no_bin_length(archive)}")
    if not possible:
        lacking.append("nothing in it can be decoded: " + _no_target(archive, activity, targets))
    if length is None or lacking:
        raise DataError(
            f"{path}: {activity.name!r} can be the activity, but {'; and '.join(lacking)}"
        )
    comments = [*_doubts(archive, activity, doubts)]
    return proposed(
        [
            partial(_draft, archive, settings, activity, length, comments, order, possible, one)
            for one in possible
        ],
        str(path),
        Path(),
    )


def _stated(archive: Archive, bin_s: object) -> BinLength:
    if isinstance(bin_s, str):
        if bin_s not in archive.arrays:
            raise DataError(f"{archive.path} has no array {bin_s!r} to take the bin length from")
        return BinLength(float(archive.arrays[bin_s].reshape(-1)[0]), f"{bin_s!r}", array=bin_s)
    return BinLength(float(str(bin_s)), "what was stated")


def _no_target(archive: Archive, activity: Activity, targets: list[ArrayTarget]) -> str:
    reasons = [f"{target.name!r}: {target.why_not}" for target in targets]
    reasons += archive.other_clocks(activity)
    return "; ".join(reasons) or (
        f"no other array has one row for each of the {activity.bins:,} bins"
    )


def _sorted(archive: Archive, activity: Activity) -> str | None:
    """Name of the labels by which the bins of a file are sorted, if they are."""
    over_time = archive.over_time(activity)
    epoch = over_time.pop(EPOCH, None) if archive.epochs else None
    if epoch is None:
        epoch = np.zeros(activity.bins, dtype=np.int64)
    if archive.role(activity, "trial") or archive.role(activity, "segment"):
        return None
    return roles.sorted_by(over_time, epoch)


def _draft(
    archive: Archive,
    settings: Mapping[str, object],
    activity: Activity,
    length: BinLength,
    comments: list[str],
    order: str | None,
    possible: list[ArrayTarget],
    first: ArrayTarget,
) -> Draft:
    """Fill in the recording of a study for one of its targets."""
    given = {
        name: value for name, value in settings.items() if name not in ("activity", "bin_s", "path")
    }
    session = str(given.pop("session", session_of(str(archive.path))))
    subject = str(given.pop("subject", "subject-1"))
    kind = str(given.pop("activity_kind", activity.kind))
    roles_found = {role: archive.role(activity, role) for role in ("trial", "segment", "unit_ids")}
    fields = {role: yaml_text(name) for role, name in roles_found.items() if name}
    if archive.epochs:
        fields["epochs"] = json.dumps(archive.epochs)
    if order is not None:
        rounds = _rounds(archive.over_time(activity)[order])
        fields["dealt"] = f"{{by: {yaml_text(order)}, rounds: {rounds}, gap_bins: {GAP_BINS}}}"
        comments = [*comments, f"the bins are sorted by {order!r}: their parts are dealt out anew"]
    fields |= {name: json.dumps(value) for name, value in given.items()}
    return Draft(
        target=first.name,
        kind=first.kind,
        bin_s=length.seconds,
        bins=_bins(archive, activity),
        trials=roles_found["trial"] is not None,
        values={
            "entry": "archive",
            "study": yaml_text(f"{session}-dropout"),
            "path": yaml_text(str(archive.path)),
            "session": yaml_text(session),
            "subject": yaml_text(subject),
            "activity": yaml_text(activity.name),
            "activities": [one.name for one in archive.activities],
            "counts": kind == "counts",
            "bin_field": yaml_text(length.array) if length.array else repr(length.seconds),
            "bin_source": length.source,
            "targets": [
                f"{{name: {yaml_text(one.name)}, kind: {one.kind}}}"
                for one in possible
                if one is not first
            ],
            "settings": fields,
            "doubts": comments,
        },
    )


def _rounds(labels: np.ndarray) -> int:
    """Parts into which the shortest stretch of one label can be cut, at most `ROUNDS`."""
    borders = np.flatnonzero(labels[1:] != labels[:-1]) + 1
    shortest = int(np.diff([0, *borders, len(labels)]).min())
    return max(2, min(ROUNDS, shortest // (2 * (1 + GAP_BINS))))
