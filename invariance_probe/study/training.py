"""How encoders are trained: the update step, how many there are, and how often a training is repeated."""

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


class Optimisation(Declaration):
    """What an update step is; the part of `training` that reaches an encoder's weights."""

    steps: Steps = 500
    batch_size: BatchSize = 128
    learning_rate: LearningRate = 3e-3
    weight_decay: WeightDecay = 1e-2
    precision: Literal["float32", "float64", "bfloat16"] = "float32"
    """`bfloat16`: the factors of the layers' products, and of SimCLR's, are rounded to it; sums, weights and all else are single."""
    kernels: Literal["torch", "native"] = added("torch")
    """`native`: layers, SimCLR's loss and views by kernels that are compiled on the machine (a C++ compiler is needed); on a CPU only."""
    optimizer: Optimizer = added("adamw")
    """`adamw` (Loshchilov & Hutter 2019, arXiv:1711.05101); `sgd` and `lars` (You et al. 2017, arXiv:1708.03888) with momentum."""
    momentum: Share = added(0.9)
    """Of `sgd` and `lars`."""
    schedule: Schedule = added("constant")
    """`cosine`: the learning rate falls to 0 by half a cosine (Loshchilov & Hutter 2017, arXiv:1608.03983, Eq. 5)."""
    warmup: Share = added(0.0)
    """Part of the steps over which the learning rate first rises from 0, linearly."""

    @model_validator(mode="after")
    def _kernels_know_the_precision(self) -> Self:
        if self.kernels == "native" and self.precision == "float64":
            raise ValueError(
                "kernels: native knows float32 and bfloat16, and precision is float64; use kernels: torch"
            )
        return self


class TrainingChanges(Declaration):
    """What one method changes of a study's training; fields that are left out stay the study's."""

    steps: Steps | None = None
    batch_size: BatchSize | None = None
    learning_rate: LearningRate | None = None
    weight_decay: WeightDecay | None = None
    optimizer: Optimizer | None = None
    momentum: Share | None = None
    schedule: Schedule | None = None
    warmup: Share | None = None

    def applied(self, optimisation: Optimisation) -> Optimisation:
        """Return the optimisation with the changes put in."""
        return optimisation.model_copy(update=self.model_dump(exclude_none=True))


def _refused(reason: str) -> PydanticCustomError:
    return PydanticCustomError("looks", "{reason}", {"reason": reason})


class AdaptiveSeeds(Declaration):
    """Looks at a growing number of seeds: a hypothesis that is decided at one of them needs no more."""

    looks: Annotated[tuple[int, ...], Field(min_length=2, max_length=20)]
    """Seeds of every session at each look, ascending from 2 or more; the last is `training.seeds`."""
    spending: Spending = "obrien_fleming"
    """How alpha is spent over the looks (Lan & DeMets 1983): `obrien_fleming` little early, so that the last look loses almost
    nothing; `pocock` more evenly, so that more hypotheses stop early and the last look is harder."""

    @model_validator(mode="after")
    def _ascends(self) -> Self:
        if self.looks[0] < 2 or any(later <= earlier for earlier, later in pairwise(self.looks)):
            raise _refused(
                f"looks {list(self.looks)} must ascend from 2 or more seeds, for example [2, 3, 5]"
            )
        return self


class Training(Optimisation):
    """Optimisation, and how often it is repeated."""

    seeds: Annotated[int, Field(ge=1, le=1000)] = 5
    study_seed: Annotated[int, Field(ge=0)] = 1
    adaptive: AdaptiveSeeds | None = added(None)
    """Stop a hypothesis when it is decided, before all seeds are trained; all of them when left out."""

    @model_validator(mode="after")
    def _looks_end_with_the_seeds(self) -> Self:
        if self.adaptive is not None and self.adaptive.looks[-1] != self.seeds:
            raise _refused(
                f"adaptive.looks ends with {self.adaptive.looks[-1]}, but seeds is {self.seeds}; the last look is at all seeds, "
                "so make them equal"
            )
        return self

    def optimisation(self) -> Optimisation:
        """Return the settings without the repetition."""
        settings: dict[str, Any] = {name: getattr(self, name) for name in Optimisation.model_fields}
        return Optimisation(**settings)
