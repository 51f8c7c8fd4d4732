"""Decoding loss: the cost of a decoder's predictions, window by window.

In: a session's target and predictions of it. Out: one loss per window.

For continuous and circular targets the loss is the squared error summed over the
target's columns, divided by the sum of the columns' variances over the session. Columns
are therefore weighted by their variance, and the best constant prediction has a loss of
about 1. A circular target is decoded as its cosine and sine. For categorical targets
the loss is the log-loss in nats. Decoders are fitted elsewhere (`probing.decoders`).
"""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from invariance_probe.data.arrays import without_offset
from invariance_probe.study.probes import Target


@dataclass(frozen=True, eq=False)
class DecodedTarget:
    """A session's target in the form that decoders are fitted to.

    Attributes
    ----------
    values
        Columns (window, column) float64, centred if they lie far from zero, or classes
        (window,) int64.
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
        """Prepare the declared target's values at the windows' centres.

        Parameters
        ----------
        declared
            The declared target.
        values
            Its values: columns (window, column), radians (window,), or classes counted
            from 0 (window,).
        device
            Device on which the values are stored.
        """
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
        """Regression targets: the continuous columns, or one-hot classes.

        Returns
        -------
        (window, column) float64.
        """
        if self.classes:
            return torch.nn.functional.one_hot(self.values, self.classes).to(torch.float64)
        return self.values

    def losses(self, predictions: Tensor, windows: Tensor | None = None) -> Tensor:
        """Compute the decoding loss of each predicted window.

        Parameters
        ----------
        predictions
            Predicted columns (run, window, column), or log-probabilities of the classes
            (run, window, class).
        windows
            Index of each predicted window (run, window). If omitted, the predictions
            are of all windows in order.

        Returns
        -------
        (run, window).
        """
        values = self.values if windows is None else self.values[windows]
        if self.classes:
            index = values.unsqueeze(-1).expand(len(predictions), -1, 1)
            return -predictions.gather(2, index).squeeze(2)
        return (predictions - values).square().sum(2) / self.scale

    def floor(self, train: Tensor) -> Tensor:
        """Compute each window's loss under the best constant prediction.

        The constant is the mean of the training windows or, for classes, the frequency
        of each class in them.

        Parameters
        ----------
        train
            Training windows (window,).

        Returns
        -------
        (window,).
        """
        if self.classes:
            counts = torch.bincount(self.values[train], minlength=self.classes).to(torch.float64)
            return -(counts / counts.sum()).log()[self.values]
        return (self.values - self.values[train].mean(0)).square().sum(1) / self.scale
