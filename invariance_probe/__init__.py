"""Find out what a neural code is invariant to.

A `Study`, from a YAML file (`load_study`) or made in Python with recordings that are
files, arrays or other objects (`Recording.from_arrays`, `Recording.from_signals`), is
expanded into runs. Worker processes open the recordings, train self-supervised models,
many at once, at every dose and arm, and decode the targets from their frozen encoders.
Each run's result is written to a store. Inference turns results into findings
(estimands, gates, verdicts). `run` does all of this and returns a `Result`, which has
the verdicts, tables, figures and the report. `judge` gives the same from the stored
results, without training. docs/python.md shows all public names.

The public names are imported when they are first used, so that importing the package
is quick.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from invariance_probe.data.recording import Recording
    from invariance_probe.estimator import SSLTransformer
    from invariance_probe.inference.power.pilot import pilot_spreads
    from invariance_probe.inference.power.power import study_power
    from invariance_probe.inference.power.spreads import stated_spreads
    from invariance_probe.result import Result
    from invariance_probe.runner import judge, plan_of, register, run
    from invariance_probe.study.design import Axis, Folds, Window
    from invariance_probe.study.hypotheses import Contrast, Hypothesis, Margin
    from invariance_probe.study.load import load_study
    from invariance_probe.study.methods import OwnMethod
    from invariance_probe.study.probes import Target
    from invariance_probe.study.recordings import NpzRecording
    from invariance_probe.study.study import Study
    from invariance_probe.study.training import Training
    from invariance_probe.study.transforms import OwnTransform
    from invariance_probe.study.views import Views

_HOMES = {
    "Axis": "study.design",
    "Contrast": "study.hypotheses",
    "Folds": "study.design",
    "Hypothesis": "study.hypotheses",
    "Margin": "study.hypotheses",
    "NpzRecording": "study.recordings",
    "OwnMethod": "study.methods",
    "OwnTransform": "study.transforms",
    "Recording": "data.recording",
    "Result": "result",
    "SSLTransformer": "estimator",
    "Study": "study.study",
    "Target": "study.probes",
    "Training": "study.training",
    "Views": "study.views",
    "Window": "study.design",
    "judge": "runner",
    "load_study": "study.load",
    "pilot_spreads": "inference.power.pilot",
    "plan_of": "runner",
    "register": "runner",
    "run": "runner",
    "stated_spreads": "inference.power.spreads",
    "study_power": "inference.power.power",
}
"""The module that each public name is imported from."""

__all__ = [
    "Axis",
    "Contrast",
    "Folds",
    "Hypothesis",
    "Margin",
    "NpzRecording",
    "OwnMethod",
    "OwnTransform",
    "Recording",
    "Result",
    "SSLTransformer",
    "Study",
    "Target",
    "Training",
    "Views",
    "Window",
    "judge",
    "load_study",
    "pilot_spreads",
    "plan_of",
    "register",
    "run",
    "stated_spreads",
    "study_power",
]


def __getattr__(name: str) -> object:
    if name in _HOMES:
        return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return __all__
