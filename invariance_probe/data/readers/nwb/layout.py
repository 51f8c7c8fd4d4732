"""What an NWB file holds, and where: units, tables and series by name.

In: an open file. Out: `Layout`. A thing is told by what its group holds, so that it is
found wherever a lab put it. Its name is its path; the last parts of the path are names
as well where no other thing of its sort ends in the same parts.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Literal

import h5py

from invariance_probe.data.checked import some
from invariance_probe.data.readers.nwb.columns import child, text

Sort = Literal["units", "table", "marks", "series", "template", "other", "folder"]
SKIPPED = {"general", "specifications"}
"""Groups at the root that hold no signals."""
UNNAMED = ("intervals/", "events/")
"""Parts of paths that are left out of names of tables."""
TEMPLATES = "stimulus/templates/"
"""Where images are kept that are shown at times that other series hold."""
CONTAINERS = {"BehavioralTimeSeries", "ProcessingModule"}
"""Types that hold other things, even where they look like a series or a table."""
MARKS = "IntervalSeries"
"""Type of a series that marks starts and stops of intervals."""


@dataclass(frozen=True)
class Layout:
    """Where the signals of a file are.

    Attributes
    ----------
    paths
        Sort of each signal, by its path in the file.
    links
        Path of a signal, by the path of a link to it.
    types
        Type of each object that is neither a signal nor a folder, by its path.
    broken
        Links that lead nowhere, as sentences.
    """

    paths: dict[str, Sort] = field(default_factory=dict)
    links: dict[str, str] = field(default_factory=dict)
    types: dict[str, str] = field(default_factory=dict)
    broken: list[str] = field(default_factory=list)

    @classmethod
    def of(cls, file: h5py.File) -> "Layout":
        """Look through a file, without reading any array."""
        walk = _Walk(file, cls())
        walk.visit(file, "")
        walk.follow_links()
        return walk.layout

    def named(self, *sorts: Sort) -> dict[str, str]:
        """Path of each signal of some sorts, by its full name."""
        return {full_name(path): path for path, sort in self.paths.items() if sort in sorts}

    def other_names(self, names: Iterable[str]) -> dict[str, str]:
        """Full name of a signal, by every other name of it that means no other."""
        known = set(names)
        means: dict[str, set[str]] = {}
        targets = {**{path: path for path in self.paths}, **self.links}
        for path, target in targets.items():
            full = full_name(target)
            if full not in known:
                continue
            parts = path.split("/")
            for first in range(len(parts)):
                means.setdefault("/".join(parts[first:]), set()).add(full)
        return {
            name: next(iter(full))
            for name, full in means.items()
            if len(full) == 1 and name not in known
        }

    def not_read(self) -> list[str]:
        """Notes on objects that are not signals, and on links that lead nowhere."""
        said = [f"{path} ({kind})" if kind else path for path, kind in self.types.items()]
        notes = [f"not read, since they have no times of their own: {some(said)}"] if said else []
        templates = [path for path, sort in self.paths.items() if sort == "template"]
        if templates:
            notes.append(
                f"not read, since templates of stimuli are not on the clock: {some(templates)}"
            )
        return notes + self.broken


@dataclass(frozen=True)
class _Walk:
    """A walk through a file, which visits everything once."""

    file: h5py.File
    layout: Layout
    seen: dict[tuple[int, int], str] = field(default_factory=dict)
    links: list[tuple[str, h5py.SoftLink | h5py.ExternalLink]] = field(default_factory=list)

    def visit(self, group: h5py.Group, path: str) -> None:
        """Place all members of a group; links are put aside."""
        for name in group:
            inside = f"{path}/{name}" if path else name
            if inside in SKIPPED:
                continue
            link = group.get(name, getlink=True)
            if isinstance(link, h5py.SoftLink | h5py.ExternalLink):
                self.links.append((inside, link))
            elif (thing := child(group, name)) is not None:
                self.place(thing, inside)

    def place(self, thing: h5py.Group | h5py.Dataset, path: str) -> None:
        """Write down what a thing is, and visit what is inside it."""
        kind = text(thing.attrs.get("neurodata_type"))
        if isinstance(thing, h5py.Dataset):
            if "/" in path:
                self.layout.types[path] = kind
            return
        if _address(thing) in self.seen:
            return
        self.seen[_address(thing)] = path
        sort = _sort(thing, kind, path)
        if sort not in ("folder", "other"):
            self.layout.paths[path] = sort
        elif sort == "other":
            self.layout.types[path] = kind
        else:
            self.visit(thing, path)

    def follow_links(self) -> None:
        """Take a link as another name, or as a thing of another file."""
        while self.links:
            path, link = self.links.pop(0)
            thing = child(self.file, path)
            if thing is None:
                where = f" in {link.filename!r}" if isinstance(link, h5py.ExternalLink) else ""
                self.layout.broken.append(
                    f"{path!r} is a link to {link.path!r}{where}, which is missing"
                )
            elif isinstance(thing, h5py.Group) and _address(thing) in self.seen:
                self.layout.links[path] = self.seen[_address(thing)]
            else:
                self.place(thing, path)


def full_name(path: str) -> str:
    """Name of a signal by its path in the file."""
    for part in UNNAMED:
        path = path.removeprefix(part)
    return path


def _sort(group: h5py.Group, kind: str, path: str) -> Sort:
    """Tell what a group is by what it holds."""
    if kind and path.startswith(TEMPLATES):
        return "template"
    if kind == "Units" or "spike_times" in group:
        return "units"
    if kind == MARKS:
        return "marks"
    if kind == "TimeIntervals" or "start_time" in group or "timestamp" in group:
        return "table"
    if not {"data", "timestamps", "starting_time"}.isdisjoint(group):
        return "series"
    holds_groups = any(isinstance(child(group, name), h5py.Group) for name in group)
    if kind.endswith("Series") and kind not in CONTAINERS and not holds_groups:
        return "series"
    is_leaf = bool(kind) and kind not in CONTAINERS and len(group) and not holds_groups
    return "other" if "colnames" in group.attrs or is_leaf else "folder"


def _address(group: h5py.Group) -> tuple[int, int]:
    """Where a group is stored, the same by whatever path it was reached."""
    info = h5py.h5o.get_info(group.id)
    return info.fileno, info.addr
