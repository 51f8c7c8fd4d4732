"""What is decoded, and the decoder that is fitted on a frozen representation."""

from typing import Annotated, Literal

from pydantic import Field

from invariance_probe.study.declaration import Declaration

Penalties = Annotated[tuple[Annotated[float, Field(gt=0)], ...], Field(min_length=1)]


class Target(Declaration):
    """A behavioural or experimental variable of the recordings, by the name of its array."""

    name: str
    kind: Literal["continuous", "categorical", "circular"] = "continuous"
    """`continuous`: squared error over the variance; `categorical`: nats; `circular` (radians): squared error of (cos, sin)."""


class RidgeProbe(Declaration):
    """Closed-form ridge regression; the penalty is chosen by inner folds of the training part."""

    kind: Literal["ridge"] = "ridge"
    penalties: Penalties = (1e-3, 1e-2, 1e-1, 0.3, 1.0, 3.0, 10.0, 100.0)
    """Candidate penalties, in units of the number of training windows times 0.01, on standardised features."""
    inner_folds: Annotated[int, Field(ge=2)] = 4


class LogisticProbe(Declaration):
    """Multinomial logistic regression; the penalty is chosen by inner folds of the training part."""

    kind: Literal["logistic"] = "logistic"
    penalties: Penalties = (1e-3, 1e-2, 1e-1, 1.0, 10.0)
    """Candidate penalties, in units of the number of training windows times 0.01, on standardised features."""
    inner_folds: Annotated[int, Field(ge=2)] = 3


Probe = Annotated[RidgeProbe | LogisticProbe, Field(discriminator="kind")]
