"""What a study can declare: frozen, torch-free models, one file per family.

In: a YAML study. Out: one checked `Study`. Nothing here opens a recording or trains.
"""
