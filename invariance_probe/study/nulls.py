"""What a decoder is held against before anything else is believed: targets that the activity cannot have caused.

In order of preference: `pseudo_session` (the experimenter drew the targets) > `other_sessions` > `linear_shift` >
`circular_shift`. There is no shuffling of bins: neighbouring bins are alike, so a decoder beats a shuffled target
whether or not the activity has anything to do with the true one.

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
"""Other sessions from which one cut of each is enough for p = .05."""
FEWEST_DRAWS = 39
"""Draws that are taken where one of each other session is not enough."""

SHUFFLES = ("shuffl", "permut", "iid", "i.i.d", "random")


class LinearShift(Declaration):
    """The session's own target, read earlier or later, against the middle half of the activity (Harris 2020)."""

    kind: Literal["linear_shift"] = "linear_shift"
    shifts: Annotated[int, Field(ge=19)] = 40


class CircularShift(Declaration):
    """The session's own target, turned round on itself; exact for stationary targets only (Harris 2020)."""

    kind: Literal["circular_shift"] = "circular_shift"
    shifts: Annotated[int, Field(ge=FEWEST_DRAWS)] = 99


class OtherSessions(Declaration):
    """The targets of the other sessions of the same group, cut to one length."""

    kind: Literal["other_sessions"] = "other_sessions"


class PseudoSession(Declaration):
    """Targets that the experimenter could as well have drawn; only for a target that the experimenter randomised."""

    kind: Literal["pseudo_session"] = "pseudo_session"
    array: str | None = None
    """Name of the recording's array of alternative targets (draw, time, ...)."""
    by: Literal["trial"] | None = None
    """`trial`: whole trials exchange their targets at random."""
    draws: Annotated[int, Field(ge=FEWEST_DRAWS)] = 99
    """How often trials are exchanged; an array gives all its draws."""

    @model_validator(mode="after")
    def _one_way(self) -> Self:
        if (self.array is None) == (self.by is None):
            reason = "a pseudo_session is drawn in one way: give one of `array: NAME` (draws in the recording) and `by: trial`"
            raise PydanticCustomError("study", "{reason}", {"reason": reason})
        return self


def _no_shuffle(value: Any) -> Any:
    kind = str(value.get("kind", "")) if isinstance(value, Mapping) else str(value)
    if any(word in kind.lower() for word in SHUFFLES):
        reason = (
            f"got kind {kind!r}: bins are never shuffled. Neighbouring bins are alike, so any slow activity beats a shuffled target; "
            "use 'pseudo_session', 'other_sessions', 'linear_shift' or 'circular_shift'"
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
    """Return how many shifted cuts of each other session are drawn: one where there are enough sessions.

    Examples
    --------
    >>> cuts_of(5), cuts_of(18), cuts_of(19)
    (8, 3, 1)
    """
    return 1 if others >= ENOUGH_OTHERS else -(-FEWEST_DRAWS // others)
