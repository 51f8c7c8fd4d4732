"""The page that reports a calibration.

In: the content of calibration.json. Out: README.md and its figures. The page shows
every quantity with the bound it should meet and the number of sessions it is based on.
Functions that other pages use are here too. Nothing is counted here.

A case is one simulated code of known truth. A size is the fraction of studies that make
a claim although it is false; a coverage is the fraction whose interval contains the
true value.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from invariance_probe.calibration.counting import CLAIMS, STUDIES
from invariance_probe.calibration.figure import charts_of, verdict_words
from invariance_probe.calibration.reading import (
    TAU,
    Counted,
    coverages,
    headline,
    recoveries,
    sizes,
)
from invariance_probe.reporting.figures.chart import Chart

_SIZE_NOTE = {
    "full": "",
    "licence": (
        " The bank is of the size that decides whether a method may give verdicts, not of the "
        "size that bounds each claim's error."
    ),
    "quick": " **Quick: whether everything works; no evidence of anything.**",
}


_ADDITION = (
    "What is found of the code without SSL against the verdict, over studies of six sessions. "
    "From the code alone one would guess that training costs nothing: `invariant` where it is "
    "kept, `tolerated` where it is lost. *Another word*: studies whose verdict says something "
    "else, which only training could show. *No word*: studies in which training leaves open "
    "what the code alone had settled."
)
_EARLIER = (
    "These figures were counted before the words changed: `recoverable` is now `tolerated`, and "
    "C_info stood where C_code stands now (today's C_blind, in units of R)."
)
_ARMS = (
    "Mean and SD over sessions of the excess loss over dose 0, in units of the range. A "
    "reference arm must do no harm of its own to a spread code, and must not help a code of one "
    "unit by a task that the draw gives away."
)
_ARM_NAMES = {"delta": "independent (delta)", "H": "shared (H)", "delta_paired": "paired"}
_TRAINING_DOSE = (
    "Delta of labels of three time constants, trained at every jitter (mean and SD over "
    "sessions). If a training dose measured tau, delta would pass the margin at the same "
    "multiple of tau; the test-lag curve needs no SSL and finds tau."
)


def write_page(content: Mapping[str, Any], folder: Path) -> None:
    """Write README.md and its figures.

    Parameters
    ----------
    content
        The content of calibration.json.
    folder
        An existing folder.
    """
    charts = dict(charts_of(content))
    for name, chart in charts.items():
        (folder / f"{name}.svg").write_text(chart.svg, encoding="utf-8")
    (folder / "README.md").write_text(page(content, charts), encoding="utf-8")


def page(content: Mapping[str, Any], charts: Mapping[str, Chart]) -> str:
    """Write the page in Markdown.

    The page begins with the rows that are neither sizes nor coverages. Sizes and
    coverages by number of sessions follow.

    Parameters
    ----------
    content
        The content of calibration.json.
    charts
        The figures, by file name without its ending.

    Returns
    -------
    text
        The page.
    """
    return "\n".join(
        [
            "# Calibration",
            "",
            _opening(content["settings"]),
            *(["", _EARLIER] if _is_earlier(content) else []),
            "",
            _summary(content),
            "",
            *_headline(content),
            *_shown(charts, "verdicts", _drawn(content)),
            *_shown(charts, "recovery", _measured(content)),
            *section(
                "How often a false claim is made",
                by_sessions(sizes(content), "claim"),
                figure=_shown(charts, "sizes", _drawn(content)),
                note="Share of studies that make the claim where it is exactly false, and its "
                "95 % upper bound. Asked: at most .07, bound at most .10; bold where missed.",
            ),
            *section(
                "Coverage of the 90 % intervals",
                by_sessions(coverages(content), "estimand"),
                figure=_shown(charts, "coverage", _drawn(content)),
                note="Asked: .88 to .92; bold where missed.",
            ),
            *section("Verdicts at six sessions", _verdicts(content["verdicts"])),
            *section(
                "What SSL adds to what is found of the code",
                _addition(content.get("ssl_contribution", [])),
                note=_ADDITION,
            ),
            *section("The arms over the doses", _arms(content.get("arms", [])), note=_ARMS),
            *section(
                "Training doses do not measure time",
                _training_dose(content.get("training_dose", [])),
                note=_TRAINING_DOSE,
            ),
            *section(
                "Banks: mean and SD over sessions, in units of the range",
                _means(content.get("means", {})),
            ),
        ]
    )


def _opening(settings: Mapping[str, Any]) -> str:
    """Write the paragraph that says how the page was made."""
    training = settings["training"]
    method, size, part = settings["method"]["kind"], settings["size"], settings.get("part", "all")
    if part in ("measures", "worlds"):
        return (
            f"Made by `invariance-probe calibrate --part {part} --size {size}`: worlds of known "
            f"truth, measured without trained SSL. Studies of several sessions are {STUDIES} "
            "draws from a bank of sessions. The worlds' seeds were used for nothing "
            f"else.{_SIZE_NOTE[size]}"
        )
    by = settings.get("arithmetic", "torch")
    how = (
        " --part contrasts"
        if part == "contrasts"
        else ""
        if by == "torch"
        else f" --part {part} --arithmetic {by}"
    )
    return (
        f"Made by `invariance-probe calibrate --method {method} --size {size}{how}`: worlds of "
        f"known truth, measured by {method} ({training['steps']} steps, batches of "
        f"{training['batch_size']}) and judged by the toolkit's own rules, in {STUDIES} studies "
        f"drawn from each bank of sessions ({CLAIMS} for the size of a claim). The worlds' "
        "seeds were used for nothing else. A size puts the null where it is exactly true, at "
        "the bank's own mean; its upper bound is the larger of the 95 % quantile over resampled "
        "banks and 3 S / bank size, for studies of S sessions. The verdicts' margin is a tenth "
        f"of the range.{_SIZE_NOTE[size]}"
    )


def _is_earlier(content: Mapping[str, Any]) -> bool:
    return any(
        "C_info" in row["figure"] or "recoverable" in row["figure"] for row in content["rows"]
    )


def _summary(content: Mapping[str, Any]) -> str:
    """Write the sentence that counts how many quantities meet their bounds."""
    judged = [row for row in headline(content) if row["met"] is not None]
    said = [
        f"**{sum(row['met'] for row in judged)} of {len(judged)}** figures of the first table "
        "are reached"
    ]
    if found := sizes(content):
        worst = max(found, key=lambda x: x.reached)
        said.append(
            f"**{sum(bool(x.met) for x in found)} of {len(found)}** sizes are kept (largest: "
            f"{worst.reached:.3f}, `{worst.of}` in {worst.case}, {worst.sessions} sessions)"
        )
    if found := coverages(content):
        low, high = min(x.reached for x in found), max(x.reached for x in found)
        said.append(
            f"**{sum(bool(x.met) for x in found)} of {len(found)}** coverages are kept "
            f"({low:.3f} to {high:.3f})"
        )
    return "; ".join(said) + "."


def _headline(content: Mapping[str, Any]) -> list[str]:
    """Table of the rows that are neither sizes nor coverages."""
    rows = [
        [
            row["about"],
            row["figure"],
            row["asked"],
            number(row["reached"]),
            _interval(row["low"], row["high"]),
            row["bank"],
            {True: "yes", False: "**no**", None: ""}[row["met"]],
        ]
        for row in headline(content)
    ]
    return [
        *table(
            [
                "case",
                "figure",
                "asked",
                "reached",
                "95 % interval",
                "sessions in the bank",
                "reached?",
            ],
            rows,
        ),
        "",
    ]


def by_sessions(found: Sequence[Counted], of: str) -> list[str]:
    """Write a table of sizes or coverages by number of sessions.

    There is one row per case and claim (or estimand), and one column per number of
    sessions.

    Parameters
    ----------
    found
        Sizes or coverages.
    of
        Heading of the second column, such as `claim` or `estimand`.

    Returns
    -------
    lines
        The table in Markdown.
    """
    counts = sorted({x.sessions for x in found})
    cells: dict[tuple[str, str], dict[int, str]] = {}
    for x in found:
        text = number(x.reached) + (f" ({number(x.upper)})" if x.upper is not None else "")
        cells.setdefault((x.case, x.of), {})[x.sessions] = f"**{text}**" if x.met is False else text
    rows = [
        [case, f"`{name}`", *(by.get(count, "") for count in counts)]
        for (case, name), by in cells.items()
    ]
    return table(["case", of, *(f"{count} sessions" for count in counts)], rows)


def _verdicts(verdicts: Mapping[str, Mapping[str, float]]) -> list[str]:
    words = verdict_words(verdicts)
    rows = [
        [case, *(number(share.get(word, 0.0)) for word in words)]
        for case, share in verdicts.items()
    ]
    return table(["case", *words], rows)


def _addition(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    """Table that compares the verdicts with the finding of the code alone."""

    def said(shares: Mapping[str, float]) -> str:
        return ", ".join(f"{word} {number(share)}" for word, share in shares.items())

    cells = [
        [
            row["case"],
            row["sessions"],
            said(row["code"]),
            said(row["verdict"]),
            *(number(row[n]) for n in ("as_guessed", "adds", "silent")),
        ]
        for row in rows
    ]
    head = [
        "case",
        "sessions",
        "the code, without SSL",
        "the verdict",
        "as guessed",
        "another word",
        "no word",
    ]
    return table(head, cells)


def _arms(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    """Table of the excess loss over dose 0 in each arm, by code and dose."""
    names = list(rows[0]["figures"]) if rows else []
    cells = [
        [
            row["case"],
            row["dose"],
            row["sessions"],
            *(mean_sd(row["figures"][name]) for name in names),
        ]
        for row in rows
    ]
    return table(["case", "p", "sessions", *(_ARM_NAMES.get(name, name) for name in names)], cells)


def _training_dose(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    """Table of delta by dose of jitter in training, one row per time constant."""
    doses = list(rows[0]["delta"]) if rows else []
    cells = [
        [
            row["tau_s"],
            row["sessions"],
            number(row["by_test_lag_s"]),
            *(mean_sd(row["delta"][dose]) for dose in doses),
        ]
        for row in rows
    ]
    head = [
        "tau (s)",
        "sessions",
        "tau by test lag (s), median",
        *(f"delta, jitter {dose} s" for dose in doses),
    ]
    return table(head, cells)


def mean_sd(values: Sequence[float]) -> str:
    """Format a pair (mean, SD) with two decimals."""
    return "{:+.2f} ± {:.2f}".format(*values)


def _means(means: Mapping[str, Mapping[str, Sequence[float]]]) -> list[str]:
    names = list(dict.fromkeys(name for values in means.values() for name in values))
    rows = [
        [case, *(mean_sd(values[name]) if name in values else "" for name in names)]
        for case, values in means.items()
    ]
    return table(["case", *names], rows)


def section(
    title: str, rows: Sequence[str], note: str = "", figure: Sequence[str] = ()
) -> list[str]:
    """Write a section of a page, with a heading and a table.

    Parameters
    ----------
    title
        The heading.
    rows
        Lines of the table in Markdown.
    note
        A paragraph above the table that explains it.
    figure
        Lines in Markdown that show a figure.

    Returns
    -------
    lines
        The section in Markdown; empty if the table has no rows.
    """
    return [f"## {title}", "", *([note, ""] if note else []), *figure, *rows, ""] if rows else []


def _shown(charts: Mapping[str, Chart], name: str, rests_on: str) -> list[str]:
    chart = charts.get(name)
    return [f"![{chart.alt}]({name}.svg)", "", f"*{chart.title}. {rests_on}.*", ""] if chart else []


def _drawn(content: Mapping[str, Any]) -> str:
    """State how many sessions the rates of verdicts and claims are based on."""
    banks: dict[str, int] = {}
    for row in content["rows"]:
        if row["about"] in (content["verdicts"] or row["about"]):
            banks[row["about"]] = max(row["bank"], banks.get(row["about"], 0))
    seeds = content["settings"]["training"]["seeds"]
    said = ", ".join(f"{count} ({case})" for case, count in banks.items())
    return (
        f"{STUDIES} studies drawn from banks of {said} sessions, {seeds} "
        f"seed{'' if seeds == 1 else 's'} a session"
    )


def _measured(content: Mapping[str, Any]) -> str:
    """Write the caption about the number of sessions behind the time constants."""
    counts = sorted({row["bank"] for row in recoveries(content, TAU)})
    return (
        f"Medians over {' to '.join(str(n) for n in dict.fromkeys((counts[0], counts[-1])))} "
        "sessions of each world"
        if counts
        else ""
    )


def number(x: float | None) -> str:
    """Format a number with three decimals; None gives an empty string."""
    return "" if x is None else f"{x:.3f}"


def _interval(low: float | None, high: float | None) -> str:
    return "" if low is None and high is None else f"{number(low)} to {number(high)}"


def table(head: Sequence[str], rows: Sequence[Sequence[object]]) -> list[str]:
    """Write a table in Markdown.

    Parameters
    ----------
    head
        Names of the columns.
    rows
        Cells (row, column).

    Returns
    -------
    lines
        The lines of the table; empty if it has no rows.
    """
    if not rows:
        return []
    return [f"| {' | '.join(map(str, cells))} |" for cells in (head, ["---"] * len(head), *rows)]
