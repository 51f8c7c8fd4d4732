"""Build the wheel, and read files with it in clean environments.

    python benchmarks/wheel.py

The wheel is installed with the packages that it requires and no extra, into an environment
of its own. There `benchmarks/wheel_reading.py` writes a small file of each format, reads it
and compares what was written. Then each extra that reads a format is installed alone beside
it: the format is refused with the name of the extra before, and is read after. torch is
left out, since reading does not need it. The whole takes some 3 minutes.
"""

import subprocess
import sys
import tempfile
import time
from importlib.metadata import PathDistribution
from pathlib import Path

from packaging.requirements import Requirement

ROOT = Path(__file__).parents[1]
INSIDE = Path(__file__).with_name("wheel_reading.py")
EXTRAS = ("eeg", "parquet")
"""Extras of the wheel that add formats."""


def wheel_of(folder: Path) -> Path:
    """Build the wheel from a copy of the files that git tracks."""
    source = folder / "source"
    listed = subprocess.run(
        ["git", "ls-files", "-z", "invariance_probe", "pyproject.toml", "README.md", "LICENSE"],
        cwd=ROOT, capture_output=True, text=True, check=True,
    ).stdout  # fmt: skip
    for name in filter(None, listed.split("\0")):
        copy = source / name
        copy.parent.mkdir(parents=True, exist_ok=True)
        copy.write_bytes((ROOT / name).read_bytes())
    pip(sys.executable, "wheel", "--no-deps", "--wheel-dir", str(folder), str(source))
    return next(folder.glob("*.whl"))


def pip(python: str, *arguments: str) -> None:
    """Run pip; what it prints is shown only where it fails."""
    done = subprocess.run(
        [python, "-m", "pip", "--quiet", *arguments], capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise SystemExit(f"pip {' '.join(arguments)} failed:\n{done.stderr}")


def environment(folder: Path, below: Path | None = None) -> Path:
    """Make an empty environment; it sees the packages of another one if that is given."""
    subprocess.run([sys.executable, "-m", "venv", str(folder)], check=True)
    if below is not None:
        (packages(folder) / "below.pth").write_text(f"{packages(below)}\n")
    return folder


def packages(folder: Path) -> Path:
    """Folder of the installed packages of an environment."""
    return next((folder / "lib").glob("python*/site-packages"))


def required(wheel: Path, installed: Path, extra: str = "") -> list[str]:
    """What an installed wheel requires: its own packages, or those that an extra adds."""
    name = wheel.name.split("-")[0]
    found = next(packages(installed).glob(f"{name}-*.dist-info"))
    needed = [Requirement(text) for text in PathDistribution(found).requires or ()]
    if extra:
        return [
            f"{one.name}{one.specifier}"
            for one in needed
            if one.marker is not None and one.marker.evaluate({"extra": extra})
        ]
    return [f"{one.name}{one.specifier}" for one in needed if one.marker is None]


def read_in(folder: Path, *parts: str) -> None:
    """Read files with the packages of an environment; end where that fails."""
    done = subprocess.run(
        [str(folder / "bin/python"), "-I", str(INSIDE), *parts], cwd=folder, check=False
    )
    if done.returncode:
        raise SystemExit(f"in {folder.name}: {' '.join(parts)} failed")


def main() -> None:
    """Build, install and read; print a line for each file that was read."""
    begun = time.perf_counter()
    with tempfile.TemporaryDirectory() as made:
        folder = Path(made)
        wheel = wheel_of(folder)
        size = wheel.stat().st_size / 1e6
        print(f"{wheel.name}, {size:.1f} MB, built after {time.perf_counter() - begun:.0f} s")
        core = environment(folder / "core")
        python = str(core / "bin/python")
        pip(python, "install", "--no-deps", str(wheel))
        pip(python, "install", *(one for one in required(wheel, core) if one[:5] != "torch"))
        print(f"installed without extras after {time.perf_counter() - begun:.0f} s", flush=True)
        read_in(core, "core", *(f"without-{extra}" for extra in EXTRAS))
        for extra in EXTRAS:
            own = environment(folder / extra, below=core)
            pip(str(own / "bin/python"), "install", *required(wheel, core, extra))
            others = (f"without-{other}" for other in EXTRAS if other != extra)
            read_in(own, "core", f"with-{extra}", *others)
    print(f"all in {time.perf_counter() - begun:.0f} s")


if __name__ == "__main__":
    main()
