"""Figure of K_s / N against K_n / N: how many units carry the target.

K_s is the fewest units found that reach half of the R2 of all N units; K_n is the fewest
units whose removal leaves less than half. In: the finding of the code of a hypothesis,
and its values by session. Out: a figure in which the regions of the findings `few`,
`between` and `spread` are coloured and simulated codes serve as landmarks.
"""

import math
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from invariance_probe.inference.hypotheses.code import CLEAR
from invariance_probe.reporting.figures.chart import BLUE, GREY, Chart, chart
from invariance_probe.reporting.figures.worlds import EQUAL, EQUAL_LOW, OTHER, WORLDS
from invariance_probe.study.counting import counted

TICKS = (0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1.0)
"""Possible positions of the ticks of the logarithmic axes."""
LANDMARK = "#a0a0a0"
"""Colour of the simulated codes."""
REGIONS = {"few": "#dcebf5", "between": "#f4f4f2", "spread": "#fbe6d8"}
"""Findings about the number of units, each with the colour of its region."""

LABELS = {"left": ((-5, 2), "right"), "right": ((6, -2), "left"), "below": ((4, -9), "left")}
"""Offset (points) and alignment of a label, by its side of the mark."""


def carriers_plane(hypothesis: dict[str, Any], points: list[dict[str, Any]]) -> Chart | None:
    """Draw K_s / N against K_n / N for each session, beside simulated codes.

    Parameters
    ----------
    hypothesis
        One of the report's hypotheses, with its finding of the code.
    points
        Rows of the report's `code` for the sessions of the hypothesis.

    Returns
    -------
    Chart or None
        None if no session has K_s and K_n.
    """
    own = [p for p in points if p["K_s"] is not None and p["K_n"] is not None]
    if not own:
        return None
    code = hypothesis["code"]
    share = code["share"]
    worlds = [(world.K_s / world.units, world.K_n / world.units) for world in WORLDS]
    shares = [(p["K_s"] / p["units"], p["K_n"] / p["units"]) for p in own]
    pooled = _pooled(code)

    def draw(figure: Figure) -> None:
        axis = figure.subplots()
        low = [0.6 * min(place[i] for place in (*worlds, *shares)) for i in (0, 1)]
        _regions(axis, share, low)
        _landmarks(axis)
        axis.plot(
            *zip(*shares, strict=True),
            "o",
            color=BLUE,
            markersize=5,
            alpha=0.6,
            linestyle="",
            label="a session",
        )
        if pooled:
            _cross(axis, pooled)
        for place, at in (("x", axis.xaxis), ("y", axis.yaxis)):
            marked = [tick for tick in TICKS if tick >= low[place == "y"]]
            at.set_ticks(marked, [f"{tick:g}" for tick in marked])
            at.set_ticks([], minor=True)
        axis.set_xlabel("$K_s$ / N: part of the units that suffices for half")
        axis.set_ylabel("$K_n$ / N: part whose loss leaves less than half")
        figure.legend(loc="outside lower center", ncols=2, frameon=False, fontsize=8)

    rows = [
        (p["session"], p["units"], p["K_s"], p["K_n"], p["K_s"] / p["units"], p["K_n"] / p["units"])
        for p in own
    ]
    rows += [
        (f"simulated: {w.name}", w.units, w.K_s, w.K_n, w.K_s / w.units, w.K_n / w.units)
        for w in WORLDS
    ]
    columns = ("session", "units N", "K_s", "K_n", "K_s / N", "K_n / N")
    title = f"{hypothesis['id']}: how many units suffice, and how many it takes to lose the target"
    return chart(title, _alt(hypothesis, share, len(own)), draw, (6.4, 5.6), columns, tuple(rows))


def _alt(hypothesis: dict[str, Any], share: float, sessions: int) -> str:
    """Describe the figure in words."""
    code = hypothesis["code"]
    quantities = {name: code[name] for name in ("K_s", "K_n") if code[name]}
    found = " and ".join(f"{name} = {q['estimate']:.1f}" for name, q in quantities.items())
    word = f" The finding is \u201c{code['carriers_word']}\u201d." if code["carriers_word"] else ""
    return (
        "Units that suffice for half of what all decode against units whose loss leaves less "
        "than half, both as parts of the N recorded units, on logarithmic axes; "
        f"{counted(sessions, 'session')} as dots"
        + (f", and all together ({found}) with 90 % intervals as a cross.{word}" if found else ".")
        + f" Regions: few (K_s + K_n below {share:g} N / {CLEAR:g}), spread "
        f"(K_n above {CLEAR:g} x {share:g} N), between. Grey: simulated codes of known make, "
        "most of 60 units; a number says how many equal carriers. A word needs the whole "
        "interval on its side, at the level that Holm's procedure leaves where a study has "
        "several hypotheses."
    )


def _pooled(code: dict[str, Any]) -> list[tuple[float, float | None, float | None]]:
    """Return K_s / N and K_n / N over all sessions, each with its interval.

    N is the geometric mean of the sessions' numbers of units.

    Returns
    -------
    shares
        Estimate, low end and high end of K_s / N, then of K_n / N; empty if either was
        not computed.
    """
    if code["K_s"] is None or code["K_n"] is None:
        return []
    units = math.exp(float(np.mean(np.log(code["n_units"]))))

    def share(end: float | None) -> float | None:
        return None if end is None else end / units

    return [
        (code[name]["estimate"] / units, share(code[name]["ci_low"]), share(code[name]["ci_high"]))
        for name in ("K_s", "K_n")
    ]


def _regions(axis: Axes, share: float, low: list[float]) -> None:
    """Colour and label the regions of `few`, `between` and `spread`."""
    axis.set_xscale("log")
    axis.set_yscale("log")
    axis.set_xlim(low[0], 1.0)
    axis.set_ylim(low[1], 1.0)
    few, spread = share / CLEAR, share * CLEAR
    axis.set_facecolor(REGIONS["between"])
    along = np.geomspace(low[0], few * (1 - 1e-9), 400)
    axis.fill_between(
        along, low[1], np.maximum(few - along, low[1]), color=REGIONS["few"], linewidth=0
    )
    axis.axhspan(spread, 1.0, color=REGIONS["spread"], linewidth=0)
    edge: dict[str, Any] = {"color": "#555555", "linewidth": 0.8, "linestyle": "--"}
    axis.plot(along, few - along, **edge)
    axis.axhline(spread, **edge)
    for word, place in (("few", (0.03, 0.04)), ("between", (0.97, 0.04)), ("spread", (0.03, 0.95))):
        sides: dict[str, Any] = {
            "ha": "right" if place[0] > 0.5 else "left",
            "va": "top" if place[1] > 0.5 else "bottom",
        }
        axis.text(
            *place,
            word,
            transform=axis.transAxes,
            fontsize=12,
            fontweight="bold",
            color="#444444",
            **sides,
        )


def _landmarks(axis: Axes) -> None:
    """Plot the simulated codes in grey, as landmarks.

    Points of codes in which all carrying units are equally informative are joined by
    lines. Other codes are crosses.
    """
    for family, style in ((EQUAL, "-"), (EQUAL_LOW, ":"), (OTHER, "")):
        own = [world for world in WORLDS if world.family == family]
        places = [(world.K_s / world.units, world.K_n / world.units) for world in own]
        marker = "x" if family == OTHER else "."
        axis.plot(
            *zip(*places, strict=True),
            linestyle=style,
            marker=marker,
            color=LANDMARK,
            linewidth=1,
            markersize=5,
            label=f"simulated: {family}",
        )
        for world, place in zip(own, places, strict=True):
            offset, side = LABELS[world.side]
            axis.annotate(
                world.label,
                place,
                xytext=offset,
                textcoords="offset points",
                fontsize=7,
                color=GREY,
                ha=side,
                zorder=1,
            )


def _cross(axis: Axes, pooled: list[tuple[float, float | None, float | None]]) -> None:
    """Draw the estimate over all sessions as a cross of its two 90 % intervals."""
    (x, *across), (y, *up) = pooled
    edges = [(edge[0], edge[1]) for edge in (axis.get_xlim(), axis.get_ylim())]
    (left, right), (bottom, top) = (
        [limit if end is None else end for end, limit in zip(ends, limits, strict=True)]
        for ends, limits in zip((across, up), edges, strict=True)
    )
    axis.plot([left, right], [y, y], color="#000000", linewidth=1.8)
    axis.plot([x, x], [bottom, top], color="#000000", linewidth=1.8)
    axis.plot(
        x, y, "s", color="#000000", markersize=4, linestyle="", label="all sessions, 90 % intervals"
    )
