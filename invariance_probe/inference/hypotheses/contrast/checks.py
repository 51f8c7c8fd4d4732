"""Two checks of a contrast: other seeds at share 0, and a third of the data.

In: samples of the contrast, and the verdict that it would reach. Out: gates. `noise`
fails where two sets of seeds are shown to differ, and the verdict is then invalid.
`third` fails where it shows the opposite sign, and the verdict is then `not shown`.
"""

from collections.abc import Sequence

from invariance_probe.inference.findings import LEARNING, Gate
from invariance_probe.inference.hypotheses.question import Question
from invariance_probe.inference.rules.interim_analyses import ALPHA
from invariance_probe.inference.rules.intervals import Sample, p_in_words
from invariance_probe.plan.settings import A_THIRD, Setting, a_third_of

ALARM = 0.01
"""Two-sided level at which two sets of seeds are shown to differ.

A contrast's margin may be 0, and then any difference counts. At .05 one sound study in
twenty would be lost; at .01 it is one in a hundred.
"""


def noise(contrast: Sample, margin: float) -> Gate:
    """Check that share 0 under other seeds differs by no more than the margin.

    It fails where a difference is shown at `ALARM`.

    Parameters
    ----------
    contrast
        Share 0 with other seeds minus share 0.
    margin
        The hypothesis's margin, in units of R.
    """
    if not contrast.complete:
        return Gate("noise", "not computed", (LEARNING,), "there is no second set of seeds")
    p = 2 * min(contrast.p_more_than(margin), contrast.p_at_most(-margin))
    said = "shown different" if p <= ALARM else "not shown different"
    detail = (
        f"share 0 with other seeds: {contrast.estimate:+.3f}, {said} ({p_in_words(min(p, 1.0))})"
    )
    return Gate("noise", "passed" if p > ALARM else "failed", (LEARNING,), detail)


def third(question: Question, verdict: str, names: Sequence[str]) -> Gate:
    """Check a verdict with a third of the training windows.

    Parameters
    ----------
    question
        The hypothesis with its evidence.
    verdict
        The word that the contrasts show: `beneficial`, `harmful` or `not shown`.
    names
        The contrasts against its controls.
    """
    if question.plan.study.quick:
        return Gate(
            A_THIRD, "not computed", ("beneficial", "harmful"), "left out: the study is quick"
        )
    setting = a_third_of(question.plan.settings[0])
    return _again(
        A_THIRD, "with a third of the training windows", question, setting, verdict, names
    )


def _again(
    name: str, where: str, question: Question, setting: Setting, verdict: str, names: Sequence[str]
) -> Gate:
    """Check whether a setting shows the contrary of a verdict.

    A benefit is contradicted where pairs are shown worse than any control. Harm is
    contradicted where pairs are shown better than local ones.
    """
    samples = {own: question.sample(own, None, setting.label, setting.fraction) for own in names}
    if not all(sample.complete for sample in samples.values()):
        return Gate(name, "not computed", ("beneficial", "harmful"), f"{where}: runs are missing")
    figures = ", ".join(f"{own} = {sample.estimate:+.2f}" for own, sample in samples.items())
    turned = []
    if verdict == "beneficial":
        turned = [
            f"{own} < -m"
            for own, sample in samples.items()
            if sample.p_at_most(-question.margin) <= ALPHA
        ]
    if verdict == "harmful":
        turned = ["M_loc > m"] if samples["M_loc"].p_more_than(question.margin) <= ALPHA else []
    detail = f"{where}: {figures}" + (f"; {', '.join(turned)} is shown" if turned else "")
    return Gate(name, "failed" if turned else "passed", ("beneficial", "harmful"), detail)
