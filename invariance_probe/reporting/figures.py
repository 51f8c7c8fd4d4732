"""Deterministic SVG figures of a report, each with alt text and the numbers that it shows."""

import io
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

BLUE, ORANGE, GREEN, PINK, GREY = "#0072B2", "#D55E00", "#009E73", "#CC79A7", "#666666"
"""Okabe & Ito's colours, told apart by colour-blind readers; each series has a marker of its own too."""

STYLE = {
    "delta": (BLUE, "o", "delta: independent - dose 0"),
    "delta_paired": (PINK, "^", "paired - dose 0 (naive)"),
    "D": (ORANGE, "s", "D: independent - shared"),
    "H": (GREEN, "v", "H: shared - dose 0"),
    "C_info": (GREY, "D", "C_info: information lost"),
}
UNIT = "loss, in units of the decodable range"


@dataclass(frozen=True)
class Chart:
    """One figure: SVG text, a title, alt text, and a table of its numbers."""

    title: str
    alt: str
    svg: str
    columns: tuple[str, ...]
    rows: tuple[tuple[Any, ...], ...]


def charts_of(hypothesis: dict[str, Any], curve: list[dict[str, Any]]) -> list[Chart]:
    """Return a hypothesis's figures, or none where nothing was measured."""
    sessions = set(hypothesis["sessions"])
    points = [p for p in curve if p["axis"] == hypothesis["axis"] and p["session"] in sessions]
    if not points or not hypothesis["estimands"]:
        return []
    return [_dose_response(hypothesis, points), _forest(hypothesis, points), _seed_swarm(hypothesis, points)]


def _dose_response(hypothesis: dict[str, Any], points: list[dict[str, Any]]) -> Chart:
    panels = [["delta", "delta_paired"], ["D", "H", "C_info"]]
    shown = {p["estimand"] for p in points}
    panels = [[name for name in panel if name in shown] for panel in panels]
    panels = [panel for panel in panels if panel]

    def draw(figure: Figure) -> None:
        axes = figure.subplots(1, len(panels), sharey=True, squeeze=False)[0]
        for axis, names in zip(axes, panels, strict=True):
            _band(axis, hypothesis["margin"])
            for i, name in enumerate(names):
                _curve(axis, hypothesis, points, name, shift=(i - (len(names) - 1) / 2))
            axis.set_xlabel(_dose_label(hypothesis["axis"]))
            axis.legend(frameon=False, fontsize=8, loc="upper left", bbox_to_anchor=(0, -0.2))
        axes[0].set_ylabel(UNIT)

    estimands = [e for e in hypothesis["estimands"] if e["name"] in STYLE]
    rows = tuple((e["name"], e["dose"], e["estimate"], e["ci_low"], e["ci_high"], e["n_sessions"]) for e in estimands)
    title = f"{hypothesis['id']}: what the dose costs"
    alt = (
        f"Estimands against {_dose_label(hypothesis['axis'])}; the band is the margin of +-{hypothesis['margin']:g}; "
        "thin lines are sessions, bars 90 % intervals. The table below has the numbers."
    )
    return _chart(
        title, alt, draw, (3.9 * len(panels), 4.2), ("estimand", "dose", "estimate", "90 % low", "90 % high", "sessions"), rows
    )


def _curve(axis: Axes, hypothesis: dict[str, Any], points: list[dict[str, Any]], name: str, shift: float) -> None:
    colour, marker, label = STYLE[name]
    own = [p for p in points if p["estimand"] == name and p["seed"] is None]
    for session in sorted({p["session"] for p in own}):
        doses, values = zip(*sorted((p["dose"], p["value"]) for p in own if p["session"] == session), strict=True)
        axis.plot((0, *doses), (0, *values), color=colour, alpha=0.25, linewidth=0.8)
    means = sorted((e["dose"], e["estimate"], e["ci_low"], e["ci_high"]) for e in hypothesis["estimands"] if e["name"] == name)
    if not means:
        return
    width = max(m[0] for m in means)
    doses = np.array([m[0] for m in means]) + shift * 0.02 * width
    mean = np.array([m[1] for m in means])
    low = np.array([m[1] if m[2] is None else m[2] for m in means])
    high = np.array([m[1] if m[3] is None else m[3] for m in means])
    errors = np.clip(np.stack([mean - low, high - mean]), 0, None)
    axis.errorbar(doses, mean, yerr=errors, color=colour, marker=marker, markersize=5, linewidth=1.6, capsize=3, label=label)


def _forest(hypothesis: dict[str, Any], points: list[dict[str, Any]]) -> Chart:
    dose = hypothesis["primary_dose"]
    names = [n for n in ("C_info", "H", "D", "delta", "delta_paired") if any(e["name"] == n for e in hypothesis["estimands"])]
    pooled = {e["name"]: e for e in hypothesis["estimands"] if e["dose"] == dose}
    own = [p for p in points if p["seed"] is None and p["dose"] == dose]
    sessions = sorted({p["session"] for p in own})

    def draw(figure: Figure) -> None:
        axes = figure.subplots(1, len(names), sharey=True, squeeze=False)[0]
        for axis, name in zip(axes, names, strict=True):
            colour, marker, _ = STYLE[name]
            axis.axvline(0, color="#999999", linewidth=0.8)
            for side in (-1, 1):
                axis.axvline(side * hypothesis["margin"], color="#999999", linewidth=0.8, linestyle="--")
            for p in own:
                if p["estimand"] == name:
                    axis.plot(
                        p["value"],
                        sessions.index(p["session"]),
                        marker=marker,
                        color=colour,
                        alpha=0.6,
                        markersize=4,
                        linestyle="",
                    )
            if name in pooled:
                e = pooled[name]
                ends = [e["estimate"] if e[k] is None else e[k] for k in ("ci_low", "ci_high")]
                axis.plot(ends, [len(sessions)] * 2, color=colour, linewidth=2)
                axis.plot(e["estimate"], len(sessions), marker=marker, color=colour, markersize=8)
            axis.set_title(name, fontsize=9)
            axis.locator_params(axis="x", nbins=4)
        axes[0].set_yticks(range(len(sessions) + 1), [*sessions, "all"])
        axes[0].invert_yaxis()
        figure.supxlabel(UNIT, fontsize=9)

    rows = tuple((p["session"], p["estimand"], p["value"]) for p in own)
    alt = f"Every session's estimands at dose {dose:g}, then all together with the 90 % interval; dashed lines are the margin."
    size = (1.7 * len(names) + 1.4, 1.3 + 0.24 * (len(sessions) + 1))
    return _chart(
        f"{hypothesis['id']}: every session at the primary dose", alt, draw, size, ("session", "estimand", "value"), rows
    )


def _seed_swarm(hypothesis: dict[str, Any], points: list[dict[str, Any]]) -> Chart:
    own = [p for p in points if p["seed"] is not None and p["estimand"] == "delta"]
    doses = sorted({p["dose"] for p in own})

    def draw(figure: Figure) -> None:
        axis = figure.subplots()
        _band(axis, hypothesis["margin"])
        places = [doses.index(p["dose"]) + _spread(i) for i, p in enumerate(own)]
        ranks = [p["rank_me"] if p["rank_me"] is not None else np.nan for p in own]
        dots = axis.scatter(places, [p["value"] for p in own], c=ranks, cmap="viridis", s=16, linewidths=0)
        axis.set_xticks(range(len(doses)), [f"{dose:g}" for dose in doses])
        axis.set_xlim(-0.6, len(doses) - 0.4)
        axis.set_xlabel(_dose_label(hypothesis["axis"]))
        axis.set_ylabel("delta of one seed, in units of R")
        figure.colorbar(dots, label="RankMe (smallest over folds)")

    rows = tuple((p["session"], p["dose"], p["seed"], p["value"], p["rank_me"]) for p in own)
    alt = (
        f"delta of every seed and session at each dose, coloured by the effective rank of its representation; {len(own)} points."
    )
    columns = ("session", "dose", "seed", "delta", "RankMe")
    return _chart(f"{hypothesis['id']}: every seed", alt, draw, (1.6 + 0.9 * max(2, len(doses)) + 1.4, 3.0), columns, rows)


def _spread(place: int) -> float:
    """Return a fixed horizontal offset, spread evenly by the golden ratio."""
    return ((place * 0.6180339887) % 1 - 0.5) * 0.5


def _band(axis: Axes, margin: float) -> None:
    axis.axhspan(-margin, margin, color="#000000", alpha=0.08, linewidth=0)
    axis.axhline(0, color="#999999", linewidth=0.8)


def _dose_label(path: str) -> str:
    names = {
        "unit_dropout.rate": "unit dropout (probability)",
        "spike_thinning.rate": "spike thinning (probability)",
        "gaussian_noise.sigma": "noise (SD)",
        "time_jitter.window_s": "time jitter (s)",
    }
    return names.get(path, path)


def _chart(
    title: str,
    alt: str,
    draw: Callable[[Figure], None],
    size: tuple[float, float],
    columns: tuple[str, ...],
    rows: tuple[tuple[Any, ...], ...],
) -> Chart:
    style: Any = {
        "svg.hashsalt": "invariance_probe",
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
