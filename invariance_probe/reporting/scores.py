"""Decoding scores in familiar units: R2, or bits per window for classes.

In: a decoder's losses, and the floor (the loss of the best constant) on the same windows.
Out: a score that is 0 for the best constant and larger for a better decoder.
"""

import math
from typing import Any, TypeVar

import pandas as pd

from invariance_probe.inference.evidence.points import OWN_SSL

WORDS = {"continuous": "R2", "circular": "R2 of cosine and sine", "categorical": "bits per window"}
"""Name of the score, by kind of target."""
Losses = TypeVar("Losses", float, pd.Series)


def score_of(loss: Losses, floor: Losses, kind: str) -> Losses:
    """Convert held-out losses to R2, or to bits per window for classes.

    Parameters
    ----------
    loss, floor
        Held-out losses of a decoder and of the best constant: numbers or columns.
    kind
        Kind of the target: `continuous`, `circular` or `categorical`.

    Returns
    -------
    score
        R2, or the bits gained over the best constant; 0 for the constant itself.

    Examples
    --------
    >>> score_of(0.25, 1.0, "continuous")
    0.75
    """
    return (floor - loss) / math.log(2) if kind == "categorical" else 1 - loss / floor


def ceiling_score(session: dict[str, Any], report: dict[str, Any]) -> float | None:
    """Return the score of the best decoder without SSL in one session.

    Parameters
    ----------
    session
        One of the report's sessions.
    report
        The content of report.json.

    Returns
    -------
    float or None
        None if the session has no such decoder, or no floor to compare it with.
    """
    if session["ceiling"] is None or not session["floor"]:
        return None
    return score_of(session["ceiling"], session["floor"], report["settings"]["target"]["kind"])


def with_scores(report: dict[str, Any]) -> list[dict[str, Any]]:
    """Return copies of the report's baselines, each with its `score` added."""
    kind = report["settings"]["target"]["kind"]
    floors = {b["session"]: b["loss"] for b in report["baselines"] if b["name"] == "floor"}
    return [
        {**b, "score": score_of(b["loss"], floors[b["session"]], kind)} for b in report["baselines"]
    ]


def scored_results(results: pd.DataFrame, kind: str) -> pd.DataFrame:
    """Add a column `score` to a table of results.

    The loss of each test block is compared with the best constant's loss on that block. In
    a study of classes, planted targets (sessions with a `+` in their names) get no score,
    because their losses are of another kind.

    Parameters
    ----------
    results
        Losses, one row per run and test block (`results.tables.tidy`).
    kind
        Kind of the study's target: `continuous`, `circular` or `categorical`.
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
    """Describe two scores: the best decoder without SSL, and SSL trained at dose 0.

    The text is empty if no session has a score of a decoder without SSL.
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
    """State the balanced accuracy of the same decoders; empty without classes."""
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
