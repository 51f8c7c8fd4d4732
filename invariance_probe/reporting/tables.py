"""The report's tables: what a page shows of them, and all of them as tidy CSV files."""

import importlib.util
from pathlib import Path
from typing import Any

import pandas as pd


def write_tables(report: dict[str, Any], results: pd.DataFrame, folder: Path) -> None:
    """Write results.csv, and estimands, gates, claims, distant pairs, baselines, sessions, lags, curve and what was examined as CSV.

    Where pyarrow is installed, the results, which may be millions of rows, are written as results.parquet too.
    """
    results.to_csv(folder / "results.csv", index=False)
    if importlib.util.find_spec("pyarrow") is not None:
        results.to_parquet(folder / "results.parquet", engine="pyarrow", index=False)
    for name in ("estimands", "gates", "claims", "pairs"):
        rows = [{"hypothesis": h["id"], **row} for h in report["hypotheses"] for row in h[name]]
        if rows or name != "pairs":
            pd.DataFrame(rows).to_csv(folder / f"{name}.csv", index=False)
    for name in ("baselines", "sessions", "lags", "curve"):
        pd.DataFrame(report[name]).to_csv(folder / f"{name}.csv", index=False)
    for name in ("matrix", "examined", "similarity", "classes", "switching"):
        if report[name]:
            pd.DataFrame(report[name]).to_csv(folder / f"{name}.csv", index=False)
    for name in ("messengers", "reliance"):
        points = [{**p, "units": " ".join(str(u["unit"]) for u in p["units"])} for p in report[name]]
        if points:
            pd.json_normalize(points, sep="_").to_csv(folder / f"{name}.csv", index=False)
    if report["units"]:
        pd.json_normalize(report["units"], sep="_").to_csv(folder / "units.csv", index=False)


def primary_rows(hypothesis: dict[str, Any]) -> list[dict[str, Any]]:
    """Return a hypothesis's estimands at its primary dose, each with its two claims; None where none is made."""
    claims = {claim["name"]: claim for claim in hypothesis["claims"]}
    return [
        {**e, "at_most": claims.get(f"{e['name']} <= m"), "more": claims.get(f"{e['name']} > m")}
        for e in hypothesis["estimands"]
        if e["dose"] == hypothesis["primary_dose"]
    ]


def baseline_table(report: dict[str, Any]) -> tuple[list[str], dict[str, dict[str, float]]]:
    """Return the baselines' names, and what each keeps of the decodable range by session."""
    kept: dict[str, dict[str, float]] = {}
    for baseline in report["baselines"]:
        if baseline["name"] != "floor":  # keeps nothing by definition
            kept.setdefault(baseline["session"], {})[baseline["name"]] = baseline["retention"]
    return list(dict.fromkeys(name for values in kept.values() for name in values)), kept
