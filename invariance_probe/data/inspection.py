"""Checks of a recording against a study, before anything is trained.

In: a study, and a recording cut into windows and folds as the study declares them. Out:
remarks, each with its place in the study (the path of a field). A refusal keeps the
study from running, because a number would be wrong or a worker would fail. A caution is
printed when the study is validated, and at the head of its report. What must hold for
each recording (shapes, finite numbers) is checked where a `Recording` is made. To add
a check, write a function that yields the remarks about an `Inspected` recording, and
add a line to `CHECKS`.
"""

from collections.abc import Callable, Hashable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import numpy as np

from invariance_probe.data.arrays import constant_columns, varies
from invariance_probe.data.folds import Fold, make_folds, validates_apart
from invariance_probe.data.labels import LabelledWindows, labelled_windows
from invariance_probe.data.recording import Recording
from invariance_probe.data.states import restricted
from invariance_probe.data.windows import Windows, covered_bins
from invariance_probe.errors import DataError
from invariance_probe.study.declaration import PathInStudy, Problem
from invariance_probe.study.pairing import TIME, MinedPairing
from invariance_probe.study.study import Study

Severity = Literal["refusal", "caution"]
"""What a remark leads to: a refusal of the study, or a caution in its report."""

FAR = 50.0
"""Distance from the mean, in SDs, beyond which a unit's activity is called extreme.

A unit whose counts are Poisson in training comes nowhere near it.
"""
LONGEST_S = 24 * 3600.0
"""Length in seconds beyond which a bin length in milliseconds is suspected."""
MOST_HZ = 10_000.0
"""Rate in spikes per second that no neuron and no electrode reaches."""
MANY_SPIKES = 1000
"""Largest count in a bin whose rate is not checked against `MOST_HZ`.

Bins may be arbitrarily short, so that even one spike in a bin can be a very high rate.
"""
LIKELY_HZ = (0.02, 1000.0)
"""Plausible range of a population's mean rate, in spikes per second."""
FEWEST_COUNTS = 30
"""Smallest number of nonzero counts whose common divisor cannot be due to chance."""
MANY_VALUES = 10
"""Number of distinct values up to which a target is taken for a step function."""
FAR_CODE = 2.0
"""Distance at which a value is suspicious, in ranges of all other values.

A repeated value that is farther away may be a code for missing data, such as -999.
"""
NAMED = 5
"""Largest number of units that a message names."""


@dataclass(frozen=True, eq=False)
class Inspected:
    """A recording, cut into windows and folds as a study declares them.

    Attributes
    ----------
    study
        The study.
    recording
        The recording, restricted to the states in `window.within`, if any.
    cut
        Its windows, with their targets.
    folds
        The folds that the windows with a target are cut into.
    index
        Index of the recording in the study's list.
    """

    study: Study
    recording: Recording
    cut: LabelledWindows
    folds: tuple[Fold, ...]
    index: int = 0

    @classmethod
    def of(cls, study: Study, recording: Recording, index: int = 0) -> "Inspected":
        """Cut a recording into windows and folds as a study declares them.

        Parameters
        ----------
        study
            The study.
        recording
            The whole recording.
        index
            Index of the recording in the study's list.

        Raises
        ------
        DataError
            When no window or fold can be cut.
        """
        seen = restricted(recording, study.window)
        cut = labelled_windows(seen, study.window, seen.target(study.target), study.target)
        return cls(study, seen, cut, make_folds(seen, cut.windows, study.folds), index)

    @property
    def windows(self) -> Windows:
        """The windows that have a target."""
        return self.cut.windows

    @property
    def place(self) -> PathInStudy:
        """Path of the recording in the study, for remarks."""
        return ("recordings", self.index)

    @property
    def name(self) -> str:
        """How messages refer to the recording."""
        return f"session {self.recording.session!r}"

    def covered(self, windows: np.ndarray) -> np.ndarray:
        """Bins that the given windows cover, in ascending order and without repeats.

        Parameters
        ----------
        windows
            Indices of windows (window,).

        Returns
        -------
        bins
            (bin,), int64.
        """
        return covered_bins(self.windows.starts[windows], self.windows.length)

    @cached_property
    def training(self) -> list[tuple[np.ndarray, np.ndarray, np.ndarray]]:
        """Mean and SD of each unit in each fold's training part.

        For each fold there are three arrays (unit,), computed over the bins that training
        windows cover: mean, standard deviation, and whether the unit varies.
        """
        found = []
        for fold in self.folds:
            bins = self.recording.activity[self.covered(fold.train)]
            mean, sd = bins.mean(axis=0, dtype=np.float64), bins.std(axis=0, dtype=np.float64)
            found.append((mean, sd, varies(mean, sd)))
        return found

    def units(self, chosen: np.ndarray) -> str:
        """List the names of the chosen units, at most `NAMED` of them, for messages.

        `chosen` is a boolean mask (unit,).
        """
        names = [self.recording.unit_ids[i] for i in np.flatnonzero(chosen)]
        more = f" and {len(names) - NAMED} more" if len(names) > NAMED else ""
        return ", ".join(map(repr, names[:NAMED])) + more


def inspect(inspected: Inspected, severity: Severity) -> Iterator[Problem]:
    """Run all checks of one severity on a recording, and yield their remarks.

    Parameters
    ----------
    inspected
        The recording with its windows and folds.
    severity
        Which checks to run: `refusal` or `caution`.
    """
    for check, weight in CHECKS.items():
        if weight == severity:
            yield from check(inspected)


def without_target(inspected: Inspected) -> Iterator[str]:
    """Say how many windows have no target."""
    labelled = inspected.cut.labelled
    if not labelled.all():
        yield (
            f"{int((~labelled).sum())} of {len(labelled)} windows have no value of the target "
            f"{inspected.study.target.name!r}: SSL models train on them, and no decoder uses them"
        )


def live_units(inspected: Inspected) -> Iterator[Problem]:
    """Refuse a recording in which no unit varies in the training part of a fold."""
    for number, (_, _, live) in enumerate(inspected.training):
        if not live.any():
            said = (
                f"{inspected.name}: no unit varies in the training part of fold {number}, so "
                "there is nothing to learn from; remove the time before the first spikes from "
                "the recording, or use other folds"
            )
            yield inspected.place, inspected.recording.session, said
            return


def varying_target(inspected: Inspected) -> Iterator[Problem]:
    """Refuse a continuous or circular target that is constant in training."""
    target = inspected.study.target
    if target.kind == "categorical":
        return  # `check_classes` refuses folds that train without a class
    values = inspected.cut.values
    columns = values.reshape(len(values), -1)
    for number, fold in enumerate(inspected.folds):
        if constant_columns(columns[fold.train]).all():
            said = (
                f"{inspected.name}: target {target.name!r} is constant in the training part of "
                f"fold {number}, so no decoder can be fitted there; use fewer or other folds"
            )
            yield ("target", "name"), target.name, said
            return


def complete_nuisance(inspected: Inspected) -> Iterator[Problem]:
    """Refuse a nuisance array that does not hold complete numbers.

    The nuisance is what the two windows of a mined pair should differ in. It need not
    be an array if it is the recorded time.
    """
    pairing = inspected.study.views.pairing
    if not isinstance(pairing, MinedPairing) or not pairing.nuisance:
        return
    if pairing.nuisance == TIME and TIME not in inspected.recording.targets:
        return
    try:
        inspected.recording.numbers(pairing.nuisance, "nuisance")
    except DataError as error:
        beside = f". To use the recorded time as the nuisance, write {TIME!r}"
        missing = pairing.nuisance not in inspected.recording.targets
        said = f"{error}{beside if missing else ''}"
        yield ("views", "pairing", "nuisance"), pairing.nuisance, said


def possible_counts(inspected: Inspected) -> Iterator[Problem]:
    """Refuse counts that look like rates, and counts that no neuron can reach."""
    recording = inspected.recording
    if recording.activity_kind != "counts":
        return
    largest, fired = int(recording.activity.max()), recording.activity[recording.activity > 0]
    divisor = int(np.gcd.reduce(fired)) if len(fired) else 1
    if divisor > 1 and len(fired) >= FEWEST_COUNTS:
        said = (
            f"{inspected.name}: all {len(fired)} counts above 0 are multiples of {divisor}, so "
            "they seem to be rates in spikes per second, not counts; multiply rates by bin_s to "
            "get counts, or declare activity_kind: signal"
        )
        yield inspected.place, recording.activity_kind, said
    elif largest > MANY_SPIKES and largest / recording.bin_s > MOST_HZ:
        bin_, unit = np.unravel_index(recording.activity.argmax(), recording.activity.shape)
        said = (
            f"{inspected.name}: unit {recording.unit_ids[unit]!r} has {largest} spikes in bin "
            f"{bin_}, which lasts {recording.bin_s:g} s; at most {MOST_HZ:g} spikes per second "
            "are possible. Remove artefacts; if the values are not counts, declare "
            "activity_kind: signal"
        )
        yield inspected.place, largest, said


def likely_units_of_time(inspected: Inspected) -> Iterator[Problem]:
    """Caution if length or rates suggest that `bin_s` is not in seconds."""
    recording = inspected.recording
    asked = ". Check that bin_s is given in seconds"
    lasts = len(recording.activity) * recording.bin_s
    rate = float(recording.activity.mean()) / recording.bin_s
    place: PathInStudy = inspected.place
    if lasts > LONGEST_S:
        said = (
            f"{inspected.name} would last {lasts / LONGEST_S:.1f} days: it has "
            f"{len(recording.activity)} bins of {recording.bin_s:g} s{asked}"
        )
        yield place, recording.bin_s, said
    elif recording.activity_kind == "counts" and not LIKELY_HZ[0] <= rate <= LIKELY_HZ[1]:
        said = (
            f"{inspected.name}: with bins of {recording.bin_s:g} s, its units would fire "
            f"{rate:.2g} spikes per second on average{asked}"
        )
        yield place, recording.bin_s, said


def angles_in_turns(inspected: Inspected) -> Iterator[Problem]:
    """Caution if all angles lie in [0, 1], as if they were turns, not radians."""
    target = inspected.study.target
    if target.kind != "circular":
        return
    values = inspected.cut.values
    if values.min() >= 0 and values.max() <= 1:
        said = (
            f"{inspected.name}: target {target.name!r} runs from {values.min():g} to "
            f"{values.max():g}, so it seems to be in turns (0 to 1). A circular target must be in "
            "radians: multiply turns by 2 pi"
        )
        yield ("target", "name"), target.name, said


def missing_codes(inspected: Inspected) -> Iterator[Problem]:
    """Caution if a repeated value far from all others may mean "missing".

    Only continuous targets are checked.
    """
    target = inspected.study.target
    if target.kind != "continuous":
        return
    known = inspected.recording.known_bins(target.name)
    for column in inspected.recording.target(target)[known].T:
        values, often = np.unique(column, return_counts=True)
        for code, count, others, gap in (
            (values[0], often[0], values[1:], values[1] - values[0]),
            (values[-1], often[-1], values[:-1], values[-1] - values[-2]),
        ):
            if count > 1 and len(others) > MANY_VALUES and gap > FAR_CODE * np.ptp(others):
                said = (
                    f"{inspected.name}: target {target.name!r} is {code:g} in {count} bins and "
                    f"between {others[0]:g} and {others[-1]:g} in all others. If {code:g} stands "
                    "for a missing value, remove these bins"
                )
                yield ("target", "name"), target.name, said
                return


def silent_units(inspected: Inspected) -> Iterator[Problem]:
    """Caution about units that are constant in the training part of a fold.

    Models cannot learn anything from such units in that fold.
    """
    lives = [live for _, _, live in inspected.training]
    silent, never = ~np.all(lives, axis=0), ~np.any(lives, axis=0)
    if silent.any():
        said = (
            f"{inspected.name}: {silent.sum()} of {len(silent)} units are constant in the "
            f"training part of at least one fold, {never.sum()} of them in every fold "
            f"({inspected.units(silent)}). Models learn nothing from them there; remove such units"
        )
        yield inspected.place, inspected.recording.session, said


def extreme_units(inspected: Inspected) -> Iterator[Problem]:
    """Caution about units that hardly fire in training but fire in the test part."""
    recording, found = inspected.recording, []
    for number, (fold, (mean, sd, live)) in enumerate(
        zip(inspected.folds, inspected.training, strict=True)
    ):
        tested = recording.activity[inspected.covered(fold.test)]
        most = np.maximum(tested.max(axis=0) - mean, mean - tested.min(axis=0))
        sizes = np.divide(most, sd, out=np.zeros_like(sd), where=live)
        if sizes.max() > FAR:
            found.append((float(sizes.max()), number, recording.unit_ids[int(sizes.argmax())]))
    if found:
        sds, number, unit = max(found)
        folds = ", ".join(str(number) for _, number, _ in found)
        said = (
            f"unit {unit!r} of {inspected.name} is nearly silent in the training part of fold "
            f"{number}, but its activity in the test part is up to {sds:.0f} training SDs from "
            f"its training mean (folds with such a unit: {folds}). Such values can mislead an "
            "encoder, and then the retention gate fails. Remove such units, or use fewer or "
            "other folds"
        )
        yield inspected.place, recording.session, said


def repeated_units(inspected: Inspected) -> Iterator[Problem]:
    """Caution about units with the same activity or the same name."""
    recording = inspected.recording
    varying = np.ptp(recording.activity, axis=0) > 0
    copies = varying & _again([hash(column.tobytes()) for column in recording.activity.T])
    for repeated, said in (
        (copies, "exactly the activity of an earlier unit, so the code of one neuron looks "
         "redundant. Remove the copies"),
        (_again(recording.unit_ids), "the name of an earlier unit, but the report refers to units "
         "by name. Give each unit its own name"),
    ):  # fmt: skip
        if repeated.any():
            count = f"{inspected.name}: {repeated.sum()} of {len(repeated)} units"
            text = f"{count} ({inspected.units(repeated)}) have {said}"
            yield inspected.place, recording.session, text


def validated_apart(inspected: Inspected) -> Iterator[Problem]:
    """Caution if a fold is too short for an embargo before its validation part.

    The last fifth of the training windows validates the fit to the others
    (`data.folds.validation_split`).
    """
    embargo = round(inspected.study.folds.embargo_s / inspected.recording.bin_s)
    close = [
        i
        for i, fold in enumerate(inspected.folds)
        if not validates_apart(inspected.windows, fold.train, embargo)
    ]
    if close:
        text = (
            f"{inspected.name}: in {len(close)} of {len(inspected.folds)} folds, the training "
            f"part is too short to keep the embargo of {inspected.study.folds.embargo_s:g} s "
            "before its last fifth. That fifth decides when supervised networks stop and which "
            "ceiling is chosen, and it then directly follows the windows that are fitted. Use a "
            "shorter embargo, or a longer recording"
        )
        yield ("folds", "embargo_s"), inspected.study.folds.embargo_s, text


def _again(keys: Sequence[Hashable]) -> np.ndarray:
    """Whether each key equals an earlier one (key,)."""
    first: dict[Hashable, int] = {}
    return np.array([first.setdefault(key, i) != i for i, key in enumerate(keys)])


CHECKS: dict[Callable[[Inspected], Iterator[Problem]], Severity] = {
    live_units: "refusal",
    varying_target: "refusal",
    complete_nuisance: "refusal",
    possible_counts: "refusal",
    likely_units_of_time: "caution",
    angles_in_turns: "caution",
    missing_codes: "caution",
    silent_units: "caution",
    extreme_units: "caution",
    repeated_units: "caution",
    validated_apart: "caution",
}
"""Every check of a recording against a study, with the severity of its remarks."""
