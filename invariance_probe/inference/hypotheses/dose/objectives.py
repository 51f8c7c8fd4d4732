"""Whether the finding of learning depends on the SSL objective.

In: one hypothesis with its evidence. Out: the finding (`free`, `costly` or `undecided`)
under the study's own SSL method and under every other method that the study sweeps, and
whether they agree. No verdict depends on it.
"""

import numpy as np

from invariance_probe.inference.evidence.estimands import at
from invariance_probe.inference.findings import Objective, Objectives
from invariance_probe.inference.hypotheses import gates
from invariance_probe.inference.hypotheses.dose.learning import ARMED, recipe_claims
from invariance_probe.inference.hypotheses.evidence import HypothesisEvidence
from invariance_probe.inference.rules.interim_analyses import ALPHA
from invariance_probe.inference.rules.verdicts import COSTLY, FREE, decide, together
from invariance_probe.plan.licences import unlicensed
from invariance_probe.plan.recipes import use_of
from invariance_probe.plan.settings import Setting

METHOD = "method"
"""Path of the sweep in which a study declares other SSL methods."""
OPEN = "undecided"
"""Finding of a method under which neither `free` nor `costly` is shown."""


def objectives(evidence: HypothesisEvidence) -> Objectives | None:
    """Compare the finding under the study's own method and every swept method.

    Returns
    -------
    Objectives or None
        None if no method is swept.
    """
    own, *swept = evidence.plan.settings
    others = [setting for setting in swept if setting.path == METHOD]
    if not others:
        return None
    noise_is_equivalent = gates.equivalent_noise(evidence.noise(), evidence.margin)
    rows = [_objective(evidence, own, _finding(evidence, own, noise_is_equivalent))]
    rows += [
        _objective(evidence, setting, _finding(evidence, setting, noise_is_equivalent))
        for setting in others
    ]
    return Objectives(_sentence(rows), tuple(rows))


def _finding(
    evidence: HypothesisEvidence, setting: Setting, noise_is_equivalent: bool
) -> str | None:
    """Return the finding under one method: `free`, `costly` or `undecided`.

    None if runs are missing. A jitter is judged by training on all windows only, not on
    a third of them.

    Parameters
    ----------
    evidence
        The hypothesis with its evidence.
    setting
        The study's own setting, or one in which another method is swept.
    noise_is_equivalent
        Whether the A/A control allows claims that a cost is at most the margin.
    """
    samples = {
        name: evidence.sample(name, None, setting.label, setting.fraction)
        for name in (("delta",) if evidence.jitter else ARMED)
    }
    if not all(sample.complete for sample in samples.values()):
        return None
    claims = recipe_claims(samples, evidence.margin, noise_is_equivalent)
    free, costly = (("delta <= m",), ("delta > m",)) if evidence.jitter else (FREE, COSTLY)
    return decide({"free": together(claims, free), "costly": together(claims, costly)}, ALPHA, OPEN)


def _objective(evidence: HypothesisEvidence, setting: Setting, word: str | None) -> Objective:
    """Build the report's entry for one method, with its finding and estimates."""
    hypothesis = evidence.hypothesis
    clean = at("", 0.0, "none", setting.label, setting.fraction)
    shared = at(hypothesis.axis, hypothesis.dose, "shared", setting.label, setting.fraction)
    arms = (clean,) if evidence.jitter else (clean, shared)
    kept = [
        max((x.retention(losses) for arm in arms if (losses := x.ssl(arm)).size), default=np.nan)
        for x in evidence.losses
    ]
    found = {name: evidence.sample(name, None, setting.label, setting.fraction) for name in ARMED}
    estimates = {name: sample.estimate for name, sample in found.items() if sample.complete}
    label = setting.label.removeprefix(f"{METHOD}=") or setting.method.kind
    retention = float(np.median(kept)) if kept and np.isfinite(kept).all() else None
    use = use_of(evidence.plan.study, hypothesis, len(evidence.names))
    return Objective(
        label, word, not unlicensed(setting.method, setting.optimisation, use), retention,
        estimates.get("delta"), estimates.get("D"), estimates.get("H"),
    )  # fmt: skip


def _sentence(rows: list[Objective]) -> str:
    """Write whether the methods that keep half of the decodable range agree."""
    able = [
        row
        for row in rows
        if row.word is not None and row.retention is not None and row.retention >= gates.RETAINED
    ]
    words = list(dict.fromkeys(row.word for row in able if row.word is not None))
    definite = [word for word in words if word != OPEN]
    by_word = "; ".join(
        f"{word} by {_listed(row.method for row in able if row.word == word)}" for word in words
    )
    if len(able) < 2:
        said = (
            "Fewer than two objectives keep half of the range and have all their runs, so "
            "this cannot be told."
        )
    elif len(words) == 1:
        said = f"The finding does not depend on the objective: {by_word}."
    elif len(definite) > 1:
        said = (
            f"The finding depends on the objective: {by_word}. No claim about learning may "
            f"rest on one of them alone."
        )
    else:
        said = f"No objective contradicts another, but not all can tell: {by_word}."
    unable = [row.method for row in rows if row not in able]
    free = [row.method for row in able if not row.licensed]
    said += (
        (
            f" Without a say, since they keep less than half of the range or lack runs: "
            f"{_listed(unable)}."
        )
        if unable
        else ""
    )
    said += (
        (
            f" Not licensed by the calibration, so that what they find is a description: "
            f"{_listed(free)}."
        )
        if free
        else ""
    )
    return said


def _listed(names: object) -> str:
    """Join names with commas."""
    return ", ".join(names)  # type: ignore[arg-type]
