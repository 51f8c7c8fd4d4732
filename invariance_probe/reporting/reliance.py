"""Report tables of the units that an SSL objective and two decoders rely on.

In: the content of report.json. Out: tables and notes. Sets of units are chosen so that
their removal harms one of three targets most: the trained model's SSL loss (the
objective), a decoder refitted without the units, or a decoder held fixed. The damage to
each target is shown separately. There are no tables if the study did not ask for this.
"""

from collections.abc import Sequence
from typing import Any

from invariance_probe.reporting.table import Table
from invariance_probe.reporting.words import two_decimals
from invariance_probe.study.counting import counted

NOTE = (
    "For every fold and seed a model was trained at the identity dose. Sets of units that harm "
    "one of three targets were chosen on data that the target was not fitted to (a model's on "
    "one half of the fold's test windows, a decoder's on held-out parts of the training "
    "windows, which are many more), and scored by all three on the other half. “Objective”: the "
    "loss that the trained model minimises, with the units held at their training mean in both "
    "views, in units of its rise when both views of a row are of different windows. “Refitted” "
    "and “fixed”: ridge decoders of the target, in units of the decodable range. The two scales "
    "are not to be compared with each other: 1 is no bound of the first, and no share of what "
    "the model knows."
)
"""First text of the section: how sets were chosen, scored and scaled."""
MEANING = (
    "What can be said: on which units this trained model's objective, and these decoders, rest "
    "in these sessions. A set that carries the target without the objective holds information "
    "that this trained model does not use: the views do not share it, or they do and the model "
    "ignores it (a contrastive model may solve its task by other features; Robinson et al. "
    "2021, arXiv:2106.11230). One that carries the objective without the target holds something "
    "that the model uses and this target does not know. What cannot: that units cause anything, "
    "that another objective, architecture or seed rests on the same ones, or that a set is the "
    "only one. Models of a session share most of their training windows, and decoders know no "
    "seed, so that counts of models are no test. No verdict rests on these."
)
"""What can and what cannot be concluded from the section."""
SCORED = (
    "Damage, mean over the models of a session; in brackets the highest damage within the 95 % "
    "band of random sets of other units (with like rates, where thirds of the rates leave 40 "
    "different sets or more), and in how many models the set lies above its own band. A dash: "
    "the target is not shown to have a range in every fold. After each unit: in which share of "
    "the models it was chosen."
)
"""How to read the tables of damage."""
TARGETS = {"objective": "objective", "refit": "refitted", "fixed": "fixed"}
"""What the removal of units is meant to harm, with its name in tables."""


def reliance_tables(report: dict[str, Any]) -> list[Table]:
    """Build the tables of the units that objective and decoders rely on.

    Parameters
    ----------
    report
        The content of report.json.

    Returns
    -------
    tables
        One table per target that sets were chosen for, the scale of the objective's loss,
        the overlap of the decoders' sets with the objective's, and the sessions without
        results; empty if the study did not ask for this.
    """
    if all(asked["kind"] != "reliance" for asked in report["settings"].get("measurements", ())):
        return []
    points, absent = report["reliance"], _absent(report)
    return (
        [
            *(_scored(points, target) for target in TARGETS),
            _scales(points),
            _overlaps(points),
            *absent,
        ]
        if points
        else absent
    )


def _absent(report: dict[str, Any]) -> list[Table]:
    """Build the table of the sessions without results, with the reasons.

    The list is empty if every session has results.
    """
    there = {p["session"] for p in report["reliance"]}
    rows = tuple(
        (
            s["session"],
            "its models failed or are missing; results.csv has the reasons"
            if s["decodable"]
            else s["detail"],
        )
        for s in report["sessions"]
        if s["session"] not in there
    )
    return [Table("Sessions without figures", "", ("session", "why"), rows)] if rows else []


def _scales(points: Sequence[dict[str, Any]]) -> Table:
    """Build the table of the scale of the objective's loss in each session."""
    of = {p["session"]: p for p in points}
    rows = tuple(
        (
            session,
            two_decimals(p["range"]),
            two_decimals(p["nothing"]),
            str(p["batch_windows"]),
            str(p["models"]),
            str(p["missing"]),
        )
        for session, p in of.items()
    )
    note = (
        "Rises of the objective's loss in its own units, mean over models: when both views of a "
        "row are of different windows (the scale of the tables above), and when no unit is "
        "left. Where the latter is not above 0, a model does no better on these windows than "
        "one that is shown nothing; losses without negatives may even fall, as two empty views "
        "agree. The loss is taken of as many windows at once as the smallest half of a fold's "
        "test part has, of which training may have had more."
    )
    return Table(
        "The objective's own scale",
        note,
        ("session", "other windows", "no units", "windows at once", "models", "missing"),
        rows,
    )


def _scored(points: Sequence[dict[str, Any]], target: str) -> Table:
    """Build the table of sets chosen for one target, with all three damages."""
    own = [p for p in points if p["chosen_for"] == target]
    rows = [
        (
            p["session"], str(p["budget"]), *(_damage(p[of], p["models"]) for of in TARGETS),
            ", ".join(f"{u['unit']} ({u['frequency']:.0%})" for u in p["units"]),
        )
        for p in own
    ]  # fmt: skip
    title = (
        f"Chosen for the objective of {own[0]['of']}"
        if target == "objective"
        else f"Chosen for the {TARGETS[target]} decoder"
    )
    heads = ("session", "b", "objective", "refitted decoder", "fixed decoder", "units")
    return Table(
        title, f"{SCORED} {_fewest(points)}" if target == "objective" else "", heads, tuple(rows)
    )


def _fewest(points: Sequence[dict[str, Any]]) -> str:
    return f"Bands rest on {min(p['random_sets'] for p in points)} different random sets or more."


def _overlaps(points: Sequence[dict[str, Any]]) -> Table:
    """Build the table of how far decoders and objective rely on the same units."""
    sessions = len({p["session"] for p in points})
    rows = tuple(
        (
            p["session"],
            TARGETS[p["chosen_for"]],
            str(p["budget"]),
            two_decimals(p["overlap"]),
            two_decimals(p["overlap_chance"]),
        )
        for p in points
        if p["chosen_for"] != "objective"
    )
    note = (
        "Mean Jaccard index of each model's set for a decoder with its set for the objective, "
        f"in {counted(sessions, 'session')}. It is secondary: units that carry nearly as much "
        "may change places, and a decoder's set is taken for the objective where that harms it "
        "more than the forward choice, so that the damages come first."
    )
    return Table(
        "Are they the units of the objective?",
        note,
        ("session", "decoder", "b", "overlap", "by chance"),
        rows,
    )


def _damage(damage: dict[str, float] | None, models: int) -> str:
    if damage is None:
        return two_decimals(None)
    return (
        f"{two_decimals(damage['chosen'])} ({two_decimals(damage['high'])}; "
        f"{round(damage['beyond'] * models)}/{models})"
    )
