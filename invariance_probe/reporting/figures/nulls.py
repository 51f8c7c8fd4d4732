"""Figure of the nulls: whether the target is decodable at all, by session.

In: the rows of the report's `nulls`. Out: a figure with each session's decoding loss
beside its null losses, which are losses on targets that its activity cannot have caused.
"""

from typing import Any

import numpy as np
from matplotlib.figure import Figure

from invariance_probe.reporting.figures.chart import BLUE, GREY, ORANGE, Chart, chart
from invariance_probe.study.counting import counted

ALPHA = 0.05
"""Significance level at which an observed loss counts as below its null."""
DOTS: dict[str, Any] = {
    "marker": ".",
    "alpha": 0.6,
    "markersize": 5,
    "markeredgewidth": 0,
    "linestyle": "",
}


def null_panel(nulls: list[dict[str, Any]]) -> Chart:
    """Draw each session's null losses as dots, with its observed loss.

    The number of draws B and the p value are written at the right, followed by an
    exclamation mark if the session has a warning.

    Parameters
    ----------
    nulls
        Rows of the report's `nulls` that have null losses.

    Returns
    -------
    chart
        The figure.
    """
    kinds = sorted({null["kind"] for null in nulls})
    values = [loss for null in nulls for loss in (null["observed"], *null["null"])]
    low, high = min(values), max(values)

    def draw(figure: Figure) -> None:
        axis = figure.subplots()
        axis.axvline(1, color="#999999", linewidth=0.8)
        for row, null in enumerate(nulls):
            losses = np.array(null["null"])
            axis.plot(losses, row + _spread(len(losses)), color=GREY, **DOTS)
            axis.plot(null["observed"], row, **_observed(null["p_value"] <= ALPHA))
            text = f"B = {len(losses)}, p = {null['p_value']:.3f}{' !' if null['warning'] else ''}"
            axis.annotate(
                text,
                (1.01, row),
                xycoords=("axes fraction", "data"),
                va="center",
                fontsize=8,
                annotation_clip=False,
            )
        axis.set_yticks(range(len(nulls)), [null["session"] for null in nulls])
        axis.set_ylim(len(nulls) - 0.4, -0.6)
        axis.set_xlim(low - 0.04 * (high - low), high + 0.04 * (high - low))
        axis.set_xlabel("held-out loss (1: the best constant)")
        axis.plot([], [], color=GREY, label="on the null's targets", **DOTS)
        for beats in sorted({null["p_value"] <= ALPHA for null in nulls}, reverse=True):
            axis.plot([], [], label=f"observed, p {'<=' if beats else '>'} .05", **_observed(beats))
        figure.legend(loc="outside lower center", ncols=3, frameon=False, fontsize=8)

    warned = sum(bool(null["warning"]) for null in nulls)
    beaten = sum(null["p_value"] <= ALPHA for null in nulls)
    alt = (
        "Held-out loss of the raw decoder (a blue diamond where p <= .05, an orange square "
        "where not) against its losses on the null's targets (dots), session by session; "
        f"{beaten} of {counted(len(nulls), 'session')} beat "
        f"{'its' if len(nulls) == 1 else 'their'} null at .05."
        + (f" A ! marks {warned} with a warning." if warned else "")
    )
    rows = tuple(
        (
            n["session"],
            n["kind"],
            n["observed"],
            min(n["null"]),
            float(np.median(n["null"])),
            max(n["null"]),
            len(n["null"]),
            n["p_value"],
        )
        for n in nulls
    )
    columns = (
        "session",
        "null",
        "observed",
        "null: least",
        "null: median",
        "null: most",
        "draws",
        "p",
    )
    return chart(
        f"Is anything decodable: null by {', '.join(kinds)}",
        alt,
        draw,
        (6.4, 1.3 + 0.36 * len(nulls)),
        columns,
        rows,
    )


def _observed(beats: bool) -> dict[str, Any]:
    """Return the marker style of an observed loss that beats its null, or not."""
    colour, marker = (BLUE, "D") if beats else (ORANGE, "s")
    return {"marker": marker, "color": colour, "markersize": 6, "linestyle": ""}


def _spread(count: int) -> np.ndarray:
    """Return the vertical offsets (draw,) of the dots in a session's row.

    They are spread evenly by the golden ratio, and are the same every time.
    """
    return ((np.arange(count) * 0.6180339887) % 1 - 0.5) * 0.6
