"""Commented studies to start from (`invariance-probe new`).

In: the name of a template. Out: its text, a YAML study; nothing is filled in.
"""

from importlib.resources import files
from typing import Any

import jinja2

from invariance_probe.errors import StudyError

TEMPLATES = {
    "dropout": "what losing units takes, and what training to ignore it costs",
    "jitter": "whether a code is smooth in time",
    "simulated": "a world of known truth, which runs as it is",
}
"""What each template's study is about, by the template's name."""


def template_text(name: str) -> str:
    """Return the text of a template.

    Raises
    ------
    StudyError
        For an unknown name.
    """
    if name not in TEMPLATES:
        raise StudyError(f"unknown template {name!r}; allowed: {', '.join(TEMPLATES)}")
    return (
        files("invariance_probe.study")
        .joinpath(f"templates/{name}.yaml")
        .read_text(encoding="utf-8")
    )


def filled_template(name: str, **values: Any) -> str:
    """Fill in a template of a study.

    Parameters
    ----------
    name
        Name of the template.
    values
        What it holds, by name.
    """
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("invariance_probe.study", "templates"),
        undefined=jinja2.StrictUndefined,
        keep_trailing_newline=True,
        autoescape=False,
    )
    environment.globals["also"] = _also
    return environment.get_template(f"{name}.yaml.j2").render(values)


def _also(names: list[str]) -> str:
    """List what could stand in a line too, as a comment."""
    return f"    # the file has {', '.join(names)}" if len(names) > 1 else ""
