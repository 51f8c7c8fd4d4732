"""Losses in units that a reader knows: R2, or bits for classes.

In: losses and the floor, the loss of the best constant, of the same windows. Out: a score that is 0
for the best constant and larger for a better decoder, as losses are not.
"""

import math
from typing import Any, TypeVar

import pandas as pd

from invariance_probe.inference.evidence.points import OWN_SSL

WORDS = {"continuous": "R2", "circular": "R2 of cosine and sine", "categorical": "bits per window"}
"""What a score is called, by the kind of target."""
Losses = TypeVar("Losses", float, pd.Series)


def score_of(loss: Losses, floor: Losses, kind: str) -> Losses:
    """Score of held-out losses: R2 about the best constant, or the bits gained on it.

    Parameters
    ----------
    loss, floor
        Held-out losses of a decoder and of the best constant, one or a column of them.
    kind
        Of the target: `continuous`, `circular` or `categorical`.

    Examples
    --------
    >>> score_of(0.25, 1.0, "continuous")
    0.75
    """
    return (floor - loss) / math.log(2) if kind == "categorical" else 1 - loss / floor


def ceiling_score(session: dict[str, Any], report: dict[str, Any]) -> float | None:
    """Return what the best decoder without SSL reaches in one of the report's sessions."""
    if session["ceiling"] is None or not session["floor"]:
        return None
    return score_of(session["ceiling"], session["floor"], report["settings"]["target"]["kind"])


def with_scores(report: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the report's baselines, each with its score."""
    kind = report["settings"]["target"]["kind"]
    floors = {b["session"]: b["loss"] for b in report["baselines"] if b["name"] == "floor"}
    return [
        {**b, "score": score_of(b["loss"], floors[b["session"]], kind)} for b in report["baselines"]
    ]


def scored_results(results: pd.DataFrame, kind: str) -> pd.DataFrame:
    """Return results with a column `score`: every block's loss against that block's floor.

    Losses of planted targets, of sessions with a `+` in their names, have none where the study's
    target is categorical: theirs are of another kind.
    """
    if results.empty:
        return results.assign(score=None)
    raw = results[(results.method == "raw") & results.floor_loss.notna()]
    keys = ["session", "fold", "block"]
    floors = raw.drop_duplicates(keys).set_index(keys).floor_loss.rename("floor")
    floor = results.join(floors, on=keys).floor.astype(float)
    score = score_of(results.loss.astype(float), floor, kind)
    if kind == "categorical":
        score = score.mask(results.session.str.contains("+", regex=False))
    return results.assign(score=score)


def scores_in_words(report: dict[str, Any]) -> str:
    """Say what the best decoder without SSL reaches, and what SSL at dose 0 reaches.

    Empty where nothing is known.
    """
    kind = report["settings"]["target"]["kind"]
    each = [ceiling_score(session, report) for session in report["sessions"]]
    best = [score for score in each if score is not None]
    ssl = [b["score"] for b in report["baselines"] if b["name"] == OWN_SSL]
    if not best:
        return ""
    said = (
        f"Decoding, in {WORDS[kind]} (0 is the best constant; larger is better): the best "
        f"decoder without SSL {_span(best)}"
    )
    said += f"; SSL at dose 0 {_span(ssl)}." if ssl else "."
    return said + _accuracies_in_words(report)


def _accuracies_in_words(report: dict[str, Any]) -> str:
    """Balanced accuracy of the same decoders, for classes; empty for other targets."""
    best = {session["session"]: session["ceiling_family"] for session in report["sessions"]}
    known = [b for b in report["baselines"] if b["balanced_accuracy"] is not None]
    ceiling = [b["balanced_accuracy"] for b in known if b["name"] == best[b["session"]]]
    ssl = [b["balanced_accuracy"] for b in known if b["name"] == OWN_SSL]
    parts = [
        f"{who} {_span(values)}"
        for who, values in (("the best decoder without SSL", ceiling), ("SSL at dose 0", ssl))
        if values
    ]
    return f" Balanced accuracy: {'; '.join(parts)}." if parts else ""


def _span(values: list[float]) -> str:
    low, high = f"{min(values):.2f}", f"{max(values):.2f}"
    return low if low == high else f"{low} to {high}"
