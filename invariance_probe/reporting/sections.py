"""Sections of the report about units, beside the verdicts: what they mean, their figures and tables.

In: the content of report.json. Out: the sections of what a study asked for.
"""

from dataclasses import dataclass
from typing import Any

from invariance_probe.reporting import messengers, reliance
from invariance_probe.reporting.figures import Chart, messenger_charts, reliance_charts
from invariance_probe.reporting.table import Table


@dataclass(frozen=True)
class Section:
    """What was measured beside the verdicts."""

    name: str
    """For the page's anchor and the files of the figures."""
    title: str
    note: str
    meaning: str
    charts: tuple[Chart, ...]
    tables: tuple[Table, ...]
    files: str = ""
    """What a file beside the page has more."""


def sections_of(report: dict[str, Any]) -> list[Section]:
    """Return what was measured of units beside the verdicts."""
    found = [
        Section(
            "messengers",
            "Messenger units",
            messengers.NOTE,
            messengers.MEANING,
            tuple(messenger_charts(report)),
            tuple(messengers.messenger_tables(report)),
            messengers.FILES if report["units"] else "",
        ),
        Section(
            "reliance",
            "What the objective rests on",
            reliance.NOTE,
            reliance.MEANING,
            tuple(reliance_charts(report)),
            tuple(reliance.reliance_tables(report)),
        ),
    ]
    return [section for section in found if section.tables]
