"""One figure of the calibration."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Row:
    """What was asked, what was reached, its 95 % interval, and on how many sessions; `met` is None where it is only printed."""

    about: str
    figure: str
    asked: str
    reached: float
    low: float | None
    high: float | None
    bank: int
    met: bool | None


def met(asked: str, reached: float) -> bool | None:
    """Say whether a figure keeps its bound: `<= x`, `>= x`, `x to y`, or `printed`."""
    if asked == "printed":
        return None
    if " to " in asked:
        low, high = map(float, asked.split(" to "))
        return low <= reached <= high
    bound = float(asked.split()[-1])
    return reached <= bound if asked.startswith("<=") else reached >= bound
