"""Quantities of runs whose representation is decoded: SSL models, baselines.

The decoding loss itself is in `RunResult`. The quantities here describe the rest: the
usual scores of decoders, the representation, the training, and the pairs of windows
that were used in training.
"""

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, kw_only=True)
class Scores:
    """Scores of a decoder on the test windows; each is None where it is not defined.

    Attributes
    ----------
    r2
        R2 of a continuous target, relative to the mean of the test windows.
    accuracy
        Proportion of windows decoded correctly: with the right class, or with an angular
        error below pi / 8.
    accuracy_wide
        Proportion of windows with an angular error below 3 pi / 16.
    balanced_accuracy
        Mean over classes of the proportion of windows decoded correctly.
    f1_macro, f1_weighted
        F1 score as a plain mean over classes, and weighted by their frequency.
    """

    r2: float | None = None
    accuracy: float | None = None
    accuracy_wide: float | None = None
    balanced_accuracy: float | None = None
    f1_macro: float | None = None
    f1_weighted: float | None = None


@dataclass(frozen=True, kw_only=True)
class RepresentationFigures:
    """Properties of the representation of a frozen encoder.

    Attributes
    ----------
    rank_me
        RankMe, the effective number of dimensions of clean windows' representations.
    alignment, uniformity
        Alignment and uniformity of pairs of views (Wang & Isola 2020,
        arXiv:2005.10242).
    invariance
        S(d): how little the representation moves when inputs are corrupted at the
        training dose d; 1 means not at all.
    input_change
        Mean squared change of the standardised inputs at that dose, over their variance.
    """

    rank_me: float
    alignment: float | None = None
    uniformity: float | None = None
    invariance: float | None = None
    input_change: float | None = None


@dataclass(frozen=True, kw_only=True)
class TrainingFigures:
    """How the training of a model went.

    Attributes
    ----------
    ssl_loss
        Mean SSL loss over the last tenth of the steps.
    gradient_norm
        Mean norm of the gradient over the same steps.
    pretext_accuracy
        Accuracy in the method's pretext task on test windows; None if the method has no
        task with right and wrong answers.
    """

    ssl_loss: float | None = None
    gradient_norm: float | None = None
    pretext_accuracy: float | None = None


@dataclass(frozen=True, kw_only=True)
class PairFigures:
    """How far the windows of a pair agree in target and nuisance.

    The pairs were drawn by a pairing or mined by a method. Each quantity is None where
    it is not defined. Each `expected` value is what the same windows would give if
    partners were exchanged at random.

    Attributes
    ----------
    share
        Proportion of all pairs that are distant.
    partners
        Effective number of windows of sleep that serve as partners.
    distance_s
        Mean distance in time between the windows of a pair, over pairs within a session
        (seconds).
    elsewhere
        Proportion of pairs whose windows are of two sessions.
    agreement, agreement_expected
        Proportion of pairs of the same class or, for other targets y, 1 - E|y - y'|^2 /
        (2 Var y).
    nuisance_distance, nuisance_distance_expected
        Distance E|n - n'|^2 / (2 Var n) of the nuisance n within pairs.
    """

    share: float | None = None
    partners: float | None = None
    distance_s: float | None = None
    elsewhere: float | None = None
    agreement: float | None = None
    agreement_expected: float | None = None
    nuisance_distance: float | None = None
    nuisance_distance_expected: float | None = None


@dataclass(frozen=True, kw_only=True)
class SleepDistances:
    """How far a model represents sleep from waking training windows.

    It is the mean distance to the nearest training window, relative to the same distance
    of held-out waking windows.

    Attributes
    ----------
    partners
        Distance of sleep in the states that partners come from.
    others
        Distance of sleep in the control states.
    permuted
        Distance of sleep in the partners' states with its units permuted.
    """

    partners: float
    others: float
    permuted: float


@dataclass(frozen=True, kw_only=True)
class DecodedFigures:
    """All quantities that describe one decoded representation.

    Attributes
    ----------
    scores
        Scores of the decoder.
    representation
        Properties of the representation; None if activity itself is decoded.
    training
        How training went; None if nothing was trained.
    distant
        Distant pairs of the run's pairing; None if all pairs are local.
    mined
        Pairs that the SSL method itself mined; None if it mines none.
    sleep
        Distances of sleep from waking; None unless pairs go across states.
    """

    kind: Literal["decoded"] = "decoded"
    scores: Scores = Scores()
    representation: RepresentationFigures | None = None
    training: TrainingFigures | None = None
    distant: PairFigures | None = None
    mined: PairFigures | None = None
    sleep: SleepDistances | None = None
