"""Which channels of a file can be used, with the types and units that are stated for them.

In: the channels of a file, tables of its dataset, and what the study states. Out: the
channels that can be used, with a note for those that are left out, and for every type and
unit that is not the file's own.
"""

from collections.abc import Sequence
from dataclasses import replace

from invariance_probe.data.checked import some
from invariance_probe.data.readers.mne.bids import Bids, Rows
from invariance_probe.data.readers.mne.channels import (
    NO_UNIT,
    OF_BIDS,
    PER_MICROVOLT,
    POTENTIALS,
    Channel,
)
from invariance_probe.errors import DataError
from invariance_probe.study.counting import counted
from invariance_probe.study.signals import MneRecording


def usable_channels(
    channels: Sequence[Channel],
    bids: Bids | None,
    declared: MneRecording,
    in_si: bool,
    notes: list[str],
) -> list[Channel]:
    """Channels that can be used, with the types and units that are stated.

    Parameters
    ----------
    channels
        Channels as the file has them.
    bids
        The dataset that the file belongs to, or None.
    declared
        States types, and the unit of potentials where the file says none.
    in_si
        Whether values are in SI units already, so that other units of potentials do not
        count.
    notes
        Gets a sentence for everything that is left out, stated or converted.

    Raises
    ------
    DataError
        When a type is stated for an unknown channel, or a channel that the study needs
        has no known unit.
    """
    found = list(channels)
    if bids is not None:
        if (rows := bids.table("channels")) is not None:
            found = _by_table(found, rows, in_si, notes)
        places = bids.positions
        found = [replace(one, position=one.position or places.get(one.name)) for one in found]
    names = [one.name for one in found]
    if unknown := [name for name in declared.types if name not in names]:
        raise DataError(
            f"types names {unknown[0]!r}, but the channels are {some(map(repr, names))}"
        )
    found = [replace(one, type=declared.types.get(one.name, one.type)) for one in found]
    if declared.unit_of_measure is not None:
        found = _in_stated_unit(found, declared.unit_of_measure, notes)
    bad = [one.name for one in found if one.bad and one.name not in declared.units]
    if bad:
        notes.append(
            f"{len(bad)} of {counted(len(found), 'channel')} are marked as bad and left out: "
            f"{some(bad)} (units can name them all the same)"
        )
    unmeasured = _of_unknown_unit(found, declared, notes)
    left = [one for one in found if one.name not in (*bad, *unmeasured)]
    for unit in dict.fromkeys(one.unit_in_file for one in left if one.type in POTENTIALS):
        if PER_MICROVOLT[unit] != 1:
            of = sum(one.type in POTENTIALS and one.unit_in_file == unit for one in left)
            notes.append(
                f"values of {counted(of, 'channel')} in {unit} are multiplied by "
                f"{PER_MICROVOLT[unit]:g}, to give uV"
            )
    return left


def _in_stated_unit(channels: Sequence[Channel], unit: str, notes: list[str]) -> list[Channel]:
    """Channels with the unit that a study states for those without one."""
    stated = sum(one.lacks_unit for one in channels)
    notes.append(f"{counted(stated, 'channel')} without a unit: taken for {unit}, as declared")
    return [replace(one, unit_in_file=unit) if one.lacks_unit else one for one in channels]


def _of_unknown_unit(
    channels: Sequence[Channel], declared: MneRecording, notes: list[str]
) -> list[str]:
    """Names of the channels of potentials whose unit is not known."""
    unknown = [one for one in channels if one.lacks_unit]
    if not unknown:
        return []
    texts = some(
        f"{one.name!r} ({one.unit_in_file!r})" if one.unit_in_file else repr(one.name)
        for one in unknown
    )
    said = (
        f"no unit of electric potential is known of {len(unknown)} of "
        f"{counted(len(channels), 'channel')}: {texts}"
    )
    names = [one.name for one in unknown]
    needed = [one.name for one in channels if one.type == declared.activity]
    if set(names) & set(declared.units) or (needed and set(needed) <= set(names)):
        raise DataError(f"{said}; state it with unit_of_measure, such as uV")
    notes.append(f"{said}; they are left out (unit_of_measure states it)")
    return names


def _by_table(
    channels: Sequence[Channel], rows: Rows, in_si: bool, notes: list[str]
) -> list[Channel]:
    """Channels with the types, units and states of `channels.tsv`.

    Units of potentials count only for files that are not scaled by MNE already.
    """
    listed = {name: row for row, name in enumerate(rows.get("name", ()))}
    missing = [one.name for one in channels if one.name not in listed]
    if missing:
        notes.append(
            f"channels.tsv does not list {counted(len(missing), 'channel')}: {some(missing)}"
        )
    found, typed, measured = [], [], []
    for one in channels:
        if one.name not in listed:
            found.append(one)
            continue
        cell = {name: values[listed[one.name]] for name, values in rows.items()}
        word = cell.get("type", "").lower()
        type_ = one.type if word in ("", "n/a") else OF_BIDS.get(word, word)
        unit = cell.get("units", "")
        scaled = one.unit_in_file in PER_MICROVOLT and unit in PER_MICROVOLT and in_si
        unit = one.unit_in_file if scaled or unit.lower() in NO_UNIT else unit
        bad = one.bad or cell.get("status", "").lower() == "bad"
        if type_ != one.type:
            typed.append(f"{one.name} {type_}")
        if unit != one.unit_in_file and one.unit_in_file:
            measured.append(f"{one.name} {unit} for {one.unit_in_file}")
        found.append(replace(one, type=type_, unit_in_file=unit, bad=bad))
    if typed:
        notes.append(
            f"types of {len(typed)} of {counted(len(channels), 'channel')} are those of "
            f"channels.tsv: {some(typed)}"
        )
    if measured:
        notes.append(
            f"units of {counted(len(measured), 'channel')} are those of channels.tsv: "
            f"{some(measured)}"
        )
    return found
