"""Report tables of messenger units: the few units that a decoder relies on.

In: the content of report.json. Out: tables and notes on what the removal of sets of b units
costs (their damage), which sets are accepted, and whether the same units are chosen
again. There are no tables if the study did not ask for the measurement.
"""

from collections.abc import Sequence
from typing import Any

from invariance_probe.reporting.table import Table
from invariance_probe.reporting.words import two_decimals
from invariance_probe.study.counting import counted

NOTE = (
    "Units were chosen on half of a session's blocks and scored on the other half, in units of "
    "the decodable range: 1 is as bad as knowing nothing. “Refitted”: the decoder is fitted "
    "again without the units; “fixed”: it is not, and the units are held at their mean."
)
"""First text of the section: how units were chosen and scored."""
MEANING = (
    "What can be said: these units are relevant to this decoder of this target, in these "
    "sessions. What cannot: that they cause or transmit anything (that takes a perturbation), "
    "that unrecorded units carry less, or that a set is the only one; low stability means that "
    "other sets serve as well. Units are compared within a recording, and never between "
    "recordings whose units are not matched. No verdict rests on these, and levels are not "
    "corrected over budgets or sessions."
)
"""What can and what cannot be concluded from the section."""
FILES = (
    "units.csv has every unit of every session: how often it was chosen, what the loss rises by "
    "without it alone, the norm of its decoder weights and its variance."
)
"""What units.csv holds in addition to the tables of the page."""
ACCEPTING = (
    "Damage is the loss without the b units less that of all; in brackets the highest damage "
    "within the 95 % band of random sets of other units with like rates (of any others where "
    "few sets are alike). A set is accepted only where both lie above their bands: a fixed "
    "decoder may break over units that others replace. G is the damage beyond random sets (95 % "
    "interval over blocks). The smallest budgets may be refused because random sets hold a "
    "carrier too. After each unit: how often it was chosen when blocks were reweighted."
)
"""How to read the tables of damage, and when a set is accepted."""
DECODERS = {"refit": "refitted", "fixed": "fixed"}
"""Names of the decoders in tables.

`refit` is refitted without the removed units; `fixed` is not.
"""
LEVEL = 0.05
"""Significance level of the tests of switching between epochs."""
FEWEST_BLOCKS = 4
"""Fewest blocks per epoch for which switching is tested."""


def messenger_tables(report: dict[str, Any]) -> list[Table]:
    """Build the tables of messenger units.

    Parameters
    ----------
    report
        The content of report.json.

    Returns
    -------
    tables
        The sets chosen with each decoder and their damage, how stable the choice is,
        whether reliance switches between epochs (where this was tested), and how few units
        hold half of the decodable range; empty if nothing was measured.
    """
    points = report["messengers"]
    if not points:
        return []
    chosen = [
        _damages(
            [p for p in points if p["chosen_with"] == mode],
            f"Chosen with the {name} decoder",
            ACCEPTING if first else "",
        )
        for first, (mode, name) in zip((True, False), DECODERS.items(), strict=True)
    ]
    tested = [_switching(report)] if report["switching"] else []
    return [*chosen, _same_later(points, epochs_of(report)), *tested, _localisation(points)]


def epochs_of(report: dict[str, Any]) -> str:
    """Describe the two epochs between which sets of units are compared."""
    array = next(
        (
            asked["epochs"]
            for asked in report["settings"].get("measurements", ())
            if asked.get("epochs")
        ),
        None,
    )
    return (
        f"the first and the last epoch by {array!r}"
        if array
        else "the first and the second half of a session"
    )


def _damages(points: Sequence[dict[str, Any]], title: str, note: str) -> Table:
    """Build the table of the sets chosen with one decoder, and their damage."""
    rows = [
        (
            p["session"],
            str(p["budget"]),
            _interval(p, "gain"),
            _banded(p["refit"]),
            _banded(p["fixed"]),
            "yes" if p["accepted"] else "no",
            ", ".join(f"{u['unit']} ({u['frequency']:.0%})" for u in p["units"]),
        )
        for p in points
    ]
    budgets = sorted({p["budget"] for p in points})
    accepted = {b: [p["accepted"] for p in points if p["budget"] == b] for b in budgets}
    said = "; ".join(
        f"b = {b}: accepted in {sum(own)} of {counted(len(own), 'session')}"
        for b, own in accepted.items()
    )
    if len(points) == len(budgets):
        shown = ", ".join(str(b) for b, own in accepted.items() if own[0])
        said = f"Accepted at b = {shown}" if shown else "Accepted at no b"
    return Table(
        title,
        f"{said}. {note}".strip(),
        ("session", "b", "G", "damage, refitted", "damage, fixed", "accepted", "units"),
        tuple(rows),
    )


def _same_later(points: Sequence[dict[str, Any]], epochs: str) -> Table:
    """Build the table of how stable the choice of units is.

    It shows the stability over blocks, the stability over seeds if the search is random,
    and what a set chosen in one epoch costs in the other.
    """
    random = any(p["seed_stability"] is not None for p in points)
    rows = tuple(
        (
            p["session"],
            DECODERS[p["chosen_with"]],
            str(p["budget"]),
            _interval(p, "stability"),
            *((two_decimals(p["seed_stability"]),) if random else ()),
            _interval(p, "transfer"),
            _interval(p, "transfer_back"),
        )
        for p in points
    )
    seeds = (
        " Over seeds: of a random search on the same blocks; what it lacks of 1 is the search's "
        "own."
        if random
        else ""
    )
    note = (
        "Stability (95 % interval) is of the choice when blocks are reweighted: 1 the same "
        "units always, 0 as by chance. Below the true number of carriers every pick may be "
        f"right and stability still be low.{seeds} T compares {epochs}: what the set of the one "
        "costs in the other, as a part of what the other's own set costs there (95 % interval); "
        "“forth” from the earlier to the later, “back” the other way. 1: the set serves as "
        "well; 0: no better than random units. A dash where the own set is not shown to exceed "
        "the measurement's margin."
    )
    columns = (
        "session",
        "decoder",
        "b",
        "stability",
        *(("over seeds",) if random else ()),
        "T forth",
        "T back",
    )
    return Table("Are they the same units?", note, columns, rows)


def _switching(report: dict[str, Any]) -> Table:
    """Build the table of tests of whether reliance on units differs by epoch."""
    points = report["switching"]
    own = [p for p in points if p["p_value"] is not None]
    counts = {mode: [p["p_value"] <= LEVEL for p in own if p["mode"] == mode] for mode in DECODERS}
    said = "; ".join(
        f"{DECODERS[mode]}: p <= .05 in {sum(shown)} of {counted(len(shown), 'session')}"
        for mode, shown in counts.items()
    )
    note = (
        f"{said}. Each epoch has a share of reliance for every unit: what a decoder of that "
        "epoch loses without it. p: how often blocks that are dealt to epochs at random give "
        "epochs that are as unlike. A small p says that reliance moves between epochs, by a set "
        "that switches or by drift; a large one that this is not shown. The overlap (mean "
        "cosine of the epochs' shares) is secondary and means nothing without the overlap of "
        "the deals beside it: it is low wherever few data are divided by many units. Blocks "
        f"must be longer than what activity remembers; where {FEWEST_BLOCKS} an epoch would be "
        "too short, nothing is tested, and a dash stands."
    )
    rows = tuple(
        (
            p["session"],
            DECODERS[p["mode"]],
            f"{p['epochs']} x {p['blocks']}",
            _seconds(p["memory_s"]),
            two_decimals(None) if p["p_value"] is None else f"{p['p_value']:.3f}",
            two_decimals(p["overlap"]),
            two_decimals(p["expected"]),
        )
        for p in points
    )
    columns = ("session", "decoder", "epochs x blocks", "memory", "p", "overlap", "of the deals")
    return Table("Does reliance move between epochs?", note, columns, rows)


def _localisation(points: Sequence[dict[str, Any]]) -> Table:
    """Build the table of how many units must go until half of the range is lost.

    It compares units chosen to harm most with units removed at random.
    """
    of = {(p["session"], p["chosen_with"]): p for p in points}
    rows = tuple(
        (
            session,
            DECODERS[mode],
            *(two_decimals(p[name]) for name in ("k50_chosen", "k50_random", "localisation")),
        )
        for (session, mode), p in of.items()
    )
    note = (
        "Units that must go until half of the decodable range is lost, and how many times as "
        "many it takes at random: 1 where it does not matter which go."
    )
    return Table(
        "How localised the code is",
        note,
        ("session", "decoder", "chosen", "at random", "ratio"),
        rows,
    )


def _seconds(value: float) -> str:
    return f"{value:.0f} s" if value >= 100 else f"{value:.2g} s"


def _banded(damage: dict[str, float]) -> str:
    return f"{two_decimals(damage['chosen'])} ({two_decimals(damage['high'])})"


def _interval(point: dict[str, Any], name: str) -> str:
    """Format an estimate with its interval.

    An end that is null in report.json becomes `no bound`.
    """
    if point[name] is None:
        return two_decimals(None)
    low, high = (
        "no bound" if point[f"{name}_{end}"] is None else two_decimals(point[f"{name}_{end}"])
        for end in ("low", "high")
    )
    return f"{two_decimals(point[name])} ({low} to {high})"
