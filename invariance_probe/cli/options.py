"""Arguments and options that commands share, and how a study is opened.

Each option is a click decorator, declared once so that its name, default and help are
the same in every command.
"""

from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from invariance_probe.study.load import StudyFile

OVERRIDE = click.option(
    "--set",
    "overrides",
    multiple=True,
    metavar="PATH=VALUE",
    help="Replace a value of the study for this call.",
)
RUNS = click.option(
    "--runs",
    default="runs",
    show_default=True,
    type=click.Path(path_type=Path),
    help="The run store.",
)
OUT = click.option(
    "--out", type=click.Path(path_type=Path), help="Folder of the report [default: reports/NAME]."
)
STUDY = click.argument("study", type=click.Path(path_type=Path))


def open_file(study: Path, overrides: tuple[str, ...]) -> "StudyFile":
    """Open a study file, and check the study and its recordings.

    All problems are reported in one error.

    Parameters
    ----------
    study
        Path of the study file.
    overrides
        Texts `dotted.path=value`, each of which replaces a value for this call.
    """
    from invariance_probe.data.problems import recording_problems
    from invariance_probe.study.load import open_study

    return open_study(study, overrides, recording_problems)


def warn(said: str) -> None:
    """Print a message to standard error, apart from a command's results."""
    click.echo(said, err=True)
