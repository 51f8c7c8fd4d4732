"""The report's tables as tidy CSV files."""

from pathlib import Path
from typing import Any

import pandas as pd


def write_tables(report: dict[str, Any], results: pd.DataFrame, folder: Path) -> None:
    """Write results.csv, estimands.csv, gates.csv, claims.csv and baselines.csv, and a file for each way encoders were examined."""
    results.to_csv(folder / "results.csv", index=False)
    for name in ("estimands", "gates", "claims"):
        rows = [{"hypothesis": h["id"], **row} for h in report["hypotheses"] for row in h[name]]
        pd.DataFrame(rows).to_csv(folder / f"{name}.csv", index=False)
    pd.DataFrame(report["baselines"]).to_csv(folder / "baselines.csv", index=False)
    for name in ("matrix", "examined", "similarity", "classes"):
        if report[name]:
            pd.DataFrame(report[name]).to_csv(folder / f"{name}.csv", index=False)
