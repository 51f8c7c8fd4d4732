"""Results as tidy tables: one row a run and test block."""

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
