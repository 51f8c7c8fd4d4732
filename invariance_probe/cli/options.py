"""Arguments and options that several commands take.

Each is a click decorator, declared once so that its name, default and help are the same
in every command.
"""

from pathlib import Path

import click

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
