import os
from pathlib import Path

import pytest


@pytest.fixture
def public():
    """Look up a folder of public recordings, which are not part of the repository."""
    root = os.environ.get("PUBLIC_RECORDINGS")

    def find(name):
        if root is None or not (Path(root) / name).exists():
            pytest.skip(f"PUBLIC_RECORDINGS names no folder that holds {name}")
        return Path(root) / name

    return find
