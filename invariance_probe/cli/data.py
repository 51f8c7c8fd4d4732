"""Commands about recordings: what a file holds, and a study to start from.

Nothing is measured here, and no file is changed. The commands of the catalogue of public
recordings are in `cli.catalogue`.
"""

from pathlib import Path

import click

from invariance_probe.cli.catalogue import fetch, info, list_entries


@click.group()
def data() -> None:
    """Look into files of recordings, and get public ones."""


data.add_command(list_entries)
data.add_command(info)
data.add_command(fetch)


@data.command()
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--kind", help="Format of the file [default: by its name].")
@click.option(
    "--set",
    "settings",
    multiple=True,
    metavar="FIELD=VALUE",
    help="A field of the recording that the file does not say, such as rate_hz=30.",
)
@click.option("--study", is_flag=True, help="Print a commented study of the file instead.")
def inspect(file: Path, kind: str | None, settings: tuple[str, ...], study: bool) -> None:
    """Say what a file of recordings holds."""
    from invariance_probe.data.archive_description import archive_sentences, archive_study
    from invariance_probe.data.companions import files_beside
    from invariance_probe.data.description import sentences, study_of
    from invariance_probe.data.readers import read_contents
    from invariance_probe.data.readers.formats import kind_of
    from invariance_probe.data.table_roles import guessed_columns
    from invariance_probe.study.load import set_values

    kind = kind or kind_of(file)
    given = set_values(settings)
    if kind == "npz":
        if study:
            click.echo(archive_study(file, given), nl=False)
            return
        click.echo(f"{file} (npz):")
        for sentence in archive_sentences(file):
            click.echo(f"  {sentence}")
        return
    guess: dict[str, object] = {}
    note = ""
    if kind == "table" and not given.keys() & {"series", "spikes", "tables"}:
        guess, note = guessed_columns(file)
    elif "beside" not in given:
        guess, note = files_beside(kind, file)
    given |= guess
    contents = read_contents(kind, file, given)
    if study:
        click.echo(study_of(contents, kind, str(file), given), nl=False)
        return
    click.echo(f"{file} ({kind}):")
    for sentence in (*sentences(contents), *([f"Note: {note}."] if note else [])):
        click.echo(f"  {sentence}")
