"""The two kinds of hypothesis: how each is judged, and what it can support.

A `Hypothesis` is about one dose of an augmentation and is judged in the folder `dose`.
A `Contrast` says that training on distant pairs of windows helps, and is judged in the
folder `contrast`. In both folders, `judging.py` collects the evidence, checks the gates
and tests the claims. `words.py` writes the verdict as a sentence, and `scope.py` writes
what the verdict can and cannot support.
"""

from collections.abc import Callable
from dataclasses import dataclass

from invariance_probe.inference.findings import HypothesisFinding
from invariance_probe.inference.hypotheses.contrast import scope as contrast_scope
from invariance_probe.inference.hypotheses.contrast.judging import judge_contrast
from invariance_probe.inference.hypotheses.dose import scope as dose_scope
from invariance_probe.inference.hypotheses.dose.judging import judge_dose
from invariance_probe.inference.hypotheses.evidence import HypothesisEvidence
from invariance_probe.inference.hypotheses.judgement import Judgement
from invariance_probe.study.hypotheses import AnyHypothesis, Contrast, Hypothesis

Scope = Callable[[HypothesisEvidence, HypothesisFinding], str]
"""Function that writes in words what a finding can, or cannot, support."""


@dataclass(frozen=True)
class Kind:
    """How hypotheses of one kind are judged and put into words.

    Attributes
    ----------
    judge
        Function that judges a hypothesis, given together with its evidence.
    supports, cannot_support
        Functions that write what the resulting finding can and cannot support.
    """

    judge: Callable[[HypothesisEvidence], Judgement]
    supports: Scope
    cannot_support: Scope


KINDS: dict[type[AnyHypothesis], Kind] = {
    Hypothesis: Kind(judge_dose, dose_scope.supports, dose_scope.cannot_support),
    Contrast: Kind(judge_contrast, contrast_scope.supports, contrast_scope.cannot_support),
}
"""The `Kind` that belongs to each class of declaration in `study/hypotheses.py`."""


def kind_of(evidence: HypothesisEvidence) -> Kind:
    """Look up how a hypothesis, given with its evidence, is judged and worded."""
    return KINDS[type(evidence.hypothesis)]
