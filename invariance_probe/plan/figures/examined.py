"""Quantities from examinations of stored encoders; no verdict rests on them."""

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, kw_only=True)
class CorruptionFigures:
    """S(e): how little a representation moves if inputs are corrupted at dose e.

    S is 1 if the representation does not move at all, and 0 if it moves as far as to that
    of another window. It is NaN if the representation does not vary over windows.

    Attributes
    ----------
    invariance
        S in all dimensions.
    invariance_row_space
        S in the subspace that the probe reads.
    invariance_within_class
        S relative to other windows of the same class; None for a target without classes.
    """

    kind: Literal["corruption"] = "corruption"
    invariance: float
    invariance_row_space: float
    invariance_within_class: float | None = None


@dataclass(frozen=True, kw_only=True)
class DetectionFigures:
    """How well a classifier recognises corrupted inputs by their representation.

    Attributes
    ----------
    detection
        Proportion of pairs (clean, corrupted) in which it picks the corrupted one; .5 is
        chance.
    """

    kind: Literal["detection"] = "detection"
    detection: float


@dataclass(frozen=True, kw_only=True)
class SimilarityFigures:
    """How similar two representations of the same windows are.

    Attributes
    ----------
    cka
        Debiased linear CKA.
    shape_distance
        Procrustes angle between the two, after the best rotation (radians).
    """

    kind: Literal["comparison"] = "comparison"
    cka: float
    shape_distance: float


@dataclass(frozen=True, kw_only=True)
class ClassLoss:
    """Clean decoding loss of one class in one test block.

    Attributes
    ----------
    label
        Name of the class.
    block
        Number of the block.
    windows
        Number of windows of this class in the block.
    loss
        Their mean loss; None if there are none.
    """

    label: str
    block: int
    windows: int
    loss: float | None = None


@dataclass(frozen=True, kw_only=True)
class ClassFigures:
    """Decoding losses on uncorrupted inputs, for each class of the target and test block."""

    kind: Literal["by_class"] = "by_class"
    losses: tuple[ClassLoss, ...]
