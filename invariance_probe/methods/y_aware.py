"""y-aware contrast: rows with similar targets are weighted as positives.

It reads the target, so it is not SSL; it shows what contrastive training can reach at
best. Several models (runs) are trained together: the first axis of every tensor is the
run.

References
----------
Dufumier et al. 2021, Contrastive learning with continuous proxy meta-data for 3D MRI
classification, arXiv:2106.08808.
"""

import numpy as np
import torch
from torch import Tensor

from invariance_probe.encoders import build_encoder
from invariance_probe.encoders.mlp import MLP
from invariance_probe.methods.base import Batch, Method
from invariance_probe.methods.supcon import class_weights, weighted_contrast
from invariance_probe.study.methods import YAware as YAwareDeclaration


def kernel_weights(targets: Tensor, bandwidth: float) -> Tensor:
    """Weight of each row as a positive, by a Gaussian kernel of the targets.

    Row k has the weight exp(-|y_i - y_k|^2 / (2 bandwidth^2)) for anchor i, divided by
    the sum of these weights over all k. The anchor itself has weight 0. If all other
    targets are many bandwidths away, the nearest one gets nearly all the weight.

    Parameters
    ----------
    targets
        Target y of each row (run, row, column).
    bandwidth
        Standard deviation of the kernel, in the targets' units.

    Returns
    -------
    weights
        (run, anchor, row).
    """
    distances = (targets.unsqueeze(2) - targets.unsqueeze(1)).square().sum(3)
    itself = torch.eye(targets.shape[1], dtype=torch.bool, device=targets.device)
    return (distances / (-2 * bandwidth**2)).masked_fill(itself, -torch.inf).softmax(2)


def y_aware_info_nce(
    embeddings: Tensor, targets: Tensor, temperature: float, bandwidth: float
) -> Tensor:
    """y-aware InfoNCE loss of each run; Eq. (3), without the constant log n.

    Every row is an anchor once and is contrasted with all other rows. For classes the
    loss equals the supervised contrastive loss (`supcon`).

    Parameters
    ----------
    embeddings
        (run, row, width).
    targets
        Standardised targets (run, row, column); or integer classes (run, row), whose
        kernel is 1 within a class and 0 between classes.
    temperature
        Positive; divides the cosine similarities.
    bandwidth
        Standard deviation of the Gaussian kernel, in standard deviations of the target.

    Returns
    -------
    loss
        Mean over anchors (run,), in nats.
    """
    classes = targets.dtype == torch.int64
    weights = (
        class_weights(targets, embeddings.dtype) if classes else kernel_weights(targets, bandwidth)
    )
    return weighted_contrast(embeddings, weights, temperature)


class YAware(Method):
    """Encoder and projector, trained with y-aware InfoNCE on both views.

    The target of a view is the target of its window.

    Parameters
    ----------
    declared
        The method's settings, as the study declares them.
    shape
        Number of bins and number of units of a window.
    generators
        One random-number generator per run, which draws the initial weights of its
        model.
    """

    reads = ("target",)

    def __init__(
        self,
        declared: YAwareDeclaration,
        shape: tuple[int, int],
        generators: list[np.random.Generator],
    ) -> None:
        super().__init__()
        self.temperature, self.bandwidth = declared.temperature, declared.bandwidth
        self.encoder = build_encoder(declared.encoder, shape, generators)
        self.projector = MLP(declared.encoder.dimensions, declared.projector, generators)

    def loss(self, batch: Batch) -> Tensor:
        """Compute the y-aware InfoNCE loss of each run on a batch."""
        assert batch.targets is not None
        embeddings = self.projector(self.encoder(batch.views))
        return y_aware_info_nce(embeddings, batch.targets, self.temperature, self.bandwidth)
