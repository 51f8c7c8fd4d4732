"""The interface of user-defined augmentations.

An augmentation corrupts the views of stacked runs, which are trained together: the first
axis of every tensor is the run. It draws random numbers by address (`Numbers`) and uses
them in a pure function of the windows, the numbers and the dose. It knows nothing of
recordings, arms or training: `augmentations.own` imports it, checks it and runs it.
"""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

from torch import Tensor

from invariance_probe.augmentations.random_bits import Draws, normal, position, uniform

OWN = 30
"""Number that keeps the random bits of user-defined augmentations apart from others."""
OF_RUN = 130
"""The same for numbers that a run keeps at all steps."""


@dataclass(frozen=True, eq=False)
class Numbers:
    """Random numbers of one view of one step, for every run and window.

    The same run, step, view and window always have the same numbers. As the arm of a run
    says, its two views or all windows of a batch read the same numbers.

    Attributes
    ----------
    draws
        Where this step and view read their random numbers.
    """

    draws: Draws

    def uniform(self, count: int, purpose: int = 0, of_run: bool = False) -> Tensor:
        """Draw random numbers that are uniform on (0, 1).

        Parameters
        ----------
        count
            Numbers per window.
        purpose
            Integer that names the use, so that two uses draw different numbers.
        of_run
            Whether a run keeps its numbers at all steps, in both views and for all
            windows, such as an order in which units are lost.

        Returns
        -------
        numbers
            (run, window, count), or (run, 1, count) for the numbers of a run; float64,
            never exactly 0 or 1.
        """
        return uniform(*self._address(purpose, of_run), count)

    def normal(self, count: int, purpose: int = 0, of_run: bool = False) -> Tensor:
        """Draw standard normal random numbers.

        Parameters
        ----------
        count
            Numbers per window.
        purpose
            Integer that names the use, so that two uses draw different numbers.
        of_run
            Whether a run keeps its numbers at all steps, in both views and for all
            windows.

        Returns
        -------
        numbers
            (run, window, count), or (run, 1, count) for the numbers of a run; float32.
        """
        return normal(*self._address(purpose, of_run), count)

    def _address(self, purpose: int, of_run: bool) -> tuple[Tensor, Tensor]:
        """Start positions (run,) and rows (run, window) of the numbers."""
        rows = self.draws.rows
        if of_run:
            return position(self.draws.keys, 0, OF_RUN, 0, purpose), rows[:, :1] * 0
        return position(self.draws.start(OWN), purpose), rows


class Augmentation(ABC):
    """Base class of user-defined augmentations.

    A class is made with the settings that a study declares, as keyword arguments. It
    holds nothing that changes from one call to the next.
    """

    stage: ClassVar[Literal["counts", "standardised"]] = "standardised"
    """What it acts on.

    `counts`: spike counts or halves of them, which must stay counts. `standardised`:
    activity with mean 0 and standard deviation 1 in the training windows.
    """
    identity_dose: ClassVar[float] = 0.0
    """The dose that changes nothing; all larger doses corrupt more."""
    needs_bins: ClassVar[bool] = False
    """Whether windows must have several bins."""

    @abstractmethod
    def draw(self, numbers: Numbers, shape: tuple[int, int]) -> Any:
        """Draw what the corruption needs, at any dose.

        The dose is not known here, so all doses use the same draws: what a low dose takes
        away can be a part of what a high dose takes away.

        Parameters
        ----------
        numbers
            The only source of random numbers.
        shape
            Number of bins and number of units of a window.

        Returns
        -------
        drawn
            Anything that `apply` takes, such as a tensor (run, window, unit).
        """

    @abstractmethod
    def apply(self, windows: Tensor, drawn: Any, dose: Tensor) -> Tensor:
        """Corrupt windows; the input stays unchanged.

        Parameters
        ----------
        windows
            Activity (run, window, time, unit): int16 or int32 counts, or standardised
            float32 or float64, as `stage` says.
        drawn
            Output of `draw`.
        dose
            Dose of each run (run, 1, 1, 1), float64.

        Returns
        -------
        windows
            The corrupted windows, of the same shape and type.
        """
