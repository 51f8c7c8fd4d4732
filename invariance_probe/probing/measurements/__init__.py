"""How runs are measured, one file per kind of measurement.

In: an opened session and stacked runs. Out: one `Measured` per run.
"""
