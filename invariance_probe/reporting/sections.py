"""Report sections on further measurements, shown beside the verdicts.

In: the content of report.json. Out: one section for each measurement that the study or its
hypotheses declare, with its meaning, figures and tables.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from invariance_probe.reporting import messengers, reliance
from invariance_probe.reporting.figures import Chart, messenger_charts, reliance_charts
from invariance_probe.reporting.table import Table


@dataclass(frozen=True)
class Section:
    """One section of the report, about one kind of measurement.

    Attributes
    ----------
    title
        Heading.
    note
        How it was measured.
    meaning
        What can and what cannot be concluded.
    charts, tables
        Figures and tables of the section.
    """

    name: str
    """Name of the section's anchor on the page, and of its figures' files."""
    title: str
    note: str
    meaning: str
    charts: tuple[Chart, ...]
    tables: tuple[Table, ...]
    files: str = ""
    """What a separate CSV file holds in addition; empty if there is no such file."""


def _messengers(report: dict[str, Any]) -> Section:
    """Build the section on the few units that decoders rely on."""
    return Section(
        "messengers",
        "Messenger units",
        messengers.NOTE,
        messengers.MEANING,
        tuple(messenger_charts(report)),
        tuple(messengers.messenger_tables(report)),
        messengers.FILES if report["units"] else "",
    )


def _reliance(report: dict[str, Any]) -> Section:
    """Build the section on the units that objective and decoders rely on."""
    return Section(
        "reliance",
        "What the objective rests on",
        reliance.NOTE,
        reliance.MEANING,
        tuple(reliance_charts(report)),
        tuple(reliance.reliance_tables(report)),
    )


SECTIONS: tuple[Callable[[dict[str, Any]], Section], ...] = (_messengers, _reliance)
"""Every section, in the order of the page; one without tables is not shown."""


def sections_of(report: dict[str, Any]) -> list[Section]:
    """Build the sections for what was measured: those with at least one table.

    Parameters
    ----------
    report
        The content of report.json.
    """
    return [section for make in SECTIONS if (section := make(report)).tables]
