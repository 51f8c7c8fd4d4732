"""Named random streams: every random number in the toolkit comes from one of these.

A stream is derived from its name, the study seed, the session, the seed index and the fold, and NOT from the
dose or the arm: compared conditions share their streams, so their differences are paired. No global
generator is touched. Training draws its numbers from a counter-based hash keyed by `stream_key`
(`augmentations.random_bits`); everything else uses `generator`.
"""

import hashlib
import json
from typing import Literal

import numpy as np

StreamName = Literal[
    "split", "init", "order", "views", "probe", "bootstrap", "simulate", "population", "folds", "leak", "null", "mining"
]  # fmt: skip


def stream_key(
    name: StreamName, study_seed: int, session: str, seed: int = 0, fold: int | None = None
) -> int:
    """Return the 64-bit key of a stream.

    Examples
    --------
    >>> stream_key("order", 1, "chewie-1", seed=0, fold=2) == stream_key("order", 1, "chewie-1", seed=0, fold=2)
    True
    >>> stream_key("order", 1, "chewie-1", seed=0) == stream_key("order", 1, "chewie-1", seed=1)
    False
    """
    address = json.dumps([name, study_seed, session, seed, fold], ensure_ascii=False)
    return int.from_bytes(hashlib.sha256(address.encode()).digest()[:8], "big")


def generator(
    name: StreamName, study_seed: int, session: str, seed: int = 0, fold: int | None = None
) -> np.random.Generator:
    """Return a fresh NumPy generator at the start of a stream."""
    return np.random.Generator(np.random.Philox(stream_key(name, study_seed, session, seed, fold)))
