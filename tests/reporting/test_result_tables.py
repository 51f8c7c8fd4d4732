"""results.csv is always written, results.parquet where pyarrow is installed."""

import importlib.util

import pandas as pd

from invariance_probe.reporting.tables import write_tables
from invariance_probe.results.tables import COLUMNS

EMPTY = {
    "settings": {"target": {"kind": "continuous"}},
    "hypotheses": [],
    **{
        name: []
        for name in (
            "baselines",
            "code",
            "sessions",
            "lags",
            "curve",
            "matrix",
            "examined",
            "similarity",
            "classes",
            "messengers",
            "switching",
            "units",
            "reliance",
        )
    },
}


def test_results_are_written_as_csv_and_as_parquet_where_that_is_possible(tmp_path):
    rows = [
        [
            "s",
            "a",
            "",
            "raw",
            "",
            "",
            0.0,
            "none",
            1.0,
            0,
            f,
            "",
            "",
            None,
            f,
            0.5 + f,
            None,
            None,
            "done",
            None,
            None,
            None,
            "k",
        ]
        for f in range(3)
    ]
    table = pd.DataFrame(rows, columns=COLUMNS)
    write_tables(EMPTY, table, tmp_path)
    assert pd.read_csv(tmp_path / "results.csv").loss.tolist() == [0.5, 1.5, 2.5]
    written = tmp_path / "results.parquet"
    assert written.exists() == (importlib.util.find_spec("pyarrow") is not None)
    if written.exists():
        read = pd.read_parquet(written)
        assert (
            read.loss.tolist() == [0.5, 1.5, 2.5]
            and read.columns.tolist() == [*COLUMNS, "score"]
            and read.fold.tolist() == [0, 1, 2]
        )
