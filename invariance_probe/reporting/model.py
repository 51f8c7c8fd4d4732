"""The content of report.json, from which pages, tables and figures are made.

In: a plan and its findings. Out: plain data. Nothing is written to disk here.
"""

import math
from dataclasses import asdict
from typing import Any

from invariance_probe.inference.findings import Findings
from invariance_probe.plan.cautions import cautions
from invariance_probe.plan.plan import Plan
from invariance_probe.reporting.scores import with_scores

SCHEMA_VERSION = 2
"""Version of the schema of report.json.

Version 2 adds `code`, `learning` and `dropping`, renames `C_info` to `C_blind` and the
verdict `recoverable` to `tolerated`, and drops `ssl_adds`. `no_ssl` is kept for this
version only.
"""


def report_model(plan: Plan, findings: Findings, provenance: dict[str, Any]) -> dict[str, Any]:
    """Assemble the content of report.json as plain data.

    Numbers that are not finite become None, which JSON writes as null.

    Parameters
    ----------
    plan
        The study with its sessions, runs and recipes.
    findings
        The verdicts, with the estimates and measurements behind them.
    provenance
        Versions, device and times. Only this part depends on time and machine; all else
        is a function of the study and its results.

    Returns
    -------
    report
        Plain data for JSON.
    """
    study = plan.study
    content = {
        "schema_version": SCHEMA_VERSION,
        "study": {"name": study.name, "question": study.question, "sha256": study.sha256()},
        "registration": {
            "sha256": findings.standing.sha256,
            "status": findings.standing.status,
            "deviations": [
                f"{about}: {text}" if about else text
                for about, text in findings.standing.deviations
            ],
        },
        "hypotheses": [finding.to_json() for finding in findings.hypotheses],
        "baselines": [asdict(baseline) for baseline in findings.baselines],
        "sessions": [asdict(session) for session in findings.sessions],
        "recordings": [
            {"session": session.name, "notes": list(session.notes)} for session in plan.sessions
        ],
        "nulls": [asdict(null) for null in findings.nulls],
        "cautions": [reason for _, _, reason in cautions(plan)],
        "code": [asdict(point) for point in findings.code],
        "dropping": [asdict(point) for point in findings.dropping],
        "lags": [asdict(point) for point in findings.lags],
        "curve": [asdict(point) for point in findings.curve],
        "matrix": [asdict(point) for point in findings.matrix],
        "examined": [asdict(point) for point in findings.examined],
        "similarity": [asdict(point) for point in findings.similarity],
        "classes": [asdict(point) for point in findings.classes],
        "messengers": [asdict(point) for point in findings.messengers],
        "switching": [asdict(point) for point in findings.switching],
        "units": [asdict(score) for score in findings.units],
        "reliance": [asdict(point) for point in findings.reliance],
        "measured": [asdict(point) for point in findings.measured],
        "runs": asdict(findings.runs),
        "notes": list(findings.notes),
        "settings": study.model_dump(mode="json"),
        "provenance": provenance,
    }
    content["baselines"] = with_scores(content)
    return finite(content)


def finite(value: Any) -> Any:
    """Copy plain data, with None for numbers that are not finite (JSON has none)."""
    if isinstance(value, dict):
        return {key: finite(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [finite(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
