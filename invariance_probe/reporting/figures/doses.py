"""Figures of a hypothesis over its doses: costs, every session, every seed.

In: one of the hypotheses of report.json, and its rows of the report's `curve` (estimates
by session, seed and dose). Out: figures. Nothing is estimated here.

delta is the loss that training with the corruption adds when it is drawn independently
for the two views, in units of the decodable range R; H is the loss that it adds when all
windows share one draw per step; D = delta - H. C_code and C_blind are losses of decoders
without SSL, in units of R_code.
"""

import math
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from invariance_probe.inference.evidence.points import OWN_SSL
from invariance_probe.reporting.figures.chart import (
    BLUE,
    CODE_UNIT,
    GREEN,
    GREY,
    ORANGE,
    PINK,
    UNIT,
    YELLOW,
    Chart,
    band,
    chart,
    dose_label,
    seconds_axis,
)

STYLE = {
    "delta": (BLUE, "o", "delta: independent - dose 0"),
    "delta_paired": (PINK, "^", "paired - dose 0 (naive)"),
    "D": (ORANGE, "s", "D: independent - shared"),
    "H": (GREEN, "v", "H: shared - dose 0"),
    "C_code": (GREY, "D", "C_code: refitted on what survives"),
    "C_blind": (YELLOW, "X", "C_blind: cannot see the corruption"),
    "M_loc": (BLUE, "o", "M_loc: local - mined"),
    "M_rand": (ORANGE, "s", "M_rand: random - mined"),
    "M_shift": (GREEN, "v", "M_shift: shifted - mined"),
    "M_other": (ORANGE, "s", "M_other: other state - mined"),
    "M_shuffled": (GREEN, "v", "M_shuffled: time-shuffled - mined"),
    "M_permuted": (PINK, "^", "M_permuted: unit-permuted - mined"),
    "M_oracle": (GREY, "D", "M_oracle: local - oracle"),
}
"""Colour, marker and label of each estimand."""

OF_CODE = ("C_code", "C_blind")
"""Estimands measured without SSL, in units of R_code."""
GATES_A_LINE = 3
"""Number of gates per line below the forest plot."""

DECODERS = {
    "floor": "best constant",
    "untrained": "untrained",
    "pca": "PCA",
    "raw": "raw",
    "square_roots": "roots of counts",
    "supervised": "supervised",
}
"""Decoders without SSL that are drawn as lines beside delta, with labels."""


def beside(hypothesis: dict[str, Any], baselines: list[dict[str, Any]]) -> dict[str, float]:
    """Compute how much more each decoder without SSL loses than SSL at dose 0.

    Parameters
    ----------
    hypothesis
        One of the report's hypotheses.
    baselines
        Rows of the report's `baselines`.

    Returns
    -------
    losses
        Difference in loss by decoder, in units of R, averaged over the hypothesis's
        sessions; empty if there are no SSL models at dose 0.
    """
    kept: dict[str, list[float]] = {}
    for baseline in baselines:
        if baseline["session"] in hypothesis["sessions"]:
            kept.setdefault(baseline["name"], []).append(baseline["retention"])
    own = kept.get(OWN_SSL)
    return (
        {name: float(np.mean(own) - np.mean(kept[name])) for name in DECODERS if name in kept}
        if own
        else {}
    )


def dose_response(
    hypothesis: dict[str, Any], points: list[dict[str, Any]], baselines: list[dict[str, Any]]
) -> Chart:
    """Draw the estimands against the dose, with sessions and 90 % intervals.

    Thin lines are sessions, thick lines their means, and the margin is shaded. The first
    panels are about learning; the last is about the code without SSL. Dotted lines beside
    delta are decoders without SSL, where they lie within the panel. In the hatched zone a
    corruption helps by more than the margin.

    Two doses are marked at the bottom (science.md 3.1): d_L, the dose up to which training
    is shown to be free, and d_U, the lowest dose at which information is shown to be lost
    and training to be costly (for a time jitter, only the latter).

    Parameters
    ----------
    hypothesis
        One of the report's hypotheses.
    points
        Rows of the report's `curve` for this hypothesis: estimates by session and dose.
    baselines
        Rows of the report's `baselines`.

    Returns
    -------
    chart
        The figure.
    """
    lines = beside(hypothesis, baselines)
    panels = [["delta", "delta_paired"], ["D", "H"], list(OF_CODE)]
    shown = {p["estimand"] for p in points}
    panels = [[name for name in panel if name in shown] for panel in panels]
    panels = [panel for panel in panels if panel]
    logarithmic = hypothesis["kind"] == "jitter"

    def draw(figure: Figure) -> None:
        axes = figure.subplots(1, len(panels), sharey=True, squeeze=False)[0]
        for axis, names in zip(axes, panels, strict=True):
            band(axis, hypothesis["margin"])
            for i, name in enumerate(names):
                curve(
                    axis,
                    hypothesis,
                    points,
                    name,
                    shift=(i - (len(names) - 1) / 2),
                    logarithmic=logarithmic,
                )
            if logarithmic:
                seconds_axis(axis, sorted({p["dose"] for p in points}))
            axis.set_xlabel(dose_label(hypothesis["axis"]))
            axis.set_ylabel(CODE_UNIT if names[0] in OF_CODE else UNIT)
            axis.legend(frameon=False, fontsize=8, loc="upper left", bbox_to_anchor=(0, -0.2))
        # Drawn after all curves, because these set the common vertical range.
        for axis, names in zip(axes, panels, strict=True):
            if names[0] not in OF_CODE:
                _zone_of_help(axis, hypothesis["margin"])
                _dose_ticks(axis, hypothesis["dose_interval"])
        _decoder_lines(axes[0], lines)

    estimands = [e for e in hypothesis["estimands"] if e["name"] in STYLE]
    rows = tuple(
        (e["name"], e["dose"], e["estimate"], e["ci_low"], e["ci_high"], e["n_sessions"])
        for e in estimands
    )
    rows += tuple(
        (f"{DECODERS[name]} - SSL at dose 0", None, value, None, None, len(hypothesis["sessions"]))
        for name, value in lines.items()
    )
    title = f"{hypothesis['id']}: what the dose costs"
    of_code = any(name in OF_CODE for panel in panels for name in panel)
    alt = (
        f"Estimands of the declared recipe against {dose_label(hypothesis['axis'])}; the band "
        f"is the margin of \N{PLUS-MINUS SIGN}{hypothesis['margin']:g}; thin lines are "
        "sessions, bars 90 % intervals, dotted lines decoders without SSL against SSL at dose "
        "0; hatched: help by more than the margin; at the foot d_L, the dose up to which "
        "training is shown to be free, and d_U, the lowest at which it is shown to be costly "
        "and information to be lost, where "
        "there are such doses."
        + (" Right: what decoders without SSL lose, in units of R_code." if of_code else "")
    )
    return chart(
        title,
        alt,
        draw,
        (3.9 * len(panels), 4.2),
        ("estimand", "dose", "estimate", "90 % low", "90 % high", "sessions"),
        rows,
    )


def _zone_of_help(axis: Axes, margin: float) -> None:
    """Hatch the region below minus the margin, if the panel reaches that far."""
    low, high = axis.get_ylim()
    if low < -margin:
        axis.axhspan(
            low, -margin, facecolor="none", edgecolor="#bbbbbb", hatch="///", linewidth=0, zorder=0
        )
        axis.set_ylim(low, high)


def _dose_ticks(axis: Axes, interval: dict[str, Any] | None) -> None:
    """Mark the doses d_L and d_U at the bottom of a panel.

    Up to d_L training is shown to be free. d_U is the lowest dose at which information is
    shown to be lost and training to be costly.
    """
    for name, label, colour in (("lower", "$d_L$", GREEN), ("upper", "$d_U$", ORANGE)):
        dose = interval[name] if interval else None
        if dose:
            axis.plot(
                [dose],
                [0.02],
                marker="^",
                color=colour,
                markersize=7,
                transform=axis.get_xaxis_transform(),
                clip_on=False,
            )
            axis.annotate(
                label,
                (dose, 0.05),
                xycoords=axis.get_xaxis_transform(),
                ha="center",
                fontsize=8,
                color=colour,
            )


def _decoder_lines(axis: Axes, lines: dict[str, float]) -> None:
    """Draw a dotted line for each decoder whose value lies within the panel."""
    low, high = axis.get_ylim()
    shown = {name: value for name, value in lines.items() if low < value < high}
    # Labels are placed side by side, because lines may lie close together.
    for place, (name, value) in enumerate(shown.items()):
        axis.axhline(value, color="#777777", linewidth=0.8, linestyle=":")
        axis.annotate(
            DECODERS[name],
            (0.02 + 0.2 * place, value),
            xycoords=axis.get_yaxis_transform(),
            fontsize=7,
            va="bottom",
            color="#555555",
        )
    axis.set_ylim(low, high)


def curve(
    axis: Axes,
    hypothesis: dict[str, Any],
    points: list[dict[str, Any]],
    name: str,
    shift: float = 0.0,
    logarithmic: bool = False,
) -> None:
    """Draw one estimand against the dose, by session and as a mean.

    Thin lines are sessions; a thick line is the mean with 90 % intervals.

    Parameters
    ----------
    axis
        The axes to draw on.
    hypothesis
        One of the report's hypotheses.
    points
        Rows of the report's `curve` for this hypothesis: estimates by session and dose.
    name
        The estimand, a key of `STYLE`.
    shift
        Shift of the mean to the right, in fiftieths of the largest dose, so that the
        intervals of several estimands are side by side.
    logarithmic
        Whether to omit dose 0, where the estimand is 0 by definition.
    """
    colour, marker, label = STYLE[name]
    zero = () if logarithmic else (0.0,)
    own = [p for p in points if p["estimand"] == name and p["seed"] is None]
    for session in sorted({p["session"] for p in own}):
        doses, values = zip(
            *sorted((p["dose"], p["value"]) for p in own if p["session"] == session), strict=True
        )
        axis.plot((*zero, *doses), (*zero, *values), color=colour, alpha=0.25, linewidth=0.8)
    means = sorted(
        (e["dose"], e["estimate"], e["ci_low"], e["ci_high"])
        for e in hypothesis["estimands"]
        if e["name"] == name
    )
    if not means:
        return
    width = max(m[0] for m in means)
    doses = np.array([m[0] for m in means]) + shift * 0.02 * width
    mean = np.array([m[1] for m in means])
    low = np.array([m[1] if m[2] is None else m[2] for m in means])
    high = np.array([m[1] if m[3] is None else m[3] for m in means])
    errors = np.clip(np.stack([mean - low, high - mean]), 0, None)
    axis.errorbar(
        doses,
        mean,
        yerr=errors,
        color=colour,
        marker=marker,
        markersize=5,
        linewidth=1.6,
        capsize=3,
        label=label,
    )


def forest(hypothesis: dict[str, Any], points: list[dict[str, Any]]) -> Chart:
    """Draw the estimands at the primary dose, by session and over all sessions.

    The verdict is written above, the gates (preconditions of the verdict) below.

    Parameters
    ----------
    hypothesis
        One of the report's hypotheses.
    points
        Rows of the report's `curve` for this hypothesis: estimates by session and dose.

    Returns
    -------
    chart
        The figure.
    """
    dose = hypothesis["primary_dose"]
    of_pairs = ("M_loc", "M_rand", "M_shift", "M_oracle", "M_other", "M_shuffled", "M_permuted")
    names = [
        n
        for n in (*OF_CODE, "H", "D", "delta", "delta_paired", *of_pairs)
        if any(e["name"] == n for e in hypothesis["estimands"])
    ]
    own = [p for p in points if p["seed"] is None and p["dose"] == dose]
    sessions = sorted({p["session"] for p in own})
    width, height = max(6.4, 1.7 * len(names) + 1.4), 1.3 + 0.24 * (len(sessions) + 1)
    lines = math.ceil(len(hypothesis["gates"]) / GATES_A_LINE)

    def draw(figure: Figure) -> None:
        above, below = figure.subfigures(
            2, 1, squeeze=False, height_ratios=(height, 0.25 * lines + 0.1)
        )[:, 0]
        axes = above.subplots(1, len(names), sharey=True, squeeze=False)[0]
        for axis, name in zip(axes, names, strict=True):
            _rows_of_forest(
                axis, hypothesis, [p for p in own if p["estimand"] == name], name, sessions
            )
        axes[0].set_yticks(range(len(sessions) + 1), [*sessions, "all"])
        axes[0].invert_yaxis()
        of_code = "; C_code and C_blind in units of R_code" if set(names) & set(OF_CODE) else ""
        above.supxlabel(f"{UNIT}{of_code}", fontsize=9)
        above.suptitle(_verdict(hypothesis), fontsize=10, fontweight="bold")
        _draw_gates(below.subplots(), hypothesis["gates"], lines)

    rows = tuple((p["session"], p["estimand"], p["value"]) for p in own)
    states = {
        word: [g["name"] for g in hypothesis["gates"] if g["outcome"] == word]
        for word in ("failed", "not shown", "not computed")
    }
    gates = (
        "; ".join(f"{word}: {', '.join(named)}" for word, named in states.items() if named)
        or "all passed"
    )
    alt = (
        f"Every session's estimands at dose {dose:g}, then all together with the 90 % interval; "
        f"dashed lines are the margin. Verdict: {_verdict(hypothesis)}. Gates {gates}."
    )
    title = f"{hypothesis['id']}: every session at the primary dose"
    return chart(
        title,
        alt,
        draw,
        (width, height + 0.25 * lines + 0.1),
        ("session", "estimand", "value"),
        rows,
    )


def _rows_of_forest(
    axis: Axes,
    hypothesis: dict[str, Any],
    own: list[dict[str, Any]],
    name: str,
    sessions: list[str],
) -> None:
    """Draw one estimand: a mark per session, then the overall estimate.

    The overall estimate has a 90 % interval.
    """
    colour, marker, _ = STYLE[name]
    axis.axvline(0, color="#999999", linewidth=0.8)
    for side in (-1, 1):
        axis.axvline(side * hypothesis["margin"], color="#999999", linewidth=0.8, linestyle="--")
    places = [sessions.index(p["session"]) for p in own]
    axis.plot(
        [p["value"] for p in own],
        places,
        marker=marker,
        color=colour,
        alpha=0.6,
        markersize=4,
        linestyle="",
    )
    pooled = [
        e
        for e in hypothesis["estimands"]
        if e["name"] == name and e["dose"] == hypothesis["primary_dose"]
    ]
    for e in pooled:
        ends = [e["estimate"] if e[k] is None else e[k] for k in ("ci_low", "ci_high")]
        axis.plot(ends, [len(sessions)] * 2, color=colour, linewidth=2)
        axis.plot(e["estimate"], len(sessions), marker=marker, color=colour, markersize=8)
    axis.set_title(name, fontsize=9)
    axis.locator_params(axis="x", nbins=4)


def _verdict(hypothesis: dict[str, Any]) -> str:
    flags = "".join(f" [{flag}]" for flag in hypothesis["flags"])
    return (
        f"{hypothesis['id']}: {hypothesis['verdict']}{flags} (predicted "
        f"{hypothesis['predicts']}: {hypothesis['outcome']})"
    )


def _draw_gates(axis: Axes, gates: list[dict[str, Any]], lines: int) -> None:
    """List the gates (preconditions of the verdict), each with its outcome.

    A filled circle marks a gate that passed, a cross one that failed, and an open mark one
    that was not shown or not computed.
    """
    marks: dict[str, dict[str, Any]] = {
        "passed": {"marker": "o", "color": GREEN},
        "failed": {"marker": "X", "color": ORANGE},
        "not shown": {"marker": "D", "color": GREY, "markerfacecolor": "none"},
        "not computed": {"marker": "o", "color": GREY, "markerfacecolor": "none"},
    }
    for i, gate in enumerate(gates):
        x, y = i % GATES_A_LINE, -(i // GATES_A_LINE)
        axis.plot(x, y, markersize=6, linestyle="", **marks[gate["outcome"]])
        said = gate["name"] if gate["passed"] else f"{gate['name']}: {gate['outcome']}"
        axis.text(x + 0.06, y, said, va="center", fontsize=8)
    axis.set_xlim(-0.1, GATES_A_LINE)
    axis.set_ylim(-lines + 0.4, 0.6)
    axis.set_axis_off()


def seed_swarm(hypothesis: dict[str, Any], points: list[dict[str, Any]]) -> Chart:
    """Draw delta for each seed and dose.

    Points are coloured by the effective rank (RankMe) of the representation.

    Parameters
    ----------
    hypothesis
        One of the report's hypotheses.
    points
        Rows of the report's `curve` for this hypothesis: estimates by session, seed and
        dose.

    Returns
    -------
    chart
        The figure.
    """
    own = [p for p in points if p["seed"] is not None and p["estimand"] == "delta"]
    doses = sorted({p["dose"] for p in own})

    def draw(figure: Figure) -> None:
        axis = figure.subplots()
        band(axis, hypothesis["margin"])
        places = [doses.index(p["dose"]) + _spread(i) for i, p in enumerate(own)]
        ranks = [p["rank_me"] if p["rank_me"] is not None else np.nan for p in own]
        dots = axis.scatter(
            places, [p["value"] for p in own], c=ranks, cmap="viridis", s=16, linewidths=0
        )
        axis.set_xticks(range(len(doses)), [f"{dose:g}" for dose in doses])
        axis.set_xlim(-0.6, len(doses) - 0.4)
        axis.set_xlabel(dose_label(hypothesis["axis"]))
        axis.set_ylabel("delta of one seed, in units of R")
        figure.colorbar(dots, label="RankMe (smallest over folds)")

    rows = tuple((p["session"], p["dose"], p["seed"], p["value"], p["rank_me"]) for p in own)
    alt = (
        "delta of every seed and session at each dose, coloured by the effective rank of its "
        f"representation; {len(own)} points."
    )
    columns = ("session", "dose", "seed", "delta", "RankMe")
    return chart(
        f"{hypothesis['id']}: every seed",
        alt,
        draw,
        (1.6 + 0.9 * max(2, len(doses)) + 1.4, 3.0),
        columns,
        rows,
    )


def _spread(place: int) -> float:
    """Return the horizontal offset of one point, between -0.25 and 0.25.

    The offsets of successive points are spread evenly by the golden ratio.
    """
    return ((place * 0.6180339887) % 1 - 0.5) * 0.5
