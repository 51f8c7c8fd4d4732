"""Deterministic SVG figures of a report, each with alt text and the numbers that it shows."""

from typing import Any

from invariance_probe.reporting.figures.chart import Chart
from invariance_probe.reporting.figures.doses import dose_response, forest, seed_swarm
from invariance_probe.reporting.figures.nulls import null_panel

__all__ = ["Chart", "charts_of", "study_charts"]


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
    return [dose_response(hypothesis, points), forest(hypothesis, points), seed_swarm(hypothesis, points)]


def study_charts(report: dict[str, Any]) -> list[Chart]:
    """Return the figures of a study that belong to no hypothesis.

    Parameters
    ----------
    report
        The content of report.json.
    """
    nulls = [null for null in report["nulls"] if null["null"]]
    return [null_panel(nulls)] if nulls else []
