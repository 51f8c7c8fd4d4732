"""Reading calibration.json: which rows are sizes, coverages or recoveries.

The content of calibration.json goes in; its rows come out by kind. They are told apart
by the words of their figures, so that a calibration that was made earlier can be shown
again.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

SIZE = re.compile(r"false '(?P<of>.+)', (?P<sessions>\d+) sessions")
COVERAGE = re.compile(r"coverage of the 90 % interval of (?P<of>.+), (?P<sessions>\d+) sessions")
BIAS = re.compile(r"bias of (?P<of>.+) against n = 30,000")
WRONG = re.compile(r"(?P<of>wrong word) about carriers, (?P<sessions>\d+) sessions")
TAU = "tau by test lag / tau"
"""Beginning of the figures that compare a time constant with the truth.

All of them are ratios.
"""


@dataclass(frozen=True)
class Counted:
    """A size or a coverage that was counted.

    Attributes
    ----------
    case
        The case.
    of
        The claim or the estimand.
    sessions
        Sessions per study.
    reached, upper
        Share of studies, and its bound where it has one.
    met
        Whether it is as asked; None where it is only printed.
    """

    case: str
    of: str
    sessions: int
    reached: float
    upper: float | None
    met: bool | None


def sizes(content: Mapping[str, Any]) -> list[Counted]:
    """How often every claim is made although it is false."""
    return list(_counted(content, SIZE))


def coverages(content: Mapping[str, Any]) -> list[Counted]:
    """How often every estimand's 90 % interval holds the truth."""
    return list(_counted(content, COVERAGE))


def wrong_words(content: Mapping[str, Any]) -> list[Counted]:
    """How often a wrong word is said about the carriers of each code."""
    return list(_counted(content, WRONG))


@dataclass(frozen=True)
class Bias:
    """How far a quantity's mean lies from that of long recordings.

    Attributes
    ----------
    case
        The code.
    of
        The quantity.
    reached, low, high
        The difference as a fraction, and its 95 % interval.
    met
        Whether it is as asked; None where it is only printed.
    """

    case: str
    of: str
    reached: float
    low: float
    high: float
    met: bool | None


def biases(content: Mapping[str, Any]) -> list[Bias]:
    """The bias of every quantity against long recordings."""
    return [
        Bias(row["about"], found["of"], row["reached"], row["low"], row["high"], row["met"])
        for row in content["rows"]
        if (found := BIAS.fullmatch(row["figure"]))
    ]


def recoveries(content: Mapping[str, Any], start: str) -> list[Mapping[str, Any]]:
    """The rows whose figure begins as given.

    Parameters
    ----------
    content
        The content of calibration.json.
    start
        How the figure begins, for example `TAU`.

    Returns
    -------
    rows
        In their order.
    """
    return [row for row in content["rows"] if row["figure"].startswith(start)]


def headline(content: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """The rows that are neither sizes nor coverages."""
    return [
        row
        for row in content["rows"]
        if not SIZE.fullmatch(row["figure"]) and not COVERAGE.fullmatch(row["figure"])
    ]


def _counted(content: Mapping[str, Any], pattern: re.Pattern[str]) -> Iterator[Counted]:
    """Yield the rows whose figure fits a pattern."""
    for row in content["rows"]:
        if found := pattern.fullmatch(row["figure"]):
            yield Counted(
                row["about"],
                found["of"],
                int(found["sessions"]),
                row["reached"],
                row["high"],
                row["met"],
            )
