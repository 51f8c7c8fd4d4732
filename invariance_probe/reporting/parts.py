"""What the report shows about one hypothesis: the code, learning, then both.

In: one of the hypotheses of report.json, and its figures. Out: its findings, each with a
title, a sentence, figures and tables. Nothing is drawn or written here.
"""

from dataclasses import dataclass
from typing import Any

from invariance_probe.reporting.code import quantity_table, unit_table
from invariance_probe.reporting.figures.chart import Chart
from invariance_probe.reporting.learning import corrupted_table, recipe_table
from invariance_probe.reporting.objectives import objective_table
from invariance_probe.reporting.pairs import pair_table
from invariance_probe.reporting.representation import representation_tables
from invariance_probe.reporting.table import Table

EXPLORATORY = ("N_eff", "RedIdx")
"""Exploratory measures, which are shown in tables but in no sentence."""


@dataclass(frozen=True)
class Part:
    """One finding that a verdict rests on, with its figures and tables.

    Attributes
    ----------
    title
        Heading.
    sentence
        The finding in words.
    charts, tables
        Figures and tables of this finding.
    """

    title: str
    sentence: str
    charts: tuple[Chart, ...]
    tables: tuple[Table, ...]


@dataclass(frozen=True)
class Parts:
    """Everything that the report shows about one hypothesis."""

    findings: tuple[Part, ...]
    """The finding of the code, then that of learning if there is one."""
    charts: tuple[Chart, ...]
    """Figures that show both findings together."""
    tables: tuple[Table, ...]
    """Tables that belong to neither finding alone."""


def parts_of(hypothesis: dict[str, Any], report: dict[str, Any], charts: list[Chart]) -> Parts:
    """Sort a hypothesis's figures and tables by the finding they belong to.

    Parameters
    ----------
    hypothesis
        One of the report's hypotheses.
    report
        The content of report.json.
    charts
        All figures of the hypothesis.

    Returns
    -------
    parts
        The findings with their figures and tables, then the figures and tables that belong
        to neither finding alone.
    """
    code, learning = hypothesis["code"], hypothesis["learning"]
    findings = []
    if hypothesis["axis"]:
        of_code = Part(
            "The code (no SSL)",
            code["sentence"] if code else _without_code(hypothesis["no_ssl"]),
            tuple(chart for chart in charts if chart.about == "code"),
            _present(quantity_table(hypothesis), unit_table(hypothesis)),
        )
        findings.append(of_code)
    if learning is not None:
        drawn = tuple(chart for chart in charts if chart.about == "learning")
        tables = _present(recipe_table(hypothesis), corrupted_table(hypothesis))
        findings.append(Part("Learning", learning["sentence"], drawn, tables))
    beside = _present(
        pair_table(hypothesis),
        objective_table(hypothesis),
        *representation_tables(hypothesis, report),
    )
    return Parts(tuple(findings), tuple(chart for chart in charts if not chart.about), beside)


def _without_code(no_ssl: dict[str, Any]) -> str:
    """Describe what is known without SSL if there is no finding of the code.

    A hypothesis about time jitter, for example, has no such finding.
    """
    clauses = [no_ssl["verdict"], *filter(None, no_ssl["detail"].split("; "))]
    said = "; ".join(clause for clause in clauses if not clause.startswith(EXPLORATORY))
    return f"{said[0].upper()}{said[1:]}."


def _present(*tables: Table | None) -> tuple[Table, ...]:
    return tuple(table for table in tables if table is not None)
