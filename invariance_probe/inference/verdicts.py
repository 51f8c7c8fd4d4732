"""The verdict tables (science.md, sections 3.1 and 3.2) and what a verdict says about a prediction."""

from dataclasses import dataclass

from invariance_probe.inference.intervals import Sample
from invariance_probe.inference.looks import ALPHA

EXPERIMENTAL = "experimental: "
"""What the word of an experimental hypothesis begins with; it never counts as confirmatory."""
UNCALIBRATED = "uncalibrated method"
"""The word in place of a verdict where the method has no licence."""

MEANINGS = {
    "invariant": "nothing is lost, and information and SSL agree",
    "recoverable": "corrupted inputs carry less, yet the representation recovers it from what the views share",
    "sensitive": "information is lost, and being made invariant costs more than the margin",
    "competition": "the information survives, but the objective discards it, which is about the method and not the code",
    "inconclusive": "the data do not settle it",
}
JITTER_MEANINGS = {
    "invariant": "the representation loses nothing under this recipe, with all and with a third of the data",
    "sensitive": "the representation loses more than the margin under this recipe, with all and with a third of the data",
    "inconclusive": "the data do not settle it under this recipe",
}


@dataclass(frozen=True)
class Cell:
    """One statement and its p value: `D <= m` or `D > m`."""

    name: str
    p_value: float

    @property
    def shown(self) -> bool:
        """Whether it is shown at ALPHA."""
        return self.p_value <= ALPHA


def cells(samples: dict[str, Sample], margin: float, equivalent: bool) -> dict[str, Cell]:
    """Return both one-sided claims about every estimand; without equivalent noise no `<= m` is claimed."""
    found = {}
    for name, sample in samples.items():
        found[f"{name} <= m"] = Cell(f"{name} <= m", sample.p_at_most(margin) if equivalent else 1.0)
        found[f"{name} > m"] = Cell(f"{name} > m", sample.p_more_than(margin))
    return found


ROWS: dict[str, tuple[str, ...]] = {
    "invariant": ("C_info <= m", "D <= m", "H <= m", "delta <= m"),
    "recoverable": ("C_info > m", "D <= m", "H <= m", "delta <= m"),
    "sensitive": ("C_info > m", "D > m"),
    "competition": ("C_info <= m", "D > m", "delta > m"),
}
"""The claims that each verdict on a corruption needs together."""

JITTER_ROWS: dict[str, tuple[str, ...]] = {
    "invariant": ("delta <= m", "delta(n/3) <= m"),
    "sensitive": ("delta > m", "delta(n/3) > m"),
}

PREDICTED: dict[str, tuple[str, ...]] = {
    "invariant": ROWS["invariant"],
    "distributed": ("D <= m", "H <= m", "delta <= m"),
    "sensitive": ROWS["sensitive"],
}
"""The claims that each prediction needs."""

CONTRADICTED = {
    "invariant": {"sensitive", "recoverable"},
    "distributed": {"sensitive"},
    "sensitive": {"invariant", "recoverable"},
    "beneficial": {"harmful"},
}


def decide(claims: dict[str, Cell], jitter: bool) -> str:
    """Return the verdict whose claims are all shown, else `inconclusive`."""
    for verdict, needed in (JITTER_ROWS if jitter else ROWS).items():
        if all(claims[name].shown for name in needed):
            return verdict
    return "inconclusive"


def joint_p(claims: dict[str, Cell], needed: tuple[str, ...]) -> float:
    """Return the p value that claims hold together: the largest (intersection-union, Berger 1982)."""
    return max(claims[name].p_value for name in needed)


def prediction(predicts: str, jitter: bool) -> tuple[str, ...]:
    """Return the claims that a prediction needs."""
    return JITTER_ROWS["sensitive" if predicts == "sensitive" else "invariant"] if jitter else PREDICTED[predicts]


def outcome(predicts: str, verdict: str, p_adjusted: float | None) -> str:
    """Return `supported`, `contradicted` or `open`."""
    verdict = verdict.removeprefix(EXPERIMENTAL)
    if verdict in CONTRADICTED[predicts]:
        return "contradicted"
    met = {
        "invariant": {"invariant"}, "distributed": {"invariant", "recoverable"}, "sensitive": {"sensitive"}, "beneficial": {"beneficial"},
    }[predicts]  # fmt: skip
    distributed = predicts == "distributed" and verdict == "inconclusive"
    if p_adjusted is not None and p_adjusted <= ALPHA and (verdict in met or distributed):
        return "supported"
    return "open"
