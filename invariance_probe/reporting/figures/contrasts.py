"""Figure of what training on mined pairs of windows gains over each control.

In: a hypothesis of report.json about mined pairs. Out: a figure of its contrasts against
the share of distant pairs in training. Each contrast is the loss with a control minus the
loss with mined pairs: M_loc against local pairs, M_rand against random distant pairs,
M_shift against pairs mined for a shifted index; across states, M_other against pairs from
the other state, M_shuffled and M_permuted against sleep with shuffled bins and with
permuted units. M_oracle is the gain over local pairs of pairs chosen by the target itself.
"""

from typing import Any

from matplotlib.figure import Figure

from invariance_probe.reporting.figures.chart import UNIT, Chart, band, chart, dose_label
from invariance_probe.reporting.figures.doses import curve

PANELS = (("M_loc", "M_oracle"), ("M_rand", "M_shift", "M_other", "M_shuffled", "M_permuted"))
"""Contrasts that are drawn in each of the two panels.

The first panel compares with local pairs, and has the oracle as a ceiling. The second
compares with other distant pairs of the same share.
"""


def contrast_response(hypothesis: dict[str, Any], points: list[dict[str, Any]]) -> Chart:
    """Draw the contrasts against the share of distant pairs.

    Thin lines are sessions; thick lines are means with 90 % intervals. Values above the
    margin mean that mined pairs help.

    Parameters
    ----------
    hypothesis
        One of the report's hypotheses, about mined pairs.
    points
        Rows of the report's `curve` for this hypothesis: estimates by session and dose.

    Returns
    -------
    chart
        The figure.
    """
    measured = {e["name"] for e in hypothesis["estimands"]}
    panels = [[name for name in panel if name in measured] for panel in PANELS]
    panels = [panel for panel in panels if panel]

    def draw(figure: Figure) -> None:
        axes = figure.subplots(1, len(panels), sharex=True, sharey=True, squeeze=False)[0]
        largest = max(e["dose"] for e in hypothesis["estimands"])
        axes[0].set_xlim(-0.06 * largest, 1.06 * largest)
        for axis, names in zip(axes, panels, strict=True):
            band(axis, hypothesis["margin"])
            for i, name in enumerate(names):
                # Against local pairs the contrast is 0 by definition at share 0. The controls
                # with the same share exist only above share 0.
                local = name in PANELS[0]
                curve(
                    axis,
                    hypothesis,
                    points,
                    name,
                    shift=i - (len(names) - 1) / 2,
                    logarithmic=not local,
                )
            axis.set_xticks(
                sorted(
                    {e["dose"] for e in hypothesis["estimands"]}
                    | ({0.0} if names[0] in PANELS[0] else set())
                )
            )
            axis.margins(x=0.1)
            axis.set_xlabel(dose_label(hypothesis["axis"]))
            axis.legend(frameon=False, fontsize=8, loc="upper left", bbox_to_anchor=(0, -0.2))
        axes[0].set_ylabel(UNIT)

    shown = [
        e
        for e in hypothesis["estimands"]
        if e["name"] in {name for panel in panels for name in panel}
    ]
    rows = tuple(
        (e["name"], e["dose"], e["estimate"], e["ci_low"], e["ci_high"], e["n_sessions"])
        for e in shown
    )
    oracle = (
        "The oracle, which reads the target, is a ceiling and in no verdict. "
        if "M_oracle" in measured
        else ""
    )
    alt = (
        f"Contrasts against {dose_label(hypothesis['axis'])}: above 0 mined pairs lose less "
        f"than the control, beyond {hypothesis['margin']:g} they help. {oracle}Thin lines are "
        "sessions, bars 90 % intervals."
    )
    columns = ("contrast", "share", "estimate", "90 % low", "90 % high", "sessions")
    return chart(
        f"{hypothesis['id']}: what mined pairs gain",
        alt,
        draw,
        (3.9 * len(panels), 4.2),
        columns,
        rows,
    )
