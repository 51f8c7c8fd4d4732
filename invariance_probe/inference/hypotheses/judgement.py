"""The result of judging a hypothesis before its significance level is known.

The level comes last, because Holm's procedure sets it from the p values of all
hypotheses of a study. A `Judgement` therefore holds everything that a verdict rests on,
and gives the finding at any level. Every judgement starts from a finding that repeats
the declared hypothesis and shows nothing yet (`unjudged`).
"""

from abc import ABC, abstractmethod
from dataclasses import dataclass

from invariance_probe.inference.findings import HypothesisFinding, NaiveRule, NoSSL
from invariance_probe.inference.hypotheses.code_measures import code_measures
from invariance_probe.inference.hypotheses.evidence import HypothesisEvidence
from invariance_probe.inference.rules.interim_analyses import ALPHA
from invariance_probe.inference.verdict import Verdict

NO_RULE = NaiveRule("none", "not measured", "not measured", None)
"""Entry for hypotheses to which the naive rule does not apply.

The naive rule calls a code invariant when training with the augmentation does not
worsen decoding by more than the margin.
"""


@dataclass(frozen=True, eq=False)
class Judgement(ABC):
    """A hypothesis and all that its verdict rests on, at any significance level.

    Attributes
    ----------
    evidence
        The hypothesis with its evidence.
    """

    evidence: HypothesisEvidence

    @property
    @abstractmethod
    def p_value(self) -> float | None:
        """Smallest p value among the possible verdicts; None if there are none."""

    @abstractmethod
    def finding(self, level: float = ALPHA) -> HypothesisFinding:
        """Return the finding, including its verdict, at a significance level."""


def unjudged(
    evidence: HypothesisEvidence,
    kind: str,
    word: str,
    *,
    scope: str | None = None,
    no_ssl: NoSSL | None = None,
    naive: NaiveRule = NO_RULE,
) -> HypothesisFinding:
    """Build a finding that repeats its hypothesis and shows nothing yet.

    Parameters
    ----------
    evidence
        The hypothesis with its evidence.
    kind
        Kind of hypothesis as written in report.json: `invariance`, `jitter` or
        `contrast`.
    word
        Verdict to start from: `inconclusive`, or `not shown` for a contrast.
    scope
        What the claims are about, such as `population of sessions`. If omitted, it
        follows from the number of decodable sessions and their subjects.
    no_ssl
        Finding of decoders without SSL, in the format of earlier versions of
        report.json. If omitted, it contains only the exploratory measures of
        `code_measures`.
    naive
        What the naive rule concludes.
    """
    hypothesis, names = evidence.hypothesis, evidence.names
    if no_ssl is None:
        measures = code_measures([evidence.of_study.sessions[name] for name in names])
        no_ssl = NoSSL("not measured", "", measures)
    return HypothesisFinding(
        id=hypothesis.id, kind=kind, claim=hypothesis.claim, predicts=hypothesis.predicts,
        status=evidence.status, group=hypothesis.group or "", axis=hypothesis.axis,
        primary_dose=hypothesis.dose, margin=evidence.margin, because=hypothesis.margin.because,
        scope=evidence.scope if scope is None else scope, sessions=tuple(names),
        verdict=Verdict(word), flags=(), outcome="open", sentence="", dose_interval=None,
        no_ssl=no_ssl, naive=naive, estimands=(), swept=(), claims=(), gates=(), p_value=None,
        p_value_adjusted=None,
    )  # fmt: skip
