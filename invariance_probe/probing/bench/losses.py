"""The decoding loss: what a probe's predictions cost, window by window.

Continuous and circular targets: squared error summed over the columns, divided by the sum of the columns'
variances over the session (so the columns weigh by their variance, and the best constant costs about 1).
A circular target is its cosine and sine. Categorical targets: nats.
"""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from invariance_probe.data.arrays import without_offset
from invariance_probe.study.probes import Target


@dataclass(frozen=True, eq=False)
class DecodedTarget:
    """A session's target as the probes see it.

    Attributes
    ----------
    values
        (window, column) float64 without a far offset, or classes (window,) int64.
    scale
        Sum of the columns' variances; 1 for classes.
    classes
        Number of classes; 0 for continuous and circular targets.
    """

    values: Tensor
    scale: float
    classes: int

    @classmethod
    def of(cls, declared: Target, values: np.ndarray, device: torch.device) -> "DecodedTarget":
        """Prepare the declared target's values at the windows' centres."""
        if declared.kind == "categorical":
            return cls(torch.from_numpy(values).to(device, torch.int64), 1.0, int(values.max()) + 1)
        columns = (
            np.stack([np.cos(values), np.sin(values)], axis=1)
            if declared.kind == "circular"
            else values
        )
        columns = without_offset(np.asarray(columns, dtype=np.float64).reshape(len(values), -1))
        return cls(torch.from_numpy(columns).to(device), float(columns.var(axis=0).sum()), 0)

    def columns(self) -> Tensor:
        """Return what a least-squares decoder predicts: the columns, or one column a class (window, column)."""
        if self.classes:
            return torch.nn.functional.one_hot(self.values, self.classes).to(torch.float64)
        return self.values

    def losses(self, predictions: Tensor, windows: Tensor | None = None) -> Tensor:
        """Return the loss of every window (run, window) from predictions (run, window, column) or log-probabilities.

        Predictions are of all windows in order, unless `windows` (run, window) says which.
        """
        values = self.values if windows is None else self.values[windows]
        if self.classes:
            index = values.unsqueeze(-1).expand(len(predictions), -1, 1)
            return -predictions.gather(2, index).squeeze(2)
        return (predictions - values).square().sum(2) / self.scale

    def floor(self, train: Tensor) -> Tensor:
        """Return the loss of every window (window,) under the best constant of the training windows."""
        if self.classes:
            counts = torch.bincount(self.values[train], minlength=self.classes).to(torch.float64)
            return -(counts / counts.sum()).log()[self.values]
        return (self.values - self.values[train].mean(0)).square().sum(1) / self.scale
