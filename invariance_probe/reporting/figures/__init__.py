"""Deterministic SVG figures of a report, each with alt text and the numbers that it shows."""

from typing import Any

from invariance_probe.reporting.figures.chart import Chart
from invariance_probe.reporting.figures.doses import dose_response, forest, seed_swarm
from invariance_probe.reporting.figures.matrix import train_test_matrix

__all__ = ["Chart", "charts_of"]


def charts_of(hypothesis: dict[str, Any], report: dict[str, Any]) -> list[Chart]:
    """Return a hypothesis's figures, or none where nothing was measured.

    Parameters
    ----------
    hypothesis
        One of the report's hypotheses.
    report
        The content of report.json.
    """
    sessions = set(hypothesis["sessions"])
    points = [p for p in report["curve"] if p["axis"] == hypothesis["axis"] and p["session"] in sessions]
    if not points or not hypothesis["estimands"]:
        return []
    cells = [p for p in report["matrix"] if p["hypothesis"] == hypothesis["id"]]
    tested = [train_test_matrix(hypothesis, cells)] if any(p["test_dose"] != p["train_dose"] for p in cells) else []
    return [dose_response(hypothesis, points), forest(hypothesis, points), seed_swarm(hypothesis, points), *tested]
