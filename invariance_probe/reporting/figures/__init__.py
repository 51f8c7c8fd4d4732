"""Deterministic SVG figures of a report.

In: the content of report.json. Out: charts. Each has alt text, a table of the numbers that
it shows, and a line with the numbers of sessions, seeds and test blocks behind it.
"""

from dataclasses import replace
from typing import Any

from invariance_probe.reporting.figures.chart import Chart
from invariance_probe.reporting.figures.contrasts import contrast_response
from invariance_probe.reporting.figures.doses import dose_response, forest, seed_swarm
from invariance_probe.reporting.figures.dropping import dropping_curves
from invariance_probe.reporting.figures.lags import lag_curves
from invariance_probe.reporting.figures.matrix import train_test_matrix
from invariance_probe.reporting.figures.messengers import damage_curves
from invariance_probe.reporting.figures.nulls import null_panel
from invariance_probe.reporting.figures.plane import carriers_plane
from invariance_probe.reporting.figures.recipes import specification_curve
from invariance_probe.reporting.figures.reliance import reliance_curves
from invariance_probe.study.counting import counted
from invariance_probe.study.design import Folds

__all__ = ["Chart", "charts_of", "messenger_charts", "reliance_charts", "study_charts"]


def charts_of(hypothesis: dict[str, Any], report: dict[str, Any]) -> list[Chart]:
    """Draw the figures of a hypothesis: of the code, of learning, then of both.

    Figures for which nothing was measured are left out.

    Parameters
    ----------
    hypothesis
        One of the report's hypotheses.
    report
        The content of report.json.

    Returns
    -------
    charts
        The figures in the order of the page. A hypothesis that sweeps no dose has none; what
        was measured for it is shown in a section of its own.
    """
    if not hypothesis["axis"]:
        return []
    sessions = set(hypothesis["sessions"])
    points = [
        p for p in report["curve"] if p["axis"] == hypothesis["axis"] and p["session"] in sessions
    ]
    charts = [replace(chart, about="code") for chart in _of_code(hypothesis, report, points)]
    if (
        hypothesis["learning"] is not None
        and (curve := specification_curve(hypothesis)) is not None
    ):
        charts.append(replace(curve, about="learning"))
    if points and hypothesis["kind"] == "contrast" and hypothesis["estimands"]:
        charts += [contrast_response(hypothesis, points), forest(hypothesis, points)]
    elif points and hypothesis["estimands"]:
        cells = [p for p in report["matrix"] if p["hypothesis"] == hypothesis["id"]]
        tested = [train_test_matrix(hypothesis, cells)] if _off_diagonal(cells) else []
        charts += [
            dose_response(hypothesis, points, report["baselines"]),
            forest(hypothesis, points),
            seed_swarm(hypothesis, points),
            *tested,
        ]
    return [replace(chart, rests_on=rests_on(hypothesis, report)) for chart in charts]


def _off_diagonal(cells: list[dict[str, Any]]) -> bool:
    """Whether any encoder was trained above dose 0 and tested at another dose.

    Only then does the train-test matrix show more than other figures do.
    """
    return any(
        p["train_dose"] and p["test_dose"] != p["train_dose"] and p["value"] is not None
        for p in cells
    )


def _of_code(
    hypothesis: dict[str, Any], report: dict[str, Any], points: list[dict[str, Any]]
) -> list[Chart]:
    """Draw the figures about the code for which there are measurements."""
    sessions = set(hypothesis["sessions"])
    charts = []
    if hypothesis["code"] is not None:
        charts.append(
            carriers_plane(hypothesis, [p for p in report["code"] if p["session"] in sessions])
        )
        charts.append(
            dropping_curves(hypothesis, [p for p in report["dropping"] if p["session"] in sessions])
        )
    charts.append(lag_curves(hypothesis, report, points))
    return [chart for chart in charts if chart is not None]


def rests_on(hypothesis: dict[str, Any], report: dict[str, Any]) -> str:
    """Describe the data behind a hypothesis, and whether it was registered.

    Parameters
    ----------
    hypothesis
        One of the report's hypotheses.
    report
        The content of report.json.

    Returns
    -------
    text
        Numbers of sessions, of seeds, and of test blocks per session; then whether the
        hypothesis is confirmatory or exploratory.
    """
    folds = Folds.model_validate(report["settings"]["folds"])
    seeds = max((e["n_seeds"] for e in hypothesis["estimands"]), default=0)
    counts = [counted(len(hypothesis["sessions"]), "session"), counted(seeds, "seed")]
    counts.append(f"{counted(folds.count * folds.blocks_per_fold, 'test block')} per session")
    sha256 = report["registration"]["sha256"]
    if hypothesis["status"] == "confirmatory":
        standing = f"confirmatory, registered as {sha256[:12]}"
    else:
        standing = "exploratory" + (
            f" (the study is registered as {sha256[:12]})" if sha256 else ", not registered"
        )
    return f"{', '.join(counts)}; {standing}"


def messenger_charts(report: dict[str, Any]) -> list[Chart]:
    """Draw the figure of messenger units, the few that a decoder relies on.

    Parameters
    ----------
    report
        The content of report.json.

    Returns
    -------
    charts
        One figure; empty if messenger units were not measured.
    """
    return [damage_curves(report["messengers"])] if report["messengers"] else []


def reliance_charts(report: dict[str, Any]) -> list[Chart]:
    """Draw the figure of the units that an SSL objective and decoders rely on.

    Parameters
    ----------
    report
        The content of report.json.

    Returns
    -------
    charts
        One figure; empty if this was not measured.
    """
    return [reliance_curves(report["reliance"])] if report["reliance"] else []


def study_charts(report: dict[str, Any]) -> list[Chart]:
    """Chart of the tests whether each session's target can be decoded at all.

    The chart concerns the whole study, not one hypothesis. In each session the decoding
    loss is compared with null losses, which are losses on targets that the activity
    cannot have caused.

    Parameters
    ----------
    report
        The content of report.json.

    Returns
    -------
    charts
        This chart alone; empty if no null losses were measured.
    """
    nulls = [null for null in report["nulls"] if null["null"]]
    return [null_panel(nulls)] if nulls else []
