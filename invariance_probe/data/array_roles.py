"""What each array of an archive may be: activity, bin length, trials, targets, clocks.

In: named arrays as a file holds them. Out: `Roles`, guesses from shapes, values and
names, each with its reason in words. A study states what an array is; nothing here
decides it. A guess is printed by `data.archive_description`.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np

from invariance_probe.data.arrays import TURN, TURN_TOLERANCE
from invariance_probe.data.inspection import FEWEST_COUNTS
from invariance_probe.study.counting import counted

FEWEST_TIMES = 50
"""Fewest rows of an array that is taken for activity."""
FEWEST_UNITS = 3
"""Fewest columns of activity; fewer are rather a position or a flag."""
MOST_CLASSES = 20
"""Most different values of labels."""
MOST_LOOKED_AT = 1_000_000
"""Most values whose common divisor is searched."""
RARE = 0.02
"""Fraction of bins below which single marked bins are taken for events."""
EVEN = 0.01
"""Largest relative difference of a typical step of an even clock."""
GAP = 1.5
"""Length of a step that is a gap, in typical steps."""

BIN_NAMES = r"(bin|dt|delta_?t|time_?step|(bin|sampling|sample)_?(s|size|width|length|interval))"
RATE_NAMES = r"(fs|sf|s_?freq|s_?rate|fps|(sampling|sample|frame|bin)_?(rate|freq(uency)?)|rate)"
TRIAL_NAMES = r"(.*_)?trials?(_?(id|ids|index|idx|number|num|nr|label|labels))?"
SEGMENT_NAMES = r"(segment|stretch|chunk)s?(_?(id|ids|index|idx|number))?"
UNIT_NAMES = r".*(unit|channel|neuron|cell|cluster|electrode|feature).*"
CLOCK_NAMES = r"(.*_)?(t|time|times|timestamps?|time_?s)(_.*)?"
ACTIVITY_NAMES = (
    r".*(spike|count|firing|rate|neural|activity|dff|calcium|fluor|lfp|ecog|eeg|ieeg).*"
)
BEHAVIOUR_NAMES = r".*(spectrogram|audio|song|pos|vel|acc|force|xy|pix|video|stim|kinem|hand|eye).*"
ANGLE_NAMES = r".*(angle|direction|heading|orient|theta|phase|azimuth).*"
DEGREE_NAMES = r"(.*_)?deg(rees?)?(_.*)?"
LIKELY_TARGETS = (
    r".*(vel|speed).*",
    r".*(pos|xy|angle|direction|heading|state|stage|label|stim|choice|side|target|force).*",
)
INDEX_NAMES = r".*(index|bin|number|count|epoch).*"
SCALE_NAMES = r".*(scale|gain|per_count|per_bit|lsb|resolution|factor).*"


@dataclass(frozen=True, eq=False)
class Activity:
    """An array that may be the activity.

    Attributes
    ----------
    name
        Name of the array.
    kind
        `counts` or `signal`.
    bins, units
        Its shape.
    doubts
        What speaks against this, in sentences.
    """

    name: str
    kind: Literal["counts", "signal"]
    bins: int
    units: int
    doubts: tuple[str, ...] = ()


@dataclass(frozen=True)
class BinLength:
    """The length of a bin: its seconds, and where they come from.

    `array` is the name of the array that holds the length in seconds itself; empty if
    the length was computed.
    """

    seconds: float
    source: str
    array: str = ""


@dataclass(frozen=True)
class ArrayTarget:
    """An array over time that may be decoded.

    Attributes
    ----------
    name
        Name of the array.
    kind
        Kind of target.
    why_not
        Reason why it cannot be the target of the proposed study; empty if it can.
    doubt
        What its author should know, if anything.
    """

    name: str
    kind: Literal["continuous", "categorical", "circular"]
    why_not: str = ""
    doubt: str = ""


def epochs_of(arrays: Mapping[str, np.ndarray]) -> tuple[str, ...]:
    """Find prefixes of names that keep several epochs of one recording apart.

    Parameters
    ----------
    arrays
        Arrays of the file by name.

    Returns
    -------
    prefixes
        Such as `before_` and `after_`, if both have arrays of the same names and columns,
        one of them two-dimensional; otherwise empty.
    """
    groups: dict[str, dict[str, tuple[int, ...]]] = {}
    for name, values in arrays.items():
        prefix, mark, rest = name.partition("_")
        if mark and rest and values.ndim:
            groups.setdefault(prefix + mark, {})[rest] = (values.ndim, *values.shape[1:])
    for own in groups.values():
        alike = tuple(prefix for prefix, other in groups.items() if other == own)
        if len(alike) > 1 and any(len(shape) > 1 and shape[0] == 2 for shape in own.values()):
            return alike
    return ()


def activities(arrays: Mapping[str, np.ndarray]) -> list[Activity]:
    """List the arrays that may be the activity, the likeliest first."""
    found = []
    for name, values in arrays.items():
        if values.ndim != 2 or values.dtype.kind not in "iuf" or len(values) < FEWEST_TIMES:
            continue
        named = bool(re.fullmatch(ACTIVITY_NAMES, name.lower()))
        fewest = 2 if named else FEWEST_UNITS
        if values.shape[1] < fewest or values.shape[1] > len(values):
            continue
        kind, doubts = _kind_of_activity(name, values)
        unlikely = bool(re.fullmatch(BEHAVIOUR_NAMES, name.lower())) and not named
        rank = (unlikely, kind == "signal", not named, -values.shape[1])
        found.append((rank, Activity(name, kind, len(values), values.shape[1], tuple(doubts))))
    return [one for _, one in sorted(found, key=lambda item: item[0])]


def _kind_of_activity(
    name: str, values: np.ndarray
) -> tuple[Literal["counts", "signal"], list[str]]:
    """Whether values are counts, and what is to be doubted."""
    whole = values.dtype.kind in "iu" or bool((np.floor(values) == values).all())
    if not whole:
        return "signal", []
    if values.min() < 0:
        return "signal", [
            f"{name!r} holds whole numbers below 0, which are no counts but a signal, probably "
            "to be multiplied by a scale factor"
        ]
    first = values[: max(FEWEST_TIMES, MOST_LOOKED_AT // values.shape[1])]
    fired = first[first > 0].astype(np.int64)
    divisor = int(np.gcd.reduce(fired)) if len(fired) >= FEWEST_COUNTS else 1
    if divisor > 1:
        return "signal", [
            f"all values of {name!r} are multiples of {divisor}, so they seem to be rates and not "
            "counts: counts are rates times the length of a bin"
        ]
    return "counts", []


def bin_length(
    arrays: Mapping[str, np.ndarray], activity: Activity
) -> tuple[BinLength | None, list[str]]:
    """Find the length of the bins of an activity, and what is to be doubted.

    Parameters
    ----------
    arrays
        Arrays of the file by name.
    activity
        The activity.

    Returns
    -------
    found
        From a single number named like a length or a rate, else from time stamps of the
        bins; None if there are none.
    doubts
        In sentences.
    """
    doubts: list[str] = []
    numbers = {
        name: float(values.reshape(-1)[0])
        for name, values in arrays.items()
        if values.size == 1 and values.dtype.kind in "iuf"
    }
    for name, value in numbers.items():
        plain = _without(activity.name, name.lower())
        milliseconds = plain.endswith("_ms")
        if value > 0 and re.fullmatch(BIN_NAMES, plain.removesuffix("_ms").removesuffix("_s")):
            if milliseconds:
                return BinLength(value / 1000, f"{name!r} in milliseconds"), doubts
            if value >= 5 and not plain.endswith("_s"):
                doubts.append(f"{name!r} is {value:g}, which is taken for milliseconds")
                return BinLength(value / 1000, f"{name!r}, taken for milliseconds"), doubts
            return BinLength(value, f"{name!r}", array=name), doubts
    for name, value in numbers.items():
        plain = _without(activity.name, name.lower()).removesuffix("_hz").removesuffix("_khz")
        if value > 0 and re.fullmatch(RATE_NAMES, plain):
            hertz = value * (1000 if name.lower().endswith("_khz") else 1)
            return BinLength(1 / hertz, f"1 / {name!r} ({hertz:g} per second)"), doubts
    for name, values in arrays.items():
        if len(values.shape) == 1 and len(values) == activity.bins and is_clock(name, values):
            steps = np.diff(values)
            step = float(np.median(steps))
            if gaps := int((steps > GAP * step).sum()):
                doubts.append(
                    f"{name!r} has {counted(gaps, 'gap')}, which windows would cross; save an "
                    "array of segments"
                )
            return BinLength(float(f"{step:.6g}"), f"the steps of {name!r}"), doubts
    return None, doubts


def _without(activity: str, name: str) -> str:
    """The name of a number without the name of the activity before it."""
    return name.removeprefix(activity.lower() + "_")


def is_clock(name: str, values: np.ndarray) -> bool:
    """Whether values are time stamps: they ascend, mostly in even steps, by name in time."""
    if values.ndim != 1 or values.dtype.kind not in "iuf" or len(values) < FEWEST_TIMES:
        return False
    steps = np.diff(values.astype(np.float64))
    if not (steps > 0).all() or not re.fullmatch(CLOCK_NAMES, name.lower()):
        return False
    return bool(np.mean(np.abs(steps / np.median(steps) - 1) <= EVEN) >= 1 - EVEN)


def is_counter(values: np.ndarray) -> bool:
    """Whether values only count the bins, so that they say no more than the time."""
    return (
        values.ndim == 1
        and values.dtype.kind in "iuf"
        and len(values) > 1
        and bool((np.diff(values.astype(np.float64)) > 0).all())
    )


def is_trial(name: str, values: np.ndarray) -> bool:
    """Whether an array has one label per trial, in successive bins."""
    return (
        bool(re.fullmatch(TRIAL_NAMES, name.lower()))
        and not name.lower().startswith(("bin_", "time_", "in_"))
        and _in_runs(values)
    )


def is_segment(name: str, values: np.ndarray) -> bool:
    """Whether an array has one label per gap-free segment, in successive bins."""
    return bool(re.fullmatch(SEGMENT_NAMES, name.lower())) and _in_runs(values)


def _in_runs(values: np.ndarray) -> bool:
    """Whether equal labels follow one another, and last several bins on average."""
    if values.ndim != 1 or values.dtype.kind == "f" or not len(values):
        return False
    runs = 1 + int((values[1:] != values[:-1]).sum())
    return runs == len(np.unique(values)) and runs * 2 <= len(values)


def unit_names(arrays: Mapping[str, np.ndarray], activity: Activity) -> str | None:
    """Find the array with a name of its own for each unit; None if there is none."""
    for name, values in arrays.items():
        if (
            values.shape == (activity.units,)
            and values.dtype.kind in "iuUS"
            and re.fullmatch(UNIT_NAMES, name.lower())
            and len(np.unique(values)) == len(values)
        ):
            return name
    return None


def scale_factors(arrays: Mapping[str, np.ndarray]) -> Iterator[str]:
    """Yield the names of single numbers that are named like a scale factor."""
    for name, values in arrays.items():
        is_number = values.size == 1 and values.dtype.kind == "f"
        if is_number and re.fullmatch(SCALE_NAMES, name.lower()):
            yield name


def sorted_by(arrays: Mapping[str, np.ndarray], epoch: np.ndarray) -> str | None:
    """Name of the labels by which the bins are sorted in every epoch; None if they are not.

    Parameters
    ----------
    arrays
        Arrays over time by name.
    epoch
        Number of the epoch of each bin (time,).
    """
    for name, values in arrays.items():
        if values.ndim != 1 or not 3 <= len(np.unique(values)) <= MOST_CLASSES:
            continue
        if re.fullmatch(TRIAL_NAMES, name.lower()) or is_segment(name, values):
            continue
        label = np.unique(values, return_inverse=True)[1].reshape(-1)
        pairs = label * (int(epoch.max()) + 1) + epoch
        if 1 + int((pairs[1:] != pairs[:-1]).sum()) == len(np.unique(pairs)):
            return name
    return None


def targets(
    arrays: Mapping[str, np.ndarray], activity: Activity, used: set[str]
) -> list[ArrayTarget]:
    """List the arrays over time that may be decoded, the likeliest first.

    Parameters
    ----------
    arrays
        Arrays of the file by name.
    activity
        The activity.
    used
        Names of arrays that have another role.
    """
    others = {one.name for one in activities(arrays)}
    found = []
    for name, values in arrays.items():
        if name in used or values.ndim not in (1, 2) or len(values) != activity.bins:
            continue
        if is_clock(name, values) or is_counter(values):
            continue
        is_activity = name in others and values.shape[1] >= FEWEST_UNITS
        if is_activity and not re.fullmatch(BEHAVIOUR_NAMES, name.lower()):
            continue  # the activity in another form, or other activity
        target = _target(name, values)
        rank = len(LIKELY_TARGETS)
        for place, likely in enumerate(LIKELY_TARGETS):
            if re.fullmatch(likely, name.lower()):
                rank = min(rank, place)
        if re.fullmatch(INDEX_NAMES, name.lower()) and not rank < len(LIKELY_TARGETS):
            rank += 1
        found.append(((bool(target.why_not), rank), target))
    return [target for _, target in sorted(found, key=lambda item: item[0])]


def _target(name: str, values: np.ndarray) -> ArrayTarget:
    """Kind of a target, and what speaks against it."""
    numbers = values.dtype.kind in "iuf"
    if numbers and values.dtype.kind == "f" and not np.isfinite(values).all():
        bad = int((~np.isfinite(values)).reshape(len(values), -1).any(axis=1).sum())
        return ArrayTarget(
            name, "continuous", f"it is NaN or infinite in {bad} bins, which have to be removed"
        )
    if (values == values[:1]).all():
        return ArrayTarget(name, "continuous", "it is constant")
    classes = _classes(values)
    lower = name.lower()
    degrees = re.fullmatch(DEGREE_NAMES, lower) is not None
    if numbers and (degrees or re.fullmatch(ANGLE_NAMES, lower)):
        span = float(np.ptp(values))
        if span <= TURN + TURN_TOLERANCE and not degrees:
            whole = classes and bool((values % 1 == 0).all())
            return ArrayTarget(name, "categorical" if whole else "circular")
        doubt = f"{name!r} runs from {values.min():g} to {values.max():g}, so it is in degrees"
        if classes:
            return ArrayTarget(
                name, "categorical", doubt=f"{doubt}; its values are taken for labels"
            )
        return ArrayTarget(
            name,
            "circular",
            "it is in degrees, and a circular target must be in radians: save np.radians(x)",
            doubt,
        )
    if events := _events(values):
        return ArrayTarget(name, "categorical", events)
    if values.ndim == 1 and (classes or not numbers):
        if not classes:
            return ArrayTarget(name, "categorical", "it has too many or too rare labels")
        return ArrayTarget(name, "categorical")
    return ArrayTarget(name, "continuous")


def _classes(values: np.ndarray) -> bool:
    """Whether values are few enough, and whole numbers, words or flags."""
    if values.ndim != 1:
        return False
    if values.dtype.kind == "f" and not (values % 1 == 0).all():
        return False
    found, counts = np.unique(values, return_counts=True)
    return 2 <= len(found) <= MOST_CLASSES and int(counts.min()) > 1


def _events(values: np.ndarray) -> str:
    """Say that values mark events, if they do: most bins are 0, and marks last one bin."""
    if values.ndim != 1 or values.dtype.kind not in "iu":
        return ""
    marked = values != 0
    if not 0 < marked.mean() < RARE or (marked[1:] & marked[:-1]).any():
        return ""
    return (
        f"it marks {int(marked.sum())} events by single bins, which say nothing of the bins that "
        "follow; save an array whose labels last as long as what is to be decoded"
    )
