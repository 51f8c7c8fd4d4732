"""What the report shows of one hypothesis: the code, learning, then both."""

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
"""Measures that stand in the table of sessions, named exploratory, and in no sentence."""


@dataclass(frozen=True)
class Part:
    """A titled part of what a verdict rests on, with its figures and tables."""

    title: str
    sentence: str
    charts: tuple[Chart, ...]
    tables: tuple[Table, ...]


@dataclass(frozen=True)
class Parts:
    """Everything that is shown of one hypothesis."""

    findings: tuple[Part, ...]
    """The finding of the code, then that of learning, as far as there is one."""
    charts: tuple[Chart, ...]
    """Figures of both findings together."""
    tables: tuple[Table, ...]


def parts_of(hypothesis: dict[str, Any], report: dict[str, Any], charts: list[Chart]) -> Parts:
    """Sort a hypothesis's figures and tables by what they are about.

    Parameters
    ----------
    charts
        All figures of the hypothesis.
    """
    code, learning = hypothesis["code"], hypothesis["learning"]
    findings = [
        Part(
            "The code (no SSL)",
            code["sentence"] if code else _without_code(hypothesis["no_ssl"]),
            tuple(chart for chart in charts if chart.about == "code"),
            _present(quantity_table(hypothesis), unit_table(hypothesis)),
        )
    ]
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
    """Say what is known without SSL where there is no finding of the code, as for a jitter."""
    clauses = [no_ssl["verdict"], *filter(None, no_ssl["detail"].split("; "))]
    said = "; ".join(clause for clause in clauses if not clause.startswith(EXPLORATORY))
    return f"{said[0].upper()}{said[1:]}."


def _present(*tables: Table | None) -> tuple[Table, ...]:
    return tuple(table for table in tables if table is not None)
