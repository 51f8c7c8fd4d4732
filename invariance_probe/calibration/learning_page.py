"""The page that reports the calibration of the findings of learning.

In: the content of calibration.json. Out: README.md. Nothing is counted here. A cell is
one simulated code. Verdicts rest on a panel of training recipes and are checked against
recipes that are held out of it.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from invariance_probe.calibration.banks import SEED
from invariance_probe.calibration.learning_rows import PANEL_RECIPES, SESSIONS
from invariance_probe.calibration.page import by_sessions, mean_sd, number, section, table
from invariance_probe.calibration.reading import headline, sizes

_CONTRADICTED = (
    "Share of studies that print a word of which the means of a held-out recipe over the whole "
    "bank say the opposite: `invariant` and `tolerated` where its D, H or delta exceeds the "
    "margin, `sensitive` and `competition` where its D does not, `competition` also where its "
    "delta does not. In the interval's place stands the upper bound: the larger of the 95 % "
    "quantile over resampled banks and 3 S / bank size."
)
_TRAINED = (
    "By how much longer training lowers the loss at dose 0, H and delta, in units of R (mean "
    "and SD over sessions), and in which part of studies of six sessions it is shown to be more "
    "than each threshold. The undertrained recipe (lr 1e-3, 250 steps) should be seen in at "
    "least .9 of studies, the others in at most .05."
)


_SINGLE = (
    "Over the sessions of all cells. The gate `trained` rests on what separates the "
    "undertrained recipe here: its loss at dose 0 falls, and with it H. What longer training "
    "does to H or delta alone does not separate it from sound recipes."
)


def write_learning_page(content: Mapping[str, Any], folder: Path) -> None:
    """Write README.md.

    Parameters
    ----------
    content
        The content of calibration.json.
    folder
        An existing folder.
    """
    (folder / "README.md").write_text(learning_page(content), encoding="utf-8")


def learning_page(content: Mapping[str, Any]) -> str:
    """Write the page in Markdown from the content of calibration.json."""
    lines, settings = content["learning"], content["settings"]
    return "\n".join(
        [
            "# Calibration of the findings of learning",
            "",
            f"Made by `invariance-probe calibrate --part learning --size {settings['size']}` at "
            f"commit {settings['commit']}: worlds of the phase map (seed {SEED}, used for "
            f"nothing else), trained by the panel ({', '.join(PANEL_RECIPES)}) and by recipes "
            "that are held out of it, one seed a session, and judged by the toolkit's own rules "
            f"in studies of {SESSIONS} sessions drawn from each bank. Cells with fewer than "
            f"{SESSIONS} sessions have means alone.",
            "",
            f"Bank sizes: {_sizes_in_words(lines)}.",
            "",
            *section("What was asked", _headline(content), _CONTRADICTED),
            *section("Words with and without the panel", _words(lines)),
            *section(
                "What every recipe costs: mean and SD over sessions, in units of R", _means(lines)
            ),
            *section("What longer training changes", _trained(content["trained"]), _TRAINED),
            *section(
                "In how many single sessions longer training lowers a loss",
                _single_sessions(content["trained_sessions"]),
                _SINGLE,
            ),
            *section(
                "How often a false claim is made under the declared recipe",
                by_sessions(sizes(content), "claim"),
                "The margin is at the bank's mean. Asked: at most .07, bound at most .10; bold "
                "where missed.",
            ),
        ]
    )


def _sizes_in_words(lines: Sequence[Mapping[str, Any]]) -> str:
    return ", ".join(f"{line['sessions']} ({line['title']})" for line in lines) or "none"


def _headline(content: Mapping[str, Any]) -> list[str]:
    """Table of the rows that are neither about false claims nor about coverage."""
    rows = [
        [
            row["about"],
            row["figure"],
            row["asked"],
            number(row["reached"]),
            number(row["high"]),
            row["bank"],
            {True: "yes", False: "**no**", None: ""}[row["met"]],
        ]
        for row in headline(content)
    ]
    return table(
        ["cell", "figure", "asked", "reached", "bound", "sessions in the bank", "reached?"], rows
    )


def _words(lines: Sequence[Mapping[str, Any]]) -> list[str]:
    """Table of how often each verdict is given, with and without the panel."""

    def said(shares: Mapping[str, float]) -> str:
        return ", ".join(
            f"{word} {share:.2f}"
            for word, share in sorted(shares.items(), key=lambda item: -item[1])
        )

    rows = [
        [line["title"], line["sessions"], said(line["panel"]), said(line["alone"])]
        for line in lines
        if "panel" in line
    ]
    return table(["cell", "sessions", "under the panel", "under the declared recipe alone"], rows)


def _means(lines: Sequence[Mapping[str, Any]]) -> list[str]:
    """Table of the mean effects D, H and delta under every recipe."""
    rows = [
        [
            line["title"],
            line["sessions"],
            _mean(line["means"]["C_code"], line["sessions"]),
            recipe,
            *(_mean(found[name], line["sessions"]) for name in ("D", "H", "delta")),
            f"{found['kept'][0]:.2f}",
        ]
        for line in lines
        for recipe, found in line["means"]["recipes"].items()
    ]
    return table(["cell", "sessions", "C_code", "recipe", "D", "H", "delta", "dose 0 keeps"], rows)


def _single_sessions(lines: Sequence[Mapping[str, Any]]) -> list[str]:
    """Table of the fraction of sessions in which longer training lowers a loss."""
    names = ("L(0)", "H", "L(0) and H", "delta")
    rows = [
        [line["recipe"], line["sessions"], *(number(line[name]) for name in names)]
        for line in lines
    ]
    return table(["recipe", "sessions", *names], rows)


def _trained(rules: Sequence[Mapping[str, Any]]) -> list[str]:
    """Table of how much longer training lowers losses.

    Further columns give the fraction of studies that show a decrease by more than each
    threshold.
    """
    thresholds = list(rules[0]["shown"]) if rules else []
    rows = [
        [
            rule["recipe"],
            rule["what"],
            rule["case"],
            mean_sd((rule["mean"], rule["sd"])),
            *(number(rule["shown"][by]) for by in thresholds),
        ]
        for rule in sorted(rules, key=lambda rule: (rule["recipe"], rule["what"]))
    ]
    return table(["recipe", "lowered", "cell", "by", *(f"shown > {by}" for by in thresholds)], rows)


def _mean(values: Sequence[float], sessions: int) -> str:
    return mean_sd(values) if sessions > 1 else f"{values[0]:+.2f}"
