"""Memory that this machine has at hand, and how many workers fit into it.

In: the files by which Linux tells about memory, and what one worker needs
(`plan.memory`). Out: free bytes, and a refusal that names the remedy. Limits of
containers and of batch systems (control groups) are respected.
"""

import os
from collections.abc import Iterator
from pathlib import Path

from invariance_probe.errors import StudyError
from invariance_probe.plan.memory import Need
from invariance_probe.study.counting import counted


def memory_at_hand(root: Path = Path("/")) -> float | None:
    """Bytes that new processes can use without swapping; None if that is unknown.

    Parameters
    ----------
    root
        Root of the file system that holds `/proc` and `/sys`.
    """
    found = [*_of_machine(root), *_of_groups(root)]
    if found:
        return min(found)
    try:
        return float(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"))
    except (AttributeError, OSError, ValueError):  # not on this system
        return None


def _of_machine(root: Path) -> Iterator[float]:
    """Yield the available memory of the whole machine."""
    for line in _lines(root / "proc/meminfo"):
        if line.startswith("MemAvailable:"):
            yield float(line.split()[1]) * 1024


def _of_groups(root: Path) -> Iterator[float]:
    """Yield what each control group of this process may still use, from the inside out."""
    for line in _lines(root / "proc/self/cgroup"):
        _, controllers, path = line.split(":", 2)
        if controllers == "":
            top, names = root / "sys/fs/cgroup", ("memory.max", "memory.current")
        elif "memory" in controllers.split(","):
            top = root / "sys/fs/cgroup/memory"
            names = ("memory.limit_in_bytes", "memory.usage_in_bytes")
        else:
            continue
        inside = top / path.lstrip("/")
        # In a container the path may be that of the host, which is not to be seen.
        folders = [inside, *inside.parents] if inside.is_dir() else [top]
        for folder in folders:
            limit, used = (_number(folder / name) for name in names)
            if limit is not None and used is not None:
                yield max(0.0, limit - used + _reclaimable(folder))
            if folder == top:
                break


def _reclaimable(folder: Path) -> float:
    """Bytes of cached files that a control group gives up when memory is short."""
    wanted = ("inactive_file", "total_inactive_file")
    found = [line.split() for line in _lines(folder / "memory.stat")]
    return max((float(words[1]) for words in found if words[0] in wanted), default=0.0)


def _number(path: Path) -> float | None:
    """Read a number from a file; None if there is none, as where nothing is limited."""
    text = "".join(_lines(path)).strip()
    return float(text) if text.isdigit() else None


def _lines(path: Path) -> list[str]:
    """Read the lines of a file; empty if it cannot be read."""
    try:
        return path.read_text(encoding="utf-8").splitlines()
    except OSError:
        return []


def fitting_workers(need: Need, asked: int | None, most: int, at_hand: float | None) -> int:
    """How many workers to start, so that they fit into memory together.

    Parameters
    ----------
    need
        Peak memory of one worker.
    asked
        Number of workers that the user asked for; None if as many as fit.
    most
        Largest number of workers if the user asked for none.
    at_hand
        Free memory in bytes; None if it is unknown, so that nothing is refused.

    Raises
    ------
    StudyError
        When the workers that were asked for, or even one, need more memory than is free.
    """
    workers = asked or most
    if at_hand is None or need.bytes * workers <= at_hand:
        return workers
    fit = int(at_hand // need.bytes)
    if fit and asked is None:
        return fit
    together = (
        f"{counted(workers, 'worker')} need {need.bytes * workers / 1e9:.1f} GB together, "
        if fit
        else ""
    )
    fewer = f"{counted(fit, 'worker')}, or " if fit else ""
    raise StudyError(
        f"a worker needs about {need}, {together}but only {at_hand / 1e9:.1f} GB of memory are "
        f"free; use {fewer}longer bins, shorter windows or fewer units, or leave out the "
        "largest sessions"
    )
