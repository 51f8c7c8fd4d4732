"""Summaries of a study's findings: lines of text, a table, and notebook HTML.

In: the findings of all hypotheses. Out: text, a data frame or HTML. Nothing is inferred
here.
"""

from collections.abc import Iterator
from html import escape

import pandas as pd

from invariance_probe.inference.findings import Estimand, Findings, HypothesisFinding, Quantity
from invariance_probe.reporting.learning import ON_CORRUPTED
from invariance_probe.reporting.words import said_of

ENDS = {"": "estimate", "_low": "ci_low", "_high": "ci_high"}
"""Suffixes of a quantity's three columns, and the fields that fill them."""
QUANTITIES = (
    "C_code", "C_blind", "D", "H", "delta", "K_s", "K_n", "carriers", "redundancy",
)  # fmt: skip
"""Quantities that have columns in every table, measured or not."""
TEXTS = (
    "id", "kind", "claim", "predicts", "verdict", "outcome", "status", "flags", "group", "axis",
    "scope", "code", "carriers_word", "learning", "sentence",
)  # fmt: skip
"""Columns of `hypotheses_table` that hold text."""


def hypotheses_table(findings: Findings) -> pd.DataFrame:
    """Tabulate verdicts, estimates, intervals and p values by hypothesis.

    Parameters
    ----------
    findings
        The findings of all hypotheses.

    Returns
    -------
    DataFrame
        One row per hypothesis. The columns are `id`, `kind`, `claim`, `predicts`,
        `verdict`, `outcome`, `status`, `flags`, `group`, `axis`, `dose`, `margin`, `scope`,
        `n_sessions` and `n_seeds`; the findings `code` (such as `kept`), `carriers_word`
        (such as `few`) and `learning` (such as `free`), empty where there is no such
        finding; `p_value` and `p_value_adjusted`; and three columns per quantity, such as
        `D`, `D_low` and `D_high` (90 % interval).

        The quantities are `QUANTITIES`: the estimands at the primary dose, in units of the
        decodable range (C_code and C_blind: of R_code), and `K_s`, `K_n`, `carriers` and
        `redundancy` of the code. Estimands that only some studies have (of paired draws, of
        contrasts) follow in further columns. Text columns hold `str`, counts `Int64`, all
        others float; a missing number is NaN.
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
    """Return the text columns of one hypothesis, by name and in order."""
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
    """Return the numeric columns of one hypothesis, by name and in order."""
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
    """Yield a hypothesis's verdict, then the sentences that it rests on."""
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
    """Yield every verdict with its sentences, then the numbers of runs."""
    for finding in findings.hypotheses:
        yield from finding_lines(finding)
    counts = findings.runs
    yield (
        f"runs: {counts.done} done, {counts.failed} failed, {counts.collapsed} collapsed, "
        f"{counts.left_out} left out, {counts.missing} missing of {counts.planned}"
    )


def summary_html(name: str, question: str, findings: Findings) -> str:
    """Format the verdicts as an HTML table, for a notebook.

    Parameters
    ----------
    name, question
        Name and question of the study.
    findings
        The findings of all hypotheses.
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
