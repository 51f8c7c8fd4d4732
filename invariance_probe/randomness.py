"""Named random sequences: the source of every random number of the toolkit.

A sequence is derived from its name, the study seed, the session, the seed index and
the fold, and NOT from the dose or the arm. Conditions that are compared therefore share
their random sequences, and their differences are paired. No global generator is
touched. Training draws its numbers from a counter-based hash whose key is `stream_key`
(`augmentations.random_bits`); everything else uses `generator`.
"""

import hashlib
import json
from typing import Literal

import numpy as np

StreamName = Literal[
    "split", "init", "order", "views", "probe", "bootstrap",
    "simulate", "population", "folds", "leak", "null", "mining", "stream",
]  # fmt: skip


def stream_key(
    name: StreamName, study_seed: int, session: str, seed: int = 0, fold: int | None = None
) -> int:
    """Compute the 64-bit key that identifies a random sequence.

    Parameters
    ----------
    name
        What the numbers are for.
    study_seed
        The study's seed, `training.study_seed`.
    session
        The name of the session, or of whatever else has random numbers of its own.
    seed
        Index of the repetition, from 0.
    fold
        Index of the fold; None where the sequence serves all folds.

    Returns
    -------
    int
        The first 8 bytes of the SHA-256 of these values, in [0, 2^64).

    Examples
    --------
    >>> first = stream_key("order", 1, "chewie-1", seed=0, fold=2)
    >>> first == stream_key("order", 1, "chewie-1", seed=0, fold=2)
    True
    >>> first == stream_key("order", 1, "chewie-1", seed=1, fold=2)
    False
    """
    address = json.dumps([name, study_seed, session, seed, fold], ensure_ascii=False)
    return int.from_bytes(hashlib.sha256(address.encode()).digest()[:8], "big")


def generator(
    name: StreamName, study_seed: int, session: str, seed: int = 0, fold: int | None = None
) -> np.random.Generator:
    """Make a new NumPy generator at the start of a random sequence.

    Parameters
    ----------
    name, study_seed, session, seed, fold
        The address of the sequence, as for `stream_key`.

    Returns
    -------
    numpy.random.Generator
        A Philox generator that shares no state with any other.
    """
    return np.random.Generator(np.random.Philox(stream_key(name, study_seed, session, seed, fold)))
