"""Compile native.cpp, once per machine, compiler and processor.

The library is plain C++ without torch's headers. So it builds in seconds with any
compiler that supports vector extensions (GCC, Clang), and does not depend on the version
of torch. It is kept in the user's cache folder (or `INVARIANCE_PROBE_CACHE`), under a hash
of its source, the flags, and the compiler's description of the processor. It is put there
by one rename, so that any number of workers can build it at the same time.
"""

import ctypes
import hashlib
import os
import shutil
import subprocess
import tempfile
from functools import lru_cache
from pathlib import Path

from platformdirs import user_cache_path

SOURCE = Path(__file__).with_name("native.cpp")
COMPILERS = ("c++", "g++", "clang++")
"""Compilers that are tried in this order, unless `CXX` names one."""
FLAGS = (
    "-std=c++17",
    "-O3",
    "-march=native",
    "-fno-math-errno",
    "-fno-trapping-math",
    "-fno-strict-aliasing",
    "-fPIC",
    "-shared",
)
"""Compiler flags.

None of them lets the compiler reorder sums or assume that there is no NaN.
"""
BUILD_S = 300
"""Longest time that a build may take, in seconds."""


def why_unavailable() -> str:
    """Return why native kernels cannot be used here; empty if they can."""
    found = library()
    return found if isinstance(found, str) else ""


@lru_cache(maxsize=1)
def library() -> ctypes.CDLL | str:
    """Load the compiled library, or return the reason why it cannot be built.

    The first call on a machine compiles it.
    """
    given = os.environ.get("CXX")
    compiler = next(
        (path for name in ([given] if given else COMPILERS) if (path := shutil.which(name))), None
    )
    if compiler is None:
        return (
            f"no compiler {given!r} (from CXX)"
            if given
            else f"none of {', '.join(COMPILERS)} is installed"
        )
    try:
        return ctypes.CDLL(str(_built(compiler)))
    except subprocess.CalledProcessError as error:
        return f"{compiler} failed: {(error.stderr or '').strip()[-500:]}"
    except (OSError, subprocess.TimeoutExpired) as error:
        return f"{compiler}: {error}"


def _built(compiler: str) -> Path:
    """Return the path of the compiled library, compiling it if necessary."""
    folder = (
        Path(os.environ.get("INVARIANCE_PROBE_CACHE") or user_cache_path("invariance_probe"))
        / "native"
    )
    path = folder / f"{_identity(compiler)}.so"
    if path.exists():
        return path
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder) as private:
        made = Path(private) / path.name
        _run(compiler, *FLAGS, str(SOURCE), "-o", str(made))
        made.replace(path)
    return path


def _identity(compiler: str) -> str:
    """Hash the source, the flags, the compiler and the processor's features."""
    known = _run(compiler, "-march=native", "-dM", "-E", "-x", "c++", os.devnull)
    return hashlib.sha256(
        "\n".join([SOURCE.read_text(encoding="utf-8"), " ".join(FLAGS), compiler, known]).encode()
    ).hexdigest()[:32]


def _run(*command: str) -> str:
    return subprocess.run(
        command, check=True, capture_output=True, text=True, timeout=BUILD_S
    ).stdout
