"""Adversaries: they corrupt the views so that the loss of the models rises.

An adversary hides units, adds noise or chooses augmentations, against the models that
train on the views. In: the method and the batch of a step, for stacked runs (the first
axis is the run). Out: the loss (run,) that the encoders descend, on the corrupted
views. No adversary sees a target, and no run sees another: a run's corruption depends
only on its own loss and on random numbers of its own.
"""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from invariance_probe.errors import TrainingError
from invariance_probe.study.adversaries import (
    AdversarialNoise,
    Adversary,
    LearnedMask,
    LearnedPolicy,
)
from invariance_probe.study.transforms import is_idle
from invariance_probe.training.adversaries.base import StackedAdversary
from invariance_probe.training.adversaries.masks import (
    Ascent,
    LearnedScores,
    Masks,
    Search,
    WorstOf,
)
from invariance_probe.training.adversaries.noise import Noise
from invariance_probe.training.adversaries.policy import Policy
from invariance_probe.training.adversaries.window_masks import MaskNetworks, WindowMasks

SEARCHES: dict[str, Callable[..., Search]] = {
    "worst_of_masks": WorstOf,
    "ascended_mask": Ascent,
    "learned_mask": LearnedScores,
}
"""How each declared mask is searched for, unless it depends on the window."""


def make_adversary(
    declared: list[Adversary],
    arms: Sequence[str],
    units: int,
    basis: Callable[[int], Tensor],
    device: torch.device,
    keys: Tensor | None = None,
    clean: Callable[[Tensor], Tensor] | None = None,
) -> StackedAdversary | None:
    """Build the adversary of K stacked runs.

    Parameters
    ----------
    declared
        Adversaries of the K runs, which differ only in the dose; empty if there are
        none.
    arms
        Arms of the K runs on the adversary's axis. In the arm `shared` both views get
        the same corruption.
    units
        Number of units of a window.
    basis
        Returns a given number of leading principal components of each run's training
        activity (run, unit, mode).
    device
        The device of the stacked tensors.
    keys
        Key of each run's random numbers for views (run,); needed only for masks that
        depend on the window.
    clean
        Returns the uncorrupted, standardised activity (run, row, time, unit) of given
        windows (run, row); needed only for masks that depend on the window.

    Returns
    -------
    adversary
        None if no run has a dose that changes anything.

    Raises
    ------
    TrainingError
        If a mask would hide all units, or there are fewer units than components.
    """
    if all(is_idle(one) for one in declared):
        return None
    shared = torch.tensor([arm == "shared" for arm in arms], device=device)
    first = declared[0]
    if isinstance(first, LearnedPolicy):
        return Policy(declared, shared)  # type: ignore[arg-type]
    if isinstance(first, AdversarialNoise):
        if first.modes is not None and first.modes > units:
            raise TrainingError(
                f"adversarial_noise.modes is {first.modes}, but the session has only {units} "
                f"units; use at most {units}"
            )
        return Noise(declared, shared, None if first.modes is None else basis(first.modes))  # type: ignore[arg-type]
    most = max(one.budget for one in declared)  # type: ignore[union-attr]
    if most >= units:
        raise TrainingError(
            f"{first.kind}.budget is {most}, but the session has only {units} units, and at least "
            f"one must stay visible; hide at most {units - 1}"
        )
    budget = torch.tensor([one.budget for one in declared], device=device)  # type: ignore[union-attr]
    if isinstance(first, LearnedMask) and first.sees == "window":
        assert keys is not None and clean is not None
        networks = MaskNetworks(keys, units, first.width, first.rate)
        return WindowMasks(declared, budget, shared, networks, clean)  # type: ignore[arg-type]
    return Masks(SEARCHES[first.kind](declared, budget, units), shared, units)
