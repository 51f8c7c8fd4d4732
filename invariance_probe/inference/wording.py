"""A finding in words that do not outrun its evidence."""

import math

from invariance_probe.inference.findings import HypothesisFinding
from invariance_probe.inference.intervals import Sample
from invariance_probe.inference.question import Question
from invariance_probe.inference.verdicts import JITTER_MEANINGS, MEANINGS, UNCALIBRATED


def sentence(question: Question, finding: HypothesisFinding, samples: dict[str, Sample]) -> str:
    """Return the verdict as one sentence: where it holds, at which dose, what was shown, with the figures."""
    place = f"{_where(finding)}, at {finding.axis} = {finding.primary_dose:g}"
    if finding.verdict == UNCALIBRATED:
        method = question.plan.study.method.kind
        return f"{place}, no verdict: {method} at these settings has not passed the calibration; estimates only."
    if finding.verdict.startswith("invalid"):
        return f"{place}, no verdict: the gate {finding.verdict.removeprefix('invalid: ')} failed."
    figures = ", ".join(f"{name} = {sample.estimate:+.2f}" for name, sample in samples.items())
    meaning = (JITTER_MEANINGS if question.jitter else MEANINGS)[finding.verdict]
    few = "; few units carry it" if finding.verdict == "sensitive" and not question.jitter and _few(question, finding) else ""
    return (
        f"{place}, the code is {finding.verdict}: {meaning}{few} ({figures} of the decodable range; margin {finding.margin:g})."
    )


def _where(finding: HypothesisFinding) -> str:
    if len(finding.sessions) == 1:
        return "In this one recording"
    if finding.scope == "these recordings":
        return f"In these {len(finding.sessions)} recordings"
    return f"Across {finding.scope.split()[-1]}"


def _few(question: Question, finding: HypothesisFinding) -> bool:
    """Say whether few units are shown to carry the target: the upper bound of N_eff is below a quarter of the units."""
    units = [question.evidence.sessions[name].units for name in finding.sessions]
    bounds = [m.ci_high for m in finding.no_ssl.measures if m.name == "n_eff"]
    return bool(units and bounds) and bounds[0] is not None and bounds[0] < min(units) / 4


def notes(samples: dict[str, Sample], margin: float) -> tuple[str, ...]:
    """Return what a reader should know of the samples: skew, and the exact sign-flip test beside."""
    found = []
    skewed = [f"{name} {sample.skew():+.1f}" for name, sample in samples.items() if abs(sample.skew()) > 1]
    if skewed and samples["delta"].scope != "these recordings":
        found.append(f"sessions are skewed ({', '.join(skewed)}): `<= m` claims are less safe than their p values")
    flip = samples["delta"].sign_flip(margin)
    if not math.isnan(flip):
        least = 2.0 ** -len(samples["delta"].effects)
        found.append(f"exact sign-flip of delta <= m: p = {flip:.3g}, at least {least:.3g} possible")
    return tuple(found)
