"""Encoders that were trained before, taken from the store and stacked again."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from torch import Tensor

from invariance_probe.encoders.frozen import Frozen
from invariance_probe.plan.run import Run
from invariance_probe.probing.bench.workbench import Workbench
from invariance_probe.probing.decoders.logistic import LogisticFit
from invariance_probe.probing.decoders.readout import fit_probe
from invariance_probe.probing.decoders.ridge import RidgeFit
from invariance_probe.study.encoders import MLPEncoder

Weights = Mapping[str, Mapping[str, np.ndarray]]
"""Stored weights by train key; an encoder that the store lacks is not in it."""


@dataclass(frozen=True, eq=False)
class Stored:
    """What the store has of the encoders that runs look at or need.

    Attributes
    ----------
    weights
        By train key.
    trainings
        Figures of their trainings, by train key.
    """

    weights: Weights
    trainings: Mapping[str, Mapping[str, float]]

    def has(self, run: Run) -> bool:
        """Say whether a run's encoder is there."""
        return run.train_key() in self.weights


NOTHING_STORED = Stored({}, {})


@dataclass(frozen=True, eq=False)
class Encoders:
    """Stored encoders of one session and architecture, each once, and the runs that trained them."""

    bench: Workbench
    runs: list[Run]
    weights: Weights
    """Of these encoders, and of those that they may be compared with."""

    @classmethod
    def of(cls, bench: Workbench, runs: list[Run], weights: Weights) -> "Encoders":
        """Take the encoders of runs; one that is named again is the same."""
        return cls(bench, list({run.train_key(): run.trained() for run in runs}.values()), weights)

    @cached_property
    def frozen(self) -> Frozen:
        """The networks (encoder, ...)."""
        declared = getattr(self.runs[0].method, "encoder", MLPEncoder())
        return Frozen.of(
            declared, [self.weights[run.train_key()] for run in self.runs], self.bench.device
        )

    @cached_property
    def slots(self) -> dict[str, int]:
        """Place of each encoder by its train key."""
        return {run.train_key(): i for i, run in enumerate(self.runs)}

    def slots_of(self, runs: list[Run]) -> list[int]:
        """Return the place of each run's encoder."""
        return [self.slots[run.train_key()] for run in runs]

    @property
    def dtype(self) -> torch.dtype:
        """The floating type that the encoders were trained in."""
        return self.frozen.dtype

    @cached_property
    def parts(self) -> list[np.ndarray]:
        """Training windows of each encoder."""
        return [self.bench.train_windows(run) for run in self.runs]

    @cached_property
    def representation(self) -> Tensor:
        """What each encoder makes of every clean window (encoder, window, dim)."""
        views = self.bench.views(self.runs, self.parts, self.dtype)
        return self.frozen(views.clean(self.bench.all_windows))

    @cached_property
    def probe(self) -> RidgeFit | LogisticFit:
        """Each encoder's probe, fitted on clean representations of its training windows, as when it was trained."""
        return fit_probe(self.bench, self.runs, self.representation.unsqueeze(1), self.parts)
