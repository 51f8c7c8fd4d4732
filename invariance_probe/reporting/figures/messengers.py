"""Figure of messenger units: what the removal of the chosen units costs.

In: the rows of the report's `messengers`. Out: a figure of the damage (the rise of a
decoder's loss) against the number of removed units, beside random sets, per session.
"""

from collections.abc import Iterable
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from invariance_probe.reporting.figures.chart import BLUE, GREY, ORANGE, Chart, chart

DECODERS = {"refit": "decoder fitted again", "fixed": "decoder held fixed"}
"""Labels of the two decoders: refitted without the removed units, or not."""
SHOWN: dict[bool, dict[str, Any]] = {
    True: {"marker": "D", "color": BLUE, "label": "chosen units, set accepted"},
    False: {
        "marker": "s",
        "color": ORANGE,
        "markerfacecolor": "white",
        "label": "chosen units, not accepted",
    },
}
"""Marker and label of sets that were accepted (True), and of the others."""


def damage_curves(points: list[dict[str, Any]]) -> Chart:
    """Draw the damage of the chosen sets against the number of removed units.

    There is one panel per session and decoder, with the 95 % band of random sets of
    units with similar firing rates.

    Parameters
    ----------
    points
        Rows of the report's `messengers`.

    Returns
    -------
    chart
        The figure.
    """
    sessions = list(dict.fromkeys(p["session"] for p in points))
    budgets = sorted({p["budget"] for p in points})

    def draw(figure: Figure) -> None:
        axes = figure.subplots(
            len(DECODERS), len(sessions), sharex=True, sharey=True, squeeze=False
        )
        for row, (mode, name) in enumerate(DECODERS.items()):
            for axis, session in zip(axes[row], sessions, strict=True):
                _panel(
                    axis,
                    [p for p in points if (p["session"], p["chosen_with"]) == (session, mode)],
                    mode,
                )
                axis.set_xticks(range(len(budgets)), [str(b) for b in budgets])
                if row == 0:
                    axis.set_title(session, fontsize=9)
            axes[row, 0].set_ylabel(f"{name}\ndamage / range", fontsize=8)
            axes[row, len(sessions) // 2].set_xlabel("units removed (b)" if row else "", fontsize=9)
        legend(figure, axes[0, 0], SHOWN.values(), 3 if len(sessions) > 1 else 1)

    taken = sum(p["accepted"] for p in points)
    alt = (
        f"Damage of the chosen units against how many are removed, for {', '.join(sessions)} "
        f"and two decoders, with the band of random sets of like rates; {taken} of "
        f"{len(points)} sets are accepted (blue diamonds)."
    )
    rows = tuple(
        (
            p["session"],
            p["chosen_with"],
            p["budget"],
            *(p[p["chosen_with"]][name] for name in ("chosen", "random", "low", "high")),
            p["accepted"],
        )
        for p in points
    )
    columns = (
        "session",
        "decoder",
        "b",
        "damage",
        "random: mean",
        "random: low",
        "random: high",
        "accepted",
    )
    size = (max(3.6, 1.0 + 1.9 * len(sessions)), 4.4)
    return chart("What the removal of a few units costs", alt, draw, size, columns, rows)


def legend(figure: Figure, axis: Axes, looks: Iterable[dict[str, Any]], columns: int) -> None:
    """Add a legend for the markers and the band of random sets below all panels.

    Parameters
    ----------
    figure
        The figure.
    axis
        Any of its axes; empty series with the markers are drawn on it.
    looks
        Marker style and label of each kind of set.
    columns
        Number of columns of the legend.
    """
    for own in looks:
        axis.plot([], [], linestyle="", markersize=5, **own)
    axis.plot([], [], color=GREY, linewidth=5, alpha=0.4, label="95 % of random sets")
    figure.legend(
        *axis.get_legend_handles_labels(),
        loc="outside lower center",
        ncols=columns,
        frameon=False,
        fontsize=8,
    )


def _panel(axis: Axes, points: list[dict[str, Any]], mode: str) -> None:
    """Draw the damages in one session with one decoder, by number of units."""
    points = sorted(points, key=lambda p: p["budget"])
    at = list(range(len(points)))
    own = [p[mode] for p in points]
    axis.axhline(0, color="#999999", linewidth=0.8)
    axis.vlines(
        at, [d["low"] for d in own], [d["high"] for d in own], color=GREY, linewidth=5, alpha=0.4
    )
    axis.plot(at, [d["chosen"] for d in own], color="#999999", linewidth=0.8)
    for place, point in zip(at, points, strict=True):
        look = {name: value for name, value in SHOWN[point["accepted"]].items() if name != "label"}
        axis.plot(place, point[mode]["chosen"], markersize=5, linestyle="", **look)
