"""Keep the valid parts of a study with errors, to find all errors at once.

In: a study as plain data, and the places of its errors. Out: a draft, which is a study
of the valid parts with defaults in place of the others. The draft can be checked
further. Problems that come from a default and not from the file are dropped.
"""

import copy
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError

from invariance_probe.study.declaration import PathInStudy, Problem
from invariance_probe.study.design import Axis, Design
from invariance_probe.study.hypotheses import AnyHypothesis
from invariance_probe.study.probes import Target
from invariance_probe.study.recordings import RecordingSource
from invariance_probe.study.study import Study

LISTS = ("recordings", "axes", "hypotheses", "sweeps", "measurements", "controls", "probes")
"""Sections that are lists: a wrong entry is dropped and the others are kept."""
RESTS_ON: dict[str, tuple[str, ...]] = {
    "recordings": ("hypotheses", "null", "views"),
    "target": ("method", "panel", "sweeps", "probes", "hypotheses", "measurements", "folds"),
    "window": ("views", "measurements", "method", "folds"),
    "method": ("panel", "sweeps", "measurements", "views", "training", "window"),
    "training": ("panel", "sweeps"),
    "views": (
        "axes",
        "hypotheses",
        "sweeps",
        "controls",
        "arms",
        "method",
        "panel",
        "measurements",
    ),
    "axes": ("hypotheses", "controls", "views", "method"),
    "hypotheses": ("controls",),
    "sweeps": ("views", "method", "panel"),
    "panel": ("hypotheses",),
}
"""For each section, the sections whose checks read it.

Where a default replaces the section, problems of these may come from the default.
"""


class _Draft(Design):
    """A design in which every section has a default."""

    name: str = "unnamed"
    question: str = ""
    recordings: tuple[RecordingSource, ...] = ()
    target: Target = Target(name="unnamed")
    axes: tuple[Axis, ...] = ()
    hypotheses: tuple[AnyHypothesis, ...] = ()


@dataclass(frozen=True, eq=False)
class Draft:
    """The valid parts of a study with errors.

    Attributes
    ----------
    study
        The study made of these parts, which are not checked against each other.
    replaced
        Sections that a default replaces, or from which an entry was removed.
    kept
        For each section that is a list, the positions in the file of its remaining
        entries.
    """

    study: Study
    replaced: frozenset[str]
    kept: Mapping[str, tuple[int, ...]]

    def own(self, problems: Iterable[Problem]) -> Iterator[Problem]:
        """Yield those problems of the draft that the file itself has.

        Each is given its place in the file. Problems that may come from a default are
        dropped.

        Parameters
        ----------
        problems
            Problems of the draft, at their places in the draft.
        """
        unsure = self.replaced.union(*(RESTS_ON.get(name, ()) for name in self.replaced))
        for place, got, reason in problems:
            section, *inside = place
            entry = section in LISTS and inside and isinstance(inside[0], int)
            if section in unsure and not (entry and section not in _dependent(self.replaced)):
                continue
            if entry:
                place = (section, self.kept[str(section)][int(inside[0])], *inside[1:])
            yield place, got, reason


def _dependent(replaced: Iterable[str]) -> set[str]:
    """Return the sections whose problems may come from the given defaults."""
    return {name for section in replaced for name in RESTS_ON.get(section, ())}


def draft_of(given: Mapping[str, Any], wrong: Iterable[tuple[PathInStudy, bool]]) -> Draft | None:
    """Return the valid parts of a study with errors.

    Parameters
    ----------
    given
        The study as plain data.
    wrong
        The place of each error, and whether the error is a key that no study has. Of
        such an error only the key is removed; of any other, the list entry or the whole
        section.

    Returns
    -------
    draft
        None if the remaining parts do not make a valid study.
    """
    left, replaced = copy.deepcopy(dict(given)), set()
    dropped: dict[str, set[int]] = {}
    for place, foreign in wrong:
        section = str(place[0]) if place else ""
        if foreign:
            _leave_out(left, place)
        elif section in LISTS and len(place) > 1 and isinstance(place[1], int):
            dropped.setdefault(section, set()).add(place[1])
            replaced.add(section)
        else:
            left.pop(section, None)
            replaced.add(section)
    kept = {}
    for name in LISTS:
        if isinstance(entries := left.get(name), list):
            kept[name] = tuple(i for i in range(len(entries)) if i not in dropped.get(name, ()))
            left[name] = [entries[i] for i in kept[name]]
    if any(not left.get(name) for name in ("controls", "sweeps", "measurements", "probes")):
        left = {name: value for name, value in left.items() if value != []}
    try:
        design = _Draft.model_validate(left)
    except ValidationError:
        return None
    values = {name: getattr(design, name) for name in Study.model_fields}
    return Draft(Study.model_construct(**values), frozenset(replaced), kept)


def _leave_out(left: dict[str, Any], place: PathInStudy) -> None:
    """Remove the key at a place from a study given as plain data, in place."""
    node: Any = left
    for part in place[:-1]:
        inside = part in node if isinstance(node, dict) else isinstance(node, list)
        if not inside:
            return
        node = node[part]
    if isinstance(node, dict):
        node.pop(place[-1], None)
