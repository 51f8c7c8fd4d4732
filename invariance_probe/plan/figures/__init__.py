"""Figures: the quantities that a measurement returns, with one type per kind.

Each type is a frozen dataclass with a `kind`, by which it is read back from its plain
JSON form. Results of earlier versions, which are numbers under names, are read by
`earlier`.
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
"""Quantities that any kind of measurement returns."""

_READER: TypeAdapter[Figures] = TypeAdapter(Annotated[Figures, Field(discriminator="kind")])


def written(figures: Figures) -> dict[str, Any]:
    """Return measured quantities as plain JSON data."""
    return asdict(figures)


def read(data: dict[str, Any]) -> Figures:
    """Return the quantities that `written` turned into plain JSON data.

    Raises
    ------
    pydantic.ValidationError
        When the data do not fit any kind of measurement.
    """
    return _READER.validate_python(data)
