"""Trained encoders, loaded from the store to be measured again.

In: stored weights, and the runs that trained them. Out: the frozen encoders as one
stack, with their representations of clean (uncorrupted) windows and the decoders
(probes) fitted on these. Nothing is trained here except the probes.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from torch import Tensor

from invariance_probe.encoders.frozen import Frozen
from invariance_probe.plan.figures.decoded import TrainingFigures
from invariance_probe.plan.roles import SSLModel, TrainedModel
from invariance_probe.plan.run import Run
from invariance_probe.probing.bench.workbench import Workbench
from invariance_probe.probing.decoders.logistic import LogisticFit
from invariance_probe.probing.decoders.readout import fit_probe
from invariance_probe.probing.decoders.ridge import RidgeFit
from invariance_probe.probing.representation.encoding import encode_clean
from invariance_probe.study.encoders import MLPEncoder

Weights = Mapping[str, Mapping[str, np.ndarray]]
"""Weights of stored encoders: for each train key, arrays by name.

A train key (`Run.train_key()`) names one trained encoder. Encoders that are not in the
store are missing.
"""


@dataclass(frozen=True, eq=False)
class Stored:
    """The stored encoders that some runs read.

    Attributes
    ----------
    weights
        Weights of the encoders, by train key.
    trainings
        Descriptions of their training, such as the final loss, by train key.
    """

    weights: Weights
    trainings: Mapping[str, TrainingFigures]

    def has(self, run: Run) -> bool:
        """Whether a run's encoder is stored."""
        return run.train_key() in self.weights


NOTHING_STORED = Stored({}, {})
"""An empty store."""


@dataclass(frozen=True, eq=False)
class Encoders:
    """Stored encoders of one session and architecture, as one stack.

    Attributes
    ----------
    bench
        The opened session: its windows, folds and target.
    models
        The runs that trained the encoders, one per encoder.
    """

    bench: Workbench
    models: list[SSLModel]
    weights: Weights
    """Weights of these encoders, and perhaps of others, by train key."""

    @classmethod
    def of(cls, bench: Workbench, models: Iterable[SSLModel], weights: Weights) -> "Encoders":
        """Stack the encoders of some models, each of which may be given several times.

        Parameters
        ----------
        bench
            The opened session: its windows, folds and target.
        models
            Runs that trained the encoders.
        weights
            Weights of the encoders, by train key.
        """
        return cls(bench, list({model.train_key(): model for model in models}.values()), weights)

    @cached_property
    def frozen(self) -> Frozen:
        """The encoders as one stacked network, with weights (encoder, ...)."""
        first = self.models[0]
        declared = first.method.encoder if isinstance(first, TrainedModel) else MLPEncoder()
        return Frozen.of(
            declared, [self.weights[model.train_key()] for model in self.models], self.bench.device
        )

    @cached_property
    def slots(self) -> dict[str, int]:
        """Position of each encoder in the stack, by its train key."""
        return {model.train_key(): i for i, model in enumerate(self.models)}

    def slots_of(self, runs: Sequence[Run]) -> list[int]:
        """Return the position of each run's encoder in the stack."""
        return [self.slots[run.train_key()] for run in runs]

    @property
    def dtype(self) -> torch.dtype:
        """Floating-point type in which the encoders were trained."""
        return self.frozen.dtype

    @cached_property
    def parts(self) -> list[np.ndarray]:
        """Training windows of each encoder, each (window,)."""
        return [self.bench.train_windows(model) for model in self.models]

    @cached_property
    def representation(self) -> Tensor:
        """Representations of all clean windows (encoder, window, dim)."""
        views = self.bench.views(self.models, self.parts, self.dtype)
        return encode_clean(views, self.frozen, self.bench.all_windows)

    @cached_property
    def probe(self) -> RidgeFit | LogisticFit:
        """Probe of each encoder, fitted on clean representations.

        It is fitted on the training windows of the encoder, as it was when the encoder
        had been trained.
        """
        return fit_probe(self.bench, self.models, self.representation.unsqueeze(1), self.parts)
