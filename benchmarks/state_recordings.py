"""Make recordings of several states from files of the data folder.

python benchmarks/state_recordings.py DATA [--out runs/state_recordings]

The studies of pairs across states use them (docs/states.md). ca1.npz is the night of
CA1 in 4 s bins, with every third unit taken out of the activity and kept as a target
(co-smoothing, Pei et al. 2021, arXiv:2109.04463): awake there is nothing else to
decode. linear-track.npz and w-maze.npz hold the position on a track, with states by
speed and by the rests that the data's README names: 0 moving, 1 still on the track, 2
long rest.
"""

import argparse
from pathlib import Path

import numpy as np
from scipy.ndimage import gaussian_filter1d

BIN_S, SMOOTHING_S, MOVING = 0.1, 0.5, 15.0
"""Bin width and smoothing of the speed (s), and the speed of a moving animal.

Above that speed, in camera pixels per second, an animal moves.
"""
RESTS = {"linear-track": ((5390.0, np.inf),), "w-maze": ((1264.0, 2064.0), (3600.0, np.inf))}
NOISE = {"linear-track": (), "w-maze": (19,)}
"""Units that are noise clusters."""


def night(folder: Path) -> dict[str, np.ndarray]:
    """Return the night of CA1 with every third unit as a target: roots of its counts."""
    with np.load(folder / "sleep_ca1" / "mouse_ca1_12h_4s.npz") as file:
        counts, state, bin_s = file["spike_count"], file["state"], file["bin_s"]
    held = np.arange(counts.shape[1]) % 3 == 2
    return {
        "spike_count": counts[:, ~held],
        "held_out": np.sqrt(counts[:, held].astype(np.float64)),
        "state": state.astype(np.int64),
        "bin_s": bin_s,
    }


def track(folder: Path, name: str) -> dict[str, np.ndarray]:
    """Return a session on a track with its states."""
    with np.load(folder / "hippocampus_track" / f"{name}.npz") as file:
        counts, time, place = (
            file["spike_count_100ms"],
            file["time_100ms"],
            file["xy_pix_100ms"].astype(np.float64),
        )
    smooth = gaussian_filter1d(place, SMOOTHING_S / BIN_S, axis=0)
    speed = np.linalg.norm(np.gradient(smooth, axis=0), axis=1) / BIN_S
    resting = np.logical_or.reduce([(time >= start) & (time < end) for start, end in RESTS[name]])
    state = np.where(resting, 2, np.where(speed > MOVING, 0, 1))
    keep = np.setdiff1d(np.arange(counts.shape[1]), NOISE[name])
    return {
        "spike_count": counts[:, keep],
        "position": place,
        "state": state.astype(np.int64),
        "bin_s": np.float64(BIN_S),
    }


def main() -> None:
    """Write the three files."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path)
    parser.add_argument("--out", type=Path, default=Path("runs/state_recordings"))
    asked = parser.parse_args()
    asked.out.mkdir(parents=True, exist_ok=True)
    made = {"ca1": night(asked.data)} | {name: track(asked.data, name) for name in RESTS}
    for name, arrays in made.items():
        np.savez_compressed(asked.out / f"{name}.npz", **arrays)  # type: ignore[arg-type]
        counts = np.bincount(arrays["state"])
        print(
            f"{asked.out / name}.npz: {arrays['spike_count'].shape[1]} units; "
            f"bins in states 0, 1, 2: {counts.tolist()}"
        )


if __name__ == "__main__":
    main()
