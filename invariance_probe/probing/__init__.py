"""Runs to run results: train or compute a representation, probe it, describe it."""

from invariance_probe.probing import baselines, nulls, trained

MEASURES = {
    "simclr": trained.measure_ssl,
    "vicreg": trained.measure_ssl,
    "byol": trained.measure_ssl,
    "supervised": trained.measure_supervised,
    "linear_ssl": baselines.measure_linear_ssl,
    "raw": baselines.measure_raw,
    "pca": baselines.measure_pca,
    "untrained": baselines.measure_untrained,
    "information": baselines.measure_information,
    "shift_null": nulls.measure_shift_null,
    "persistence": nulls.measure_persistence,
}
"""How the runs of every method are measured: stacked runs of one session in, `Measured` out."""
