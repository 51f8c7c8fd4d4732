"""Inspect every recording in a folder, and run the proposed studies.

    python benchmarks/inspect_all.py FOLDER [--run] [--only TEXT]

For each file (and folder of a format): its kind, how many sentences describe it, the
seconds that takes, and whether the proposed study is valid as it is. With `--run`, the
first valid study of each kind and folder is run with short trainings.
"""

import argparse
import subprocess
import sys
import tempfile
import time
from pathlib import Path

PROGRAM = (sys.executable, "-c", "from invariance_probe.cli import main; main()")
FOLDERS = ("F.npy", "spike_times.npy")
"""Files whose folder is a recording."""
ENDINGS = (
    ".npz", ".nwb", ".mat", ".csv", ".tsv", ".parquet", ".h5", ".edf", ".bdf", ".fif", ".set",
    ".vhdr", ".gdf", ".txt", ".pkl", ".npy",
)  # fmt: skip
"""Ends of names of files that could be recordings."""
SHORT = ("--set", "training.steps=20", "--set", "training.seeds=1")
LIMIT_S = 400


def recordings(folder: Path) -> list[Path]:
    """All recordings in a folder; files inside a recorded folder are parts of it."""
    whole = {path.parent for name in FOLDERS for path in folder.rglob(name)}
    files = (path for path in folder.rglob("*") if path.suffix.lower() in ENDINGS)
    return sorted(whole | {path for path in files if path.parent not in whole})


def called(work: Path, *arguments: str) -> tuple[int, str, str, float]:
    """Exit code, output, last line of the errors, and seconds of a command."""
    begun = time.perf_counter()
    try:
        done = subprocess.run(
            [*PROGRAM, *arguments], cwd=work, capture_output=True, text=True,
            timeout=LIMIT_S, check=False,
        )  # fmt: skip
    except subprocess.TimeoutExpired:
        return 1, "", f"no answer within {LIMIT_S} s", LIMIT_S
    said = (done.stderr.strip() or " ").splitlines()[-1]
    return done.returncode, done.stdout, said, time.perf_counter() - begun


def main() -> None:
    """Print a line per recording."""
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path)
    parser.add_argument("--run", action="store_true")
    parser.add_argument("--only", default="")
    asked = parser.parse_args()
    run: set[tuple[Path, str]] = set()
    for path in recordings(asked.folder.resolve()):
        name = str(path.relative_to(asked.folder.resolve()))
        if asked.only not in name:
            continue
        with tempfile.TemporaryDirectory() as folder:
            work = Path(folder)
            code, said, error, seconds = called(work, "data", "inspect", str(path))
            if code:
                print(f"{name} | {seconds:.1f} s | not read: {error}", flush=True)
                continue
            kind = said.splitlines()[0].rpartition("(")[2].rstrip("):")
            line = f"{name} | {kind} | {len(said.splitlines()) - 1} sentences, {seconds:.1f} s"
            code, said, error, seconds = called(work, "data", "inspect", str(path), "--study")
            if code:
                print(f"{line} | no study: {error}", flush=True)
                continue
            (work / "study.yaml").write_text(said)
            target = next(text for text in said.splitlines() if text.startswith("target:"))
            line += f" | {target.partition('#')[0].strip()} in {seconds:.1f} s"
            code, _, error, _ = called(work, "validate", "study.yaml")
            line += " | refused: " + error if code else " | valid"
            if asked.run and not code and (path.parent, kind) not in run:
                run.add((path.parent, kind))
                code, _, error, seconds = called(work, "run", "study.yaml", *SHORT)
                done = not code and list(work.glob("reports/*/index.html"))
                line += f" | ran in {seconds:.0f} s" if done else f" | run failed: {error}"
            print(line, flush=True)


if __name__ == "__main__":
    main()
