"""Results as tidy tables, for analysis outside this toolkit.

In: runs and their results. Out: a table of losses by run and test block, and a table of
the held-out sums of errors from which the quantities of the code (K_s, K_n, redundancy,
C_code, C_blind) follow. No estimand is computed here.
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import pandas as pd

from invariance_probe.plan.figures.code import CodeFigures
from invariance_probe.plan.figures.decoded import DecodedFigures
from invariance_probe.plan.roles import EncoderExamination
from invariance_probe.plan.run import Run, RunResult
from invariance_probe.study.examinations import Corruption, Detection

COLUMNS = [
    "session", "subject", "group", "method", "setting", "axis", "dose", "arm", "fraction", "seed",
    "fold", "test", "test_axis",
    "test_dose", "block", "loss", "floor_loss", "selection_loss", "status", "rank_me", "accuracy",
    "balanced_accuracy", "key",
]  # fmt: skip
"""Columns of `tidy`.

`axis`, `dose` and `arm` are those of training. `test` is the kind of test that a stored
encoder went through, such as corrupted inputs; it is empty for the clean decoding loss.
`selection_loss` is the loss on training data by which the best decoder without SSL is
chosen. `accuracy` and `balanced_accuracy` are those of the whole fold, for classes; for
angles, `accuracy` counts errors below pi / 8.
"""


def tidy(runs: Iterable[Run], results: Mapping[str, RunResult]) -> pd.DataFrame:
    """Tabulate losses, with one row per run and test block.

    Parameters
    ----------
    runs
        The runs to include; those without a result are left out.
    results
        Results by run key.

    Returns
    -------
    DataFrame
        Columns are `COLUMNS`. A run without losses has one row without a block.
    """
    rows: list[tuple[Any, ...]] = []
    for run in runs:
        result = results.get(run.key())
        if result is None:
            continue
        named = (run.session, run.subject, run.group, run.method.kind, run.setting)
        test = run.examination if isinstance(run, EncoderExamination) else None
        corrupted = (
            (test.axis, test.dose) if isinstance(test, Corruption | Detection) else ("", None)
        )
        tested = (test.kind if test else "", *corrupted)
        own = (*named, run.axis, run.dose, run.arm, run.fraction, run.seed, run.fold, *tested)
        end = (result.selection_loss, result.status, *_described(result), result.key)
        floors = result.floor_losses or (None,) * len(result.blocks)
        measured = zip(result.blocks, result.block_losses, floors, strict=True)
        rows += [(*own, *each, *end) for each in measured] or [(*own, None, None, None, *end)]
    return pd.DataFrame(rows, columns=COLUMNS)


def _described(result: RunResult) -> tuple[float | None, float | None, float | None]:
    """Return RankMe (effective rank), accuracy and balanced accuracy of a result.

    Each is None where it is not defined.
    """
    decoded = result.measured(DecodedFigures)
    if decoded is None:
        return None, None, None
    described, scores = decoded.representation, decoded.scores
    return described.rank_me if described else None, scores.accuracy, scores.balanced_accuracy


SUMS = ["session", "units", "deleted", "what", "name", "step", "fold", "value"]
"""Columns of `code_sums`.

`units` is the session's number of units. `deleted` is the block left out for the
jackknife; it is empty for sums over the whole session. Two rows per session are no sums:
`duration_s`, the duration of all windows, and `autocorrelation_s`, the time by which
blocks are merged.
"""


def code_sums(runs: Iterable[Run], results: Mapping[str, RunResult]) -> pd.DataFrame:
    """Tabulate the held-out sums of errors behind the quantities of the code.

    K_s, K_n, redundancy, C_code, C_blind and their jackknife can be computed again from
    these rows alone (docs/store.md). Sums that were computed after removing repeated units
    are not included.

    Parameters
    ----------
    runs
        The runs to include; those that did not measure the code are left out.
    results
        Results by run key.

    Returns
    -------
    DataFrame
        Columns are `SUMS`.
    """
    codes = (
        (run, code)
        for run in runs
        if (result := results.get(run.key())) is not None
        and (code := result.measured(CodeFigures)) is not None
    )
    rows = [
        {"session": run.session, "units": len(code.units), **row}
        for run, code in codes
        for row in (*_lengths(code), *code.table())
    ]
    return pd.DataFrame(rows, columns=SUMS)


def _lengths(code: CodeFigures) -> Iterator[dict[str, Any]]:
    """Yield a session's duration and its autocorrelation time as one row each."""
    lengths = {
        "duration_s": code.window_count * code.bin_s,
        "autocorrelation_s": code.autocorrelation_s,
    }
    for what, value in lengths.items():
        if value is not None:
            yield {"deleted": "", "what": what, "name": "", "step": "", "fold": "", "value": value}
