"""What is measured on an encoder after it was trained and stored; nothing is trained again.

An examination is a field of `Run` that reaches `Run.key()` and never `Run.train_key()`: the encoder is the one
that was trained without it.
"""

from typing import Annotated, Literal

from pydantic import Field

from invariance_probe.study.declaration import Declaration
from invariance_probe.study.views import Views


class Corruption(Declaration):
    """Test the probe, fitted on clean representations, on corrupted inputs: L(d, e); and how far these move: S(e)."""

    kind: Literal["corruption"] = "corruption"
    inputs: Views
    """How the test inputs are corrupted: one transform at the test dose, on whole activity."""
    axis: str
    dose: float
    """The test dose e; the run's own dose is the train dose d."""
    draws: Annotated[int, Field(ge=1)] = 4


class Detection(Declaration):
    """Tell from two representations of one window which of them is of the corrupted input."""

    kind: Literal["detection"] = "detection"
    inputs: Views
    axis: str
    dose: float
    draws: Annotated[int, Field(ge=1)] = 4
    """Draws of the test windows; the classifier is fitted on one draw of training windows."""


class Comparison(Declaration):
    """Compare the clean representation of test windows with that of the dose-0 encoder of a seed."""

    kind: Literal["comparison"] = "comparison"
    seed: Annotated[int, Field(ge=0)]


class ByClass(Declaration):
    """Split the clean decoding loss by the class of a categorical target."""

    kind: Literal["by_class"] = "by_class"


Examination = Annotated[Corruption | Detection | Comparison | ByClass, Field(discriminator="kind")]
