"""Figure of the test-lag curve: how long what is decoded stays true.

In: the rows of the report's `lags`. Out: a figure. r(w) says how well the predictions of
one fixed decoder, on held-out data, agree with the target w seconds earlier; tau is the
lag at which r falls to 1/e. rho(w) is the target's own autocorrelation, and kappa = r / rho
is what remains of r apart from the target's persistence (science.md 2.1).

For a hypothesis about time jitter, a panel beside it shows the cost of training at each
jitter, because that jitter is easily mistaken for a time constant.
"""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from invariance_probe.reporting.figures.chart import (
    BLUE,
    GREY,
    ORANGE,
    UNIT,
    Chart,
    band,
    chart,
    seconds_axis,
)
from invariance_probe.reporting.figures.doses import curve

PERSISTENT = 0.2
"""kappa is shown only where rho is above this value.

Elsewhere it would be the ratio of two noisy numbers near zero.
"""
SERIES = (("r", BLUE, "-", "r: the decoded target"), ("rho", GREY, "--", "rho: the target itself"))
"""Name, colour, line style and label of each curve."""
NOT_TAU = (
    "The training dose does not give the time constant: one and the same code loses its target "
    "at very different doses, depending on the width of the representation, rival latents and "
    "the loss. Only the test-lag curve gives tau."
)
"""Why the training dose must not be read as a time constant."""


@dataclass(frozen=True)
class Tau:
    """The time constant of the code over a hypothesis's sessions.

    Attributes
    ----------
    estimate
        Estimate over all sessions (s); None where it cannot be given.
    low, high
        Ends of the 90 % interval (s); None where there is none.
    sessions
        The time constant of each session that has one (s).
    """

    estimate: float | None
    low: float | None
    high: float | None
    sessions: tuple[float, ...]

    def in_words(self) -> str:
        """State the time constant as a string to follow the word `tau`."""
        if self.estimate is None:
            return " is not given: in some session the correlation never falls to 1/e"
        ends = (
            f" [{self.low:.3g}, {self.high:.3g}]"
            if self.low is not None and self.high is not None
            else ""
        )
        return f" = {self.estimate:.3g} s{ends}"


def lag_curves(
    hypothesis: dict[str, Any], report: dict[str, Any], points: list[dict[str, Any]]
) -> Chart | None:
    """Draw r, rho and kappa against the test lag, with the time constant tau.

    For a hypothesis about time jitter, delta (the cost of training with the jitter, in units
    of R) is drawn against the training jitter too.

    Parameters
    ----------
    hypothesis
        One of the report's hypotheses.
    report
        The content of report.json.
    points
        Rows of the report's `curve` for this hypothesis: estimates by session and dose.

    Returns
    -------
    Chart or None
        None if no session of the hypothesis has a test-lag curve.
    """
    found = {
        name: own for name in hypothesis["sessions"] if (own := _session(report["lags"], name))
    }
    if not found:
        return None
    lags, means = _means(list(found.values()))
    kappa = np.where(means["rho"] > PERSISTENT, means["r"] / means["rho"], np.nan)
    doses = hypothesis["kind"] == "jitter" and any(
        e["name"] == "delta" for e in hypothesis["estimands"]
    )
    persistent = bool(np.isfinite(kappa).any())
    tau, panels = _tau_of(hypothesis, report), 1 + persistent + doses

    def draw(figure: Figure) -> None:
        axes = figure.subplots(1, panels, squeeze=False)[0]
        _draw_curves(axes[0], found, lags, means)
        _draw_tau(axes[0], tau)
        if persistent:
            _draw_kappa(axes[1], found, lags, kappa)
        for axis in axes[: 1 + persistent]:
            seconds_axis(axis, _round_lags(lags[0], lags[-1]))
            axis.set_xlim(lags[0] / 1.15, lags[-1] * 1.15)
            axis.set_xlabel("test lag w (s)")
        if doses:
            _draw_doses(axes[-1], hypothesis, points)
        for axis in axes:
            axis.legend(frameon=False, fontsize=8, loc="upper left", bbox_to_anchor=(0, -0.2))

    rows = tuple(
        (*(float(x) for x in (lag, r, rho)), float(k) if np.isfinite(k) else None)
        for lag, r, rho, k in zip(lags, means["r"], means["rho"], kappa, strict=True)
    )
    ratio = (
        f"{'Middle' if doses else 'Right'}: kappa = r / rho where rho is above {PERSISTENT:g}; "
        "near 1 the code holds as long as its target. "
        if persistent
        else f"kappa = r / rho is not shown, since rho is nowhere above {PERSISTENT:g}. "
    )
    alt = (
        f"{'Left: ' if panels > 1 else ''}r(w), how well the decoded target agrees with the "
        "target w earlier, and rho(w), the target's own autocorrelation, against the lag; the "
        f"1/e crossing of r, tau{tau.in_words()}. {ratio}Thin lines are sessions, thick ones "
        "their mean."
    )
    alt += f" Right: delta against the training jitter. {NOT_TAU}" if doses else ""
    columns = ("lag (s)", "r, mean", "rho, mean", "kappa")
    return chart(
        f"{hypothesis['id']}: how long the code holds",
        alt,
        draw,
        (0.8 + 3.4 * panels, 3.6),
        columns,
        rows,
    )


def _session(points: list[dict[str, Any]], session: str) -> dict[str, np.ndarray]:
    """Collect one session's lags above zero, with r and rho, each (lag,).

    The result is empty if the session has no such lags.
    """
    own = sorted(
        (p["lag_s"], p["r"], p["rho"])
        for p in points
        if p["session"] == session and p["lag_s"] > 0 and p["r"] is not None
    )
    return dict(zip(("lag", "r", "rho"), np.array(own, dtype=float).T, strict=True)) if own else {}


def _means(sessions: list[dict[str, np.ndarray]]) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    """Average r and rho over sessions, at the lags that all sessions cover.

    Between a session's own lags its curves are interpolated linearly in log lag.

    Returns
    -------
    lags, means
        The lags in seconds (lag,), and the mean curves `r` and `rho` (lag,).
    """
    low, high = max(s["lag"][0] for s in sessions), min(s["lag"][-1] for s in sessions)
    lags = np.unique(np.concatenate([s["lag"] for s in sessions]))
    lags = lags[(lags >= low) & (lags <= high)]
    at = np.log(lags)
    return lags, {
        n: np.mean([np.interp(at, np.log(s["lag"]), s[n]) for s in sessions], axis=0)
        for n in ("r", "rho")
    }


def _round_lags(low: float, high: float) -> np.ndarray:
    """Choose round lags (s) for ticks: decades, or 1, 2 and 5 in each decade.

    Decades alone are used where the lags span a factor of more than 100.
    """
    decades = 10.0 ** np.arange(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    ticks = decades if high / low > 100 else np.outer(decades, (1, 2, 5)).ravel()
    return ticks[(ticks >= low * (1 - 1e-9)) & (ticks <= high * (1 + 1e-9))]


def _draw_curves(
    axis: Axes,
    found: dict[str, dict[str, np.ndarray]],
    lags: np.ndarray,
    means: dict[str, np.ndarray],
) -> None:
    """Draw r and rho: sessions thin, means thick, and a line at 1/e."""
    axis.axhline(0, color="#999999", linewidth=0.8)
    axis.axhline(1 / math.e, color="#999999", linewidth=0.8, linestyle=":")
    axis.text(
        0.99,
        1 / math.e,
        "1/e",
        transform=axis.get_yaxis_transform(),
        ha="right",
        va="bottom",
        fontsize=8,
        color=GREY,
    )
    for name, colour, dashes, label in SERIES:
        for session in found.values():
            axis.plot(
                session["lag"],
                session[name],
                color=colour,
                linestyle=dashes,
                alpha=0.3,
                linewidth=0.7,
            )
        axis.plot(lags, means[name], color=colour, linestyle=dashes, linewidth=2.2, label=label)
    axis.set_ylim(-0.45, 1.08)
    axis.set_ylabel("agreement with the target w before")


def _draw_kappa(
    axis: Axes, found: dict[str, dict[str, np.ndarray]], lags: np.ndarray, kappa: np.ndarray
) -> None:
    """Draw kappa where rho is large enough: sessions thin, their mean thick."""
    axis.axhline(1, color="#999999", linewidth=0.8)
    for session in found.values():
        own = np.where(session["rho"] > PERSISTENT, session["r"] / session["rho"], np.nan)
        axis.plot(session["lag"], own, color=ORANGE, alpha=0.3, linewidth=0.7)
    axis.plot(lags, kappa, color=ORANGE, linewidth=2.2, label="kappa = r / rho")
    axis.set_ylim(0, max(1.6, 1.1 * float(np.nanmax(kappa, initial=1.0))))
    axis.set_ylabel("kappa")


def _draw_doses(axis: Axes, hypothesis: dict[str, Any], points: list[dict[str, Any]]) -> None:
    """Draw delta against the training jitter."""
    band(axis, hypothesis["margin"])
    curve(axis, hypothesis, points, "delta", logarithmic=True)
    seconds_axis(axis, sorted({p["dose"] for p in points}))
    axis.set_xlabel("training jitter (s): not a time constant")
    axis.set_ylabel(f"delta: {UNIT}", fontsize=8)


def _tau_of(hypothesis: dict[str, Any], report: dict[str, Any]) -> Tau:
    """Look up the time constant of a hypothesis, with its 90 % interval.

    With a single session, the interval is that session's own.
    """
    own = [s for s in report["sessions"] if s["session"] in hypothesis["sessions"]]
    each = tuple(s["tau_s"] for s in own if s["tau_s"] is not None)
    pooled = next((m for m in hypothesis["no_ssl"]["measures"] if m["name"] == "tau_s"), None)
    if pooled is None:
        return Tau(None, None, None, each)
    if len(own) == 1:
        return Tau(pooled["estimate"], own[0]["tau_low_s"], own[0]["tau_high_s"], each)
    return Tau(pooled["estimate"], pooled["ci_low"], pooled["ci_high"], each)


def _draw_tau(axis: Axes, tau: Tau) -> None:
    """Mark tau on the line at 1/e: sessions small, their overall estimate large.

    The overall estimate is drawn with its interval.
    """
    axis.plot(
        tau.sessions, [1 / math.e] * len(tau.sessions), "|", color=BLUE, markersize=9, alpha=0.7
    )
    if tau.estimate is None:
        return
    if tau.low is not None and tau.high is not None:
        axis.plot(
            [tau.low, tau.high],
            [1 / math.e] * 2,
            color="#000000",
            linewidth=2.4,
            solid_capstyle="butt",
        )
    axis.plot(
        tau.estimate, 1 / math.e, "o", color="#000000", markersize=5, label=f"tau{tau.in_words()}"
    )
