"""Measurements on an encoder that is already trained and stored.

In: what a plan asks for. Out: frozen declarations. Nothing is trained again: an
examination is a field of `Run` that enters `Run.key()` and never `Run.train_key()`, so
the encoder is the one that was trained without it.
"""

from typing import Annotated, Literal

from pydantic import Field

from invariance_probe.study.declaration import Declaration
from invariance_probe.study.views import Views


class Corruption(Declaration):
    """Test the probe on corrupted inputs: L(d, e), and S(e).

    L(d, e) is the loss of the probe, which was fitted on clean representations. S(e)
    says how little representations move.
    """

    kind: Literal["corruption"] = "corruption"
    inputs: Views
    """How the test inputs are corrupted.

    One transform at the test dose, on whole activity.
    """
    axis: str
    """Path of the corruption, `kind.field`."""
    dose: float
    """The test dose e; the run's own dose is the train dose d."""
    draws: Annotated[int, Field(ge=1)] = 4
    """Number of draws of the corruption."""


class Detection(Declaration):
    """Tell which of two representations of a window is of the corrupted input."""

    kind: Literal["detection"] = "detection"
    inputs: Views
    """How the inputs are corrupted; see `Corruption`."""
    axis: str
    """Path of the corruption, `kind.field`."""
    dose: float
    """Dose of the corruption."""
    draws: Annotated[int, Field(ge=1)] = 4
    """Number of draws of the test windows.

    The classifier is fitted on one draw of the training windows.
    """


class Comparison(Declaration):
    """Compare clean representations with those of a dose-0 encoder.

    Both are of the test windows.
    """

    kind: Literal["comparison"] = "comparison"
    seed: Annotated[int, Field(ge=0)]
    """Seed index of the dose-0 encoder."""


class ByClass(Declaration):
    """Split the clean decoding loss by the class of a categorical target."""

    kind: Literal["by_class"] = "by_class"


Examination = Annotated[Corruption | Detection | Comparison | ByClass, Field(discriminator="kind")]
