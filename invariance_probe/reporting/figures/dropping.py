"""Figure of dropping curves: decoding against the units kept or lost.

In: the rows of the report's `dropping`. Out: a figure. J = R2 / (1 - R2) is the linear
information that the units hold about the target. K_s is the number of kept units, K_n the
number of lost units, at which R2 crosses half of the R2 of all units.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FixedFormatter, FixedLocator, NullLocator

from invariance_probe.plan.figures.code import information, r2_of
from invariance_probe.reporting.figures.chart import BLUE, GREY, ORANGE, Chart, chart
from invariance_probe.study.counting import counted

STYLE = {
    "gained": (BLUE, "-", "kept, most useful first"),
    "lost": (ORANGE, "-", "lost, most damaging first"),
    "random": (GREY, "--", "lost at random"),
}
"""Colour, line style and meaning of each curve."""
HALF = 0.5
"""Fraction of the R2 of all units at which K_s and K_n are read off."""


@dataclass(frozen=True)
class Curve:
    """One session's dropping curve, interpolated linearly in J between units.

    Attributes
    ----------
    information
        J after 0, 1, 2, ... units are kept or lost (step,).
    r2_of_all
        R2 of all units.
    """

    information: tuple[float, ...]
    r2_of_all: float

    def part(self, found: float) -> float:
        """Convert a value of J to R2, as a fraction of the R2 of all units."""
        return r2_of(found) / self.r2_of_all

    def reached(self, level: float) -> float:
        """Return the number of units at which the curve first reaches a level.

        Parameters
        ----------
        level
            Fraction of the R2 of all units.

        Returns
        -------
        units
            Number of units, interpolated linearly in J; the last of the curve if it never
            reaches the level.
        """
        wanted, rising = (
            information(level * self.r2_of_all),
            self.information[-1] > self.information[0],
        )
        for units, (before, after) in enumerate(pairwise(self.information)):
            if after >= wanted if rising else after <= wanted:
                return (
                    units + (wanted - before) / (after - before) if after != before else units + 1
                )
        return float(len(self.information) - 1)

    def points(self) -> tuple[np.ndarray, np.ndarray]:
        """Return the points to draw, twenty per unit.

        Returns
        -------
        units, parts
            Number of units, and R2 as a fraction of that of all units (point,).
        """
        units = np.linspace(0, len(self.information) - 1, 20 * (len(self.information) - 1) + 1)
        found = np.interp(units, np.arange(len(self.information)), self.information)
        return units, np.array([self.part(value) for value in found])


def dropping_curves(hypothesis: dict[str, Any], points: list[dict[str, Any]]) -> Chart | None:
    """Draw the dropping curves: sessions thin, their mean thick, a line at half.

    Left: units kept. Right: units lost, most damaging first and at random. At each level
    of R2 the mean curve has the geometric mean of the numbers of units at which sessions
    reach it; K_s and K_n are averaged in the same way. It ends where the first of the
    sessions' curves ends.

    Parameters
    ----------
    hypothesis
        One of the report's hypotheses.
    points
        Rows of the report's `dropping` for the sessions of the hypothesis.

    Returns
    -------
    Chart or None
        None if there are no curves.
    """
    curves = {name: curves_of(points, name) for name in STYLE}
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
        axes[0].annotate(
            "half",
            (0.01, HALF),
            xycoords=axes[0].get_yaxis_transform(),
            fontsize=8,
            va="bottom",
            color=GREY,
        )
        axes[0].set_xlabel("units kept")
        axes[1].set_xlabel("units lost")
        axes[0].set_ylabel("$R^2$, part of that of all units")
        axes[0].set_ylim(-0.03, 1.06)

    shown = [p for p in points if p["curve"] in STYLE]
    rows = tuple(
        (p["session"], STYLE[p["curve"]][2], p["units"], p["r2"], p["part"]) for p in shown
    )
    alt = (
        "Held-out R2 of refitted linear decoders, as a part of that of all units: left against "
        "the number of units kept, most useful first; right against the number lost, most "
        "damaging first, and lost at random. The dotted line is half: the left curve crosses it "
        "at K_s, the right solid one at K_n. Thin lines are "
        f"{counted(len({p['session'] for p in points}), 'session')}, thick ones their mean; "
        "between whole numbers of units J = R2 / (1 - R2) is interpolated."
    )
    title = f"{hypothesis['id']}: dropping curves"
    return chart(
        title,
        alt,
        draw,
        (7.8, 4.0),
        ("session", "units", "number", "R2", "part of that of all"),
        rows,
    )


def curves_of(points: list[dict[str, Any]], name: str) -> list[Curve]:
    """Collect one kind of dropping curve from each session that has it.

    Parameters
    ----------
    points
        Rows of the report's `dropping`.
    name
        `gained` (most useful unit first), `lost` (most damaging first) or `random` (lost
        at random).

    Returns
    -------
    curves
        The curves, sorted by the names of the sessions.
    """
    found = []
    for session in sorted({p["session"] for p in points}):
        own = [p for p in points if p["session"] == session]
        whole = next((p["r2"] / p["part"] for p in own if p["part"]), 0.0)
        steps = sorted((p["units"], p["r2"]) for p in own if p["curve"] == name)
        if len(steps) > 1 and whole:
            found.append(Curve(tuple(information(r2) for _, r2 in steps), whole))
    return found


def _draw(axis: Axes, curves: list[Curve], name: str) -> None:
    colour, dashes, label = STYLE[name]
    for curve in curves:
        axis.plot(*curve.points(), color=colour, linestyle=dashes, alpha=0.35, linewidth=0.8)
    axis.plot(*mean_curve(curves), color=colour, linestyle=dashes, linewidth=2.4, label=label)


def mean_curve(curves: Sequence[Curve]) -> tuple[np.ndarray, np.ndarray]:
    """Average curves: at each level, the geometric mean of the numbers of units.

    Parameters
    ----------
    curves
        Curves of one kind, one per session.

    Returns
    -------
    units, levels
        Mean number of units, and the fraction of R2 that they reach (level,), as far as
        each session's curve goes.
    """
    if not curves:
        return np.zeros(0), np.zeros(0)
    start, ends = (
        curves[0].part(curves[0].information[0]),
        [curve.part(curve.information[-1]) for curve in curves],
    )
    end = min(ends, key=lambda value: abs(value - start))
    levels = np.linspace(start, end, 101)
    reached = np.array([[curve.reached(level) for level in levels[1:]] for curve in curves])
    return np.concatenate(([0.0], np.exp(np.log(reached).mean(axis=0)))), levels


def _units_axis(axis: Axes, most: int) -> None:
    """Make the horizontal axis linear up to one unit and logarithmic beyond.

    Its ticks are plain numbers, at most `most`.
    """
    axis.set_xscale("symlog", linthresh=1, linscale=0.5)
    ticks = [tick for tick in (0, 1, 2, 5, 10, 20, 50, 100, 200, 500, 1000) if tick <= most]
    axis.xaxis.set_major_locator(FixedLocator(ticks))
    axis.xaxis.set_major_formatter(FixedFormatter([str(tick) for tick in ticks]))
    axis.xaxis.set_minor_locator(NullLocator())
    axis.set_xlim(0, 1.1 * max(most, 2))
