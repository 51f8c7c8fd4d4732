"""Results as tidy tables: losses by run and test block, and the held-out sums of every code."""

from collections.abc import Iterable, Mapping
from typing import Any

import pandas as pd

from invariance_probe.study.examinations import Corruption, Detection
from invariance_probe.study.run import Run, RunResult

COLUMNS = [
    "session", "subject", "group", "method", "setting", "axis", "dose", "arm", "fraction", "seed", "fold", "test", "test_dose", "block",
    "loss", "floor_loss", "status", "rank_me", "key",
]  # fmt: skip
"""`axis`, `dose` and `arm` are of the training; `test` is what a stored encoder was examined for, empty for the clean decoding loss."""


def tidy(runs: Iterable[Run], results: Mapping[str, RunResult]) -> pd.DataFrame:
    """Return one row for every run and test block, with `COLUMNS`; a run without losses has one row without a block."""
    rows: list[tuple[Any, ...]] = []
    for run in runs:
        result = results.get(run.key())
        if result is None:
            continue
        named = (run.session, run.subject, run.group, run.method.kind, run.setting)
        test = run.examination
        tested = (test.kind if test else "", test.dose if isinstance(test, Corruption | Detection) else None)
        own = (*named, run.axis, run.dose, run.arm, run.fraction, run.seed, run.fold, *tested)
        end = (result.status, result.diagnostics.get("rank_me"), result.key)
        floors = result.floor_losses or (None,) * len(result.blocks)
        measured = zip(result.blocks, result.block_losses, floors, strict=True)
        rows += [(*own, *each, *end) for each in measured] or [(*own, None, None, None, *end)]
    return pd.DataFrame(rows, columns=COLUMNS)


SUMS = ["session", "units", "deleted", "what", "name", "step", "fold", "value"]
"""`units` is N; `deleted` is the block left out for the jackknife, empty for the whole session."""


def code_sums(runs: Iterable[Run], results: Mapping[str, RunResult]) -> pd.DataFrame:
    """Return every held-out sum of every code, with `SUMS`.

    K_s, K_n, redundancy, C_code, C_blind and their jackknife can be computed again from these rows
    alone (docs/store.md). The figures without units that repeat others are left out.
    """
    codes = ((run, result.code) for run in runs if (result := results.get(run.key())) is not None and result.code is not None)
    rows = [{"session": run.session, "units": len(code.units), **row} for run, code in codes for row in code.table()]
    return pd.DataFrame(rows, columns=SUMS)
