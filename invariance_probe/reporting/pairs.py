"""Report table of the distant pairs of windows that models were trained on.

In: one of the hypotheses of report.json, about pairs mined across time or across states
such as sleep. Out: a table. Of pairs across time it shows the purity (how well the two
windows agree in the target) and how far apart they are in a nuisance variable and in
time; of pairs across states, how often they were used and how far sleep lies from waking.
Nothing is computed here.
"""

from typing import Any

from invariance_probe.inference.hypotheses.contrast.judging import (
    NUISANCE,
    NUISANCE_SHIFTED,
    PURITY,
    PURITY_SHIFTED,
)
from invariance_probe.reporting.table import Table
from invariance_probe.study.session import POPULATION, THESE_RECORDINGS
from invariance_probe.study.state_pairing import STATE_SHARE

CLAIMS = {
    "purity above random": PURITY,
    "purity above shifted": PURITY_SHIFTED,
    "nuisance distance": NUISANCE,
    "nuisance distance over shifted": NUISANCE_SHIFTED,
}
"""Claim shown in the same row as each measure of mined pairs, by measure."""


def pair_table(hypothesis: dict[str, Any]) -> Table | None:
    """Build the table of distant pairs, one row per measure and kind of pairs.

    Parameters
    ----------
    hypothesis
        One of the report's hypotheses.

    Returns
    -------
    Table or None
        None if the hypothesis is not about distant pairs.
    """
    if not hypothesis["pairs"]:
        return None
    claims = {claim["name"]: claim for claim in hypothesis["claims"]}
    rows = []
    for row in hypothesis["pairs"]:
        claim = claims.get(CLAIMS.get(row["name"], "")) if row["arm"] == "mined" else None
        said = "" if claim is None else _said(claim, hypothesis["scope"])
        figures = tuple(
            "" if row[name] is None else f"{row[name]:.3f}"
            for name in ("estimate", "ci_low", "ci_high")
        )
        rows.append((row["name"], row["arm"], *figures, said))
    note = (
        "At the primary dose. Purity: the part of distant pairs with one class, or 1 less half "
        "the mean squared difference in the target over its variance. Nuisance distance: 1 "
        "where pairs differ in the nuisance as unrelated windows do, 0 where they are alike in "
        "it. By chance: what independent draws of anchors and partners, each as often as they "
        "are such, would have. Shifted pairs have mined partners, as often, of other anchors: "
        "what mined pairs have beyond them is not due to windows that are everybody's "
        "neighbour. The miner saw no label but the guide's, where the study names one; the "
        "oracle saw the target, and is in no verdict."
    )
    if hypothesis["axis"] == STATE_SHARE:
        note = (
            "At the primary dose. Share: the part of pairs that are across states, the same in "
            "all arms. Windows asleep in use: exp of the entropy of how often each serves; few "
            "mean that some are everybody's neighbour. Distance from waking: how far "
            "representations of windows asleep lie on average from the nearest of a waking "
            "training window, over the same of waking test windows; near 1 where sleep lies on "
            "the manifold of waking. No label is read, and none of this is in the verdict."
        )
    return Table(
        "What the distant pairs are",
        note,
        ("measure", "arm", "estimate", "90 % low", "90 % high", "claim"),
        tuple(rows),
    )


def _said(claim: dict[str, Any], scope: str) -> str:
    """State whether a claim is shown; with few sessions nothing is claimed."""
    if scope == THESE_RECORDINGS:
        return f"{claim['name']}: not claimed of fewer than {POPULATION} sessions"
    return (
        f"{claim['name']}: {'shown' if claim['shown'] else 'not shown'} (p = "
        f"{claim['p_value']:.3f})"
    )
