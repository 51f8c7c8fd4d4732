"""What docs/adding says a new thing takes is counted and run: each patch there is whole.

The package and its tests are copied to an empty folder, a patch is applied, the package
files that it touches are counted, and the tests that it brings are run.
"""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PATCHES = ROOT / "docs" / "adding"
FILES = {"augmentation": 3, "method": 3, "reader": 3, "measurement": 8}
"""Package files that adding one thing of each family touches, by the patch that adds it."""
CONTRACTS = {
    "augmentation": ("tests/contracts/test_augmentations.py", "foreign_spikes"),
    "method": ("tests/contracts/test_checkpoints.py", "whitened_mse"),
}
"""Where a family has a contract: its tests, and the kind that the patch adds."""

pytestmark = pytest.mark.skipif(shutil.which("git") is None, reason="git applies the patches")


def call(folder, *command):
    """Run a command in a folder outside any repository, and return what it printed.

    Pytest fails too where no test is selected.
    """
    done = subprocess.run(
        command,
        cwd=folder,
        env={
            **os.environ,
            "GIT_CEILING_DIRECTORIES": str(folder.parent),
            "PYTHONPATH": str(folder),
            "OMP_NUM_THREADS": "1",
        },
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture
def patched(tmp_path):
    """Copy the package and its tests, and apply a patch of docs/adding by name."""
    folder = tmp_path / "copy"
    folder.mkdir()
    for name in ("invariance_probe", "tests"):
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", folder)

    def applied(name):
        patch = str(PATCHES / f"{name}.patch")
        call(folder, "git", "apply", patch)
        rows = call(folder, "git", "apply", "--numstat", patch).splitlines()
        return folder, [row.split("\t")[2] for row in rows]

    return applied


def test_every_patch_is_tested():
    assert {path.stem for path in PATCHES.glob("*.patch")} == FILES.keys()


@pytest.mark.parametrize("name", FILES)
def test_a_new_thing_touches_few_files_and_works(patched, name):
    folder, touched = patched(name)
    assert sum(path.startswith("invariance_probe/") for path in touched) == FILES[name], touched
    own = [path for path in touched if Path(path).name.startswith("test_")]
    assert own
    run = (sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider")
    call(folder, *run, *own)
    if name in CONTRACTS:
        tests, kind = CONTRACTS[name]
        call(folder, *run, "-k", kind, tests)
