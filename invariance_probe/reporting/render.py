"""Write the folder of a report: report.json, pages, tables and figures.

In: a plan and its findings. Out: a folder with report.json, index.html, report.md, CSV
tables and SVG figures. Pages, tables and figures present the content of report.json.
Nothing is inferred here.
"""

import base64
import json
import math
import shutil
import tempfile
from pathlib import Path
from typing import Any

import jinja2
import pandas as pd

from invariance_probe.inference.findings import Findings
from invariance_probe.plan.plan import Plan
from invariance_probe.reporting.figures import Chart, charts_of, study_charts
from invariance_probe.reporting.folder import refuse_foreign
from invariance_probe.reporting.glossary import glossary
from invariance_probe.reporting.methods_text import methods_paragraph
from invariance_probe.reporting.model import report_model
from invariance_probe.reporting.parts import Parts, parts_of
from invariance_probe.reporting.scores import WORDS, ceiling_score, scores_in_words
from invariance_probe.reporting.sections import Section, sections_of
from invariance_probe.reporting.tables import baseline_table, primary_rows, write_tables
from invariance_probe.reporting.words import said_of
from invariance_probe.study.counting import counted


def render(
    plan: Plan,
    findings: Findings,
    table: pd.DataFrame,
    provenance: dict[str, Any],
    out: Path,
    sums: pd.DataFrame | None = None,
) -> Path:
    """Write a report to a folder.

    Everything is first written to a temporary folder, which then replaces an older
    report. So a report is never half new and half old.

    Parameters
    ----------
    plan
        The study with its sessions, runs and recipes.
    findings
        The verdicts, with the estimates and measurements behind them.
    table
        Losses, one row per run and test block (`results.tables.tidy`).
    provenance
        Versions, device and times: whatever may differ between two runs of one study.
    out
        Folder of the report. An older report in it is replaced.
    sums
        Held-out sums of errors behind the dropping curves (`results.tables.code_sums`); if
        omitted, dropping_curves.csv is not written.

    Returns
    -------
    path
        The report's index.html.

    Raises
    ------
    StudyError
        If `out` is a file, or a folder with files but no report.
    """
    refuse_foreign(out)
    report = report_model(plan, findings, provenance)
    charts = {h["id"]: charts_of(h, report) for h in report["hypotheses"]}
    parts = {h["id"]: parts_of(h, report, charts[h["id"]]) for h in report["hypotheses"]}
    of_study, sections = study_charts(report), sections_of(report)
    methods = methods_paragraph(plan, report)
    out.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=out.parent, prefix=f".{out.name}-") as folder:
        private = Path(folder) / "report"
        (private / "figures").mkdir(parents=True)
        (private / "report.json").write_text(
            json.dumps(report, indent=1, ensure_ascii=False, allow_nan=False) + "\n",
            encoding="utf-8",
        )
        for name in ("index.html", "report.md"):
            (private / name).write_text(
                _page(name, report, charts, parts, of_study, sections, methods), encoding="utf-8"
            )
        for hypothesis, drawn in [
            *charts.items(),
            ("study", of_study),
            *((section.name, section.charts) for section in sections),
        ]:
            for i, chart in enumerate(drawn):
                (private / "figures" / f"{hypothesis}-{i + 1}.svg").write_text(
                    chart.svg, encoding="utf-8"
                )
        write_tables(report, table, private, sums)
        if out.exists():
            shutil.rmtree(out)
        private.rename(out)
    return out / "index.html"


def _page(
    name: str,
    report: dict[str, Any],
    charts: dict[str, list[Chart]],
    parts: dict[str, Parts],
    of_study: list[Chart],
    sections: list[Section],
    methods: str,
) -> str:
    """Fill the template of one page, `index.html` or `report.md`."""
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("invariance_probe.reporting"),
        autoescape=name.endswith(".html"),
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    filters: dict[str, Any] = {
        "number": _number,
        "short": _short,
        "dose": _dose,
        "p": _p_value,
        "p_sign": _p_sign,
        "data_uri": _data_uri,
        "primary_rows": primary_rows,
        "baseline_table": baseline_table,
        "repeats": _repeats,
        "counted": counted,
        "said_of": said_of,
        "ceiling_score": ceiling_score,
    }
    environment.filters |= filters
    template = environment.get_template(f"{name}.j2")
    return template.render(
        report=report,
        charts=charts,
        parts=parts,
        study_charts=of_study,
        sections=sections,
        methods=methods,
        glossary=glossary(report),
        scores=scores_in_words(report),
        score_name=WORDS[report["settings"]["target"]["kind"]],
    )


def _number(value: Any) -> str:
    """Format a number with three decimals and a true minus sign.

    From 100 upwards it has three significant digits. True and False become `yes` and `no`,
    and None becomes a dash.
    """
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float) and abs(value) < 100:
        text = f"{value:.3f}"
        return ("0.000" if text == "-0.000" else text).replace("-", "\N{MINUS SIGN}")
    return _short(value)


def _short(value: Any) -> str:
    """Format a number to three significant digits; None becomes a dash."""
    if value is None:
        return "\N{EN DASH}"
    return (
        f"{value:#.3g}".rstrip(".").replace("-", "\N{MINUS SIGN}")
        if isinstance(value, float)
        else str(value)
    )


def _dose(value: float) -> str:
    """Write a dose or a margin as it was declared."""
    return f"{value:g}"


def _p_value(value: float | None) -> str:
    if value is None or math.isnan(value):
        return "\N{EN DASH}"
    return "< 0.001" if value < 0.001 else f"{value:.3f}"


def _p_sign(value: float) -> str:
    """Format a p value to follow the letter p: `= 0.012` or `< 0.001`."""
    text = _p_value(value)
    return text if text.startswith("<") else f"= {text}"


def _repeats(code: dict[str, Any]) -> str:
    """List a session's redundant units: copies of a unit, and sums of units."""
    said = [" = ".join(pair) for pair in code["copies"]]
    said += [f"{one} = {' + '.join(others)}" for one, *others in code["sums"]]
    return "; ".join(said) or "none"


def _data_uri(svg: str) -> str:
    return "data:image/svg+xml;base64," + base64.b64encode(svg.encode()).decode()
