"""Exploratory properties of a code, pooled over the sessions of a hypothesis.

In: what decoders without SSL show about each session. Out: the effective number of
units that carry the target (N_eff), the redundancy index (RedIdx) and the time constant
of the code (tau), each with a 90 % interval, and short texts about them. They enter no
verdict.
"""

import math
from collections.abc import Sequence

import numpy as np
from scipy import stats

from invariance_probe.inference.evidence.points import SessionFinding
from invariance_probe.inference.findings import CodeMeasure
from invariance_probe.inference.rules.interim_analyses import ALPHA
from invariance_probe.inference.rules.intervals import p_in_words
from invariance_probe.study.session import POPULATION

LOGARITHMIC = {"n_eff": True, "red_idx": False, "tau_s": True}
"""The measures by field name, and whether each is averaged as a logarithm."""


def code_measures(sessions: Sequence[SessionFinding]) -> tuple[CodeMeasure, ...]:
    """Pool each measure that is known in every session.

    Parameters
    ----------
    sessions
        What decoders without SSL show about each session of the hypothesis.

    Returns
    -------
    measures
        Mean of each measure, with a 90 % interval if there are four sessions or more.
        If they are of several subjects, sessions are averaged within subjects first,
        and four subjects are needed.
    """
    found = []
    for name, logarithmic in LOGARITHMIC.items():
        values = [getattr(session, name) for session in sessions]
        if values and all(
            value is not None and math.isfinite(value) and (value > 0 or not logarithmic)
            for value in values
        ):
            found.append(
                _pooled(
                    name, np.array(values), [session.subject for session in sessions], logarithmic
                )
            )
    return tuple(found)


def _pooled(name: str, values: np.ndarray, subjects: list[str], logarithmic: bool) -> CodeMeasure:
    """Average one measure and compute its 90 % interval.

    Parameters
    ----------
    name
        Field name of the measure.
    values
        Its value in each session (session,).
    subjects
        Subject of each session.
    logarithmic
        Whether logarithms are averaged.
    """
    scaled = np.log(values) if logarithmic else values
    several = sorted(set(subjects))
    units = (
        scaled
        if len(several) == 1
        else np.array([scaled[[s == one for s in subjects]].mean() for one in several])
    )
    back = np.exp if logarithmic else float
    if len(units) < POPULATION:
        return CodeMeasure(name, float(back(scaled.mean())), None, None, None, len(values))
    error = units.std(ddof=1) / math.sqrt(len(units))
    half = stats.t.ppf(1 - ALPHA, len(units) - 1) * error
    p_value = (
        float(stats.t.sf(units.mean() / error, len(units) - 1))
        if name == "red_idx" and error > 0
        else None
    )
    return CodeMeasure(
        name,
        float(back(units.mean())),
        float(back(units.mean() - half)),
        float(back(units.mean() + half)),
        p_value,
        len(values),
    )


def in_words(measure: CodeMeasure) -> str:
    """Format a measure and its interval, such as `tau = 0.2 s [0.1, 0.3]`."""
    said = {"n_eff": "N_eff", "red_idx": "RedIdx", "tau_s": "tau"}[measure.name]
    unit = " s" if measure.name == "tau_s" else ""
    digits = ".2f" if measure.name == "red_idx" else ".3g"
    text = f"{said} = {measure.estimate:{digits}}{unit}"
    if measure.ci_low is None or measure.ci_high is None:
        return text
    p = f", > 0: {p_in_words(measure.p_value)}" if measure.p_value is not None else ""
    return f"{text} [{measure.ci_low:{digits}}, {measure.ci_high:{digits}}]{p}"
