"""Faults for crash tests: a process dies or a write fails at a named point.

In: the environment variable `INVARIANCE_PROBE_FAULT`, read once at import. Nothing else
in the toolkit uses it.

`INVARIANCE_PROBE_FAULT=store.rename:3:kill` kills the process when it passes
`store.rename` for the third time. `store.write:1:ENOSPC` makes every write from the
first one on fail as on a full disk.
"""

import errno
import os
import signal

FAULT = "INVARIANCE_PROBE_FAULT"
POINTS = (
    "store.begin", "store.write", "store.flush", "store.rename", "store.renamed", "store.aside",
    "index.write", "index.rename", "index.remove", "inspection.write", "inspection.rename",
)  # fmt: skip
"""Points at which the store changes the disk, in the order of a commit."""

_point, _, _rest = os.environ.get(FAULT, "").partition(":")
_nth, _, _what = _rest.partition(":")
_passed = 0


def at(point: str) -> None:
    """Let the declared fault happen at its point; do nothing at all others."""
    if point == _point:
        _strike()


def _strike() -> None:
    global _passed
    _passed += 1
    if _passed < int(_nth):
        return
    if _what == "kill":
        os.kill(os.getpid(), signal.SIGKILL)
    number = getattr(errno, _what)
    raise OSError(number, os.strerror(number))
