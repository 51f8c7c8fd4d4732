"""Draw the README's opening figure: `python docs/trap_figure.py REPORT OUT`.

In: the report.json of studies/trap.yaml. Out: an SVG with the change of decoding loss
at 40 % dropout against the number of training windows, for a code of one unit and a
code of 60 units. It computes no statistics of its own.
"""

import json
import sys
from pathlib import Path

import matplotlib
from matplotlib.figure import Figure

SERIES = {
    "delta_paired": ("#CC79A7", "^", "paired draws (naive)"),
    "delta": ("#0072B2", "o", "independent draws (naive)"),
    "D": ("#D55E00", "s", "D: independent - shared"),
}
"""Colour, marker and label of each estimand that is drawn, by its name in the report."""
CODES = {"one": "one unit of 60 carries the label", "sixty": "all 60 units carry it"}
"""Title of each panel, by the start of its hypotheses' ids."""


def main(report: Path, out: Path) -> None:
    """Draw the estimates with their intervals, one panel per code.

    The grey band is the margin, 0.1 to either side of 0. The hypotheses' ids end in the
    number of training windows.

    Parameters
    ----------
    report
        The report.json of studies/trap.yaml.
    out
        The SVG to write.
    """
    hypotheses = json.loads(report.read_text())["hypotheses"]
    style = {
        "svg.hashsalt": "invariance_probe",
        "font.size": 9,
        "axes.spines.top": False,
        "axes.spines.right": False,
    }
    with matplotlib.rc_context(style):
        figure = Figure(figsize=(8.4, 3.5), layout="constrained")
        axes = figure.subplots(1, 2, sharey=True)
        for axis, (code, title) in zip(axes, CODES.items(), strict=True):
            axis.axhspan(-0.1, 0.1, color="#000000", alpha=0.08, linewidth=0)
            axis.axhline(0, color="#999999", linewidth=0.8)
            for i, (name, (colour, marker, label)) in enumerate(SERIES.items()):
                points = [
                    (int(h["id"].split("-")[1]), e)
                    for h in hypotheses
                    if h["id"].startswith(code)
                    for e in h["estimands"]
                    if e["name"] == name
                ]
                points.sort(key=lambda point: point[0])
                n = [count * (1 + 0.03 * (i - 1)) for count, _ in points]
                value = [e["estimate"] for _, e in points]
                ends = [
                    [max(0.0, e["estimate"] - e["ci_low"]) for _, e in points],
                    [max(0.0, e["ci_high"] - e["estimate"]) for _, e in points],
                ]
                axis.errorbar(
                    n,
                    value,
                    yerr=ends,
                    color=colour,
                    marker=marker,
                    markersize=5,
                    linewidth=1.6,
                    capsize=3,
                    label=label,
                )
            axis.set_xscale("log", base=2)
            axis.set_xticks([400, 800, 1600, 3200], ["400", "800", "1600", "3200"])
            axis.set_xlabel("training windows")
            axis.set_title(title, fontsize=10)
        axes[0].set_ylabel(
            "change of decoding loss at 40 % dropout\n(units of the decodable range)"
        )
        axes[1].legend(frameon=False, fontsize=8, loc="upper right")
        figure.savefig(out, format="svg", metadata={"Date": None, "Creator": None})


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
