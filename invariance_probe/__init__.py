"""Find out what a neural code is invariant to.

A YAML study is read into a `Study` (`load_study`) and expanded into runs. Workers open
the recordings, train stacked self-supervised models at every dose and arm, and probe
their frozen encoders. Each run's result is committed to a store. Inference turns
results into findings (estimands, gates, verdicts). Reporting turns findings into
report.json and the pages made from it. `run_study` does all of this in one call.

The public names are imported when they are first used, so that importing the package
is quick.
"""

from importlib import import_module
from typing import Any

# The module that each public name is imported from.
_HOMES = {
    "Study": "invariance_probe.study.study",
    "load_study": "invariance_probe.study.load",
    "open_study": "invariance_probe.study.load",
    "run_study": "invariance_probe.runner",
    "report_study": "invariance_probe.runner",
    "read_results": "invariance_probe.runner",
    "infer": "invariance_probe.inference",
    "study_power": "invariance_probe.inference.power.power",
    "stated_spreads": "invariance_probe.inference.power.spreads",
    "pilot_spreads": "invariance_probe.inference.power.pilot",
    "render": "invariance_probe.reporting",
    "SSLTransformer": "invariance_probe.estimator",
}

__all__ = sorted(_HOMES)


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(import_module(_HOMES[name]), name)
    raise AttributeError(f"module 'invariance_probe' has no attribute {name!r}")
