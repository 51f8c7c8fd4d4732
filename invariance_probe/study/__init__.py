"""What a study can declare: frozen pydantic models that do not need torch.

There is one file per part of a study (recordings, views, methods, probes, hypotheses
and so on). In: a YAML study. Out: one checked `Study`. Nothing here opens a recording
or trains.
"""
