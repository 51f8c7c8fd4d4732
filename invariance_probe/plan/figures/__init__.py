"""What measurements measure: one frozen type per kind of measurement.

Each type has a `kind`, and a plain JSON form that is read back by it. Results that were
stored by earlier versions, as numbers under names, are read by `earlier`.
"""

from dataclasses import asdict
from typing import Annotated, Any

from pydantic import Field, TypeAdapter

from invariance_probe.plan.figures.code import CodeFigures
from invariance_probe.plan.figures.decoded import DecodedFigures
from invariance_probe.plan.figures.examined import (
    ClassFigures,
    CorruptionFigures,
    DetectionFigures,
    SimilarityFigures,
)
from invariance_probe.plan.figures.session import SessionFigures
from invariance_probe.plan.figures.units import MessengerFigures, RelianceFigures

Figures = (
    DecodedFigures
    | CodeFigures
    | SessionFigures
    | MessengerFigures
    | RelianceFigures
    | CorruptionFigures
    | DetectionFigures
    | SimilarityFigures
    | ClassFigures
)
"""The figures of any kind of measurement."""

_READER: TypeAdapter[Figures] = TypeAdapter(Annotated[Figures, Field(discriminator="kind")])


def written(figures: Figures) -> dict[str, Any]:
    """The figures as plain JSON data."""
    return asdict(figures)


def read(data: dict[str, Any]) -> Figures:
    """Read what `written` wrote.

    Raises
    ------
    pydantic.ValidationError
        When the data are of no kind of figures.
    """
    return _READER.validate_python(data)
