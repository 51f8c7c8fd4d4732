"""Second views of pairs that show another stream than the activity.

In: a stream of the recording, and the windows of stacked runs. Out: standardised windows
of the stream (run, row, sample, channel). No transform changes them.
"""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from invariance_probe.augmentations.standardisation import Scaling
from invariance_probe.data.streams import Stream
from invariance_probe.data.windows import covered_bins


@dataclass(frozen=True, eq=False)
class StreamViews:
    """Windows of a stream, standardised over each run's training windows.

    Attributes
    ----------
    values
        Samples (sample, channel).
    first
        First sample of each window (window,).
    samples
        Samples per window.
    scaling
        Standardisation of each run.
    """

    values: Tensor
    first: Tensor
    samples: int
    scaling: Scaling

    @classmethod
    def of(
        cls,
        stream: Stream,
        starts: np.ndarray,
        length_s: float,
        parts: list[np.ndarray],
        dtype: torch.dtype,
        device: torch.device,
    ) -> "StreamViews":
        """Prepare the windows of a stream.

        Parameters
        ----------
        stream
            The stream.
        starts
            First bin of each window (window,).
        length_s
            Length of a window in seconds.
        parts
            Training windows of each run, over which the stream is standardised, each
            (window,).
        dtype, device
            Floating type and device of the views.
        """
        samples, first = stream.samples(length_s), stream.first[starts]
        used = [covered_bins(np.sort(first[part]), samples) for part in parts]
        return cls(
            torch.from_numpy(stream.values).to(device),
            torch.from_numpy(first).to(device),
            samples,
            Scaling.of(stream.values, used, dtype, device),
        )

    @property
    def shape(self) -> tuple[int, int]:
        """Samples and channels of a window."""
        return self.samples, self.values.shape[1]

    def windows(self, chosen: Tensor) -> Tensor:
        """Standardised samples of some windows.

        Parameters
        ----------
        chosen
            Indices of the windows (run, row).

        Returns
        -------
        views
            (run, row, sample, channel).
        """
        samples = torch.arange(self.samples, device=chosen.device)
        return self.scaling.apply(self.values[self.first[chosen].unsqueeze(-1) + samples])
