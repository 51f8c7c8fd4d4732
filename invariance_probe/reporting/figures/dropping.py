"""Dropping curves: decoding against the number of units kept, or lost."""

from itertools import pairwise
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FixedFormatter, FixedLocator, NullLocator

from invariance_probe.reporting.figures.chart import BLUE, GREY, ORANGE, Chart, chart

STYLE = {
    "gained": (BLUE, "-", "kept, most useful first"),
    "lost": (ORANGE, "-", "lost, most damaging first"),
    "random": (GREY, "--", "lost at random"),
}
"""Colour, dashes and meaning of each curve."""
HALF = 0.5
Curve = list[tuple[float, float]]
"""Units kept or lost, with the part of the R2 of all units."""
BETWEEN = 20
"""Points that are drawn between two numbers of units."""


def dropping_curves(hypothesis: dict[str, Any], points: list[dict[str, Any]]) -> Chart | None:
    """Draw the dropping curves: sessions thin, their mean thick, the line at half.

    Left: units kept. Right: units lost, most damaging first and at random. The mean is over the
    logarithm of the number of units at which sessions reach a level, as K_s and K_n are averaged;
    it ends where some session's curve ends.

    Parameters
    ----------
    points
        Rows of the report's `dropping` of the hypothesis's sessions.

    Returns
    -------
    Chart or None
        None where there are no curves.
    """
    curves = {name: _by_session(points, name) for name in STYLE}
    if not any(curves.values()):
        return None

    def draw(figure: Figure) -> None:
        axes = figure.subplots(1, 2, sharey=True, squeeze=False)[0]
        for axis, names in zip(axes, (("gained",), ("lost", "random")), strict=True):
            for name in names:
                _draw(axis, curves[name], name)
            axis.axhline(HALF, color="#777777", linewidth=0.9, linestyle=":")
            _units_axis(axis, max((p["units"] for p in points if p["curve"] in names), default=1))
            axis.legend(frameon=False, fontsize=8, loc="upper left", bbox_to_anchor=(0, -0.2))
        axes[0].annotate("half", (0.01, HALF), xycoords=axes[0].get_yaxis_transform(), fontsize=8, va="bottom", color=GREY)
        axes[0].set_xlabel("units kept")
        axes[1].set_xlabel("units lost")
        axes[0].set_ylabel("R2, part of that of all units")
        axes[0].set_ylim(-0.03, 1.06)

    rows = tuple((p["session"], STYLE[p["curve"]][2], p["units"], p["part"]) for p in points if p["curve"] in STYLE)
    alt = (
        "Held-out R2 of refitted linear decoders, as a part of that of all units: left against the number of units kept, most "
        "useful first; right against the number lost, most damaging first, and lost at random. The dotted line is half of it: the "
        "left curve crosses it at K_s, the right solid one at K_n. Between whole numbers of units, information J = R2 / (1 - R2) is "
        "interpolated. "
        f"Thin lines are {len({p['session'] for p in points})} sessions, thick ones their mean; a curve ends just beyond its crossing."
    )
    title = f"{hypothesis['id']}: dropping curves"
    return chart(title, alt, draw, (7.8, 4.0), ("session", "units", "number", "part of the R2 of all units"), rows)


def _by_session(points: list[dict[str, Any]], name: str) -> dict[str, Curve]:
    found: dict[str, list[tuple[int, float, float]]] = {}
    for p in points:
        if p["curve"] == name:
            found.setdefault(p["session"], []).append((p["units"], p["r2"], p["part"]))
    return {session: between(sorted(curve)) for session, curve in found.items()}


def between(curve: list[tuple[int, float, float]]) -> Curve:
    """Fill a curve in between its points (units, R2, part), along straight lines of J = R2 / (1 - R2)."""
    whole = max((r2 / part for _, r2, part in curve if part > 0), default=1.0)
    units, information = np.array([(n, r2 / (1 - r2)) for n, r2, _ in curve]).T
    fine = np.linspace(units[0], units[-1], BETWEEN * (len(units) - 1) + 1)
    j = np.interp(fine, units, information)
    return list(zip(fine.tolist(), (j / (1 + j) / whole).tolist(), strict=True))


def _draw(axis: Axes, curves: dict[str, Curve], name: str) -> None:
    colour, dashes, label = STYLE[name]
    for curve in curves.values():
        axis.plot(*zip(*curve, strict=True), color=colour, linestyle=dashes, alpha=0.35, linewidth=0.8)
    units, levels = mean_curve(list(curves.values()), rising=name == "gained")
    axis.plot(units, levels, color=colour, linestyle=dashes, linewidth=2.4, label=label)


def mean_curve(curves: list[Curve], rising: bool) -> tuple[np.ndarray, np.ndarray]:
    """Average curves: at every level, the geometric mean of the units that reach it.

    Parameters
    ----------
    curves
        One curve a session, from no unit kept or lost upwards.
    rising
        Whether R2 rises along a curve.

    Returns
    -------
    units, levels
        Number of units and part of the R2 (level,), as far as every session's curve goes.
    """
    if not curves:
        return np.zeros(0), np.zeros(0)
    start = max(curve[0][1] for curve in curves) if rising else min(curve[0][1] for curve in curves)
    end = min(max(v for _, v in curve) for curve in curves) if rising else max(min(v for _, v in curve) for curve in curves)
    levels = np.linspace(start, end, 101)
    reached = np.array([[_first(curve, level, rising) for level in levels[1:]] for curve in curves])
    return np.concatenate(([0.0], np.exp(np.log(reached).mean(axis=0)))), levels


def _first(curve: Curve, level: float, rising: bool) -> float:
    """Return the units at which a curve first reaches a level, interpolated."""
    for (units, before), (later, after) in pairwise(curve):
        if after >= level if rising else after <= level:
            return units + (level - before) / (after - before) * (later - units) if after != before else later
    return float(curve[-1][0])


def _units_axis(axis: Axes, most: int) -> None:
    """Make the axis linear up to one unit, logarithmic beyond, with plain numbers."""
    axis.set_xscale("symlog", linthresh=1, linscale=0.5)
    ticks = [tick for tick in (0, 1, 2, 5, 10, 20, 50, 100, 200, 500, 1000) if tick <= most]
    axis.xaxis.set_major_locator(FixedLocator(ticks))
    axis.xaxis.set_major_formatter(FixedFormatter([str(tick) for tick in ticks]))
    axis.xaxis.set_minor_locator(NullLocator())
    axis.set_xlim(0, 1.1 * max(most, 2))
