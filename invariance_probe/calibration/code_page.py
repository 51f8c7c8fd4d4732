"""The page that reports the calibration of the finding of the code.

In: the content of calibration.json. Out: README.md and its figures. Nothing is counted
here. A cell is one simulated code. A study says one of the words `few`, `between`,
`spread` and `undecided` about the number of units that carry the target.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from invariance_probe.calibration.banks import SEED
from invariance_probe.calibration.code_counting import QUANTITIES, SHARE, WORDS
from invariance_probe.calibration.code_figure import phase_map_chart, trust_chart
from invariance_probe.calibration.code_rows import SESSIONS, SHOWN
from invariance_probe.calibration.counting import CLAIMS, STUDIES
from invariance_probe.calibration.page import by_sessions, number, section, table
from invariance_probe.calibration.reading import biases, coverages, sizes, wrong_words
from invariance_probe.inference.hypotheses.code import CLEAR, REDUNDANT
from invariance_probe.reporting.figures.chart import Chart

_MEANS = ("K_s", "K_n", "carriers", "redundancy", "C_code", "R2")


def write_code_page(content: Mapping[str, Any], folder: Path) -> None:
    """Write README.md and its figures.

    Parameters
    ----------
    content
        The content of calibration.json.
    folder
        An existing folder.
    """
    cells = content["phase_map"]
    charts = {}
    if cells:
        charts["phase-map"] = phase_map_chart(cells, SHOWN)
        charts["trust"] = trust_chart(cells, coverages(content), biases(content), SHOWN)
    for name, chart in charts.items():
        (folder / f"{name}.svg").write_text(chart.svg, encoding="utf-8")
    (folder / "README.md").write_text(code_page(content, charts), encoding="utf-8")


def code_page(content: Mapping[str, Any], charts: Mapping[str, Chart]) -> str:
    """Write the page in Markdown.

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
    cells, caption = content["phase_map"], _caption(content)
    return "\n".join(
        [
            "# Calibration of the code's finding",
            "",
            _opening(content["settings"]),
            "",
            _summary(content),
            "",
            *_drawn(
                charts,
                "phase-map",
                f"Hatched: the word is wrong. Hollow marks: K_s and K_n at n = 30,000. {caption}",
            ),
            *_drawn(charts, "trust", caption),
            *section("Words about the number of units", _words(cells), _WORDS_NOTE),
            *section("Wrong words", by_sessions(wrong_words(content), "figure"), _WRONG_NOTE),
            *section("Kept or lost", _kept_or_lost(cells), _KEPT_NOTE),
            *section("Power, and words that must not be said", _asked(content)),
            *section("Means over sessions (SD)", _means(cells, "means"), caption),
            *section(
                "Crossings at half of R2 and at half of J", _scales(cells, content), _SCALES_NOTE
            ),
            *section(
                "The same at n = 30,000",
                _means(cells, "long_means"),
                "Recordings of the first codes of each bank.",
            ),
            *section(
                "Bias against n = 30,000",
                _biases(content),
                "Asked: within 10 %; in brackets the 95 % interval.",
            ),
            *section(
                "Coverage of the 90 % intervals",
                by_sessions(coverages(content), "quantity"),
                "Share of studies whose interval holds the bank's mean. Asked: .88 to .95; bold "
                "where missed.",
            ),
            *section(
                "How often a false claim about C_code is made",
                by_sessions(sizes(content), "claim"),
                f"The margin is at the bank's mean, in {CLAIMS} studies; in brackets the 95 % "
                "bound. Asked: at most .07, "
                "bound at most .10; bold where missed.",
            ),
        ]
    )


_WORDS_NOTE = (
    f"`few`: the upper bound of K_s + K_n lies below {SHARE:g} / {CLEAR:g} of the units; "
    f"`spread`: the lower bound of K_n lies above {CLEAR:g} x {SHARE:g} of them; `between`: "
    f"neither can be. `redundant`: the lower bound of redundancy lies above {REDUNDANT:g}."
)
_KEPT_NOTE = (
    "Share of studies of six sessions that show C_code at most, or more than, a tenth of the "
    "range, with two fifths of the units lost; beside it C_code, and what an independent code "
    "of as much information would lose."
)
_SCALES_NOTE = (
    "K_s + K_n as it is measured, where the curves cross half of R2, and where they cross half "
    "of J, with the coefficient of variation over sessions and the bias against n = 30,000. The "
    "first depends on how much is decoded, the second does not."
)
_WRONG_NOTE = (
    f"`few` is wrong where K_s + K_n is at least {SHARE:g} of the units at n = 30,000, `spread` "
    "where K_n is at most that. In brackets the 95 % bound: the larger one of the bootstrap "
    "over sessions of the bank and three times the sessions of a study over those of the bank. "
    "Asked: at most .05, bound at most .10; bold where missed. Codes without long recordings "
    "are left out."
)


def _opening(settings: Mapping[str, Any]) -> str:
    """Write the paragraph that says how the page was made."""
    quick = " **Quick: whether everything works; no evidence of anything.**"
    return (
        f"Made by `invariance-probe calibrate --part code --size {settings['size']}`: simulated "
        "codes between one carrier and all, the finding of the code measured in every session "
        f"as studies measure it, and judged by the toolkit's own rules in {STUDIES} studies "
        f"drawn from each bank of sessions.{quick if settings['size'] == 'quick' else ''}"
    )


def _summary(content: Mapping[str, Any]) -> str:
    """Write the sentence that counts how many quantities meet their bounds."""
    counts = {
        "wrong words": [x.met for x in wrong_words(content)],
        "powers": [row["met"] for row in content["rows"] if " said, " in row["figure"]],
        "coverages": [x.met for x in coverages(content)],
        "sizes": [x.met for x in sizes(content)],
        "biases": [x.met for x in biases(content) if x.met is not None],
    }
    said = [
        f"**{sum(map(bool, met))} of {len(met)}** {name}" for name, met in counts.items() if met
    ]
    return f"Kept: {'; '.join(said)}." if said else "Nothing was measured yet."


def _caption(content: Mapping[str, Any]) -> str:
    """Write the caption that says how many sessions the values are based on."""
    cells = content["phase_map"]
    if not cells:
        return ""
    banks, long = ([cell[name] for cell in cells] for name in ("sessions", "long"))
    commit = content["settings"]["commit"]
    return (
        f"Banks of {_span(banks)} sessions, {_span(long)} long recordings; seed {SEED}; commit "
        f"{commit}."
    )


def _span(counts: Sequence[int]) -> str:
    return f"{min(counts)} to {max(counts)}" if min(counts) < max(counts) else str(min(counts))


def _drawn(charts: Mapping[str, Chart], name: str, note: str) -> list[str]:
    return [f"![{charts[name].alt}]({name}.svg)", "", f"*{note}*", ""] if name in charts else []


def _words(cells: Sequence[Mapping[str, Any]]) -> list[str]:
    """Table of the fraction of studies that say each word, one row per cell.

    Further columns show the fraction of the most common word for studies with other
    numbers of sessions.
    """
    others = [count for count in SESSIONS if count != SHOWN]
    rows = []
    for cell in cells:
        shares = cell["words"][str(SHOWN)]
        most = max(WORDS[:-1], key=lambda word: shares[word])
        grown = (f"{cell['words'][str(count)][most]:.2f}" for count in others)
        rows.append(
            [
                cell["title"],
                *(f"{shares[word]:.2f}" for word in (*WORDS, "redundant")),
                f"`{most}`",
                *grown,
            ]
        )
    head = [
        "code",
        *(f"`{word}`" for word in (*WORDS, "redundant")),
        "most common",
        *(f"it at {count} sessions" for count in others),
    ]
    return table(head, rows)


def _kept_or_lost(cells: Sequence[Mapping[str, Any]]) -> list[str]:
    """Table of the fraction of studies that find each code `kept` or `lost`."""
    rows = []
    for cell in cells:
        said = [f"{cell['code'][word]:.2f}" for word in ("kept", "lost")]
        rows.append(
            [
                cell["title"],
                *said,
                *(f"{cell['means'][name][0]:.3f}" for name in ("C_code", "independent")),
            ]
        )
    return table(["code", "`kept`", "`lost`", "C_code(.4)", "of an independent code"], rows)


def _scales(cells: Sequence[Mapping[str, Any]], content: Mapping[str, Any]) -> list[str]:
    """Table of carriers measured at half of R2 and at half of J."""
    bias = {(x.case, x.of): f"{x.reached:+.2f}" for x in biases(content)}
    rows = []
    for cell in cells:
        texts = []
        for name in ("carriers", "carriers at half of J"):
            mean, sd = cell["means"].get(name, (np.nan, np.nan))
            texts += [f"{mean:.1f}", f"{sd / mean:.2f}", bias.get((cell["title"], name), "")]
        rows.append([cell["title"], *texts])
    head = [
        f"{what}{scale}"
        for scale in ("", ", half of J")
        for what in ("carriers", "variation", "bias")
    ]
    return table(["code", *head], rows)


def _means(cells: Sequence[Mapping[str, Any]], which: str) -> list[str]:
    """Table of means and SD over sessions, one row per cell.

    `which` is `means` for ordinary sessions or `long_means` for long recordings.
    """
    rows = [
        [
            cell["title"],
            *(f"{mean:.2f} ({sd:.2f})" for mean, sd in (cell[which][name] for name in _MEANS)),
            cell["sessions" if which == "means" else "long"],
            cell["undecodable"] if which == "means" else "",
        ]
        for cell in cells
        if cell[which]
    ]
    return table(["code", *_MEANS, "sessions", "without a K"], rows)


def _biases(content: Mapping[str, Any]) -> list[str]:
    found: dict[str, dict[str, str]] = {}
    for x in biases(content):
        text = f"{x.reached:+.2f} ({x.low:+.2f} to {x.high:+.2f})"
        found.setdefault(x.case, {})[x.of] = f"**{text}**" if x.met is False else text
    rows = [[case, *(by.get(name, "") for name in QUANTITIES)] for case, by in found.items()]
    return table(["code", *QUANTITIES], rows)


def _asked(content: Mapping[str, Any]) -> list[str]:
    """Table of how often studies say a word that they should, or should not, say."""
    rows = [
        [
            row["about"],
            row["figure"],
            row["asked"],
            number(row["reached"]),
            row["bank"],
            "yes" if row["met"] else "**no**",
        ]
        for row in content["rows"]
        if " said, " in row["figure"]
    ]
    return table(["code", "figure", "asked", "reached", "sessions in the bank", "reached?"], rows)
