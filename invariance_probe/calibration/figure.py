"""Figures of the calibration's report.

In: the content of calibration.json. Out: figures; one whose data are missing is
omitted. Nothing is counted here. A case is one simulated code of known truth. The size
of a claim is the fraction of studies that make it although it is false.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from invariance_probe.calibration.reading import TAU, Counted, coverages, recoveries, sizes
from invariance_probe.reporting.figures.chart import BLUE, GREEN, GREY, ORANGE, PINK, Chart, chart

VERDICTS = (
    "invariant",
    "tolerated",
    "sensitive",
    "competition",
    "recipe-dependent",
    "inconclusive",
    "invalid: retention",
    "invalid: noise",
)
"""Verdicts in the order in which they are drawn."""
EARLIER = {"recoverable": "tolerated"}
"""Former names of verdicts, with the present names whose colour they get."""
_COLOURS = (BLUE, "#56B4E9", ORANGE, PINK, GREEN, "#D9D9D9", "#8C8C8C", "#4D4D4D")
_HATCHES = ("", "", "", "", "", "", "//", "xx")
_MARKS = ((BLUE, "o"), (ORANGE, "s"), (GREEN, "v"), (PINK, "^"), (GREY, "D"))
"""Colour and marker for each number of sessions per study, ascending."""
PANELS_A_LINE = 3
"""Number of panels per line of a figure."""


def charts_of(content: Mapping[str, Any]) -> Iterator[tuple[str, Chart]]:
    """Yield every figure with its file name, without the extension."""
    if content["verdicts"]:
        yield "verdicts", shares(content["verdicts"])
    if found := sizes(content):
        yield "sizes", size_chart(found)
    if found := coverages(content):
        yield "coverage", coverage_chart(found)
    if taus := recoveries(content, TAU):
        yield "recovery", recovery_chart(taus)


def verdict_words(verdicts: Mapping[str, Mapping[str, float]]) -> list[str]:
    """List all verdicts that occur, after those in `VERDICTS`."""
    others = {word for share in verdicts.values() for word in share} - set(VERDICTS)
    return [*VERDICTS, *sorted(others)]


def shares(verdicts: Mapping[str, Mapping[str, float]]) -> Chart:
    """Draw stacked bars: the fraction of studies with each verdict, by case."""
    cases, words = (
        list(verdicts),
        [w for w in verdict_words(verdicts) if any(s.get(w, 0) > 0 for s in verdicts.values())],
    )

    def draw(figure: Figure) -> None:
        axis = figure.subplots()
        left = [0.0] * len(cases)
        for word in words:
            found = [verdicts[case].get(word, 0.0) for case in cases]
            known = EARLIER.get(word, word)
            style = VERDICTS.index(known) if known in VERDICTS else len(VERDICTS) - 1
            axis.barh(
                cases,
                found,
                left=left,
                color=_COLOURS[style],
                hatch=_HATCHES[style],
                edgecolor="white",
                label=word,
            )
            for y, (start, share) in enumerate(zip(left, found, strict=True)):
                if share >= 0.06:
                    box = {"facecolor": "white", "edgecolor": "none", "pad": 1.2}
                    axis.text(
                        start + share / 2,
                        y,
                        f"{share:.2f}",
                        ha="center",
                        va="center",
                        fontsize=8,
                        bbox=box,
                    )
            left = [a + b for a, b in zip(left, found, strict=True)]
        axis.invert_yaxis()
        axis.set_xlim(0, 1)
        axis.set_xlabel("share of studies")
        axis.legend(
            frameon=False,
            fontsize=8,
            ncols=min(4, len(words)),
            loc="upper left",
            bbox_to_anchor=(0, -0.35),
        )

    rows = tuple((case, *(verdicts[case].get(word, 0.0) for word in words)) for case in cases)
    most = "; ".join(
        f"{case}: {max(words, key=lambda w: verdicts[case].get(w, 0.0))}" for case in cases
    )
    alt = f"Share of every verdict by case, stacked. The most common verdict of each: {most}."
    return chart(
        "Verdicts by case", alt, draw, (7.2, 1.3 + 0.38 * len(cases)), ("case", *words), rows
    )


def size_chart(found: Sequence[Counted]) -> Chart:
    """Draw the size of each claim with its upper bound, one panel per case."""
    cases, claims = _names(x.case for x in found), _names(x.of for x in found)
    most = max(0.115, 1.05 * max(x.upper or x.reached for x in found))

    def draw(figure: Figure) -> None:
        for axis, case in zip(_panels(figure, len(cases)), cases, strict=False):
            for at, dashes in ((0.05, "-"), (0.07, "--"), (0.10, ":")):
                axis.axvline(at, color="#777777", linewidth=0.9, linestyle=dashes)
            _draw_counted(axis, [x for x in found if x.case == case], claims)
            axis.set_title(case, fontsize=9)
            axis.set_xlim(0, most)
            axis.set_xlabel("share of studies that claim it")
        _legend(figure, found)

    rows = tuple((x.case, x.of, x.sessions, x.reached, x.upper) for x in found)
    worst = max(found, key=lambda x: x.reached)
    alt = (
        "How often each claim is made where it is false (mark) and its 95 % upper bound (end of "
        "the line), by number of sessions; the lines stand at .05 (nominal), .07 (asked of the "
        f"size) and .10 (asked of the bound). The largest: {worst.of!r} in {worst.case}, "
        f"{worst.sessions} sessions, {worst.reached:.3f}."
    )
    return chart(
        "Size of every claim",
        alt,
        draw,
        _size(cases, claims),
        ("case", "claim", "sessions", "size", "upper bound"),
        rows,
    )


def coverage_chart(found: Sequence[Counted]) -> Chart:
    """Draw the coverage of each estimand's 90 % interval, one panel per case."""
    cases, names = _names(x.case for x in found), _names(x.of for x in found)
    low, high = (
        min(0.86, *(x.reached - 0.005 for x in found)),
        max(0.94, *(x.reached + 0.005 for x in found)),
    )

    def draw(figure: Figure) -> None:
        for axis, case in zip(_panels(figure, len(cases)), cases, strict=False):
            axis.axvspan(0.88, 0.92, color="#000000", alpha=0.08, linewidth=0)
            axis.axvline(0.90, color="#777777", linewidth=0.9)
            _draw_counted(axis, [x for x in found if x.case == case], names)
            axis.set_title(case, fontsize=9)
            axis.set_xlim(low, high)
            axis.locator_params(axis="x", nbins=4)
            axis.set_xlabel("share of intervals that hold the truth")
        _legend(figure, found)

    rows = tuple((x.case, x.of, x.sessions, x.reached) for x in found)
    outside = sum(x.met is False for x in found)
    alt = (
        "Coverage of 90 % intervals by estimand and number of sessions; the band is .88 to .92. "
        f"{outside} of {len(found)} lie outside."
    )
    return chart(
        "Coverage",
        alt,
        draw,
        _size(cases, names),
        ("case", "estimand", "sessions", "coverage"),
        rows,
    )


def recovery_chart(taus: Sequence[Mapping[str, Any]]) -> Chart:
    """Draw the ratio of measured to true time constant, one row per simulation.

    Marks are medians over sessions, lines their 95 % intervals.
    """

    def draw(figure: Figure) -> None:
        axis = figure.subplots()
        axis.axvspan(0.9, 1.1, color="#000000", alpha=0.08, linewidth=0)
        axis.axvline(1, color="#777777", linewidth=0.9)
        for y, row in enumerate(taus):
            colour = ORANGE if row["met"] is False else BLUE if row["met"] else GREY
            ends = [row["reached"] if row[end] is None else row[end] for end in ("low", "high")]
            axis.plot(ends, [y, y], color=colour, linewidth=1.4)
            axis.plot(
                row["reached"], y, "X" if row["met"] is False else "o", color=colour, markersize=6
            )
        axis.set_yticks(range(len(taus)), [row["about"] for row in taus])
        axis.invert_yaxis()
        axis.set_xlabel("tau: measured / true, median")

    rows = tuple(
        (r["figure"], r["about"], r["asked"], r["reached"], r["low"], r["high"], r["bank"])
        for r in taus
    )
    missed = [row["about"] for row in taus if row["met"] is False]
    alt = (
        "Measured over true value, medians over sessions with 95 % intervals; the band is what "
        "is asked; crosses miss it, grey is only printed. Missed: "
        f"{'; '.join(missed) or 'none'}."
    )
    columns = ("figure", "case", "asked", "reached", "95 % low", "95 % high", "sessions")
    return chart("Recovery of known truth", alt, draw, (4.2, 1.0 + 0.28 * len(taus)), columns, rows)


def _names(found: Iterator[str]) -> list[str]:
    return list(dict.fromkeys(found))


def _size(cases: Sequence[str], names: Sequence[str]) -> tuple[float, float]:
    columns, lines = min(PANELS_A_LINE, len(cases)), math.ceil(len(cases) / PANELS_A_LINE)
    return 1.2 + 2.5 * columns, 0.5 + lines * (0.8 + 0.3 * len(names))


def _panels(figure: Figure, count: int) -> list[Axes]:
    """Create a grid of `count` panels; unused ones in the last line are hidden."""
    columns = min(PANELS_A_LINE, count)
    axes = (
        figure.subplots(math.ceil(count / columns), columns, sharey=True, squeeze=False)
        .ravel()
        .tolist()
    )
    for empty in axes[count:]:
        empty.set_axis_off()
    return axes


def _draw_counted(axis: Axes, found: Sequence[Counted], names: Sequence[str]) -> None:
    """Draw a mark for each size or coverage, and a line up to a size's confidence limit.

    A coverage has no such line. Every claim or estimand in `names` has one row,
    in which the marks for different numbers of sessions are stacked one below the other.
    """
    counts = sorted({x.sessions for x in found})
    for x in found:
        place = counts.index(x.sessions)
        colour, marker = _MARKS[place % len(_MARKS)]
        y = names.index(x.of) + 0.22 * (place - (len(counts) - 1) / 2)
        if x.upper is not None:
            axis.plot([x.reached, x.upper], [y, y], color=colour, linewidth=1)
        axis.plot(x.reached, y, marker, color=colour, markersize=4)
    axis.set_yticks(range(len(names)), names)
    axis.set_ylim(len(names) - 0.4, -0.6)


def _legend(figure: Figure, found: Sequence[Counted]) -> None:
    """Add the legend that gives the number of sessions for each mark."""
    counts = sorted({x.sessions for x in found})
    axis = figure.axes[0]
    for place, count in enumerate(counts):
        colour, marker = _MARKS[place % len(_MARKS)]
        axis.plot([], [], marker, color=colour, markersize=4, label=f"{count} sessions")
    figure.legend(
        *axis.get_legend_handles_labels(),
        frameon=False,
        fontsize=8,
        ncols=len(counts),
        loc="outside lower center",
    )
