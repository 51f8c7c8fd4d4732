"""Which units a window was recorded with, where one model reads several sessions: the others read as zero, whatever corrupts them."""

from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True, eq=False)
class Presence:
    """The units of every window's own session.

    Attributes
    ----------
    session
        Number of the session of every window (window,).
    units
        1 where a session has a unit and 0 elsewhere (session, unit), of the type of standardised activity.
    """

    session: Tensor
    units: Tensor

    @classmethod
    def of(cls, session: Tensor, present: Tensor, dtype: torch.dtype) -> "Presence":
        """Take the session of every window and whether it has a unit (session, unit), boolean."""
        return cls(session, present.to(dtype))

    def keep(self, activity: Tensor, windows: Tensor) -> Tensor:
        """Return standardised activity (run, row, time, unit) of windows (run or 1, row) with absent units at zero."""
        return activity * self.units[self.session[windows]].unsqueeze(2)
