"""The report's sections on further measurements, which stand beside the verdicts.

The content of report.json goes in; a section comes out for each measurement that a
study or its hypotheses asked for: what it means, its figures and tables.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from invariance_probe.reporting import messengers, reliance
from invariance_probe.reporting.figures import Chart, messenger_charts, reliance_charts
from invariance_probe.reporting.table import Table


@dataclass(frozen=True)
class Section:
    """One measurement beside the verdicts, as the report shows it.

    Attributes
    ----------
    title
        Its heading.
    note
        How it was measured.
    meaning
        What can be concluded, and what cannot.
    charts, tables
        Its figures and tables.
    """

    name: str
    """Name of the page's anchor and of the figures' files."""
    title: str
    note: str
    meaning: str
    charts: tuple[Chart, ...]
    tables: tuple[Table, ...]
    files: str = ""
    """What a file beside the page has beyond the page; empty without such a file."""


def _messengers(report: dict[str, Any]) -> Section:
    """The section on the few units that carry the target."""
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
    """The section on the units that an objective and two decoders rest on."""
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
    """The sections of what was measured in this study: those that have tables.

    Parameters
    ----------
    report
        The content of report.json.
    """
    return [section for make in SECTIONS if (section := make(report)).tables]
