"""The tables of messenger units: what their removal costs, whether the sets are accepted, and whether they stay the same.

In: the content of report.json. Out: tables, none where a study did not ask for the measurement.
"""

from collections.abc import Sequence
from typing import Any

from invariance_probe.reporting.table import Table

NOTE = (
    "Units were chosen on half of a session's blocks and scored on the other half, in units of the decodable range: 1 is as bad as "
    "knowing nothing. Damage is the loss without the b units less that of all; in brackets the highest damage within the 95 % band "
    "of random sets of other units with like rates. “Refitted”: the decoder is fitted again without the units; “fixed”: it is not, "
    "and the units are held at their mean. A set is accepted only where both lie above their bands: a fixed decoder may break over "
    "units that others replace. G is the damage beyond random sets (95 % interval over blocks). Stability (95 % interval) is of the "
    "choice when blocks are reweighted: 1 the same units always, 0 as by chance. T says what the set of the first half of the session "
    "costs in the second, as a part of what the second half's own set costs there (95 % interval); a dash where that is not shown to "
    "exceed the margin of the measurement."
)
MEANING = (
    "What can be said: these units are relevant to this decoder of this target, in these sessions. What cannot: that they cause or "
    "transmit anything (that takes a perturbation), that unrecorded units carry less, or that a set is the only one; low stability "
    "means that other sets serve as well. Below the true number of carriers every pick may be right and stability still be low, and "
    "the smallest budgets may be refused because random sets hold a carrier too. No verdict rests on these, and levels are not "
    "corrected over budgets."
)
DECODERS = {"refit": "refitted", "fixed": "fixed"}


def messenger_tables(report: dict[str, Any]) -> list[Table]:
    """Return a table for each decoder that chose, and one of how many units must go until half of the range is lost."""
    points = report["messengers"]
    if not points:
        return []
    chosen = [
        _damages([p for p in points if p["chosen_with"] == mode], f"Chosen with the {name} decoder")
        for mode, name in DECODERS.items()
    ]
    return [*chosen, _localisation(points)]


def _damages(points: Sequence[dict[str, Any]], title: str) -> Table:
    rows = [
        (
            p["session"], str(p["budget"]), _interval(p, "gain"), _banded(p["refit"]), _banded(p["fixed"]), "yes" if p["accepted"] else "no",
            _interval(p, "stability"), _interval(p, "transfer"), ", ".join(str(u["unit"]) for u in p["units"]),
        )
        for p in points
    ]  # fmt: skip
    budgets = sorted({p["budget"] for p in points})
    accepted = {b: [p["accepted"] for p in points if p["budget"] == b] for b in budgets}
    counted = "; ".join(f"b = {b}: accepted in {sum(own)} of {len(own)} sessions" for b, own in accepted.items())
    columns = ("session", "b", "G", "damage, refitted", "damage, fixed", "accepted", "stability", "T", "units")
    return Table(title, f"{counted}.", columns, tuple(rows))


def _localisation(points: Sequence[dict[str, Any]]) -> Table:
    of = {(p["session"], p["chosen_with"]): p for p in points}
    rows = tuple(
        (session, DECODERS[mode], *(_number(p[name]) for name in ("k50_chosen", "k50_random", "localisation")))
        for (session, mode), p in of.items()
    )
    note = (
        "Units that must go until half of the decodable range is lost, and how many times as many it takes at random: 1 where it does "
        "not matter which go."
    )
    return Table("How localised the code is", note, ("session", "decoder", "chosen", "at random", "ratio"), rows)


def _banded(damage: dict[str, float]) -> str:
    return f"{_number(damage['chosen'])} ({_number(damage['high'])})"


def _interval(point: dict[str, Any], name: str) -> str:
    """Write an estimate with its interval, of which an end without bound is null in report.json."""
    if point[name] is None:
        return _number(None)
    low, high = ("no bound" if point[f"{name}_{end}"] is None else _number(point[f"{name}_{end}"]) for end in ("low", "high"))
    return f"{_number(point[name])} ({low} to {high})"


def _number(value: float | None) -> str:
    """Write two decimals, a dash where there is no number."""
    return "\N{EN DASH}" if value is None else f"{value:.2f}".replace("-", "\N{MINUS SIGN}")
