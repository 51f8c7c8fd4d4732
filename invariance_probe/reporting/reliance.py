"""The tables of what an SSL objective and two decoders rest on: three targets of removal, kept apart.

In: the content of report.json. Out: tables and notes, none where a study did not ask for the measurement.
"""

from collections.abc import Sequence
from typing import Any

from invariance_probe.reporting.table import Table
from invariance_probe.reporting.words import sessions_of, two_decimals

NOTE = (
    "For every fold and seed a model was trained at the identity dose. Sets of units that harm one of three targets were chosen on data "
    "that the target was not fitted to, and scored by all three on other test windows. “Objective”: the loss that the trained model "
    "minimises, with the units held at their training mean in both views, in units of its rise when every row shows another row's window;"
    " some sets may exceed 1. “Refitted” and “fixed”: ridge decoders of the target, in units of the decodable range."
)
MEANING = (
    "What can be said: on which units this trained model's objective, and these decoders, rest in these sessions. A set that carries the "
    "target without the objective holds information that this trained model does not use: the views do not share it, or they do and the "
    "model ignores it (a contrastive model may solve its task by other features; Robinson et al. 2021, arXiv:2106.11230). One that "
    "carries the objective without the target holds something that the model uses and this target does not know. What cannot: that units "
    "cause anything, that another objective, architecture or seed rests on the same ones, or that a set is the only one. Models of a "
    "session share most of their training windows, and decoders know no seed, so that counts of models are no test. No verdict rests on "
    "these."
)
SCORED = (
    "Damage, mean over the models of a session; in brackets the highest damage within the 95 % band of random sets of other units (with "
    "like rates, where thirds of the rates leave five different sets or more), and in how many models the set lies above its own band. A "
    "dash: the target loses nothing in some fold, or fewer than two folds were measured. After each unit: in which share of the models it"
    " was chosen."
)
TARGETS = {"objective": "objective", "refit": "refitted", "fixed": "fixed"}


def reliance_tables(report: dict[str, Any]) -> list[Table]:
    """Return a table for every target that sets are chosen for, and one of how far they are the same units."""
    points = report["reliance"]
    return [*(_scored(points, target) for target in TARGETS), _overlaps(points)] if points else []


def _scored(points: Sequence[dict[str, Any]], target: str) -> Table:
    own = [p for p in points if p["chosen_for"] == target]
    rows = [
        (
            p["session"], str(p["budget"]), *(_damage(p[of], p["models"]) for of in TARGETS),
            ", ".join(f"{u['unit']} ({u['frequency']:.0%})" for u in p["units"]),
        )
        for p in own
    ]  # fmt: skip
    title = (
        f"Chosen for the objective of {own[0]['of']}" if target == "objective" else f"Chosen for the {TARGETS[target]} decoder"
    )
    heads = ("session", "b", "objective", "refitted decoder", "fixed decoder", "units")
    return Table(title, f"{SCORED} {_counted(own)}" if target == "objective" else "", heads, tuple(rows))


def _counted(points: Sequence[dict[str, Any]]) -> str:
    """Say on how many models and random sets the tables rest."""
    failed = {p["session"]: p["failed"] for p in points if p["failed"]}
    missing = (
        f" Not measured: {', '.join(f'{count} models of {session}' for session, count in failed.items())}." if failed else ""
    )
    fewest = min(p["random_sets"] for p in points)
    return f"Bands rest on {fewest} different random sets or more.{missing}"


def _overlaps(points: Sequence[dict[str, Any]]) -> Table:
    sessions = len({p["session"] for p in points})
    rows = tuple(
        (p["session"], TARGETS[p["chosen_for"]], str(p["budget"]), two_decimals(p["overlap"]), two_decimals(p["overlap_chance"]))
        for p in points
        if p["chosen_for"] != "objective"
    )
    note = (
        f"Mean Jaccard index of each model's set for a decoder with its set for the objective, in {sessions_of(sessions)}. "
        "It is secondary: units that carry nearly as much may change places, so that the damages come first."
    )
    return Table("Are they the units of the objective?", note, ("session", "decoder", "b", "overlap", "by chance"), rows)


def _damage(damage: dict[str, float] | None, models: int) -> str:
    if damage is None:
        return two_decimals(None)
    return f"{two_decimals(damage['chosen'])} ({two_decimals(damage['high'])}; {round(damage['beyond'] * models)} of {models})"
