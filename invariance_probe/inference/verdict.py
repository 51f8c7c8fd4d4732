"""What is said of a hypothesis in one word, with what qualifies the word."""

from dataclasses import dataclass

UNTESTABLE = "untestable"
"""Word where the recordings cannot test the hypothesis."""
INVALID = "invalid"
"""Word where gates that limit everything failed."""


@dataclass(frozen=True)
class Verdict:
    """The verdict on a hypothesis.

    Attributes
    ----------
    word
        A word of `rules.verdicts`, or what stands in its place: `inconclusive`, `not
        shown`, `untestable`, `invalid` or `uncalibrated method`.
    reasons
        Why the hypothesis is untestable, or which gates make it invalid.
    unadjusted
        The word that would be shown if this were the study's only hypothesis; empty
        where Holm's correction changes nothing.
    experimental
        Whether the hypothesis is experimental, so that the word never counts as
        confirmatory.

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
        """The verdict as reports print it."""
        start = "experimental: " if self.experimental else ""
        reasons = f": {', '.join(self.reasons)}" if self.reasons else ""
        unadjusted = f" (unadjusted: {self.unadjusted})" if self.unadjusted else ""
        return f"{start}{self.word}{reasons}{unadjusted}"
