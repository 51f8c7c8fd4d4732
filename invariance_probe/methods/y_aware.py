"""y-aware contrast: positives are weighted by a kernel of the target.

It reads labels, so it is a ceiling and not SSL.

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
    """Gaussian kernel of the targets, normalised for each anchor.

    exp(-|y_i - y_k|^2 / (2 bandwidth^2)) over its sum, with 0 for i itself. Where all
    other targets are many bandwidths away, the nearest has all the weight.

    Parameters
    ----------
    targets
        (run, row, column).
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
    """y-aware InfoNCE of each run; Eq. (3), without the constant log n.

    It is averaged over anchors. The anchors are all rows, and each is contrasted with
    all rows but itself, as in supervised contrast, which it equals for classes.

    Parameters
    ----------
    embeddings
        (run, row, width).
    targets
        Standardised targets (run, row, column), or classes (run, row) integers, whose
        kernel is 1 inside a class and 0 between two.
    temperature
        Positive.
    bandwidth
        Standard deviation of the Gaussian kernel, in standard deviations of the target.

    Returns
    -------
    loss
        (run,), in nats.
    """
    classes = targets.dtype == torch.int64
    weights = (
        class_weights(targets, embeddings.dtype) if classes else kernel_weights(targets, bandwidth)
    )
    return weighted_contrast(embeddings, weights, temperature)


class YAware(Method):
    """Encoder and projector under y-aware InfoNCE, over both views of the batch.

    A view's target is that of its own window.

    Parameters
    ----------
    declared
        Settings of the method.
    shape
        Bins and units of a window.
    generators
        The `init` stream of every run; there is one model per generator.
    """

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
        """Contrast the views of each run by their targets."""
        assert batch.targets is not None
        embeddings = self.projector(self.encoder(batch.views))
        return y_aware_info_nce(embeddings, batch.targets, self.temperature, self.bandwidth)
