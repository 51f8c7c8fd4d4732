"""The kinds of hypothesis: how each is judged, and what its verdict can support.

A kind has a room of its own beside this file. `judging.py` there holds the evidence
that it needs, its gates and claims; `words.py` its sentence; `scope.py` what a verdict
can and cannot support.
"""

from collections.abc import Callable
from dataclasses import dataclass

from invariance_probe.inference.findings import HypothesisFinding
from invariance_probe.inference.hypotheses.contrast import scope as contrast_scope
from invariance_probe.inference.hypotheses.contrast.judging import judge_contrast
from invariance_probe.inference.hypotheses.dose import scope as dose_scope
from invariance_probe.inference.hypotheses.dose.judging import judge_dose
from invariance_probe.inference.hypotheses.judgement import Judgement
from invariance_probe.inference.hypotheses.question import Question
from invariance_probe.study.hypotheses import AnyHypothesis, Contrast, Hypothesis

Scope = Callable[[Question, HypothesisFinding], str]
"""Says what a finding can, or cannot, support."""


@dataclass(frozen=True)
class Kind:
    """One kind of hypothesis.

    Attributes
    ----------
    judge
        From a hypothesis with its evidence to its judgement.
    supports, cannot_support
        What its finding can and cannot support, in words.
    """

    judge: Callable[[Question], Judgement]
    supports: Scope
    cannot_support: Scope


KINDS: dict[type[AnyHypothesis], Kind] = {
    Hypothesis: Kind(judge_dose, dose_scope.supports, dose_scope.cannot_support),
    Contrast: Kind(judge_contrast, contrast_scope.supports, contrast_scope.cannot_support),
}
"""The kind of every declaration in `study/hypotheses.py`."""


def kind_of(question: Question) -> Kind:
    """The kind of the hypothesis of a question."""
    return KINDS[type(question.hypothesis)]
