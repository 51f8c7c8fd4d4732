"""The target that is decoded, and the probe that decodes it.

In: a study's `target` and `probes`. Out: frozen declarations. A probe is fitted on a
frozen representation; nothing is fitted here.
"""

from typing import Annotated, Literal

from pydantic import Field

from invariance_probe.study.declaration import ArrayName, Declaration

Penalties = Annotated[tuple[Annotated[float, Field(gt=0)], ...], Field(min_length=1)]


class Target(Declaration):
    """The behavioural or experimental variable that is decoded."""

    name: ArrayName
    """Name of its array in the recordings."""
    kind: Literal["continuous", "categorical", "circular"] = "continuous"
    """Kind of the variable, which sets the decoding loss.

    `continuous`: squared error over the variance. `categorical`: log-loss in nats.
    `circular` (radians): squared error of (cos, sin).
    """


class RidgeProbe(Declaration):
    """Ridge regression in closed form.

    The penalty is chosen by cross-validation within the training part.
    """

    kind: Literal["ridge"] = "ridge"
    penalties: Penalties = (1e-3, 1e-2, 1e-1, 0.3, 1.0, 3.0, 10.0, 100.0)
    """Candidate penalties, in units of 0.01 times the number of training windows.

    Features are standardised.
    """
    inner_folds: Annotated[int, Field(ge=2)] = 4
    """Number of folds of that cross-validation."""


class LogisticProbe(Declaration):
    """Multinomial logistic regression.

    The penalty is chosen by cross-validation within the training part.
    """

    kind: Literal["logistic"] = "logistic"
    penalties: Penalties = (1e-3, 1e-2, 1e-1, 1.0, 10.0)
    """Candidate penalties, in units of 0.01 times the number of training windows.

    Features are standardised.
    """
    inner_folds: Annotated[int, Field(ge=2)] = 3
    """Number of folds of that cross-validation."""


Probe = Annotated[RidgeProbe | LogisticProbe, Field(discriminator="kind")]
