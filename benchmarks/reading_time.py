"""Time to read the units of NWB files: this package, pynwb and pynapple in one run.

    python benchmarks/reading_time.py [FILE ...] [--units 500] [--spikes 10000000]

A file of that size is written with pynwb, and read beside the given files. Each reader
runs in a process of its own, which imports it and then reads all spike times of all
units three times; printed are the time of the import and the shortest reading, and the
ratio of each to this package. A reader that is not installed is left out, and one that
fails is named.
"""

import argparse
import importlib.util
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import numpy as np

ROOT = Path(__file__).parents[1]
READINGS = 3
SECONDS = 3600.0


def ours() -> Callable[[Path], list[np.ndarray]]:
    """The reader of this package."""
    from invariance_probe.data.readers.nwb import read_nwb
    from invariance_probe.study.signals import NwbRecording

    def read(path: Path) -> list[np.ndarray]:
        declared = NwbRecording(path=str(path), session="s", bin_s=0.1)
        return list(read_nwb(path, declared).spikes["units"].times)

    return read


def with_pynwb() -> Callable[[Path], list[np.ndarray]]:
    """All rows of the column of spike times, as pynwb gives them."""
    import pynwb

    def read(path: Path) -> list[np.ndarray]:
        with pynwb.NWBHDF5IO(path, "r") as source:
            return [np.asarray(one) for one in source.read().units["spike_times"][:]]

    return read


def with_pynapple() -> Callable[[Path], list[np.ndarray]]:
    """The group of units that pynapple makes."""
    import pynapple

    def read(path: Path) -> list[np.ndarray]:
        units = pynapple.NWBFile(str(path))["units"]
        return [units[one].t for one in units.index]

    return read


READERS = {"invariance_probe": ours, "pynwb": with_pynwb, "pynapple": with_pynapple}


def written(path: Path, units: int, spikes: int) -> Path:
    """Write a session of units with pynwb; rates differ between units."""
    import pynwb

    rng = np.random.default_rng(0)
    sizes = rng.multinomial(spikes, rng.dirichlet(np.full(units, 2.0)))
    file = pynwb.NWBFile("made", "made", datetime(2024, 1, 1, tzinfo=UTC))
    for size in sizes:
        file.add_unit(
            spike_times=np.sort(rng.uniform(0, SECONDS, size)), obs_intervals=[[0.0, SECONDS]]
        )
    with pynwb.NWBHDF5IO(path, "w") as out:
        out.write(file)
    return path


def measured(reader: str, path: Path) -> dict[str, float]:
    """Seconds of the import and of the shortest reading, with what was read."""
    begun = time.perf_counter()
    read = READERS[reader]()
    imported = time.perf_counter() - begun
    seconds = []
    for _ in range(READINGS):
        begun = time.perf_counter()
        times = read(path)
        seconds.append(time.perf_counter() - begun)
    return {
        "import": imported,
        "read": min(seconds),
        "units": len(times),
        "spikes": sum(map(len, times)),
        "sum": float(sum(one.sum() for one in times)),
    }


def in_a_process(reader: str, path: Path) -> dict[str, float] | str:
    """Measure in a process of its own; the last line of the error where it fails."""
    done = subprocess.run(
        [sys.executable, __file__, "--measure", reader, str(path)],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    if done.returncode:
        return (done.stderr.strip() or "no answer").splitlines()[-1]
    return json.loads(done.stdout.splitlines()[-1])


def compare(path: Path) -> None:
    """Print one line per reader, and hold that all read the same spikes."""
    print(f"{path.name}, {path.stat().st_size / 1e6:.1f} MB")
    own: dict[str, float] | None = None
    for reader in READERS:
        if reader != "invariance_probe" and importlib.util.find_spec(reader) is None:
            print(f"    {reader:18s} not installed")
            continue
        found = in_a_process(reader, path)
        if isinstance(found, str):
            print(f"    {reader:18s} failed: {found}", flush=True)
            continue
        own = own or found
        same = all(abs(found[one] - own[one]) <= 1e-9 * abs(own[one]) for one in ("spikes", "sum"))
        print(
            f"    {reader:18s} import {found['import']:6.2f} s, read {found['read']:7.3f} s "
            f"({found['read'] / own['read']:5.1f} x), {found['units']:.0f} units, "
            f"{found['spikes']:,.0f} spikes{'' if same else ', NOT the same spikes'}",
            flush=True,
        )


def main() -> None:
    """Write the file, and compare the readers on it and on the given files."""
    parser = argparse.ArgumentParser()
    parser.add_argument("files", nargs="*", type=Path)
    parser.add_argument("--units", type=int, default=500)
    parser.add_argument("--spikes", type=int, default=10_000_000)
    parser.add_argument("--measure", choices=READERS)
    asked = parser.parse_args()
    if asked.measure:
        print(json.dumps(measured(asked.measure, asked.files[0])))
        return
    for path in asked.files:
        compare(path)
    with tempfile.TemporaryDirectory() as folder:
        compare(written(Path(folder) / "made.nwb", asked.units, asked.spikes))


if __name__ == "__main__":
    main()
