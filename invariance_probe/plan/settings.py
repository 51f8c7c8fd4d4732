"""Settings: the method, optimisation, data and views to train models with.

A study goes in; its own setting and one setting per value of its sweeps come out. A
recipe of a panel (`recipes.py`) is a setting too. Nothing is trained here.
"""

from dataclasses import dataclass, replace
from typing import Any

from invariance_probe.study.methods import Method
from invariance_probe.study.study import Study
from invariance_probe.study.training import Optimisation
from invariance_probe.study.views import Views

A_THIRD = "a third of the data"
"""Label of the setting with a third of the training windows.

Claims about a time jitter, and contrasts, must hold under it too.
"""


@dataclass(frozen=True)
class Setting:
    """Method, optimisation, amount of data and views with which to train.

    It is the study's own setting, one value of a sweep, one recipe of a panel, or one of
    these with a third of the data.
    """

    label: str
    """Name of the setting in runs; empty for the study's own setting."""
    method: Method
    optimisation: Optimisation | None
    """The optimisation; None for a method with a closed form."""
    fraction: float
    """Fraction of the training windows that is used, in (0, 1]."""
    views: Views
    path: str = ""
    """Path of the sweep that it belongs to; empty if it belongs to none."""


def settings_of(study: Study) -> tuple[Setting, ...]:
    """Return the study's own setting, followed by one setting per sweep value.

    A sweep value that equals the study's own setting is left out.
    """
    own = Setting(
        "", study.method, study.method.optimisation(study.training.optimisation()), 1.0, study.views
    )
    swept = [
        Setting(
            f"{sweep.path}={_in_words(value)}", *study.with_setting(sweep.path, value), sweep.path
        )
        for sweep in study.sweeps
        for value in sweep.values
    ]
    return (own, *(setting for setting in swept if replace(setting, label="", path="") != own))


def a_third_of(setting: Setting) -> Setting:
    """Return the same setting with a third of the training windows."""
    label = f"{setting.label}, {A_THIRD}" if setting.label else A_THIRD
    return replace(setting, label=label, fraction=1 / 3)


def _in_words(value: Any) -> str:
    """Write a swept value as a label.

    A declaration is written as its kind, followed by the fields that were given.
    """
    if not isinstance(value, dict):
        return str(value)
    given = ", ".join(f"{name}={_in_words(own)}" for name, own in value.items() if name != "kind")
    return f"{value.get('kind', '')}({given})" if given else str(value.get("kind", ""))
