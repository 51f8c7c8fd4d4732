"""Neighbour loss: an example of an augmentation of one's own, in one file.

Groups of neighbouring units are lost together, as where an electrode moves away from a
patch of tissue or a small lesion takes one. Each unit is lost as often as under unit
dropout at the same dose. neighbour_loss.yaml, beside this file, is a study of it.
"""

import torch
from torch import Tensor

from invariance_probe.augmentations.base import Augmentation, Numbers


class NeighbourLoss(Augmentation):
    """Lose groups of successive units: each unit with the probability `dose`.

    A unit is lost if a group that contains it is, and every unit is in `width` groups. All
    groups are lost independently, with probability 1 - (1 - dose)^(1 / width). The order of
    the recording's units must follow their positions; the first follows the last.

    Parameters
    ----------
    width
        Number of units in a group.
    """

    stage = "counts"

    def __init__(self, width: int = 4) -> None:
        if width < 1:
            raise ValueError(f"width is {width}; it must be at least 1")
        self.width = width

    def draw(self, numbers: Numbers, shape: tuple[int, int]) -> Tensor:
        """Draw, for each unit, the smallest number of its groups (run, window, 1, unit).

        Doses nest: what is lost at a low dose is lost at every higher one.
        """
        groups = numbers.uniform(shape[1])
        with_unit = torch.stack([groups.roll(k, dims=2) for k in range(self.width)])
        return with_unit.amin(dim=0).unsqueeze(2)

    def apply(self, windows: Tensor, drawn: Tensor, dose: Tensor) -> Tensor:
        """Set the counts of lost units to 0."""
        return windows.masked_fill(drawn < 1 - (1 - dose) ** (1 / self.width), 0)
