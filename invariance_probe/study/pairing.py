"""Pairs mined across time: distant windows that are taken to be alike.

A fraction `share` of the pairs is distant, the others are local. Where a run takes its
distant partners from is its arm: `mined` (nearest neighbours in smoothed principal
components, without labels; or windows alike in a `guide`), and the controls `random`,
`shifted` and `oracle` (by the target: a ceiling, in no verdict). In: the fields of a
study's `views.pairing` of kind `mined`. Out: a frozen declaration. Nothing is mined
here.
"""

from typing import Annotated, ClassVar, Literal, Self

from pydantic import Field, model_validator

from invariance_probe.study.declaration import ArrayName, DoseWords, Swept, added
from invariance_probe.study.probes import Target

SHARE = "mined.share"
"""Path of the axis of mined pairs."""
TIME = "time"
"""The nuisance that every recording has: its recorded time.

A recording that holds an array of this name uses the array instead.
"""
Source = Literal["mined", "random", "shifted", "oracle"]
SOURCES: tuple[Source, ...] = ("mined", "random", "shifted", "oracle")
"""Where distant partners can come from: the arms of the axis."""


def source_of(axis: str, arm: str) -> Source:
    """Where a run takes its distant partners from.

    Parameters
    ----------
    axis
        The path that the run sweeps.
    arm
        The run's arm.

    Returns
    -------
    source
        The arm on the axis of mined pairs; `mined` on every other axis.
    """
    return next((source for source in SOURCES if axis == SHARE and arm == source), "mined")


class MinedPairing(Swept):
    """Pair windows that are nearby or, for part of the pairs, far away but alike.

    A nearby partner is in the same trial. A distant partner looks like the window.
    """

    identity: ClassVar[dict[str, float]] = {"share": 0.0}
    words: ClassVar[DoseWords] = DoseWords(
        "with {percent:g} % of the pairs mined across time", "share of distant pairs"
    )

    kind: Literal["mined"] = "mined"
    share: Annotated[float, Field(ge=0, le=1)] = 0.0
    """Fraction of the pairs that are distant; at 0 all pairs are local.

    Whether a pair is distant is drawn anew for every pair.
    """
    window_s: Annotated[float, Field(ge=0)] = 0.0
    """Local pairs lie at most this far apart (seconds); a whole number of bins."""
    gap_s: Annotated[float, Field(gt=0)] = 30.0
    """Distant pairs lie at least this far apart in recorded time (seconds).

    Use three time constants of the nuisance or more.
    """
    neighbours: Annotated[int, Field(ge=1, le=64)] = 3
    """Number of distant partners of a window; each pair takes one of them at random."""
    smoothing_s: Annotated[float, Field(ge=0)] = 0.5
    """SD of the Gaussian that smooths activity before the search (seconds)."""
    components: Annotated[int, Field(ge=1, le=1024)] = 8
    """Principal components of smoothed training activity used in the search."""
    nuisance: ArrayName = ""
    """Array of the recording that should differ within distant pairs; none when empty.

    `time` is the recorded time. The nuisance is measured and reaches no training.
    """
    guide: Target | None = added(None)
    """Array that says which windows are alike, in place of activity.

    Alike are any windows of one class, or those with the nearest values.
    """
    labelled: Annotated[float, Field(gt=0, le=1)] = added(1.0)
    """Fraction of each session's training windows whose guide is used, the first ones.

    The other windows pair locally and are nobody's partner.
    """
    elsewhere: bool = added(False)
    """Whether distant partners come from other sessions only.

    These are the other sessions of the pool (`views.pool`); `gap_s` has no effect then.
    """

    @model_validator(mode="after")
    def _guided(self) -> Self:
        if self.guide is None and (self.labelled < 1 or self.elsewhere):
            field = "labelled" if self.labelled < 1 else "elsewhere"
            raise ValueError(
                f"{field} goes with a guide; name the array by which windows are taken for alike, "
                "or leave it out"
            )
        return self
