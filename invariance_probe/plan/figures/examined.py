"""Figures of examinations of stored encoders; no verdict rests on them."""

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, kw_only=True)
class CorruptionFigures:
    """How little a representation moves when its inputs are corrupted, S(e).

    Each is 1 where it does not move at all, and NaN where it does not vary.

    Attributes
    ----------
    invariance
        In all dimensions.
    invariance_row_space
        In the dimensions that the probe reads.
    invariance_within_class
        Relative to windows of the same class; None for a target without classes.
    """

    kind: Literal["corruption"] = "corruption"
    invariance: float
    invariance_row_space: float
    invariance_within_class: float | None = None


@dataclass(frozen=True, kw_only=True)
class DetectionFigures:
    """How well a classifier tells corrupted from clean inputs by the representation.

    Attributes
    ----------
    detection
        Proportion of pairs in which it picks the corrupted one; .5 by chance.
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
        Angle (rad) between the two after the best rotation.
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
        Number of its windows of the class.
    loss
        Their mean loss; None without windows.
    """

    label: str
    block: int
    windows: int
    loss: float | None = None


@dataclass(frozen=True, kw_only=True)
class ClassFigures:
    """Clean decoding losses by class and test block."""

    kind: Literal["by_class"] = "by_class"
    losses: tuple[ClassLoss, ...]
