"""One figure of the report: reproducible SVG, alt text, and its numbers.

In: a function that draws into a matplotlib figure. Out: a `Chart`, the same every time.
The elements that several figures share (margin, axes, labels) are here too.
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

Each series also has its own marker.
"""

UNIT = "loss, in units of the decodable range"
"""Label of an axis with losses in units of R, the decodable range."""
CODE_UNIT = "loss, in units of R_code"
"""Label of an axis with losses in units of R_code (C_code and C_blind)."""


@dataclass(frozen=True)
class Chart:
    """One figure of the report, as text.

    Attributes
    ----------
    title
        Heading.
    alt
        Description of the figure in words.
    svg
        The drawing, as SVG text.
    columns, rows
        Table of the numbers that the figure shows: names, and rows (row, column).
    """

    title: str
    alt: str
    svg: str = field(repr=False)
    columns: tuple[str, ...]
    rows: tuple[tuple[Any, ...], ...] = field(repr=False)
    rests_on: str = ""
    """Numbers of sessions, seeds and test blocks; the claim's registration."""
    about: str = ""
    """What it is about: `code` (no SSL) or `learning`; empty for both or neither."""

    def _repr_html_(self) -> str:
        """Return the drawing with its caption as HTML, for a notebook."""
        picture = base64.b64encode(self.svg.encode()).decode()
        rests_on = f" {escape(self.rests_on)}." if self.rests_on else ""
        return (
            f'<figure><img src="data:image/svg+xml;base64,{picture}" alt="{escape(self.alt)}">'
            f"<figcaption><b>{escape(self.title)}.</b> {escape(self.alt)}{rests_on}</figcaption>"
            "</figure>"
        )

    def to_pandas(self) -> pd.DataFrame:
        """Return the numbers that the figure shows as a data frame."""
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
    """Draw a figure in the style of the report.

    Equal input gives equal SVG text: ids are made with a fixed salt, and the date is
    omitted.

    Parameters
    ----------
    title
        Heading of the figure, which is not drawn.
    alt
        Description of the figure in words.
    draw
        Function that draws into an empty figure.
    size
        Width and height in inches.
    columns, rows
        Table of the numbers that the figure shows: names, and rows (row, column).

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
    """Shade the band from minus to plus the margin on the vertical axis.

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
        Positions of all ticks, in seconds.
    """
    axis.set_xscale("log")
    marked = [float(tick) for tick in ticks]
    axis.set_xticks(marked, [f"{tick:g}" for tick in marked])
    axis.set_xticks([], minor=True)


def dose_label(path: str) -> str:
    """Return the axis label of a swept path; the path itself if it has none."""
    words = DOSE_WORDS.get(path)
    return path if words is None else words.on_axis
