"""Exponential moving average of a network's weights.

MoCo, BYOL and MYOW keep a copy of their networks whose weights slowly follow those of
the trained networks. No gradient passes through the copy.
"""

from collections.abc import Iterable

import torch
from torch import Tensor


@torch.no_grad()
def follow(following: Iterable[Tensor], online: Iterable[Tensor], decay: float) -> None:
    """Move the weights of a copy towards those of the trained networks.

    The new weights are decay x following + (1 - decay) x online.

    Parameters
    ----------
    following
        Weights of the copy, which are changed in place.
    online
        Weights of the trained networks, of the same shapes in the same order.
    decay
        In [0, 1]; the larger, the slower the copy follows.
    """
    own: list[Tensor] = list(following)
    others: list[Tensor] = list(online)
    torch._foreach_lerp_(own, others, 1 - decay)
