"""The moving average by which a copy of networks follows them, without gradient."""

from collections.abc import Iterable

import torch
from torch import Tensor


@torch.no_grad()
def follow(following: Iterable[Tensor], online: Iterable[Tensor], decay: float) -> None:
    """Move parameters towards others of the same shapes, in place: decay times themselves plus 1 - decay times the others."""
    own: list[Tensor] = list(following)
    others: list[Tensor] = list(online)
    torch._foreach_lerp_(own, others, 1 - decay)
