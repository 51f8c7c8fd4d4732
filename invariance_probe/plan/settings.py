"""Settings that conditions are trained under: a study's own, its sweep values, and a third of the data.

A recipe of a panel (`recipes.py`) is a setting too.
"""

from dataclasses import dataclass, replace
from typing import Any

from invariance_probe.study.methods import Method
from invariance_probe.study.study import Study
from invariance_probe.study.training import Optimisation
from invariance_probe.study.views import Views

A_THIRD = "a third of the data"
"""Label of the setting at which a claim about a jitter, or a contrast, is made again."""


@dataclass(frozen=True)
class Setting:
    """Method, optimisation, amount of data and views of one recipe, sweep value or check."""

    label: str
    """Empty for the study's own setting."""
    method: Method
    optimisation: Optimisation | None
    """None where the method has a closed form."""
    fraction: float
    views: Views
    path: str = ""
    """What is swept; empty for recipes and checks."""


def settings_of(study: Study) -> tuple[Setting, ...]:
    """Return the study's own setting first, then each sweep value."""
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
    """Return a setting with a third of the training windows."""
    label = f"{setting.label}, {A_THIRD}" if setting.label else A_THIRD
    return replace(setting, label=label, fraction=1 / 3)


def _in_words(value: Any) -> str:
    """Return a swept value as a label; a declaration by its kind and what it gives beside."""
    if not isinstance(value, dict):
        return str(value)
    given = ", ".join(f"{name}={_in_words(own)}" for name, own in value.items() if name != "kind")
    return f"{value.get('kind', '')}({given})" if given else str(value.get("kind", ""))
