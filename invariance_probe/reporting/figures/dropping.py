"""The figure of dropping curves: decoding against units kept, or lost.

The report's points of `dropping` go in; a figure comes out.
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
"""The part of R2 at which K_s and K_n are read."""


@dataclass(frozen=True)
class Curve:
    """A dropping curve of one session, linear in J between whole unit numbers.

    Attributes
    ----------
    information
        J with 0, 1, 2, ... units kept or lost (step,).
    r2_of_all
        R2 of all units.
    """

    information: tuple[float, ...]
    """J with 0, 1, 2, ... units kept or lost (step,)."""
    r2_of_all: float

    def part(self, found: float) -> float:
        """R2 as a part of that of all units, for a given J."""
        return r2_of(found) / self.r2_of_all

    def reached(self, level: float) -> float:
        """Number of units at which the curve first reaches a part of R2.

        Parameters
        ----------
        level
            Part of the R2 of all units.

        Returns
        -------
        units
            Interpolated on the J scale; the curve's end where it never reaches the
            level.
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
        """Points to draw: units and part of R2 (point,), twenty points per unit."""
        units = np.linspace(0, len(self.information) - 1, 20 * (len(self.information) - 1) + 1)
        found = np.interp(units, np.arange(len(self.information)), self.information)
        return units, np.array([self.part(value) for value in found])


def dropping_curves(hypothesis: dict[str, Any], points: list[dict[str, Any]]) -> Chart | None:
    """Draw the dropping curves: sessions thin, their mean thick, a line at half.

    Left: units kept. Right: units lost, most damaging first and at random. The mean is
    over the logarithm of the number of units at which sessions reach a level, as K_s
    and K_n are averaged. It ends where some session's curve ends.

    Parameters
    ----------
    hypothesis
        One of the report's hypotheses.
    points
        Rows of the report's `dropping` of the hypothesis's sessions.

    Returns
    -------
    Chart or None
        None where there are no curves.
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
    """One kind of dropping curve, for every session that has it.

    Parameters
    ----------
    points
        Rows of the report's `dropping`.
    name
        `gained`, `lost` or `random`.

    Returns
    -------
    curves
        In the order of the sessions' names.
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
    """Average curves: the geometric mean of the units that reach each level.

    Parameters
    ----------
    curves
        Curves of one kind, one per session.

    Returns
    -------
    units, levels
        Number of units and part of R2 (level,), as far as every session's curve goes.
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
    """Make the axis linear up to one unit and logarithmic beyond.

    Its ticks are plain numbers.
    """
    axis.set_xscale("symlog", linthresh=1, linscale=0.5)
    ticks = [tick for tick in (0, 1, 2, 5, 10, 20, 50, 100, 200, 500, 1000) if tick <= most]
    axis.xaxis.set_major_locator(FixedLocator(ticks))
    axis.xaxis.set_major_formatter(FixedFormatter([str(tick) for tick in ticks]))
    axis.xaxis.set_minor_locator(NullLocator())
    axis.set_xlim(0, 1.1 * max(most, 2))
