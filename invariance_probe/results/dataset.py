"""Losses over the swept doses as a labelled array, for analysis with xarray.

In: a study and its table of losses. Out: an `xarray.Dataset`. No estimand is computed
here, and xarray is imported only when a dataset is requested.
"""

from typing import TYPE_CHECKING

import pandas as pd

from invariance_probe.errors import InferenceError
from invariance_probe.study.study import Study

if TYPE_CHECKING:
    import xarray

DIMENSIONS = ["session", "axis", "dose", "arm", "seed", "block"]
"""Dimensions of a dataset of losses; `axis` only if it covers all axes."""


def losses_of(study: Study, table: pd.DataFrame, axis: str | None = None) -> "xarray.Dataset":
    """Arrange the decoding losses of the study's own method by dose.

    Parameters
    ----------
    study
        The study.
    table
        Losses, one row per run and test block (`results.tables.tidy`).
    axis
        The swept path to select; all axes if omitted.

    Returns
    -------
    dataset
        `loss` has the dimensions session, axis (unless one was selected), dose, arm, seed
        and block. Runs at the identity dose belong to no axis or arm, and are repeated in
        all of them; their additional seeds are those of the A/A control. `floor_loss`
        (session, block) is the loss of the best constant, and `fold` (session, block) the
        fold that holds the block out. Losses that were not measured are NaN.

    Raises
    ------
    InferenceError
        If xarray is not installed.
    """
    clean_decoding = table[(table.test == "") & table.loss.notna() & (table.fraction == 1)]
    clean_decoding = clean_decoding.astype({"block": int, "fold": int})
    own = clean_decoding[
        (clean_decoding.method == study.method.kind) & (clean_decoding.setting == "")
    ]
    axes = [axis] if axis is not None else [swept.path for swept in study.axes]
    rows = [
        part.assign(axis=path, arm=arm, dose=dose)
        for path in axes
        for arm in study.arms_of(path)
        for dose, part in [
            (study.identity(path), own[own.axis == ""]),
            *((dose, _at(own, path, dose, arm)) for dose in study.doses_of(path)),
        ]
    ]
    dimensions = [name for name in DIMENSIONS if name != "axis" or axis is None]
    raw = clean_decoding[clean_decoding.method == "raw"]
    try:
        dataset = pd.concat(rows).set_index(dimensions)[["loss"]].to_xarray()
        floors = raw.groupby(["session", "block"])[["floor_loss", "fold"]].first().to_xarray()
    except ImportError:
        raise InferenceError(
            "to_xarray needs xarray, which is not installed; run: pip install "
            "'invariance-probe[xarray]'"
        ) from None
    dataset = dataset.merge(floors, join="left").set_coords("fold")
    dataset.attrs = {"study": study.name, "target": study.target.name, "method": study.method.kind}
    dataset.loss.attrs["long_name"] = "held-out decoding loss"
    return dataset


def _at(rows: pd.DataFrame, path: str, dose: float, arm: str) -> pd.DataFrame:
    """Select the rows of one dose of an axis in one arm."""
    return rows[(rows.axis == path) & (rows.dose == dose) & (rows.arm == arm)]
