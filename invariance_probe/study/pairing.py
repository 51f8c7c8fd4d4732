"""Pairs that are mined across time: which distant windows are taken for alike, and how many of the pairs are such.

A part `share` of the pairs is distant, the others are local. Whose distant partners a run takes is its arm: `mined` (nearest
neighbours in smoothed principal components, without labels; or windows alike in a `guide`), and the controls `random`, `shifted` and
`oracle` (by the target: a ceiling, in no verdict).
"""

from typing import Annotated, ClassVar, Literal, Self

from pydantic import Field, model_validator

from invariance_probe.study.declaration import Declaration, added
from invariance_probe.study.probes import Target

SHARE = "mined.share"
"""The axis of mined pairs."""
TIME = "time"
"""The nuisance that every recording has: its recorded time, where it holds no array of that name."""
Source = Literal["mined", "random", "shifted", "oracle"]
SOURCES: tuple[Source, ...] = ("mined", "random", "shifted", "oracle")
"""Where distant partners can come from: the arms of the axis."""


def source_of(axis: str, arm: str) -> Source:
    """Return whose distant partners a run takes: those of its arm on the axis of mined pairs, mined ones elsewhere."""
    return next((source for source in SOURCES if axis == SHARE and arm == source), "mined")


class MinedPairing(Declaration):
    """Pair each window with one nearby in its trial or, for a part of the pairs, with one far away that looks alike."""

    identity: ClassVar[dict[str, float]] = {"share": 0.0}

    kind: Literal["mined"] = "mined"
    share: Annotated[float, Field(ge=0, le=1)] = 0.0
    """Part of the pairs that are distant, drawn anew for every pair; at 0 all pairs are local."""
    window_s: Annotated[float, Field(ge=0)] = 0.0
    """Local pairs lie at most this far apart; a whole number of bins."""
    gap_s: Annotated[float, Field(gt=0)] = 30.0
    """Distant pairs lie at least this far apart, in recorded time: three time constants of the nuisance or more."""
    neighbours: Annotated[int, Field(ge=1, le=64)] = 3
    """How many distant partners a window has; each pair takes one of them at random."""
    smoothing_s: Annotated[float, Field(ge=0)] = 0.5
    """Standard deviation of the Gaussian that smooths activity before neighbours are looked for."""
    components: Annotated[int, Field(ge=1, le=1024)] = 8
    """Principal components of smoothed training activity in which neighbours are near."""
    nuisance: str = ""
    """Array of the recording that should differ within distant pairs, or `time`: its recorded time. It is measured and reaches no training.
    None when empty."""
    guide: Target | None = added(None)
    """An array by which windows are taken for alike in place of activity: any windows of one class, or those with the nearest values."""
    labelled: Annotated[float, Field(gt=0, le=1)] = added(1.0)
    """First part, in time, of each session's training windows whose guide is known; the others pair locally and are nobody's partner."""
    elsewhere: bool = added(False)
    """Distant partners come from other sessions of the pool (`views.pool`) and never from the window's own; `gap_s` then says nothing."""

    @model_validator(mode="after")
    def _guided(self) -> Self:
        if self.guide is None and (self.labelled < 1 or self.elsewhere):
            field = "labelled" if self.labelled < 1 else "elsewhere"
            raise ValueError(
                f"{field} goes with a guide; name the array by which windows are taken for alike, or leave it out"
            )
        return self
