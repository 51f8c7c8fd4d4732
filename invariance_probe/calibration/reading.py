"""Read calibration.json and sort its rows by kind.

In: the content of calibration.json. Out: its rows that are sizes (how often a claim is
made although it is false), coverages (how often an interval contains the true value),
biases, wrong words, or comparisons of a measured with a true value. The kind is
recognised from the text in the row's field `figure`, so that files of earlier
calibrations can be shown as well.
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
"""How the field `figure` begins in rows about measured time constants.

The values of these rows are ratios, measured / true.
"""


@dataclass(frozen=True)
class Counted:
    """A size, a coverage or a rate of wrong words.

    Attributes
    ----------
    case
        Name of the simulated code.
    of
        The claim, or the estimand whose interval is counted.
    sessions
        Sessions per study.
    reached, upper
        Fraction of studies, and its upper bound; None if it has none.
    met
        Whether the quantity meets its bound; None if it has no bound to meet.
    """

    case: str
    of: str
    sessions: int
    reached: float
    upper: float | None
    met: bool | None


def sizes(content: Mapping[str, Any]) -> list[Counted]:
    """List how often every claim is made although it is false."""
    return list(_counted(content, SIZE))


def coverages(content: Mapping[str, Any]) -> list[Counted]:
    """List how often the 90 % interval of each estimand contains the true value."""
    return list(_counted(content, COVERAGE))


def wrong_words(content: Mapping[str, Any]) -> list[Counted]:
    """List how often studies say a wrong word about the number of units, by code."""
    return list(_counted(content, WRONG))


@dataclass(frozen=True)
class Bias:
    """How far the mean of a quantity lies from its mean in long recordings.

    Attributes
    ----------
    case
        Name of the simulated code.
    of
        Name of the quantity.
    reached, low, high
        The relative difference, and its 95 % interval.
    met
        Whether it meets its bound; None if it has no bound to meet.
    """

    case: str
    of: str
    reached: float
    low: float
    high: float
    met: bool | None


def biases(content: Mapping[str, Any]) -> list[Bias]:
    """List the bias of each quantity against long recordings."""
    return [
        Bias(row["about"], found["of"], row["reached"], row["low"], row["high"], row["met"])
        for row in content["rows"]
        if (found := BIAS.fullmatch(row["figure"]))
    ]


def recoveries(content: Mapping[str, Any], start: str) -> list[Mapping[str, Any]]:
    """Select the rows whose field `figure` starts with a given string.

    Parameters
    ----------
    content
        The content of calibration.json.
    start
        Beginning of the text, for example `TAU`.

    Returns
    -------
    rows
        The rows, in the order of the file.
    """
    return [row for row in content["rows"] if row["figure"].startswith(start)]


def headline(content: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """Select the rows that are neither sizes nor coverages."""
    return [
        row
        for row in content["rows"]
        if not SIZE.fullmatch(row["figure"]) and not COVERAGE.fullmatch(row["figure"])
    ]


def _counted(content: Mapping[str, Any], pattern: re.Pattern[str]) -> Iterator[Counted]:
    """Yield the rows whose field `figure` matches a pattern."""
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
