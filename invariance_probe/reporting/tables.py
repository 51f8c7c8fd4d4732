"""Tables of the report: the CSV files, and two tables that its pages show.

In: the content of report.json, and the losses of all runs. Nothing is inferred here.
"""

import importlib.util
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandas as pd

from invariance_probe.reporting.learning import ON_CORRUPTED
from invariance_probe.reporting.scores import scored_results


def write_tables(
    report: dict[str, Any], results: pd.DataFrame, folder: Path, sums: pd.DataFrame | None = None
) -> None:
    """Write all tables of a report as CSV files.

    Parameters
    ----------
    report
        The content of report.json.
    results
        Losses, one row per run and test block (`results.tables.tidy`). They are written
        with their scores to results.csv, and also to results.parquet if pyarrow is
        installed.
    folder
        An existing folder to write to.
    sums
        Held-out sums of errors behind the dropping curves (`results.tables.code_sums`);
        without them, dropping_curves.csv is not written.
    """
    if sums is not None and not sums.empty:
        sums.to_csv(folder / "dropping_curves.csv", index=False)
    results = scored_results(results, report["settings"]["target"]["kind"])
    results.to_csv(folder / "results.csv", index=False)
    if importlib.util.find_spec("pyarrow") is not None:
        results.to_parquet(folder / "results.parquet", engine="pyarrow", index=False)
    for name in ("estimands", "gates", "claims", "pairs"):
        rows = [
            {"hypothesis": h["id"], **_flat(row)} for h in report["hypotheses"] for row in h[name]
        ]
        if rows or name != "pairs":
            pd.DataFrame(rows).to_csv(folder / f"{name}.csv", index=False)
    for name, found in (
        ("recipes", _recipes(report)),
        ("named_units", _named_units(report)),
        ("code", map(_flat, report["code"])),
    ):
        if rows := list(found):
            pd.DataFrame(rows).to_csv(folder / f"{name}.csv", index=False)
    for name in ("baselines", "sessions", "lags", "curve"):
        pd.DataFrame(report[name]).to_csv(folder / f"{name}.csv", index=False)
    for name in ("matrix", "examined", "similarity", "classes", "switching"):
        if report[name]:
            pd.DataFrame(report[name]).to_csv(folder / f"{name}.csv", index=False)
    for name in ("messengers", "reliance"):
        points = [
            {**p, "units": " ".join(str(u["unit"]) for u in p["units"])} for p in report[name]
        ]
        if points:
            pd.json_normalize(points, sep="_").to_csv(folder / f"{name}.csv", index=False)
    if report["units"]:
        pd.json_normalize(report["units"], sep="_").to_csv(folder / "units.csv", index=False)


def _recipes(report: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Yield one row for each hypothesis and recipe.

    The estimands of the recipe are spread over columns such as `D_ci_low`.
    """
    for hypothesis in report["hypotheses"]:
        for recipe in hypothesis["learning"]["panel"]["recipes"] if hypothesis["learning"] else ():
            own = {
                key: value
                for key, value in recipe.items()
                if key not in ("D", "H", "delta", "gates")
            }
            ends = {
                f"{name}_{end}": recipe[name][end]
                for name in ("D", "H", "delta")
                if recipe[name] is not None
                for end in ("estimate", "ci_low", "ci_high")
            }
            yield {"hypothesis": hypothesis["id"], **own, **ends}


def _named_units(report: dict[str, Any]) -> Iterator[dict[str, Any]]:
    for hypothesis in report["hypotheses"]:
        yield from (
            {"hypothesis": hypothesis["id"], **unit}
            for unit in (hypothesis["code"] or {"units": ()})["units"]
        )


def _flat(row: dict[str, Any]) -> dict[str, Any]:
    """Copy a row, with its lists joined to text.

    The items of a list become `a; b`. Items that are lists themselves, such as units that
    are copies of each other, become `a = b`.
    """
    return {
        key: "; ".join(map(_joined, value)) if isinstance(value, list) else value
        for key, value in row.items()
    }


def _joined(value: Any) -> str:
    return " = ".join(value) if isinstance(value, list) else str(value)


def primary_rows(hypothesis: dict[str, Any]) -> list[dict[str, Any]]:
    """Select a hypothesis's estimands at its primary dose, with their claims.

    Each estimand gains two entries: `at_most`, the claim that it is at most the margin m,
    and `more`, the claim that it is more than m; None where a claim is not made. Losses on
    corrupted inputs are left out, because they have a table of their own.
    """
    claims = {claim["name"]: claim for claim in hypothesis["claims"]}
    return [
        {**e, "at_most": claims.get(f"{e['name']} <= m"), "more": claims.get(f"{e['name']} > m")}
        for e in hypothesis["estimands"]
        if e["dose"] == hypothesis["primary_dose"] and e["name"] not in ON_CORRUPTED
    ]


def baseline_table(report: dict[str, Any]) -> tuple[list[str], dict[str, dict[str, float]]]:
    """Collect the fraction of the decodable range that each baseline keeps.

    The best constant is left out, because it keeps nothing by definition.

    Parameters
    ----------
    report
        The content of report.json.

    Returns
    -------
    names
        Names of the baselines, in the order of the report.
    kept
        Fraction kept by session, then by baseline; 1 is the whole decodable range.
    """
    kept: dict[str, dict[str, float]] = {}
    for baseline in report["baselines"]:
        if baseline["name"] != "floor":  # keeps nothing by definition
            kept.setdefault(baseline["session"], {})[baseline["name"]] = baseline["retention"]
    return list(dict.fromkeys(name for values in kept.values() for name in values)), kept
