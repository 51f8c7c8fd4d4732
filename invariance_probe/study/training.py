"""How encoders are trained: the optimisation, and how often it is repeated.

In: the fields of a study's `training`. Out: frozen settings of one optimisation, of the
changes that a method makes to it, and of the seeds. Nothing here trains.
"""

from itertools import pairwise
from typing import Annotated, Any, Literal, Self

from pydantic import Field, model_validator
from pydantic_core import PydanticCustomError

from invariance_probe.study.declaration import Declaration, added

Steps = Annotated[int, Field(ge=1)]
BatchSize = Annotated[int, Field(ge=4)]
LearningRate = Annotated[float, Field(gt=0)]
WeightDecay = Annotated[float, Field(ge=0)]
Optimizer = Literal["adamw", "sgd", "lars"]
Schedule = Literal["constant", "cosine"]
Share = Annotated[float, Field(ge=0, lt=1)]
Spending = Literal["obrien_fleming", "pocock"]
Kernels = Literal["auto", "torch", "native"]


class Optimisation(Declaration):
    """The optimisation: the settings that determine one training of a model."""

    steps: Steps = 500
    """Number of update steps."""
    batch_size: BatchSize = 128
    """Number of windows per step, in one view."""
    learning_rate: LearningRate = 3e-3
    """Learning rate; the highest one, if it changes over the steps."""
    weight_decay: WeightDecay = 1e-2
    """Weight decay of the optimizer."""
    precision: Literal["float32", "float64", "bfloat16"] = "float32"
    """Floating-point precision.

    `bfloat16` rounds the factors of the layers' matrix products, and of SimCLR's
    similarities; sums, weights and everything else stay in single precision.
    """
    kernels: Literal["torch", "native"] = added("torch")
    """What computes the layers, SimCLR's loss and the views.

    `native`: kernels that are compiled on the machine. They need a C++ compiler and run
    on a CPU only.
    """
    optimizer: Optimizer = added("adamw")
    """Rule of the update step.

    `adamw` (Loshchilov & Hutter 2019, arXiv:1711.05101), or `sgd` and `lars` (You et
    al. 2017, arXiv:1708.03888), both with momentum.
    """
    momentum: Share = added(0.9)
    """Momentum of `sgd` and `lars`."""
    schedule: Schedule = added("constant")
    """How the learning rate changes over the steps.

    `cosine`: it falls to 0 by half a cosine (Loshchilov & Hutter 2017,
    arXiv:1608.03983, Eq. 5).
    """
    warmup: Share = added(0.0)
    """Fraction of the steps over which the learning rate rises linearly from 0."""

    @model_validator(mode="after")
    def _kernels_know_the_precision(self) -> Self:
        if self.kernels == "native" and self.precision == "float64":
            raise ValueError(
                "`kernels: native` supports only float32 and bfloat16, but precision is float64; "
                "use `kernels: torch`, or another precision"
            )
        return self


class TrainingChanges(Declaration):
    """Changes that one method makes to a study's training.

    Fields that are omitted keep the values of the study.
    """

    steps: Steps | None = None
    batch_size: BatchSize | None = None
    learning_rate: LearningRate | None = None
    weight_decay: WeightDecay | None = None
    optimizer: Optimizer | None = None
    momentum: Share | None = None
    schedule: Schedule | None = None
    warmup: Share | None = None

    def applied(self, optimisation: Optimisation) -> Optimisation:
        """Return an optimisation with these changes."""
        return optimisation.model_copy(update=self.model_dump(exclude_none=True))


def _refused(reason: str) -> PydanticCustomError:
    return PydanticCustomError("looks", "{reason}", {"reason": reason})


class AdaptiveSeeds(Declaration):
    """Interim analyses after a growing number of seeds.

    No further seeds are trained for a hypothesis that one of them decides.
    """

    looks: Annotated[tuple[int, ...], Field(min_length=2, max_length=20)]
    """Seeds per session at the interim analyses, ascending from 2 or more.

    The last number is `training.seeds`.
    """
    spending: Spending = "obrien_fleming"
    """How alpha is spent over the interim analyses (Lan & DeMets 1983).

    `obrien_fleming` spends little at first, so that the last analysis loses almost no
    power. `pocock` spends more evenly, so that more hypotheses stop early but the last
    analysis is stricter.
    """

    @model_validator(mode="after")
    def _ascends(self) -> Self:
        if self.looks[0] < 2 or any(later <= earlier for earlier, later in pairwise(self.looks)):
            raise _refused(
                f"looks is {list(self.looks)}, but must begin with 2 or more seeds and increase, "
                "for example [2, 3, 5]"
            )
        return self


class Training(Optimisation):
    """The optimisation, and how often it is repeated."""

    kernels: Kernels = added("auto")  # type: ignore[assignment]
    """What computes the layers, SimCLR's loss and the views.

    `native`: kernels that are compiled on the machine, which need a C++ compiler and run
    on a CPU only. `torch`: torch's own operations. `auto`: the native kernels, if they are
    licensed for the method and this machine can run them; else torch. A study that is
    registered, or has trained models in the run store, goes on with what it began with.
    """
    seeds: Annotated[int, Field(ge=1, le=1000)] = 5
    """Number of repetitions of each training, each with other random numbers."""
    study_seed: Annotated[int, Field(ge=0)] = 1
    """Seed from which all random numbers of the study are derived."""
    adaptive: AdaptiveSeeds | None = added(None)
    """Interim analyses that stop training for a hypothesis once it is decided.

    If omitted, all seeds are trained.
    """

    @model_validator(mode="after")
    def _looks_end_with_the_seeds(self) -> Self:
        if self.adaptive is not None and self.adaptive.looks[-1] != self.seeds:
            raise _refused(
                f"adaptive.looks ends with {self.adaptive.looks[-1]}, but seeds is {self.seeds}. "
                "The last interim analysis uses all seeds, so make the two equal"
            )
        return self

    def optimisation(self) -> Optimisation:
        """Return the settings of one training, without seeds and interim analyses.

        Where `kernels` is still `auto`, they are those of torch.
        """
        settings: dict[str, Any] = {name: getattr(self, name) for name in Optimisation.model_fields}
        kernels = "torch" if self.kernels == "auto" else self.kernels
        return Optimisation(**{**settings, "kernels": kernels})
