"""Figures about the finding of the code: phase map, coverage and bias.

The phase map is a list of simulated codes, called cells. In: tables of
calibration.json. Out: figures. Nothing is counted here.

A study says one of the words `few`, `between`, `spread` and `undecided` about the
number of units that carry the target. K_s units suffice for half of what all decode,
losing K_n leaves less than half, and carriers = K_s + K_n.
"""

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter

from invariance_probe.calibration.code_counting import SHARE, WORDS
from invariance_probe.calibration.reading import Bias, Counted
from invariance_probe.inference.hypotheses.code import CLEAR, REDUNDANT
from invariance_probe.reporting.figures.chart import BLUE, GREEN, GREY, ORANGE, PINK, Chart, chart

_WORD_COLOURS = dict(zip(WORDS, (ORANGE, GREEN, BLUE, "#D9D9D9"), strict=True))
_QUANTITY_MARKS = {
    "K_s": (ORANGE, "v"),
    "K_n": (BLUE, "s"),
    "carriers": (GREEN, "o"),
    "redundancy": (PINK, "D"),
    "C_code": (GREY, "P"),
}
_LABELS = {"K_s": "K_s suffice", "K_n": "K_n needed", "carriers": "K_s + K_n"}
"""Labels of the quantities that are drawn as fractions of the units."""
_LEAST = 0.78
"""Left end of the coverage axis; smaller values are written there as numbers."""
_ROW = 0.27
"""Height in inches of the row of one cell."""

Cells = Sequence[Mapping[str, Any]]
"""Lines of the table `phase_map` of calibration.json, one per cell."""


def phase_map_chart(cells: Cells, sessions: int) -> Chart:
    """Draw what studies say about each simulated code, beside mean quantities.

    The quantities are K_s, K_n, redundancy and C_code.

    Parameters
    ----------
    cells
        Lines of the table `phase_map`.
    sessions
        Number of sessions per study that is shown.

    Returns
    -------
    chart
        The figure.
    """

    def draw(figure: Figure) -> None:
        said, needed, copied, lost = figure.subplots(
            1, 4, sharey=True, width_ratios=[1.35, 1.5, 0.8, 0.8]
        )
        _draw_words(said, cells, sessions)
        _draw_units(needed, cells)
        _draw_means(copied, cells, "redundancy", "redundancy", (1.0, REDUNDANT))
        _draw_means(lost, cells, "C_code", "C_code(.4)", ())
        for axis in (said, needed, copied, lost):
            _rule_groups(axis, cells)
        said.set_yticks(range(len(cells)), [cell["title"] for cell in cells])
        said.set_ylim(len(cells) - 0.4, -0.6)

    rows = tuple(_table_row(cell, sessions) for cell in cells)
    alt = (
        f"Share of studies of {sessions} sessions that say few, between, spread or nothing of the "
        "number of units, by code; beside it the share of the units that suffice and that are "
        "needed, the redundancy, and what decoding loses without "
        f"two fifths of the units. {_in_words(cells, sessions)}"
    )
    columns = (
        "code",
        *WORDS,
        "redundant",
        "K_s",
        "K_n",
        "redundancy",
        "C_code",
        "sessions in the bank",
    )
    return chart(
        "The phase map of the code's finding",
        alt,
        draw,
        (10.2, 1.4 + _ROW * len(cells)),
        columns,
        rows,
    )


def trust_chart(
    cells: Cells, coverages: Sequence[Counted], biases: Sequence[Bias], sessions: int
) -> Chart:
    """Draw the coverage of 90 % intervals, and biases against long recordings.

    Parameters
    ----------
    cells
        Lines of the table `phase_map`.
    coverages, biases
        Rows of calibration.json, from `reading.coverages` and `reading.biases`.
    sessions
        Number of sessions per study whose coverage is shown.

    Returns
    -------
    chart
        The figure.
    """
    titles = [cell["title"] for cell in cells]
    covered = [x for x in coverages if x.sessions == sessions]
    biased = [x for x in biases if x.of in _QUANTITY_MARKS]

    def place(x: Counted | Bias) -> float:
        return titles.index(x.case) + 0.15 * (list(_QUANTITY_MARKS).index(x.of) - 2)

    def draw(figure: Figure) -> None:
        left, right = figure.subplots(1, 2, sharey=True)
        left.axvspan(0.88, 0.95, color="#000000", alpha=0.08, linewidth=0)
        for x in covered:
            colour, marker = _QUANTITY_MARKS[x.of]
            left.plot(max(x.reached, _LEAST), place(x), marker, color=colour, markersize=4)
            if x.reached < _LEAST:
                left.text(_LEAST + 0.008, place(x), f"{x.reached:.2f}", fontsize=7, va="center")
        left.set_xlim(_LEAST - 0.01, 1)
        left.set_xlabel(f"coverage of 90 % intervals, {sessions} sessions")
        right.axvspan(-0.1, 0.1, color="#000000", alpha=0.08, linewidth=0)
        right.axvline(0, color="#777777", linewidth=0.9)
        for bias in biased:
            colour, marker = _QUANTITY_MARKS[bias.of]
            right.plot([bias.low, bias.high], [place(bias)] * 2, color=colour, linewidth=1)
            right.plot(bias.reached, place(bias), marker, color=colour, markersize=4)
        right.set_xlabel("bias against n = 30,000, as a fraction")
        for axis in (left, right):
            _rule_groups(axis, cells)
        left.set_yticks(range(len(titles)), titles)
        left.set_ylim(len(titles) - 0.4, -0.6)
        for name, (colour, marker) in _QUANTITY_MARKS.items():
            left.plot([], [], marker, color=colour, markersize=4, label=name)
        handles, labels = left.get_legend_handles_labels()
        figure.legend(
            handles, labels, frameon=False, fontsize=8, ncols=5, loc="outside lower center"
        )

    rows = [(x.case, x.of, "coverage", x.reached) for x in covered]
    rows += [(x.case, x.of, "bias", x.reached) for x in biased]
    outside, large = (sum(x.met is False for x in found) for found in (covered, biased))
    alt = (
        f"Coverage of the 90 % intervals (band .88 to .95; {outside} of {len(covered)} outside) "
        f"and bias against recordings of 30,000 bins (band 10 %; {large} of {len(biased)} "
        "outside), by code."
    )
    columns = ("code", "quantity", "figure", "value")
    return chart(
        "Coverage and bias", alt, draw, (9.0, 1.6 + 1.25 * _ROW * len(cells)), columns, tuple(rows)
    )


def _draw_words(axis: Axes, cells: Cells, sessions: int) -> None:
    """Draw stacked bars: the fraction of studies that say each word, by cell.

    Wrong words are hatched. A diamond shows the fraction that adds `redundant`.
    """
    for y, cell in enumerate(cells):
        left, shares = 0.0, cell["words"][str(sessions)]
        for word in WORDS:
            wrong = word in (cell["wrong"] or ())
            axis.barh(
                y,
                shares[word],
                0.8,
                left=left,
                color=_WORD_COLOURS[word],
                hatch="xxx" if wrong else "",
                edgecolor="white",
            )
            if shares[word] >= 0.12:
                axis.text(
                    left + shares[word] / 2,
                    y,
                    f"{shares[word]:.2f}",
                    ha="center",
                    va="center",
                    fontsize=7,
                )
            left += shares[word]
        axis.plot(
            shares["redundant"],
            y,
            "D",
            color=PINK,
            markeredgecolor="black",
            markersize=4,
            clip_on=False,
            zorder=3,
        )
    for word in WORDS:
        axis.bar(0, 0, color=_WORD_COLOURS[word], label=word)
    axis.plot(
        [],
        [],
        "D",
        color=PINK,
        markeredgecolor="black",
        markersize=4,
        linewidth=0,
        label="redundant",
    )
    axis.set_xlim(0, 1)
    axis.set_xlabel(f"share of studies of {sessions} sessions")
    handles, labels = axis.get_legend_handles_labels()
    # Matplotlib lists lines before bars, but `redundant` shall come last.
    _legend_above(axis, [*handles[1:], handles[0]], [*labels[1:], labels[0]])


def _draw_units(axis: Axes, cells: Cells) -> None:
    """Draw K_s, K_n and carriers as fractions of the units, with their SD.

    Hollow marks show the values from long recordings.
    """
    axis.axvspan(SHARE / CLEAR, SHARE * CLEAR, color="#000000", alpha=0.12, linewidth=0)
    for y, cell in enumerate(cells):
        for name in _LABELS:
            (mean, sd), (colour, marker) = cell["means"][name], _QUANTITY_MARKS[name]
            low, middle, high = (max(x, 1e-3) / cell["units"] for x in (mean - sd, mean, mean + sd))
            axis.plot([low, high], [y, y], color=colour, linewidth=1.2)
            axis.plot(middle, y, marker, color=colour, markersize=5)
            if name in cell["long_means"]:
                at_length = cell["long_means"][name][0] / cell["units"]
                axis.plot(
                    at_length,
                    y,
                    marker,
                    color="none",
                    markeredgecolor="black",
                    markeredgewidth=0.7,
                    markersize=7,
                )
    for name, label in _LABELS.items():
        axis.plot(
            [],
            [],
            _QUANTITY_MARKS[name][1],
            color=_QUANTITY_MARKS[name][0],
            markersize=5,
            label=label,
        )
    axis.plot(
        [], [], "s", color="none", markeredgecolor="black", markersize=6, label="at n = 30,000"
    )
    axis.set_xscale("log")
    axis.set_xlim(0.002, 1)
    axis.xaxis.set_major_formatter(FuncFormatter(lambda x, _: f"{x:g}"))
    axis.set_xlabel("share of the units (band: a quarter)")
    _legend_above(axis, *axis.get_legend_handles_labels())


def _draw_means(axis: Axes, cells: Cells, name: str, label: str, lines: Sequence[float]) -> None:
    """Draw the mean and SD of one quantity in every cell.

    `lines` are values at which vertical reference lines are drawn.
    """
    for x in lines:
        axis.axvline(x, color="#777777", linewidth=0.9, linestyle="-" if x == 1 else "--")
    colour, marker = _QUANTITY_MARKS[name]
    for y, cell in enumerate(cells):
        mean, sd = cell["means"][name]
        axis.plot([mean - sd, mean + sd], [y, y], color=colour, linewidth=1.2)
        axis.plot(mean, y, marker, color=colour, markersize=4)
    axis.set_xlabel(label)


def _legend_above(axis: Axes, handles: Sequence[Any], labels: Sequence[str]) -> None:
    """Put the legend above the axes."""
    axis.legend(
        handles,
        labels,
        frameon=False,
        fontsize=7,
        ncols=3,
        loc="lower left",
        bbox_to_anchor=(-0.05, 1.0),
        columnspacing=1,
        handlelength=1,
        borderaxespad=0,
    )


def _rule_groups(axis: Axes, cells: Cells) -> None:
    """Draw lines between three groups of cells.

    They are equal carriers with much information (J = 8), equal carriers with little
    (J = 2), and other codes.
    """
    kinds = [
        cell["name"].partition("-")[0] if cell["name"].startswith(("strong", "weak")) else ""
        for cell in cells
    ]
    for y in np.flatnonzero([a != b for a, b in pairwise(kinds)]):
        axis.axhline(y + 0.5, color="#777777", linewidth=0.6)


def _table_row(cell: Mapping[str, Any], sessions: int) -> tuple[Any, ...]:
    """Return one cell's row of the data table under the figure."""
    shares, means = cell["words"][str(sessions)], cell["means"]
    said = (shares[word] for word in (*WORDS, "redundant"))
    return (
        cell["title"],
        *said,
        *(means[name][0] for name in ("K_s", "K_n", "redundancy", "C_code")),
        cell["sessions"],
    )


def _in_words(cells: Cells, sessions: int) -> str:
    """Write the sentence that names the most common word for each code."""
    most = (
        (cell["title"], max(WORDS, key=lambda word: cell["words"][str(sessions)][word]))
        for cell in cells
    )
    return "The most common word: " + "; ".join(f"{title}: {word}" for title, word in most) + "."
