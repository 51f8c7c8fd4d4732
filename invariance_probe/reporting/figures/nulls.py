"""Is anything decodable: every session's observed loss against its null losses."""

from typing import Any

import numpy as np
from matplotlib.figure import Figure

from invariance_probe.reporting.figures.chart import BLUE, GREY, ORANGE, Chart, chart

ALPHA = 0.05


def null_panel(nulls: list[dict[str, Any]]) -> Chart:
    """Draw every session's null losses as dots, its observed loss as a diamond, and beside them the draws B and p."""
    kinds = sorted({null["kind"] for null in nulls})
    values = [loss for null in nulls for loss in (null["observed"], *null["null"])]
    low, high = min(values), max(values)

    def draw(figure: Figure) -> None:
        axis = figure.subplots()
        axis.axvline(1, color="#999999", linewidth=0.8)
        for row, null in enumerate(nulls):
            losses = np.array(null["null"])
            axis.plot(losses, row + _spread(len(losses)), ".", color=GREY, alpha=0.6, markersize=4, markeredgewidth=0)
            beats = null["p_value"] <= ALPHA
            axis.plot(null["observed"], row, marker="D", color=BLUE if beats else ORANGE, markersize=6, linestyle="")
            text = f"B = {len(losses)}, p = {null['p_value']:.3f}{' !' if null['warning'] else ''}"
            axis.annotate(text, (1.01, row), xycoords=("axes fraction", "data"), va="center", fontsize=8, annotation_clip=False)
        axis.set_yticks(range(len(nulls)), [null["session"] for null in nulls])
        axis.set_ylim(len(nulls) - 0.4, -0.6)
        axis.set_xlim(low - 0.04 * (high - low), high + 0.04 * (high - low))
        axis.set_xlabel("held-out loss (1: the best constant)")

    warned = sum(bool(null["warning"]) for null in nulls)
    beaten = sum(null["p_value"] <= ALPHA for null in nulls)
    alt = (
        f"Held-out loss of the raw decoder (diamond: blue where p <= .05, orange where not) against its losses on the null's targets "
        f"(dots), session by session; {beaten} of {len(nulls)} sessions beat their null at .05."
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
    columns = ("session", "null", "observed", "null: least", "null: median", "null: most", "draws", "p")
    return chart(f"Is anything decodable: null by {', '.join(kinds)}", alt, draw, (6.4, 1.0 + 0.36 * len(nulls)), columns, rows)


def _spread(count: int) -> np.ndarray:
    """Return fixed vertical offsets (draw,) within a session's row, spread evenly by the golden ratio."""
    return ((np.arange(count) * 0.6180339887) % 1 - 0.5) * 0.6
