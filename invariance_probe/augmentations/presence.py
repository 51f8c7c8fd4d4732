"""Set to zero the units that a window's session lacks.

A model of several sessions has an input for each unit of all sessions. The units that
a window's own session lacks are set to zero after all corruptions, so that no
augmentation can give them activity.
"""

from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True, eq=False)
class Presence:
    """The units of each window's own session.

    Attributes
    ----------
    session
        Index of each window's session (window,).
    units
        1 where a session has a unit and 0 elsewhere (session, unit), of the floating
        type of standardised activity.
    """

    session: Tensor
    units: Tensor

    @classmethod
    def of(cls, session: Tensor, present: Tensor, dtype: torch.dtype) -> "Presence":
        """Build from the sessions of the windows and the units of each session.

        Parameters
        ----------
        session
            Index of each window's session (window,).
        present
            Whether a session has a unit (session, unit), boolean.
        dtype
            Floating type of standardised activity.
        """
        return cls(session, present.to(dtype))

    def keep(self, activity: Tensor, windows: Tensor) -> Tensor:
        """Set the units that a window's session lacks to zero.

        Parameters
        ----------
        activity
            Standardised activity (run, row, time, unit).
        windows
            Index of the window in each row (run or 1, row).

        Returns
        -------
        activity
            (run, row, time, unit).
        """
        return activity * self.units[self.session[windows]].unsqueeze(2)
