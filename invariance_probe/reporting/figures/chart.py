"""One figure of the report: reproducible SVG, alt text, and its numbers.

A drawing function goes in; a `Chart` comes out, the same every time. The elements that
several figures share (margin, axes, labels) are here too.
"""

import base64
import io
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from html import escape
from pathlib import Path
from typing import Any

import matplotlib
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from invariance_probe.study.views import DOSE_WORDS

BLUE, ORANGE, GREEN, PINK, GREY = "#0072B2", "#D55E00", "#009E73", "#CC79A7", "#666666"
YELLOW = "#E69F00"
"""The colours of Okabe & Ito, which colour-blind readers can tell apart.

Each series has a marker of its own too.
"""

UNIT = "loss, in units of the decodable range"
"""Label of an axis of losses in units of R."""
CODE_UNIT = "loss, in units of R_code"
"""Label of an axis of losses in units of R_code."""


@dataclass(frozen=True)
class Chart:
    """One figure of the report, as text.

    Attributes
    ----------
    title
        Its heading.
    alt
        What it shows, in words.
    svg
        The drawing.
    columns, rows
        Table of the numbers that it shows (row, column).
    """

    title: str
    alt: str
    svg: str = field(repr=False)
    columns: tuple[str, ...]
    rows: tuple[tuple[Any, ...], ...] = field(repr=False)
    rests_on: str = ""
    """Sessions, seeds and test blocks, and whether the claim was registered."""
    about: str = ""
    """`code` (no SSL) or `learning`; empty for figures of both, or of neither."""

    def _repr_html_(self) -> str:
        """The drawing with its caption, as a notebook shows it."""
        picture = base64.b64encode(self.svg.encode()).decode()
        rests_on = f" {escape(self.rests_on)}." if self.rests_on else ""
        return (
            f'<figure><img src="data:image/svg+xml;base64,{picture}" alt="{escape(self.alt)}">'
            f"<figcaption><b>{escape(self.title)}.</b> {escape(self.alt)}{rests_on}</figcaption>"
            "</figure>"
        )

    def to_pandas(self) -> pd.DataFrame:
        """The numbers that the figure shows."""
        return pd.DataFrame(list(self.rows), columns=list(self.columns))

    def save(self, path: str | Path) -> Path:
        """Write the drawing to an SVG file, and return its path."""
        path = Path(path)
        path.write_text(self.svg, encoding="utf-8")
        return path


def chart(
    title: str,
    alt: str,
    draw: Callable[[Figure], None],
    size: tuple[float, float],
    columns: tuple[str, ...],
    rows: tuple[tuple[Any, ...], ...],
) -> Chart:
    """Draw a figure in the house style.

    The hash salt is fixed and the date left out, so that the SVG is the same every
    time.

    Parameters
    ----------
    title
        Its heading; it is not drawn.
    alt
        What it shows, in words.
    draw
        Draws into an empty figure.
    size
        Width and height in inches.
    columns, rows
        Table of the numbers that it shows (row, column).

    Returns
    -------
    chart
        The figure as SVG text.
    """
    style: Any = {
        "svg.hashsalt": "invariance_probe",  # else the ids in the SVG differ every time
        "svg.fonttype": "path",
        "font.size": 9,
        "axes.spines.top": False,
        "axes.spines.right": False,
    }
    with matplotlib.rc_context(style):
        figure = Figure(figsize=size, layout="constrained")
        draw(figure)
        text = io.StringIO()
        figure.savefig(text, format="svg", metadata={"Date": None, "Creator": None})
    return Chart(title, alt, text.getvalue(), columns, rows)


def band(axis: Axes, margin: float) -> None:
    """Shade the margin about zero on a vertical axis.

    Parameters
    ----------
    axis
        The axes to draw on.
    margin
        Half of the band's height, in units of the axis.
    """
    axis.axhspan(-margin, margin, color="#000000", alpha=0.08, linewidth=0)
    axis.axhline(0, color="#999999", linewidth=0.8)


def seconds_axis(axis: Axes, ticks: Iterable[float]) -> None:
    """Make the horizontal axis logarithmic, with plain numbers at given ticks.

    Parameters
    ----------
    axis
        The axes to change.
    ticks
        Where the ticks are (s); there are no others.
    """
    axis.set_xscale("log")
    marked = [float(tick) for tick in ticks]
    axis.set_xticks(marked, [f"{tick:g}" for tick in marked])
    axis.set_xticks([], minor=True)


def dose_label(path: str) -> str:
    """Name of a swept path for an axis; the path itself where it has no name."""
    words = DOSE_WORDS.get(path)
    return path if words is None else words.on_axis
