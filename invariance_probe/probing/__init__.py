"""Measure every planned run: the table from run method to measuring function.

A run is one model or measurement of one session. Each function in `MEASURES` takes the
opened session, the runs of one method (as a stack if they train together) and a
progress callback, and returns one `Measurement` per run. This module only holds the table;
it measures nothing itself.
"""

from collections.abc import Callable
from typing import Any

from invariance_probe.methods import METHODS
from invariance_probe.probing.bench.workbench import Workbench
from invariance_probe.probing.code import measure
from invariance_probe.probing.decoders.readout import Measurement
from invariance_probe.probing.measurements import (
    baselines,
    lag_curve,
    leak,
    messengers,
    mined_pairs,
    nulls,
    reliance,
    shared_dimensions,
    supervised,
    trained,
)

Measure = Callable[[Workbench, list[Any], trained.Progress], list[Measurement]]
"""A measuring function; its runs have the type of the method's role (`plan.roles.ROLES`)."""

MEASURES: dict[str, Measure] = {
    **dict.fromkeys((*METHODS, "own"), trained.measure_ssl),
    "supervised": supervised.measure_supervised,
    "linear_ssl": baselines.measure_linear_ssl,
    "raw": baselines.measure_raw,
    "square_roots": baselines.measure_square_roots,
    "pca": baselines.measure_pca,
    "untrained": baselines.measure_untrained,
    "shift_null": nulls.measure_shift_null,
    "circular_null": nulls.measure_circular_null,
    "session_null": nulls.measure_session_null,
    "pseudo_null": nulls.measure_pseudo_null,
    "leak": leak.measure_leak,
    "persistence": nulls.measure_persistence,
    "code": measure.measure_code,
    "test_lag": lag_curve.measure_test_lag,
    "messengers": messengers.measure_messengers,
    "reliance": reliance.measure_reliance,
    "mined_pairs": mined_pairs.measure_mined_pairs,
    "shared_dimensions": shared_dimensions.measure_shared_dimensions,
}
"""Measuring function of each kind of method (`run.method.kind`)."""
