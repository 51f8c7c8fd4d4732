"""Figure of the train-test matrix: loss by training dose and test dose.

In: the rows of the report's `matrix`. Out: a figure. L(d, e) is the loss of encoders that
were trained at dose d and tested on inputs corrupted at dose e; R is the decodable range.
"""

from typing import Any

import numpy as np
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from invariance_probe.reporting.figures.chart import Chart, chart, dose_label
from invariance_probe.study.counting import counted


def train_test_matrix(hypothesis: dict[str, Any], points: list[dict[str, Any]]) -> Chart:
    """Draw the excess loss (L(d, e) - L(0, 0)) / R as a matrix.

    Rows are training doses d, columns test doses e. The colour scale is centred at no
    difference. The diagonal, where both doses are the same, is outlined.

    Parameters
    ----------
    hypothesis
        One of the report's hypotheses.
    points
        Rows of the report's `matrix` for this hypothesis.

    Returns
    -------
    chart
        The figure; its values are over the hypothesis's sessions.
    """
    doses = sorted({p["train_dose"] for p in points} | {p["test_dose"] for p in points})
    values = np.full((len(doses), len(doses)), np.nan)
    for p in points:
        values[doses.index(p["train_dose"]), doses.index(p["test_dose"])] = p["value"]
    reach = max(float(np.nanmax(np.abs(values))), hypothesis["margin"])
    names = [f"{dose:g}" for dose in doses]

    def draw(figure: Figure) -> None:
        axis = figure.subplots()
        cells = axis.imshow(values, cmap="RdBu_r", vmin=-reach, vmax=reach)
        for i, j in np.ndindex(values.shape):
            if np.isfinite(values[i, j]):
                ink = "white" if abs(values[i, j]) > 0.7 * reach else "black"
                axis.text(
                    j,
                    i,
                    signed(float(values[i, j])),
                    ha="center",
                    va="center",
                    color=ink,
                    fontsize=8,
                )
            if i == j:
                axis.add_patch(
                    Rectangle(
                        (j - 0.5, i - 0.5),
                        1,
                        1,
                        fill=False,
                        edgecolor="black",
                        linewidth=1.6,
                        clip_on=False,
                    )
                )
        axis.set_xticks(range(len(doses)), names)
        axis.set_yticks(range(len(doses)), names)
        axis.set_xlabel(f"tested at: {dose_label(hypothesis['axis'])}")
        axis.set_ylabel("trained at")
        axis.spines[:].set_visible(False)
        axis.tick_params(length=0)
        figure.colorbar(cells, label="excess loss, in units of R")

    alt = (
        "Loss of encoders trained at one dose (rows) and tested on inputs at another (columns), "
        "less that of dose 0 on clean inputs, in units of the decodable range; over "
        f"{counted(len(hypothesis['sessions']), 'session')}. Red loses, blue gains; the diagonal "
        "is outlined. The top row is T, the left column is delta."
    )
    rows = tuple(
        (p["train_dose"], p["test_dose"], p["value"], p["ci_low"], p["ci_high"]) for p in points
    )
    columns = ("train dose", "test dose", "excess loss", "90 % low", "90 % high")
    side = 0.62 * len(doses)
    return chart(
        f"{hypothesis['id']}: trained at one dose, tested at another",
        alt,
        draw,
        (side + 2.4, side + 1.1),
        columns,
        rows,
    )


def signed(value: float) -> str:
    """Format a number for a cell: with its sign, and without a leading zero."""
    if value == 0:
        return "0"
    text = f"{value:+.2f}" if abs(value) < 1 else f"{value:+.1f}"
    return text.replace("+0.", "+.").replace("-0.", "-.").replace("-", "\N{MINUS SIGN}")
