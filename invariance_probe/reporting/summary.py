"""A study's findings in brief: as lines, as a table, and as HTML for a notebook.

In: findings. Out: text, a data frame, HTML. Nothing is inferred here.
"""

from collections.abc import Iterator
from html import escape

import pandas as pd

from invariance_probe.inference.findings import Estimand, Findings, HypothesisFinding, Quantity
from invariance_probe.reporting.learning import ON_CORRUPTED
from invariance_probe.reporting.words import said_of

ENDS = {"": "estimate", "_low": "ci_low", "_high": "ci_high"}
"""Of each quantity: the ends of its columns' names, and the fields that they show."""
QUANTITIES = (
    "C_code", "C_blind", "D", "H", "delta", "K_s", "K_n", "carriers", "redundancy",
)  # fmt: skip
"""Quantities of which every table has columns."""
TEXTS = (
    "id", "kind", "claim", "predicts", "verdict", "outcome", "status", "flags", "group", "axis",
    "scope", "code", "carriers_word", "learning", "sentence",
)  # fmt: skip
"""Columns of `hypotheses_table` that hold text."""


def hypotheses_table(findings: Findings) -> pd.DataFrame:
    """One row per hypothesis: its words, estimates, intervals and p values.

    Parameters
    ----------
    findings
        What was inferred.

    Returns
    -------
    DataFrame
        `id`, `kind`, `claim`, `predicts`, `verdict`, `outcome`, `status`, `flags`,
        `group`, `axis`, `dose`, `margin`, `scope`, `n_sessions` and `n_seeds`; the words
        `code`, `carriers_word` and `learning`, empty where there is no such finding;
        `p_value` and `p_value_adjusted`; then three columns per quantity, as `D`,
        `D_low` and `D_high` (90 % interval). Quantities are `QUANTITIES`: the estimands at
        the primary dose, in units of the decodable range (C_code and C_blind: of R_code),
        and `K_s`, `K_n`, `carriers` and `redundancy` of the code. Estimands that not
        every study has (of paired draws, of contrasts) have columns after these. Text
        columns hold `str`, counts `Int64`, all others float; a missing number is NaN.
    """
    rows = [{**_words(finding), **_numbers(finding)} for finding in findings.hypotheses]
    table = pd.DataFrame(rows)
    numbers = {
        name: "Int64" if name in ("n_sessions", "n_seeds") else float
        for name in table.columns
        if name not in TEXTS
    }
    return table.astype({**dict.fromkeys(TEXTS, "str"), **numbers})


def _words(finding: HypothesisFinding) -> dict[str, str]:
    """The columns of text of a hypothesis, in order."""
    found = {name: getattr(finding, name) for name in ("id", "kind", "claim", "predicts")}
    code, learning = finding.code, finding.learning
    return found | {
        "verdict": finding.verdict.text,
        "outcome": finding.outcome,
        "status": finding.status,
        "flags": "; ".join(finding.flags),
        "group": finding.group,
        "axis": finding.axis,
        "scope": finding.scope,
        "code": "" if code is None else code.finding,
        "carriers_word": "" if code is None else code.carriers_word,
        "learning": "" if learning is None else learning.finding,
        "sentence": finding.sentence,
    }


def _numbers(finding: HypothesisFinding) -> dict[str, float | None]:
    """The columns of numbers of a hypothesis, in order."""
    primary = [
        estimand
        for estimand in finding.estimands
        if estimand.dose == finding.primary_dose and estimand.name not in ON_CORRUPTED
    ]
    quantities: dict[str, Estimand | Quantity | None] = dict.fromkeys(QUANTITIES)
    quantities |= {one.name: one for one in primary}
    if finding.code is not None:
        quantities |= {
            "K_s": finding.code.K_s,
            "K_n": finding.code.K_n,
            "carriers": finding.code.carriers,
            "redundancy": finding.code.redundancy,
        }
    return {
        "dose": finding.primary_dose,
        "margin": finding.margin,
        "n_sessions": len(finding.sessions),
        "n_seeds": max((estimand.n_seeds for estimand in primary), default=None),
        "p_value": finding.p_value,
        "p_value_adjusted": finding.p_value_adjusted,
    } | {
        f"{name}{end}": None if one is None else getattr(one, field)
        for name, one in quantities.items()
        for end, field in ENDS.items()
    }


def finding_lines(finding: HypothesisFinding) -> Iterator[str]:
    """A hypothesis's verdict, and beneath it the sentences that it rests on."""
    flags = f" [{', '.join(finding.flags)}]" if finding.flags else ""
    yield (
        f"{finding.id}: {finding.verdict.text}{flags} "
        f"(predicted {finding.predicts}: {said_of(finding.outcome)})"
    )
    yield f"    {finding.sentence}"
    if finding.code is not None and finding.code.sentence:
        yield f"    the code: {finding.code.sentence}"
    if finding.learning is not None and finding.learning.sentence:
        yield f"    learning: {finding.learning.sentence}"
    if finding.look is not None:
        yield f"    {finding.look.sentence}"
    if finding.kind in ("invariance", "jitter"):
        yield f"    the naive rule says: {finding.naive.says}"
    if "regularised" in finding.flags:
        yield (
            "    regularised: in some arm the corruption lowered the loss by more than the margin; "
            "that is no invariance"
        )


def summary_lines(findings: Findings) -> Iterator[str]:
    """Every verdict with its sentences, then how many runs they rest on."""
    for finding in findings.hypotheses:
        yield from finding_lines(finding)
    counts = findings.runs
    yield (
        f"runs: {counts.done} done, {counts.failed} failed, {counts.collapsed} collapsed, "
        f"{counts.left_out} left out, {counts.missing} missing of {counts.planned}"
    )


def summary_html(name: str, question: str, findings: Findings) -> str:
    """The verdicts as a table of HTML, for a notebook.

    Parameters
    ----------
    name, question
        Those of the study.
    findings
        What was inferred.
    """
    head = "".join(f"<th>{title}</th>" for title in ("hypothesis", "predicted", "verdict", ""))
    rows = "".join(
        f"<tr><td>{escape(one.id)}</td><td>{escape(one.predicts)}</td>"
        f"<td><b>{escape(one.verdict.text)}</b></td>"
        f'<td style="text-align: left">{escape(one.sentence)}</td></tr>'
        for one in findings.hypotheses
    )
    runs = escape(list(summary_lines(findings))[-1])
    return (
        f"<div><p><b>{escape(name)}</b>: {escape(question)}</p>"
        f"<table><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table><p>{runs}</p></div>"
    )
