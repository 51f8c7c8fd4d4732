"""Time of `validate` on a study of many large recordings, first and repeated.

Recordings of random counts are written to a temporary folder. `validate` is then called
twice with one run store, each time as a command of its own. The second call finds what
the first one saw of every file in the store.

    python benchmarks/validate_recordings.py --files 20 --megabytes 50
"""

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

UNITS = 100
BIN_S = 0.02
PROGRAM = [sys.executable, "-c", "from invariance_probe.cli import main; main()"]


def write_recordings(folder: Path, files: int, megabytes: float) -> list[dict[str, object]]:
    """Write archives of random counts and return them as a study declares them."""
    declared = []
    bins = round(megabytes * 1e6 / (4 * UNITS))
    for i in range(files):
        rng = np.random.default_rng(i)
        counts = rng.poisson(1, (bins, UNITS)).astype(np.int32)
        speed = np.convolve(rng.standard_normal(bins), np.ones(25) / 5, mode="same")
        np.savez(folder / f"s{i}.npz", counts=counts, speed=speed)
        declared.append(
            {
                "kind": "npz",
                "path": f"s{i}.npz",
                "session": f"s{i}",
                "activity": "counts",
                "bin_s": BIN_S,
            }
        )
    return declared


def study_of(recordings: list[dict[str, object]]) -> dict[str, object]:
    """A study of unit dropout on these recordings, as JSON, which is YAML."""
    return {
        "name": "many-recordings",
        "question": "How long does it take to check them?",
        "recordings": recordings,
        "target": {"name": "speed"},
        "method": {"kind": "simclr"},
        "views": {"transforms": [{"kind": "unit_dropout"}]},
        "axes": [{"path": "unit_dropout.rate", "doses": [0, 0.4]}],
        "hypotheses": [
            {
                "id": "H1",
                "claim": "costs nothing",
                "predicts": "tolerated",
                "axis": "unit_dropout.rate",
                "dose": 0.4,
                "margin": {"fraction_of_range": 0.1, "because": "a benchmark"},
            }
        ],
    }


def cpu_seconds() -> float:
    """CPU time that all commands so far have taken."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def main() -> None:
    """Write recordings, validate their study twice and print the seconds."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--files", type=int, default=20)
    parser.add_argument("--megabytes", type=float, default=50.0, help="size of each file")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        recordings = write_recordings(folder, given.files, given.megabytes)
        (folder / "study.yaml").write_text(json.dumps(study_of(recordings)))
        time.sleep(3)  # a file that was written just now would be inspected again
        for call in ("first", "repeated"):
            started, before = time.perf_counter(), cpu_seconds()
            subprocess.run([*PROGRAM, "validate", "study.yaml"], cwd=folder, check=True)
            seconds, cpu = time.perf_counter() - started, cpu_seconds() - before
            print(f"{call}: {seconds:.1f} s, {cpu:.1f} s of CPU", flush=True)
    most = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024
    print(f"most memory: {most:.0f} MB")


if __name__ == "__main__":
    main()
