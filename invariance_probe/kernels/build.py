"""Compiles native.cpp, once per machine, compiler and processor.

The library is plain C++ without torch's headers. So it builds in seconds with any
compiler that knows vector extensions (GCC, Clang), and it does not break with another
version of torch. It is kept in the user's cache folder (or `INVARIANCE_PROBE_CACHE`),
under a hash of its source, its flags and what the compiler knows of the processor. One
rename puts it there, so that any number of workers can ask for it at once.
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
"""Flags of the compiler.

None of them lets the compiler reorder sums or assume that there is no NaN.
"""
BUILD_S = 300
"""Seconds that a build may take."""


def why_unavailable() -> str:
    """Why there are no native kernels on this machine; empty where there are."""
    found = library()
    return found if isinstance(found, str) else ""


@lru_cache(maxsize=1)
def library() -> ctypes.CDLL | str:
    """Load the compiled library, or say why it cannot be built here.

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
    """Path of the compiled library; compiles it where the cache lacks it."""
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
    """Hash the source, the flags, the compiler and the usable instructions."""
    known = _run(compiler, "-march=native", "-dM", "-E", "-x", "c++", os.devnull)
    return hashlib.sha256(
        "\n".join([SOURCE.read_text(encoding="utf-8"), " ".join(FLAGS), compiler, known]).encode()
    ).hexdigest()[:32]


def _run(*command: str) -> str:
    return subprocess.run(
        command, check=True, capture_output=True, text=True, timeout=BUILD_S
    ).stdout
