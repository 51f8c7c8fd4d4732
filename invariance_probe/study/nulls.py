"""Null targets: the true target must be decoded better than these.

A null target is one that the activity cannot carry information about. In: a study's
`null`. Out: a frozen declaration. In order of preference, the nulls are
`pseudo_session` (if the experimenter drew the targets at random), `other_sessions`,
`linear_shift` and `circular_shift`. Bins are never shuffled: neighbouring bins are
alike, so a true target is decoded better than a shuffled one whether or not the
activity has anything to do with it.

References
----------
Harris 2020, arXiv:2012.06862.
"""

from collections.abc import Mapping
from typing import Annotated, Any, Literal, Self

from pydantic import BeforeValidator, Field, model_validator
from pydantic_core import PydanticCustomError

from invariance_probe.study.declaration import Declaration

FEWEST_OTHERS = 5
"""The fewest other sessions that `other_sessions` draws from."""
ENOUGH_OTHERS = 19
"""Number of other sessions that allows p = .05 with one stretch of each."""
FEWEST_DRAWS = 39
"""Fewest null targets to draw if several come from the same session."""

SHUFFLES = ("shuffl", "permut", "iid", "i.i.d", "random")
"""Parts of names that ask for shuffled bins; such a null is refused."""


class LinearShift(Declaration):
    """Linear shift: the session's own target, read earlier or later.

    The shifted target is decoded from the middle half of the activity (Harris 2020).
    """

    kind: Literal["linear_shift"] = "linear_shift"
    shifts: Annotated[int, Field(ge=19)] = 40
    """Number of shifts."""


class CircularShift(Declaration):
    """Circular shift: the session's own target, shifted round its ends.

    The test is exact for stationary targets only (Harris 2020).
    """

    kind: Literal["circular_shift"] = "circular_shift"
    shifts: Annotated[int, Field(ge=FEWEST_DRAWS)] = 99
    """Number of shifts."""


class OtherSessions(Declaration):
    """Targets of the other sessions of the same group.

    All targets are cut to the same length.
    """

    kind: Literal["other_sessions"] = "other_sessions"


class PseudoSession(Declaration):
    """Pseudo-sessions: targets that the experimenter could as well have drawn.

    Use it only for a target that the experimenter randomised.
    """

    kind: Literal["pseudo_session"] = "pseudo_session"
    array: str | None = None
    """Name of the recording's array of alternative targets (draw, time, ...)."""
    by: Literal["trial"] | None = None
    """How to make alternative targets without an array.

    `trial`: whole trials exchange their targets at random.
    """
    draws: Annotated[int, Field(ge=FEWEST_DRAWS)] = 99
    """Number of random exchanges of trials; of an array, all draws are used."""

    @model_validator(mode="after")
    def _one_way(self) -> Self:
        if (self.array is None) == (self.by is None):
            reason = (
                "a pseudo_session needs either `array: NAME` (alternative targets in the "
                "recording) or `by: trial` (trials exchange their targets), got "
                f"{'neither' if self.by is None else 'both'}"
            )
            raise PydanticCustomError("study", "{reason}", {"reason": reason})
        return self


def _no_shuffle(value: Any) -> Any:
    kind = str(value.get("kind", "")) if isinstance(value, Mapping) else str(value)
    if any(word in kind.lower() for word in SHUFFLES):
        reason = (
            f"kind {kind!r} is not allowed, because shuffled bins make no valid null: "
            "neighbouring bins are alike, so any slow activity decodes the target better than a "
            "shuffled one. Use 'pseudo_session', 'other_sessions', 'linear_shift' or "
            "'circular_shift'"
        )
        raise PydanticCustomError("study", "{reason}", {"reason": reason})
    return value


Null = Annotated[
    Annotated[
        LinearShift | CircularShift | OtherSessions | PseudoSession, Field(discriminator="kind")
    ],
    BeforeValidator(_no_shuffle),
]


def cuts_of(others: int) -> int:
    """Return how many stretches of the target to take from each other session.

    One stretch of each is taken where there are enough sessions. Where more are needed,
    they are shifted against each other in time.

    Parameters
    ----------
    others
        Number of other sessions, 1 or more.

    Examples
    --------
    >>> cuts_of(5), cuts_of(18), cuts_of(19)
    (8, 3, 1)
    """
    return 1 if others >= ENOUGH_OTHERS else -(-FEWEST_DRAWS // others)
