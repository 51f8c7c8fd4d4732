"""Private folders for writing, and which of them dead processes left behind.

Something is written in a private folder before one rename makes it public. In: a
store's folder of private folders. Out: names for new ones, and those that were left
behind. Nothing is deleted here.

A name says who writes: machine, process and time. Only the machine itself can know that
a process is dead. A folder of another machine counts as left behind when it is old. Its
age is told by the file system's own clock, so that no machine's clock matters.
"""

import hashlib
import os
import socket
import time
import uuid
from functools import lru_cache
from pathlib import Path

GRACE_S = 24 * 3600.0
"""Seconds for which the folders of other machines are left alone."""
_IDENTITY = ("/proc/sys/kernel/random/boot_id", "/proc/self/ns/pid")


@lru_cache(maxsize=1)
def machine() -> str:
    """Name shared by all processes that see each other's ids.

    It is a hash of the host, its boot and its container.
    """
    known = [socket.gethostname()]
    for path in _IDENTITY:
        try:
            known.append(os.readlink(path) if "/ns/" in path else Path(path).read_text())  # noqa: PTH115
        except OSError:
            known.append("")
    return hashlib.sha256("|".join(known).encode()).hexdigest()[:12]


def private_name() -> str:
    """Make a name that no other process uses."""
    return f"{machine()}-{os.getpid()}-{int(time.time())}-{uuid.uuid4().hex[:12]}"


def left_behind(folder: Path, grace_s: float = GRACE_S) -> list[Path]:
    """Find the private folders that no living process will finish.

    Parameters
    ----------
    folder
        The store's folder of private folders.
    grace_s
        Seconds for which the folders of other machines are left alone.
    """
    if not folder.is_dir():
        return []
    # the age of a folder is measured against a new one, by the file system's own clock
    probe = folder / private_name()
    probe.mkdir()
    now = probe.stat().st_mtime
    probe.rmdir()
    return [path for path in sorted(folder.iterdir()) if _is_dead(path, now, grace_s)]


def _is_dead(path: Path, now: float, grace_s: float) -> bool:
    where, _, rest = path.name.partition("-")
    process = rest.partition("-")[0]
    if where == machine() and process.isdigit():
        return not _lives(int(process))
    try:
        return now - path.stat().st_mtime > grace_s
    except OSError:  # gone meanwhile
        return False


def _lives(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass
    return True
