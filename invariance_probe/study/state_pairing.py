"""Pairs across states: waking windows beside windows of sleep in which activity runs like theirs, and how many of the pairs are such.

Experimental. A part `share` of the pairs is of a waking window and one of sleep, the others are local. Which sleep a run takes is
its arm: `mined` (trajectories of the state `partners`), and the controls `other_state` (mined in the states `others`),
`time_shuffled` (mined after the bins of every stretch of sleep changed places) and `unit_permuted` (mined after units changed places
among those of like rate, and shown so).
"""

from typing import Annotated, ClassVar, Literal, Self

from pydantic import Field, model_validator

from invariance_probe.study.declaration import Declaration

STATE_SHARE = "state.share"
"""The axis of pairs across states."""
StateSource = Literal["mined", "other_state", "time_shuffled", "unit_permuted"]
STATE_SOURCES: tuple[StateSource, ...] = ("mined", "other_state", "time_shuffled", "unit_permuted")
"""Which sleep partners can come from: the arms of the axis."""


def state_source_of(axis: str, arm: str) -> StateSource:
    """Return which sleep a run takes its partners from: that of its arm on the axis of pairs across states, mined elsewhere."""
    return next(
        (source for source in STATE_SOURCES if axis == STATE_SHARE and arm == source), "mined"
    )


class StatePairing(Declaration):
    """Pair each window with one nearby in its trial or, for a part of the pairs, with one of another state that runs alike."""

    identity: ClassVar[dict[str, float]] = {"share": 0.0}

    kind: Literal["state"] = "state"
    share: Annotated[float, Field(ge=0, le=1)] = 0.0
    """Part of the pairs that are across states, drawn anew for every pair; at 0 all pairs are local."""
    window_s: Annotated[float, Field(ge=0)] = 0.0
    """Local pairs lie at most this far apart; a whole number of bins."""
    partners: Annotated[tuple[int, ...], Field(min_length=1)]
    """Values of the array `window.within.array` that partners are mined in, such as REM sleep."""
    others: Annotated[tuple[int, ...], Field(min_length=1)]
    """Values of the control state, such as NREM sleep, or sleep before the experience."""
    gap_s: Annotated[float, Field(ge=0)] = 5.0
    """Sleep nearer than this to a labelled window is left out."""
    span_s: Annotated[float, Field(gt=0)] = 2.0
    """Length of the waking trajectories that are matched: of one bin, order in time has no say and cannot be a control."""
    compression: Annotated[float, Field(gt=0, le=50)] = 1.0
    """How many times faster than awake activity is thought to run asleep."""
    neighbours: Annotated[int, Field(ge=1, le=64)] = 3
    """How many partners a window has; each pair takes one of them at random."""
    smoothing_s: Annotated[float, Field(ge=0)] = 0.2
    """Standard deviation of the Gaussian that smooths activity before trajectories are matched."""
    components: Annotated[int, Field(ge=1, le=1024)] = 8
    """Principal components of waking activity in which trajectories are matched."""

    @model_validator(mode="after")
    def _states_are_apart(self) -> Self:
        both = set(self.partners) & set(self.others)
        if both:
            raise ValueError(
                f"state {min(both)} stands among `partners` and among `others`; a state cannot be its own control"
            )
        return self

    def offsets(self, bin_s: float) -> tuple[tuple[int, ...], tuple[int, ...]]:
        """Return which bins about a waking window, and about one asleep, are compared one by one.

        Examples
        --------
        >>> StatePairing(partners=(2,), others=(1,), span_s=0.8, compression=2).offsets(0.1)
        ((-4, -2, 0, 2, 4), (-2, -1, 0, 1, 2))
        """
        awake, asleep = max(self.compression, 1.0), max(1 / self.compression, 1.0)
        reach = int(self.span_s / 2 / bin_s / awake + 1e-9)
        steps = range(-reach, reach + 1)
        return tuple(round(step * awake) for step in steps), tuple(
            round(step * asleep) for step in steps
        )
