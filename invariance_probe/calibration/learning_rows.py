"""Count errors of the findings of learning.

A cell is one simulated code. Its bank is the sessions that were trained for it, under
the panel's recipes and under recipes held out of the panel. In: the banks. Out: rows of
the report, each a quantity with the bound it should meet: how often a held-out recipe
contradicts the verdict, how often false claims are made, how often the right verdict is
given with and without the panel, and how often the gate `trained` recognises a recipe
that trains too little.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np

from invariance_probe.calibration.counting import draw, sizes
from invariance_probe.calibration.dropout import size_row
from invariance_probe.calibration.learning_banks import CELLS, HELD_OUT, LONGER_OF, POWERS
from invariance_probe.calibration.learning_counting import (
    ARMED,
    CHANGES,
    JUDGES,
    RECIPES,
    LearningBank,
    alone,
    contradicted_by,
    lowered,
    rate,
    shares,
    undertrained,
    verdicts_of,
)
from invariance_probe.calibration.row import Row
from invariance_probe.inference.power.spreads import marked
from invariance_probe.study.panel import DECLARED

SESSIONS = 6
"""Sessions per study."""
BEYOND = 0.02
"""Contradictions by more than this part of the range are also counted alone.

A smaller difference is hardly a contradiction.
"""
THRESHOLDS = (0.0, 0.025, 0.05, 0.1)
"""Candidate thresholds for how much longer training lowers a loss.

They are fractions of the decodable range. A table of the report shows how well each
would recognise a recipe that trains too little.
"""
LARGEST, LARGEST_BOUND = 0.05, 0.10
"""Largest accepted fraction of contradicted studies, and of its upper bound."""
UNDERTRAINED = "undertrained"
"""Name of the recipe for which the gate `trained` should fail."""


def learning_rows(banks: Mapping[str, LearningBank], tables: dict[str, Any]) -> list[Row]:
    """Compute every quantity about findings of learning.

    For cells with fewer than six sessions only means are reported.

    Parameters
    ----------
    banks
        Bank of each cell, by the name of the cell.
    tables
        Tables of the report. Verdicts and means of each cell are added as `learning`;
        what longer training changes is added as `trained` (over studies) and
        `trained_sessions` (over single sessions).

    Returns
    -------
    rows
        The quantities, with the bounds they should meet.
    """
    tables |= {"learning": [], "trained": [], "trained_sessions": _single_sessions(banks)}
    rows = []
    for cell in CELLS:
        bank = banks.get(cell.name)
        if bank is None or not len(bank):
            continue
        rng = np.random.default_rng(5)
        line = {
            "cell": cell.name,
            "title": cell.title,
            "sessions": len(bank),
            "means": _means(bank),
        }
        tables["learning"].append(line)
        if len(bank) < SESSIONS:
            continue
        studies = draw(rng, len(bank), SESSIONS)
        line |= {
            "panel": shares(bank, studies, PANEL_RECIPES),
            "alone": shares(bank, studies, alone()),
        }
        rows += [
            *_contradicted(cell.title, bank, rng),
            *_powers(cell.name, cell.title, bank, line),
            *_sizes(cell.title, bank, rng),
        ]
        rows += _trained(cell.title, bank, rng)
        tables["trained"] += _rules(cell.title, bank, studies)
    return rows


PANEL_RECIPES = tuple(
    recipe for recipe in RECIPES if recipe not in {held_out.name for held_out in HELD_OUT}
)
"""Names of the panel's recipes, without those held out of it."""


def _means(bank: LearningBank) -> dict[str, Any]:
    """Mean and SD over sessions of C_code, and of D, H and delta by recipe.

    For each recipe the mean fraction of the range that dose 0 retains (`kept`) is
    added; its SD is not computed and is set to 0.
    """
    of_recipes = {
        recipe: {
            name: (bank.mean(marked(name, recipe)), bank.sd(marked(name, recipe))) for name in ARMED
        }
        | {"kept": (float(bank.values[marked("kept", recipe)].mean()), 0.0)}
        for recipe in RECIPES
    }
    return {"C_code": (bank.mean("C_code"), bank.sd("C_code")), "recipes": of_recipes}


def _contradicted(title: str, bank: LearningBank, rng: np.random.Generator) -> list[Row]:
    """Return the rows that say how often held-out recipes contradict a verdict."""
    rows = []
    for beyond in (0.0, BEYOND):
        for recipes, by in (*(((name,), _title(name)) for name in JUDGES), (JUDGES, "any of them")):

            def hit(
                drawn: LearningBank,
                studies: np.ndarray,
                recipes: tuple[str, ...] = recipes,
                beyond: float = beyond,
            ) -> np.ndarray:
                wrong = {
                    word for recipe in recipes for word in contradicted_by(drawn, recipe, beyond)
                }
                return np.isin(verdicts_of(drawn, studies), sorted(wrong))

            if beyond and len(recipes) == 1:
                continue
            counted = rate(bank, SESSIONS, rng, hit)
            said = f" by more than {beyond:g}" if beyond else ""
            kept = counted.reached <= LARGEST and counted.upper <= LARGEST_BOUND
            asked = f"<= {LARGEST:g}, bound <= {LARGEST_BOUND:g}"
            asked, met = (asked, kept) if len(recipes) == 1 else ("printed", None)
            figure = f"a printed word is contradicted{said} by {by}, {SESSIONS} sessions"
            rows.append(
                Row(title, figure, asked, counted.reached, None, counted.upper, len(bank), met)
            )
    return rows


def _single_sessions(banks: Mapping[str, LearningBank]) -> list[dict[str, Any]]:
    """Count in what fraction of sessions longer training lowers a loss.

    The sessions of all cells are pooled. There is one line per recipe, with the
    fractions for the loss at dose 0, for H, for both of these, and for delta.
    """
    found = []
    for recipe, longer in LONGER_OF.items():
        lower = {
            what: np.concatenate(
                [
                    b.values[marked(what, recipe)] > b.values[marked(what, longer)]
                    for b in banks.values()
                    if len(b)
                ]
            )
            for what in CHANGES
            if any(len(bank) for bank in banks.values())
        }
        if lower:
            parts = {what: float(values.mean()) for what, values in lower.items()}
            both = float((lower["L(0)"] & lower["H"]).mean())
            found.append(
                {"recipe": recipe, "sessions": len(lower["H"]), **parts, "L(0) and H": both}
            )
    return found


def _title(name: str) -> str:
    return next(held_out.title for held_out in HELD_OUT if held_out.name == name)


def _powers(name: str, title: str, bank: LearningBank, line: Mapping[str, Any]) -> list[Row]:
    """Return the rows that say how often studies give the right verdict."""
    rows = []
    for word in POWERS.get(name, ()):
        for judged, said in (
            ("panel", "under the panel"),
            ("alone", "under the declared recipe alone"),
        ):
            reached = line[judged].get(word, 0.0)
            asked, met = (">= 0.8", reached >= 0.8) if judged == "panel" else ("printed", None)
            rows.append(
                Row(
                    title,
                    f"`{word}` {said}, {SESSIONS} sessions",
                    asked,
                    reached,
                    None,
                    None,
                    len(bank),
                    met,
                )
            )
    return rows


def _sizes(title: str, bank: LearningBank, rng: np.random.Generator) -> list[Row]:
    """Return the rows about false claims under the declared recipe.

    The margin is placed at the bank's mean, where every claim is false.
    """
    rows = []
    for name in ("C_code", *ARMED):
        at_most, more, _ = sizes(bank.of([name]), name, SESSIONS, rng)
        rows += [
            size_row(title, name, one.claim, SESSIONS, one.rate, one.upper, len(bank))
            for one in (at_most, more)
        ]
    return rows


def _trained(title: str, bank: LearningBank, rng: np.random.Generator) -> list[Row]:
    """Return the rows that say how often the gate `trained` fails.

    It should fail for the recipe that trains too little, and pass for the others.
    """
    rows = []
    for recipe in LONGER_OF:
        said = "the declared recipe" if recipe == DECLARED else _title(recipe)

        def hit(drawn: LearningBank, studies: np.ndarray, recipe: str = recipe) -> np.ndarray:
            return undertrained(drawn, studies, recipe)

        counted = rate(bank, SESSIONS, rng, hit)
        if recipe == UNDERTRAINED:
            asked, met = ">= 0.9", counted.reached >= 0.9
        else:
            asked, met = f"<= {LARGEST:g}", counted.reached <= LARGEST
        figure = f"`trained` fails for {said}, {SESSIONS} sessions"
        rows.append(Row(title, figure, asked, counted.reached, None, counted.upper, len(bank), met))
    return rows


def _rules(title: str, bank: LearningBank, studies: np.ndarray) -> list[dict[str, Any]]:
    """Count how often longer training is shown to lower a loss.

    There is one line per recipe and loss, with the fraction of studies that show a
    decrease by more than each of `THRESHOLDS`.
    """
    found = []
    for recipe, longer in LONGER_OF.items():
        for what in CHANGES:
            change = bank.values[marked(what, recipe)] - bank.values[marked(what, longer)]
            found.append(
                {
                    "case": title,
                    "recipe": recipe,
                    "what": what,
                    "mean": float(change.mean() / bank.range.mean()),
                    "sd": float(change.std(ddof=1) / bank.range.mean()),
                    "shown": {
                        f"{by:g}": float(lowered(bank, studies, recipe, what, by).mean())
                        for by in THRESHOLDS
                    },
                }
            )
    return found
