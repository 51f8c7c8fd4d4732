"""What every kind of hypothesis is judged to, before its level is known.

Judging starts from a finding that repeats the hypothesis (`unjudged`), and ends with a
`Judgement`, which gives the finding at any level.
"""

from abc import ABC, abstractmethod
from dataclasses import dataclass

from invariance_probe.inference.findings import HypothesisFinding, NaiveRule, NoSSL
from invariance_probe.inference.hypotheses.code_measures import code_measures
from invariance_probe.inference.hypotheses.question import Question
from invariance_probe.inference.rules.interim_analyses import ALPHA
from invariance_probe.inference.verdict import Verdict

NO_RULE = NaiveRule("none", "not measured", "not measured", None)
"""For hypotheses that the naive rule says nothing about."""


@dataclass(frozen=True, eq=False)
class Judgement(ABC):
    """A hypothesis with all that its word rests on, before a level is known."""

    question: Question

    @property
    @abstractmethod
    def p_value(self) -> float | None:
        """Smallest p value of its possible words; None where no word can be shown."""

    @abstractmethod
    def finding(self, level: float = ALPHA) -> HypothesisFinding:
        """The finding at a level."""


def unjudged(
    question: Question,
    kind: str,
    word: str,
    *,
    scope: str | None = None,
    no_ssl: NoSSL | None = None,
    naive: NaiveRule = NO_RULE,
) -> HypothesisFinding:
    """A finding that repeats its hypothesis, with nothing found yet.

    Parameters
    ----------
    question
        The hypothesis with its evidence.
    kind
        The kind of hypothesis, as report.json names it.
    word
        The word of a hypothesis of which nothing is shown.
    scope
        What its claims are about; that of its sessions when left out.
    no_ssl
        The finding of the code in the form of earlier versions; without one, only the
        measures of the code.
    naive
        What the naive rule says.
    """
    hypothesis, names = question.hypothesis, question.names
    if no_ssl is None:
        measures = code_measures([question.evidence.sessions[name] for name in names])
        no_ssl = NoSSL("not measured", "", measures)
    return HypothesisFinding(
        id=hypothesis.id, kind=kind, claim=hypothesis.claim, predicts=hypothesis.predicts,
        status=question.status, group=hypothesis.group or "", axis=hypothesis.axis,
        primary_dose=hypothesis.dose, margin=question.margin, because=hypothesis.margin.because,
        scope=question.scope if scope is None else scope, sessions=tuple(names),
        verdict=Verdict(word), flags=(), outcome="open", sentence="", dose_interval=None,
        no_ssl=no_ssl, naive=naive, estimands=(), swept=(), claims=(), gates=(), p_value=None,
        p_value_adjusted=None,
    )  # fmt: skip
