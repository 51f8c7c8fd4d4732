"""Pairs across states: waking windows paired with windows of sleep.

Experimental. In a fraction `share` of the pairs, a waking window is paired with one of
sleep in which activity follows a similar trajectory; the other pairs are local, that
is, near in time. The arm of a run says where it finds its windows of sleep. In the arm
`mined` they come from the states `partners`. The controls are `other_state` (they come
from the states `others`), `time_shuffled` (the bins of each stretch of sleep are
shuffled before the search) and `unit_permuted` (units of similar rate are exchanged
before the search, and training is shown the exchanged units). In: the fields of a
study's `views.pairing` of kind `state`. Out: a frozen declaration. Nothing is mined
here.
"""

from typing import Annotated, ClassVar, Literal, Self

from pydantic import Field, model_validator

from invariance_probe.study.declaration import DoseWords, Swept

STATE_SHARE = "state.share"
"""Path of the axis of pairs across states."""
StateSource = Literal["mined", "other_state", "time_shuffled", "unit_permuted"]
STATE_SOURCES: tuple[StateSource, ...] = ("mined", "other_state", "time_shuffled", "unit_permuted")
"""Where windows of sleep can come from: the arms of the axis."""


def state_source_of(axis: str, arm: str) -> StateSource:
    """Return where a run takes its windows of sleep from.

    Parameters
    ----------
    axis
        The path that the run sweeps.
    arm
        The run's arm.

    Returns
    -------
    source
        The arm on the axis of pairs across states; `mined` on every other axis.
    """
    return next(
        (source for source in STATE_SOURCES if axis == STATE_SHARE and arm == source), "mined"
    )


class StatePairing(Swept):
    """Pair windows that are near in time or, in part, in different states.

    A nearby partner is in the same trial. Around a partner in another state, activity
    follows a similar trajectory.
    """

    identity: ClassVar[dict[str, float]] = {"share": 0.0}
    words: ClassVar[DoseWords] = DoseWords(
        "with {percent:g} % of the pairs of a waking window and one of mined sleep",
        "share of pairs with sleep",
    )

    kind: Literal["state"] = "state"
    share: Annotated[float, Field(ge=0, le=1)] = 0.0
    """Fraction of the pairs that are across states; at 0 all pairs are local.

    Whether a pair is across states is drawn anew for each pair.
    """
    window_s: Annotated[float, Field(ge=0)] = 0.0
    """Local pairs lie at most this far apart (seconds); a whole number of bins."""
    partners: Annotated[tuple[int, ...], Field(min_length=1)]
    """States in which partners are mined, such as REM sleep.

    They are values of the array `window.within.array`.
    """
    others: Annotated[tuple[int, ...], Field(min_length=1)]
    """Control states, such as NREM sleep, or sleep before the experience.

    They are values of the same array.
    """
    gap_s: Annotated[float, Field(ge=0)] = 5.0
    """Sleep closer than this to a labelled waking window is left out (seconds)."""
    span_s: Annotated[float, Field(gt=0)] = 2.0
    """Length of the waking trajectories that are matched (seconds).

    A trajectory of one bin has no order in time, so `time_shuffled` is then no control.
    """
    compression: Annotated[float, Field(gt=0, le=50)] = 1.0
    """Assumed speed of activity asleep, relative to awake."""
    neighbours: Annotated[int, Field(ge=1, le=64)] = 3
    """Number of partners per window, from which each pair draws one."""
    smoothing_s: Annotated[float, Field(ge=0)] = 0.2
    """SD of the Gaussian that smooths activity before matching (seconds)."""
    components: Annotated[int, Field(ge=1, le=1024)] = 8
    """Principal components of waking activity used in matching."""

    @model_validator(mode="after")
    def _states_are_apart(self) -> Self:
        both = set(self.partners) & set(self.others)
        if both:
            raise ValueError(
                f"state {min(both)} is listed under both `partners` and `others`, but a state "
                "cannot be its own control; remove it from one of the two"
            )
        return self

    def offsets(self, bin_s: float) -> tuple[tuple[int, ...], tuple[int, ...]]:
        """Return the bins around two windows, awake and asleep, to be compared.

        They are compared in pairs: the first awake with the first asleep, and so on.

        Parameters
        ----------
        bin_s
            Seconds per bin.

        Returns
        -------
        awake, asleep
            Offsets in bins from each window, ascending; both have the same length.

        Examples
        --------
        >>> pairs = StatePairing(partners=(2,), others=(1,), span_s=0.8, compression=2)
        >>> pairs.offsets(0.1)
        ((-4, -2, 0, 2, 4), (-2, -1, 0, 1, 2))
        """
        awake, asleep = max(self.compression, 1.0), max(1 / self.compression, 1.0)
        reach = int(self.span_s / 2 / bin_s / awake + 1e-9)
        steps = range(-reach, reach + 1)
        return tuple(round(step * awake) for step in steps), tuple(
            round(step * asleep) for step in steps
        )
