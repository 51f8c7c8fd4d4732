"""A finding in words that do not outrun its evidence."""

import math

from invariance_probe.inference.findings import HypothesisFinding
from invariance_probe.inference.intervals import Sample
from invariance_probe.inference.looks import Look
from invariance_probe.inference.question import Question
from invariance_probe.inference.verdicts import JITTER_MEANINGS, MEANINGS, UNCALIBRATED

DOSES = {
    "unit_dropout.rate": "with {percent:g} % of the units dropped",
    "spike_thinning.rate": "with {percent:g} % of the spikes deleted",
    "gaussian_noise.sigma": "with noise of {dose:g} SD added",
    "stratified_dropout.rate": "with {percent:g} % of the units of every rate dropped",
    "gain_modulation.sigma": "with a random gain of {dose:g} SD of its logarithm",
    "progressive_unit_loss.rate": "with up to {percent:g} % of the units lost in one order",
    "unit_permutation.rate": "with {percent:g} % of the units exchanged with neighbours",
    "waveform_drift.mix": "with {percent:g} % of each unit's activity given to its neighbour",
    "pepper.rate": "with a constant added to {percent:g} % of the values",
    "time_cutout.fraction": "with a block of {percent:g} % of a window's bins lost",
    "unit_cutout.fraction": "with a block of {percent:g} % of the units lost",
    "cutmix.fraction": "with a block of {percent:g} % of the view from another window",
    "time_jitter.window_s": "with windows {apart} made alike",
    "state.share": "with {percent:g} % of the pairs of a waking window and one of mined sleep",
    "mined.share": "with {percent:g} % of the pairs mined across time",
}
"""A dose in plain words, by the path that is swept."""


def sentence(question: Question, finding: HypothesisFinding, samples: dict[str, Sample]) -> str:
    """Return the verdict as one sentence: where it holds, at which dose, what was shown, with the figures."""
    place = f"{where(finding)}, {at_dose(question)}"
    if finding.verdict == UNCALIBRATED:
        return no_licence(question, place)
    if finding.verdict.startswith("invalid"):
        return why_invalid(finding, place)
    figures = ", ".join(f"{name} = {_signed(sample.estimate)}" for name, sample in samples.items())
    meaning = (JITTER_MEANINGS if question.jitter else MEANINGS)[finding.verdict]
    few = (
        "; few units carry it" if finding.verdict == "sensitive" and not question.jitter and few_units(question, finding) else ""
    )
    said = "the code is" if finding.verdict in ("invariant", "recoverable", "sensitive") else "the verdict is"
    return f"{place}, {said} {finding.verdict}: {meaning}{few} ({figures} of the decodable range; margin {finding.margin:g})."


def no_licence(question: Question, place: str) -> str:
    """Say that the method carries no verdict, as one sentence."""
    method = question.plan.study.method.kind
    return f"{place}, no verdict: {method} at these settings has not passed the calibration; estimates only."


def why_invalid(finding: HypothesisFinding, place: str) -> str:
    """Say which gates took the verdict away, as one sentence."""
    blocking = finding.verdict.removeprefix("invalid: ").split(", ")
    details = "; ".join(f"{gate.name} ({gate.detail})" for gate in finding.gates if gate.name in blocking)
    return f"{place}, no verdict: the gate{'s' if len(blocking) > 1 else ''} {details} failed."


def at_look(look: Look, enough: bool) -> str:
    """Return where a hypothesis stopped, and at which level its claims were judged there, as one sentence."""
    seeds = look.planned[-1]
    where = f"look {look.number} of {len(look.planned)}"
    spending = {"obrien_fleming": "O'Brien-Fleming", "pocock": "Pocock"}[look.spending]
    if not enough:
        earlier = " and ".join(f"{count}" for count in look.planned[:-1])
        said = f"not settled after {earlier} seeds, so all {seeds} were looked at ({where})"
    else:
        said = f"settled at {where}, after {look.seeds} of {seeds} seeds"
    return (
        f"Seeds were adaptive: {said}. Every claim was judged there at a nominal {look.level:.4f} ({spending} spending), so that all looks "
        "together keep .05; p values are repeated p values, and intervals are as wide."
    )


def _signed(value: float) -> str:
    """Write two decimals and a sign, but no sign before nothing."""
    return "0" if round(value, 2) == 0 else f"{value:+.2f}"


def no_verdict(question: Question, word: str, reason: str) -> str:
    """Return why there is no verdict, as one sentence."""
    place = at_dose(question)
    return f"{place[0].upper()}{place[1:]}, there is no verdict ({word}): {reason}."


def at_dose(question: Question) -> str:
    """Return the primary dose in plain words."""
    axis, dose = question.hypothesis.axis, question.hypothesis.dose
    return DOSES.get(axis, f"at {axis} = {dose:g}").format(dose=dose, percent=100 * dose, apart=apart(question))


def apart(question: Question) -> str:
    """Return how far apart the paired windows of a jitter are."""
    exactly = question.plan.study.views.jitter.shape == "annulus"
    return f"{'about' if exactly else 'up to'} {question.hypothesis.dose:g} s apart"


def where(finding: HypothesisFinding) -> str:
    """Return where a finding holds, in plain words."""
    if len(finding.sessions) == 1:
        return "In this one recording"
    if finding.scope == "these recordings":
        return f"In these {len(finding.sessions)} recordings"
    return f"Across {finding.scope.split()[-1]}"


def few_units(question: Question, finding: HypothesisFinding) -> bool:
    """Say whether few units are shown to carry the target: the upper bound of N_eff is below a quarter of the units."""
    upper, quarter = carriers(question, finding)
    return upper is not None and upper < quarter


def carriers(question: Question, finding: HypothesisFinding) -> tuple[float | None, float]:
    """Return the upper bound of N_eff over the sessions, None where there is none, and a quarter of the fewest units."""
    units = [question.evidence.sessions[name].units for name in finding.sessions]
    bounds = [m.ci_high for m in finding.no_ssl.measures if m.name == "n_eff"]
    return (bounds[0] if bounds else None), min(units, default=0) / 4


def notes(samples: dict[str, Sample], margin: float) -> tuple[str, ...]:
    """Return what a reader should know of the samples: skew, and the exact sign-flip test beside."""
    found = []
    skewed = [f"{name} {sample.skew():+.1f}" for name, sample in samples.items() if abs(sample.skew()) > 1]
    if skewed and samples["delta"].scope != "these recordings":
        found.append(f"sessions are skewed ({', '.join(skewed)}): `<= m` claims are less safe than their p values")
    flip = samples["delta"].sign_flip(margin)
    if not math.isnan(flip):
        least = 2.0 ** -len(samples["delta"].effects)
        alone = "" if samples["delta"].look is None else ", for this look alone"
        found.append(f"exact sign-flip of delta <= m: p = {flip:.3g}, at least {least:.3g} possible{alone}")
    return tuple(found)
