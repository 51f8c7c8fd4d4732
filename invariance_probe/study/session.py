"""A session of a study, and which hypotheses are about it."""

from dataclasses import dataclass

from invariance_probe.study.hypotheses import Contrast, Hypothesis
from invariance_probe.study.recordings import AnySource


@dataclass(frozen=True)
class Session:
    """One recorded or simulated session of a study."""

    name: str
    subject: str
    group: str
    fingerprint: str
    source: AnySource
    alternatives: str = ""
    """Hash of the array of alternative targets that the study's null reads; empty where it reads none."""


def covers(hypothesis: Hypothesis | Contrast, session: Session) -> bool:
    """Say whether a hypothesis is about a session; a confirmatory one is never about a pilot."""
    if session.source.pilot and hypothesis.role == "confirmatory":
        return False
    return hypothesis.group is None or hypothesis.group == session.group
