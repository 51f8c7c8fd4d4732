"""What every kind of hypothesis is judged to, before its level is known."""

from abc import ABC, abstractmethod
from dataclasses import dataclass

from invariance_probe.inference.findings import HypothesisFinding
from invariance_probe.inference.hypotheses.question import Question
from invariance_probe.inference.rules.interim_analyses import ALPHA


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
