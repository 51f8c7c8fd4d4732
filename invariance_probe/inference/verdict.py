"""The verdict on a hypothesis: one word, with what qualifies it."""

from dataclasses import dataclass

UNTESTABLE = "untestable"
"""Verdict if no recording can test the hypothesis."""
INVALID = "invalid"
"""Verdict if a gate failed without which no claim can be made."""


@dataclass(frozen=True)
class Verdict:
    """The verdict on a hypothesis.

    Attributes
    ----------
    word
        What was shown, such as `tolerated` (listed in `rules.verdicts`). If nothing
        could be shown, the reason: `inconclusive`, `not shown`, `untestable`, `invalid`
        or `uncalibrated method`.
    reasons
        Why the hypothesis is untestable, or names of the gates that make it invalid.
    unadjusted
        The word that would be shown if this were the study's only hypothesis. It is
        empty if Holm's correction changes nothing.
    experimental
        Whether this kind of hypothesis is experimental. Its verdict then never counts
        as confirmatory.

    Examples
    --------
    >>> Verdict("inconclusive", unadjusted="few").text
    'inconclusive (unadjusted: few)'
    >>> Verdict("invalid", ("leak", "noise")).text
    'invalid: leak, noise'
    """

    word: str
    reasons: tuple[str, ...] = ()
    unadjusted: str = ""
    experimental: bool = False

    @property
    def text(self) -> str:
        """The verdict with its qualifications, as reports print it."""
        start = "experimental: " if self.experimental else ""
        reasons = f": {', '.join(self.reasons)}" if self.reasons else ""
        unadjusted = f" (unadjusted: {self.unadjusted})" if self.unadjusted else ""
        return f"{start}{self.word}{reasons}{unadjusted}"
