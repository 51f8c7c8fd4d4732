"""Which objects can be spike trains, a series or a table of intervals.

In: an object. Out: the signal that it holds. The tables below say what is accepted, and
messages list it.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, TypeVar

import numpy as np

from invariance_probe.data.contents import Series, SpikeTrains, Table
from invariance_probe.data.objects import (
    frames,
    labelled,
    mne,
    neo,
    plain,
    pynapple,
    spikeinterface,
)
from invariance_probe.errors import DataError

Signal = TypeVar("Signal", covariant=True)


@dataclass(frozen=True)
class Form(Generic[Signal]):
    """One kind of object that holds a signal.

    Attributes
    ----------
    said
        What it is, for messages.
    holds
        Whether an object is one.
    signal
        Takes the signal from the object. Its other arguments are a list of notes, and
        the name of the signal for notes.
    """

    said: str
    holds: Callable[[object], bool]
    signal: Callable[[Any, list[str], str], Signal]


_FRAME = Form(
    "a pandas Series or DataFrame whose index is time",
    frames.is_frame_or_column,
    frames.series_of_frame,
)
_DATA_ARRAY = Form(
    "an xarray DataArray with a coordinate 'time'",
    labelled.is_data_array,
    labelled.series_of_data_array,
)
_TSD = Form("a pynapple Tsd or TsdFrame", pynapple.is_tsd, pynapple.series_of_tsd)
_SIGNAL = Form("a neo AnalogSignal", neo.is_signal, neo.series_of_neo)
_PAIR = Form("a tuple (times, values)", plain.is_samples, plain.series_of_pair)

SERIES: tuple[Form[Series], ...] = (
    _FRAME,
    _DATA_ARRAY,
    _TSD,
    Form("an MNE Raw or Epochs", mne.is_mne, mne.series_of_mne),
    _SIGNAL,
    _PAIR,
)
"""Objects that hold a series; the first that fits is taken."""
ACTIVITY: tuple[Form[SpikeTrains | Series], ...] = (
    _FRAME,
    _DATA_ARRAY,
    Form("a pynapple TsGroup", pynapple.is_group, pynapple.trains_of_group),
    _TSD,
    Form(
        "a spikeinterface sorting or analyzer",
        spikeinterface.is_sorting,
        spikeinterface.trains_of_sorting,
    ),
    Form("an MNE Raw or Epochs", mne.is_mne, mne.neural_series),
    Form("neo SpikeTrains or a neo Segment", neo.is_trains, neo.trains_of_neo),
    _SIGNAL,
    Form("a dict from units to spike times in seconds", plain.is_trains, plain.trains_of_dict),
    _PAIR,
)
"""Objects that hold activity: spike trains or a series. The first that fits is taken."""
TABLES: tuple[Form[Table], ...] = (
    Form("a pandas DataFrame with columns start and stop", frames.is_frame, frames.table_of_frame),
    Form("a pynapple IntervalSet", pynapple.is_interval_set, pynapple.table_of_interval_set),
    Form("an MNE Raw (its annotations) or Epochs", mne.is_mne, mne.table_of_mne),
    Form("a neo Epoch", neo.is_epoch, neo.table_of_epoch),
    Form("a dict of columns, with start and stop", frames.is_columns, frames.table_of_columns),
    Form("an array (interval, 2) of start and stop", plain.is_rows, plain.table_of_rows),
)
"""Objects that hold a table of intervals; the first that fits is taken."""

ADVICE: tuple[tuple[Callable[[object], bool], str], ...] = (
    (
        mne.is_annotations,
        "give the Raw object whose annotations they are, because their clock is not known without",
    ),
    (neo.is_proxy, "its data are not loaded; give what its load() returns"),
    (
        lambda given: isinstance(given, str | Path),
        "list a file in the study instead, such as {'kind': 'nwb', 'path': ...}",
    ),
    (
        lambda given: isinstance(given, np.ndarray | list),
        "an array has no times: give a tuple (times, values); counts that are binned already go to "
        "Recording.from_arrays, and a list of spike trains to a dict by dict(enumerate(trains))",
    ),
    (
        lambda given: hasattr(given, "data_vars"),
        "choose one variable of the dataset, such as dataset['name']",
    ),
    (
        lambda given: any(form.holds(given) for form in TABLES),
        "a table of intervals is a target by {'table': ..., 'column': ...} or {'inside': ...}",
    ),
)
"""What to do with an object of which no form fits, by what it is."""


def signal_of(
    given: object, forms: Sequence[Form[Signal]], what: str, notes: list[str], where: str
) -> Signal:
    """Take the signal that an object holds.

    Parameters
    ----------
    given
        The object.
    forms
        What is accepted.
    what
        What the signal is for, for messages.
    notes
        Gets a sentence for everything that was left out, converted or looks wrong.
    where
        The signal's name, for notes.

    Raises
    ------
    DataError
        When the object holds no such signal, or one that cannot be used.
    """
    for form in forms:
        if form.holds(given):
            return form.signal(given, notes, where)
    kind = type(given)
    name = (
        kind.__qualname__
        if kind.__module__ == "builtins"
        else f"{kind.__module__}.{kind.__qualname__}"
    )
    advice = next((said for holds, said in ADVICE if holds(given)), "")
    allowed = f"{what} must be one of: " + "; ".join(form.said for form in forms)
    advice = next((said for holds, said in ADVICE if holds(given)), allowed)
    raise DataError(f"it is of type {name}; {advice}")
