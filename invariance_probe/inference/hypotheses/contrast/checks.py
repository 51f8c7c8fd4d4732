"""Two checks of a contrast: other random seeds, and a third of the data.

A contrast compares training on distant pairs of windows with controls, at one share of
distant pairs. In: its samples, and the verdict that they would give. Out: two gates.
The gate `noise` fails if models trained with other seeds at share 0 are shown to decode
differently, and the verdict is then invalid. The other gate fails if training on a
third of the windows shows an effect of the opposite sign, and the verdict is then
`not shown`.
"""

from collections.abc import Sequence

from invariance_probe.inference.findings import LEARNING, Gate
from invariance_probe.inference.hypotheses.evidence import HypothesisEvidence
from invariance_probe.inference.rules.interim_analyses import ALPHA
from invariance_probe.inference.rules.intervals import Sample, p_in_words
from invariance_probe.plan.settings import A_THIRD, Setting, a_third_of

ALARM = 0.01
"""Two-sided level at which two sets of seeds are shown to differ.

The margin of a contrast may be 0, so that any true difference counts. At level .05, one
sound study in twenty would be lost; at .01 it is one in a hundred.
"""


def noise(contrast: Sample, margin: float) -> Gate:
    """Check that share 0 with other seeds differs by no more than the margin.

    The gate fails if a difference is shown at level `ALARM`.

    Parameters
    ----------
    contrast
        Loss at share 0 with other seeds minus that with the study's own.
    margin
        The margin of the hypothesis, in units of the decodable range R.
    """
    if not contrast.complete:
        return Gate("noise", "not computed", (LEARNING,), "there is no second set of seeds")
    p = 2 * min(contrast.p_more_than(margin), contrast.p_at_most(-margin))
    said = "shown different" if p <= ALARM else "not shown different"
    detail = (
        f"share 0 with other seeds: {contrast.estimate:+.3f}, {said} ({p_in_words(min(p, 1.0))})"
    )
    return Gate("noise", "passed" if p > ALARM else "failed", (LEARNING,), detail)


def third(evidence: HypothesisEvidence, verdict: str, names: Sequence[str]) -> Gate:
    """Check that training on a third of the windows does not reverse the verdict.

    Parameters
    ----------
    evidence
        The hypothesis with its evidence.
    verdict
        What the contrasts show: `beneficial`, `harmful` or `not shown`.
    names
        Names of the contrasts with the controls, such as `M_loc` (local pairs).
    """
    if evidence.plan.study.quick:
        return Gate(
            A_THIRD, "not computed", ("beneficial", "harmful"), "left out: the study is quick"
        )
    setting = a_third_of(evidence.plan.settings[0])
    return _again(
        A_THIRD, "with a third of the training windows", evidence, setting, verdict, names
    )


def _again(
    name: str,
    where: str,
    evidence: HypothesisEvidence,
    setting: Setting,
    verdict: str,
    names: Sequence[str],
) -> Gate:
    """Check that another setting does not show the opposite of a verdict.

    A benefit is contradicted if the pairs are shown to be worse than those of any
    control. Harm is contradicted if they are shown to be better than local pairs.

    Parameters
    ----------
    name
        Name of the gate.
    where
        The setting in words.
    evidence
        The hypothesis with its evidence.
    setting
        The setting, such as training on a third of the windows.
    verdict
        `beneficial`, `harmful` or `not shown`.
    names
        Names of the contrasts with the controls.
    """
    samples = {own: evidence.sample(own, None, setting.label, setting.fraction) for own in names}
    if not all(sample.complete for sample in samples.values()):
        return Gate(name, "not computed", ("beneficial", "harmful"), f"{where}: runs are missing")
    figures = ", ".join(f"{own} = {sample.estimate:+.2f}" for own, sample in samples.items())
    turned = []
    if verdict == "beneficial":
        turned = [
            f"{own} < -m"
            for own, sample in samples.items()
            if sample.p_at_most(-evidence.margin) <= ALPHA
        ]
    if verdict == "harmful":
        turned = ["M_loc > m"] if samples["M_loc"].p_more_than(evidence.margin) <= ALPHA else []
    detail = f"{where}: {figures}" + (f"; {', '.join(turned)} is shown" if turned else "")
    return Gate(name, "failed" if turned else "passed", ("beneficial", "harmful"), detail)
