"""Results as tidy tables: losses by run and test block, and the held-out sums of every code."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import pandas as pd

from invariance_probe.plan.code_figures import CodeFigures
from invariance_probe.plan.run import Run, RunResult
from invariance_probe.study.examinations import Corruption, Detection

COLUMNS = [
    "session", "subject", "group", "method", "setting", "axis", "dose", "arm", "fraction", "seed",
    "fold", "test", "test_axis",
    "test_dose", "block", "loss", "floor_loss", "selection_loss", "status", "rank_me", "key",
]  # fmt: skip
"""`axis`, `dose` and `arm` are of the training; `test` is what a stored encoder was examined for, empty
for the clean decoding loss. `selection_loss` is that on which the ceiling's decoder was chosen."""


def tidy(runs: Iterable[Run], results: Mapping[str, RunResult]) -> pd.DataFrame:
    """Return one row for every run and test block, with `COLUMNS`; a run without losses has one row without a block."""
    rows: list[tuple[Any, ...]] = []
    for run in runs:
        result = results.get(run.key())
        if result is None:
            continue
        named = (run.session, run.subject, run.group, run.method.kind, run.setting)
        test = run.examination
        corrupted = (
            (test.axis, test.dose) if isinstance(test, Corruption | Detection) else ("", None)
        )
        tested = (test.kind if test else "", *corrupted)
        own = (*named, run.axis, run.dose, run.arm, run.fraction, run.seed, run.fold, *tested)
        end = (result.selection_loss, result.status, result.diagnostics.get("rank_me"), result.key)
        floors = result.floor_losses or (None,) * len(result.blocks)
        measured = zip(result.blocks, result.block_losses, floors, strict=True)
        rows += [(*own, *each, *end) for each in measured] or [(*own, None, None, None, *end)]
    return pd.DataFrame(rows, columns=COLUMNS)


SUMS = ["session", "units", "deleted", "what", "name", "step", "fold", "value"]
"""`units` is N; `deleted` is the block left out for the jackknife, empty for the whole session. Beside
the sums stand `duration_s` of all windows and `autocorrelation_s`, by which blocks are merged."""


def code_sums(runs: Iterable[Run], results: Mapping[str, RunResult]) -> pd.DataFrame:
    """Return every held-out sum of every code, with `SUMS`.

    K_s, K_n, redundancy, C_code, C_blind and their jackknife can be computed again from these rows
    alone (docs/store.md). The figures without units that repeat others are left out.
    """
    codes = (
        (run, result.code)
        for run in runs
        if (result := results.get(run.key())) is not None and result.code is not None
    )
    rows = [
        {"session": run.session, "units": len(code.units), **row}
        for run, code in codes
        for row in (*_lengths(code), *code.table())
    ]
    return pd.DataFrame(rows, columns=SUMS)


def _lengths(code: CodeFigures) -> Iterator[dict[str, Any]]:
    """Yield how long a session is, and for how long its target and errors are alike."""
    lengths = {
        "duration_s": code.window_count * code.bin_s,
        "autocorrelation_s": code.autocorrelation_s,
    }
    for what, value in lengths.items():
        if value is not None:
            yield {"deleted": "", "what": what, "name": "", "step": "", "fold": "", "value": value}
