"""Figure of the units that an SSL objective and two decoders rely on.

In: the rows of the report's `reliance`. Out: a figure of the damage (the rise of a loss)
to three targets against the number of removed units: a trained model's SSL objective, a
decoder that is refitted, and one that is held fixed. Sets of units were chosen to harm
one of the three, and are shown beside random sets, per session.
"""

from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from invariance_probe.reporting.figures.chart import BLUE, GREY, ORANGE, Chart, chart
from invariance_probe.reporting.figures.messengers import legend

SCORED = {
    "objective": "SSL objective",
    "refit": "decoder fitted again",
    "fixed": "decoder held fixed",
}
"""Labels of the three targets whose damage is drawn."""
UNITS = {"objective": "its scale", "refit": "range", "fixed": "range"}
"""Unit in which the damage to each target is drawn, as its axis label says."""
LINE_STYLES: dict[str, dict[str, Any]] = {
    "objective": {"marker": "o", "color": "#222222", "label": "units chosen for the objective"},
    "refit": {"marker": "D", "color": BLUE, "label": "for the refitted decoder"},
    "fixed": {
        "marker": "s",
        "color": ORANGE,
        "markerfacecolor": "white",
        "label": "for the fixed decoder",
    },
}
"""Marker and label of the sets chosen for each target."""


def reliance_curves(points: list[dict[str, Any]]) -> Chart:
    """Draw the damage to each target against the number of removed units.

    There is one panel per session and target. It has one curve per choice of units, and
    the band of random sets.

    Parameters
    ----------
    points
        Rows of the report's `reliance`.

    Returns
    -------
    chart
        The figure.
    """
    sessions = list(dict.fromkeys(p["session"] for p in points))
    budgets = sorted({p["budget"] for p in points})

    def draw(figure: Figure) -> None:
        axes = figure.subplots(len(SCORED), len(sessions), sharex=True, sharey="row", squeeze=False)
        for row, (scored, name) in enumerate(SCORED.items()):
            for axis, session in zip(axes[row], sessions, strict=True):
                _panel(axis, [p for p in points if p["session"] == session], scored, budgets)
                if row == 0:
                    axis.set_title(session, fontsize=9)
            axes[row, 0].set_ylabel(f"{name}\ndamage / {UNITS[scored]}", fontsize=8)
        axes[-1, len(sessions) // 2].set_xlabel("units removed (b)", fontsize=9)
        legend(figure, axes[0, 0], LINE_STYLES.values(), 2 if len(sessions) > 1 else 1)

    alt = (
        "Damage of the SSL objective and of two decoders against how many units are removed, "
        f"for {', '.join(sessions)}: sets chosen for each of the three, with the band of random "
        "sets."
    )
    rows = tuple(
        (
            p["session"],
            scored,
            p["chosen_for"],
            p["budget"],
            *(p[scored][name] for name in ("chosen", "random", "low", "high", "beyond")),
        )
        for p in points
        for scored in SCORED
        if p[scored] is not None
    )
    columns = (
        "session",
        "scored by",
        "chosen for",
        "b",
        "damage",
        "random: mean",
        "random: low",
        "random: high",
        "models beyond",
    )
    size = (max(3.6, 1.0 + 1.9 * len(sessions)), 5.8)
    return chart("Three targets: what rests on the same units", alt, draw, size, columns, rows)


def _panel(axis: Axes, points: list[dict[str, Any]], scored: str, budgets: list[int]) -> None:
    """Draw the damages to one target in one session, by number of units."""
    axis.axhline(0, color="#999999", linewidth=0.8)
    axis.set_xticks(range(len(budgets)), [str(b) for b in budgets])
    shown = [p for p in points if p[scored] is not None]
    if not shown:
        axis.text(
            0.5,
            0.5,
            "no range shown",
            transform=axis.transAxes,
            ha="center",
            va="center",
            fontsize=8,
            color="#666666",
        )
        return
    own = [p for p in shown if p["chosen_for"] == scored]
    at = [budgets.index(p["budget"]) for p in own]
    axis.vlines(
        at,
        [p[scored]["low"] for p in own],
        [p[scored]["high"] for p in own],
        color=GREY,
        linewidth=5,
        alpha=0.4,
    )
    for target, look in LINE_STYLES.items():
        chosen = [p for p in shown if p["chosen_for"] == target]
        at = [budgets.index(p["budget"]) for p in chosen]
        axis.plot(
            at,
            [p[scored]["chosen"] for p in chosen],
            markersize=4,
            linewidth=0.8,
            **{k: v for k, v in look.items() if k != "label"},
        )
