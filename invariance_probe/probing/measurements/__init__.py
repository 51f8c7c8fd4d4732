"""How runs are measured, one file per kind of measurement.

A run is one model or measurement of one session. In: an opened session (`Workbench`)
and runs of one kind, which may train together as a stack. Out: one `Measurement` per run.
"""
