"""What the training loop says of a training."""

import numpy as np
import torch

from invariance_probe.methods.base import Batch, Method
from invariance_probe.study.training import Optimisation
from invariance_probe.training.ensemble import train


class Slope(Method):
    """A loss whose gradient is (3, 4) times the run's own slope, wherever the weights are."""

    def __init__(self, slopes):
        super().__init__()
        self.slopes = torch.tensor(slopes)
        self.weight = torch.nn.Parameter(torch.zeros(len(slopes), 1, 1))
        self.bias = torch.nn.Parameter(torch.zeros(len(slopes), 1, 1))

    def loss(self, batch: Batch):
        return self.slopes * (3 * self.weight + 4 * self.bias).flatten()


def test_the_gradients_norm_is_of_each_run_over_all_its_weights():
    found = train(
        Slope([1.0, 2.0, 0.0]), lambda step: Batch(torch.zeros(3, 1, 1, 1)), Optimisation(steps=25)
    )
    np.testing.assert_allclose(found.gradient_norm, [5.0, 10.0, 0.0])
