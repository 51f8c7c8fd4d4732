"""Representations of all windows of a session, in chunks that fit in memory.

In: frozen encoders, and the object that makes views of windows. Out: representations.
The windows of a session of usual size are one chunk. Also the clean training windows at
whose statistics batch norm is fixed.
"""

from collections.abc import Callable, Iterator

import numpy as np
import torch
from torch import Tensor

from invariance_probe.augmentations.views import ViewMaker
from invariance_probe.encoders.frozen import Frozen
from invariance_probe.plan.memory import ENCODED_VALUES, TABLE_VALUES
from invariance_probe.probing.bench.size import is_large
from invariance_probe.probing.bench.workbench import Workbench

NORMED_WINDOWS = 2048
"""Number of training windows from which batch norm is fixed in a large session.

They are evenly spaced. Sessions of usual size use all training windows.
"""
CHUNK_STEP = 1 << 20
"""Distance between the numbers of the random draws of successive chunks."""


def encode_clean(views: ViewMaker, frozen: Frozen, windows: Tensor) -> Tensor:
    """Represent the same clean windows by each encoder (run, window, dim).

    Parameters
    ----------
    views
        Makes the views of the encoders' runs.
    frozen
        The encoders.
    windows
        Indices of the windows (window,).
    """
    return _joined(lambda part, _: frozen(views.clean(part)), windows, views)


def encode_corrupted(views: ViewMaker, frozen: Frozen, step: int, windows: Tensor) -> Tensor:
    """Represent one corrupted view of each encoder's windows (run, window, dim).

    Parameters
    ----------
    views
        Makes the views of the encoders' runs.
    frozen
        The encoders.
    step
        Number of the random draw.
    windows
        Indices of the windows (run, window).
    """
    return _joined(
        lambda part, chunk: frozen(views.single(step + chunk * CHUNK_STEP, part)),
        windows,
        views,
    )


def _joined(encode: Callable[[Tensor, int], Tensor], windows: Tensor, views: ViewMaker) -> Tensor:
    """Encode windows, all at once or in chunks, and put the chunks together.

    Parameters
    ----------
    encode
        Function from windows and the number of their chunk to values (run, window, ...).
    windows
        Indices of the windows (..., window).
    views
        Makes the views of the encoders' runs.
    """
    found, done = torch.zeros(0), 0
    for number, part in enumerate(_chunks(windows, views)):
        encoded = encode(part, number)
        if encoded.shape[1] == windows.shape[-1]:
            return encoded
        if number == 0:
            # One large block: small ones between large ones would keep the heap from shrinking.
            shape = (len(encoded), windows.shape[-1], *encoded.shape[2:])
            found = encoded.new_empty(shape)
        found[:, done : done + encoded.shape[1]] = encoded
        done += encoded.shape[1]
    return found


def _chunks(windows: Tensor, views: ViewMaker) -> Iterator[Tensor]:
    """Cut windows (..., window) into chunks; those of usual sessions are one chunk."""
    features = views.shape[0] * views.shape[1]
    if max(windows.shape[-1], len(views.starts)) * features <= TABLE_VALUES:
        yield windows
    else:
        yield from windows.split(max(1, ENCODED_VALUES // features), dim=-1)


def normed_rows(
    bench: Workbench, views: ViewMaker, parts: list[np.ndarray], windows: Tensor | None = None
) -> tuple[Tensor, Tensor]:
    """Clean windows at whose statistics batch norm is fixed, and their weights.

    Parameters
    ----------
    bench
        The opened session: its windows, folds and target.
    views
        Makes the views of the encoders' runs.
    parts
        Training windows of each run, each (window,).
    windows
        Index of each window of the session among the windows of the views (window,), if
        these are of a bench for training.

    Returns
    -------
    Clean inputs (run, row, time, unit); and the weight of each row (run, row). The
    weights sum to 1 over a run's training windows and are 0 for other windows. In a
    large session there are `NORMED_WINDOWS` rows.
    """
    windows = bench.all_windows if windows is None else windows
    if is_large(bench):
        chosen = np.stack([spaced(part, NORMED_WINDOWS) for part in parts])
        rows = _joined(
            lambda some, _: views.clean_of(some),
            windows[torch.from_numpy(chosen).to(bench.device)],
            views,
        )
        return rows, torch.full_like(rows[:, :, 0, 0], 1 / NORMED_WINDOWS)
    rows = views.clean(windows)
    weights = torch.zeros(rows.shape[:2], dtype=rows.dtype, device=rows.device)
    for i, part in enumerate(parts):
        weights[i, torch.from_numpy(part)] = 1 / len(part)
    return rows, weights


def spaced(windows: np.ndarray, count: int) -> np.ndarray:
    """Choose evenly spaced windows (count,); some of them repeatedly if there are few."""
    return windows[np.linspace(0, len(windows) - 1, count).round().astype(np.int64)]
