"""Pairs mined across time: pairs of windows that are similar but far apart.

A fraction `share` of the pairs is distant; the others are local, that is, near in time.
The arm of a run says how it finds its distant partners. In the arm `mined` they are
nearest neighbours in smoothed principal components, found without labels, or windows
that are alike in a `guide`. The arms `random` and `shifted` are controls. `oracle`
mines by the target; it is a ceiling and enters no verdict. In: the fields of a study's
`views.pairing` of kind `mined`. Out: a frozen declaration. Nothing is mined here.
"""

from typing import Annotated, ClassVar, Literal, Self

from pydantic import Field, model_validator

from invariance_probe.study.declaration import ArrayName, DoseWords, Swept, added
from invariance_probe.study.probes import Target

SHARE = "mined.share"
"""Path of the axis of mined pairs."""
TIME = "time"
"""Name of the nuisance that every recording has: its recorded time.

If a recording holds an array of this name, the array is used instead.
"""
Source = Literal["mined", "random", "shifted", "oracle"]
SOURCES: tuple[Source, ...] = ("mined", "random", "shifted", "oracle")
"""Where distant partners can come from: the arms of the axis."""


def source_of(axis: str, arm: str) -> Source:
    """Return where a run takes its distant partners from.

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
    """Pair windows that are near in time or, in part, far apart but similar.

    A nearby partner is in the same trial. A distant partner resembles the window in its
    activity, or in a `guide`.
    """

    identity: ClassVar[dict[str, float]] = {"share": 0.0}
    words: ClassVar[DoseWords] = DoseWords(
        "with {percent:g} % of the pairs mined across time", "share of distant pairs"
    )

    kind: Literal["mined"] = "mined"
    share: Annotated[float, Field(ge=0, le=1)] = 0.0
    """Fraction of the pairs that are distant; at 0 all pairs are local.

    Whether a pair is distant is drawn anew for each pair.
    """
    window_s: Annotated[float, Field(ge=0)] = 0.0
    """Local pairs lie at most this far apart (seconds); a whole number of bins."""
    gap_s: Annotated[float, Field(gt=0)] = 30.0
    """Distant pairs lie at least this far apart in recorded time (seconds).

    Use three time constants of the nuisance or more.
    """
    neighbours: Annotated[int, Field(ge=1, le=64)] = 3
    """Number of distant partners per window, from which each pair draws one."""
    smoothing_s: Annotated[float, Field(ge=0)] = 0.5
    """SD of the Gaussian that smooths activity before the search (seconds)."""
    components: Annotated[int, Field(ge=1, le=1024)] = 8
    """Principal components of smoothed training activity used in the search."""
    nuisance: ArrayName = ""
    """Name of an array, the nuisance, that should differ within distant pairs.

    `time` is the recorded time. How much the nuisance differs is only reported; it does
    not affect training. Empty for no nuisance.
    """
    guide: Target | None = added(None)
    """Array that says which windows are alike, in place of activity.

    Windows of the same class are alike, or windows with the nearest values.
    """
    labelled: Annotated[float, Field(gt=0, le=1)] = added(1.0)
    """Fraction of each session's training windows, the earliest, with a guide.

    The other windows form local pairs only, and are never distant partners.
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
                f"{field} can only be used with a guide (the array that says which windows are "
                f"alike); set `guide`, or remove {field}"
            )
        return self
