"""Measurements on an encoder that is already trained and stored.

In: the settings that a plan chooses. Out: frozen declarations. Nothing is trained again:
an examination enters the key of its result (`Run.key()`), but not the key of the trained
encoder (`Run.train_key()`).
"""

from typing import Annotated, Literal

from pydantic import Field

from invariance_probe.study.declaration import Declaration
from invariance_probe.study.views import Views


class Corruption(Declaration):
    """Test of an encoder on corrupted inputs, which measures L(d, e) and S(e).

    L(d, e) is the decoding loss of an encoder trained at dose d, on test inputs corrupted
    at dose e; the probe was fitted on clean representations. S(e) says how little the
    representation moves when its inputs are corrupted at e: 1 means not at all.
    """

    kind: Literal["corruption"] = "corruption"
    inputs: Views
    """How the test inputs are corrupted.

    These views have one transform, at the test dose, and do not split counts.
    """
    axis: str
    """Path of the corruption, `kind.field`."""
    dose: float
    """The test dose e; the run's own dose is the train dose d."""
    draws: Annotated[int, Field(ge=1)] = 4
    """Number of draws of the corruption."""


class Detection(Declaration):
    """How visible a corruption is in the representation.

    A classifier gets two representations of a window, of the clean and of the corrupted
    input, and has to pick the corrupted one.
    """

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
    """Similarity of an encoder's representations to those of a dose-0 encoder.

    Both encoders read the same clean test windows.
    """

    kind: Literal["comparison"] = "comparison"
    seed: Annotated[int, Field(ge=0)]
    """Seed index of the dose-0 encoder."""


class ByClass(Declaration):
    """Clean decoding loss of each class of a categorical target."""

    kind: Literal["by_class"] = "by_class"


Examination = Annotated[Corruption | Detection | Comparison | ByClass, Field(discriminator="kind")]
