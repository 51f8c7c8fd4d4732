"""Figures of runs whose representation is decoded: SSL models and their baselines.

The decoding loss itself stands in `RunResult`. Here is what describes it: the scores
that the field quotes, the representation, the training, and the pairs of windows that
the training drew from.
"""

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, kw_only=True)
class Scores:
    """Scores of a decoder on the test windows; each is None where it is not defined.

    Attributes
    ----------
    r2
        R2 about the test windows' own mean, of a continuous target.
    accuracy
        Proportion of windows that are decoded right: of the class, or with an angular
        error below pi / 8.
    accuracy_wide
        The same with an angular error below 3 pi / 16.
    balanced_accuracy
        Mean over classes of the proportion that is decoded right.
    f1_macro, f1_weighted
        F1, averaged over classes evenly, and weighted by their frequency.
    """

    r2: float | None = None
    accuracy: float | None = None
    accuracy_wide: float | None = None
    balanced_accuracy: float | None = None
    f1_macro: float | None = None
    f1_weighted: float | None = None


@dataclass(frozen=True, kw_only=True)
class RepresentationFigures:
    """A frozen representation of clean windows.

    Attributes
    ----------
    rank_me
        RankMe, the effective number of dimensions.
    alignment, uniformity
        Of the embeddings of pairs of views.
    invariance
        S(d): how little the representation moves under the training dose d.
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
    """How the training of a model went, whatever the target.

    Attributes
    ----------
    ssl_loss
        Mean SSL loss over the last tenth of the steps.
    gradient_norm
        Mean norm of the gradient over the same steps.
    pretext_accuracy
        Accuracy on a pretext task's questions on test windows; None without such a task.
    """

    ssl_loss: float | None = None
    gradient_norm: float | None = None
    pretext_accuracy: float | None = None


@dataclass(frozen=True, kw_only=True)
class PairFigures:
    """Pairs of windows that a pairing or a method drew, against target and nuisance.

    Each figure is None where it is not defined. Each `expected` value is that of
    independent draws from the marginals of both sides.

    Attributes
    ----------
    share
        Proportion of all pairs that is distant.
    partners
        Effective number of windows asleep that serve as partners.
    distance_s
        Mean distance in time of pairs in one session, in seconds.
    elsewhere
        Proportion of pairs in two sessions.
    agreement, agreement_expected
        Proportion of pairs of one class, or 1 - E|y - y'|^2 / (2 Var y).
    nuisance_distance, nuisance_distance_expected
        E|n - n'|^2 / (2 Var n) of the nuisance.
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
    """How far a model represents sleep from waking, relative to held-out waking.

    Attributes
    ----------
    partners
        Of the state that partners come from.
    others
        Of the other state.
    permuted
        Of the partners' state with its units permuted.
    """

    partners: float
    others: float
    permuted: float


@dataclass(frozen=True, kw_only=True)
class DecodedFigures:
    """What describes one decoded representation.

    Attributes
    ----------
    scores
        Scores of the decoder.
    representation
        None where the features are the activity itself.
    training
        None where nothing was trained.
    distant
        Distant pairs of the run's pairing; None where all its pairs are local.
    mined
        Pairs that the method itself mined; None where it mines none.
    sleep
        Distances of sleep; None unless pairs cross states.
    """

    kind: Literal["decoded"] = "decoded"
    scores: Scores = Scores()
    representation: RepresentationFigures | None = None
    training: TrainingFigures | None = None
    distant: PairFigures | None = None
    mined: PairFigures | None = None
    sleep: SleepDistances | None = None
