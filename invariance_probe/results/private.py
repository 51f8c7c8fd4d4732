"""Private folders for writing, and those that dead processes left behind.

Files are written in a private folder before one rename makes them public. In: the folder
of a store that holds all private folders. Out: names for new ones, and those that were
left behind. Nothing is deleted here.

A name says who writes: machine, process and time. Only the same machine can tell whether
that process is dead. A folder of another machine counts as left behind if it is old. Its
age is measured by the clock of the file system, so that the clocks of the machines need
not agree.
"""

import hashlib
import os
import socket
import time
import uuid
from functools import lru_cache
from pathlib import Path

GRACE_S = 24 * 3600.0
"""Age (s) from which private folders of other machines count as left behind."""
_IDENTITY = ("/proc/sys/kernel/random/boot_id", "/proc/self/ns/pid")


@lru_cache(maxsize=1)
def machine() -> str:
    """Return a name shared by all processes that can see each other's ids.

    It is a hash of the host name, the current boot and the container.
    """
    known = [socket.gethostname()]
    for path in _IDENTITY:
        try:
            known.append(os.readlink(path) if "/ns/" in path else Path(path).read_text())  # noqa: PTH115
        except OSError:
            known.append("")
    return hashlib.sha256("|".join(known).encode()).hexdigest()[:12]


def private_name() -> str:
    """Make a folder name that no other process uses."""
    return f"{machine()}-{os.getpid()}-{int(time.time())}-{uuid.uuid4().hex[:12]}"


def left_behind(folder: Path, grace_s: float = GRACE_S) -> list[Path]:
    """Find the private folders that no living process will finish.

    Parameters
    ----------
    folder
        The folder of a store that holds all private folders.
    grace_s
        Age (s) from which folders of other machines count as left behind.
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
