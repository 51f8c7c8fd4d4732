"""The moving average by which a copy of networks follows them.

No gradient passes through it.
"""

from collections.abc import Iterable

import torch
from torch import Tensor


@torch.no_grad()
def follow(following: Iterable[Tensor], online: Iterable[Tensor], decay: float) -> None:
    """Move parameters towards others: decay x themselves + (1 - decay) x others.

    Parameters
    ----------
    following
        Tensors that are moved, in place.
    online
        Tensors that they follow, of the same shapes.
    decay
        In [0, 1].
    """
    own: list[Tensor] = list(following)
    others: list[Tensor] = list(online)
    torch._foreach_lerp_(own, others, 1 - decay)
