"""Commands about the catalogue of public recordings: list, info and fetch.

Only `fetch` uses the network.
"""

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from rich.progress import TaskID

    from invariance_probe.data.catalog.entry import CataloguedFile

EVERY_S = 10
"""Seconds between two progress lines if standard error is no terminal."""


@click.command("list")
def list_entries() -> None:
    """List the recordings of the catalogue."""
    from invariance_probe.data.catalog import CATALOG
    from invariance_probe.data.catalog.words import table_lines

    for line in table_lines(CATALOG):
        click.echo(line)
    click.echo(
        "\nhere: on this machine; to fetch: `invariance-probe data fetch NAME` downloads it; by "
        "hand: without a\npublic address. `invariance-probe data info NAME` says what an entry is "
        "good for."
    )


@click.command()
@click.argument("name")
def info(name: str) -> None:
    """Say all that is known of a recording of the catalogue."""
    from invariance_probe.data.catalog import entry_named
    from invariance_probe.data.catalog.words import info_lines

    for line in info_lines(name, entry_named(name)):
        click.echo(line)


@click.command()
@click.argument("names", nargs=-1, required=True, metavar="NAME...")
@click.option(
    "--to",
    type=click.Path(path_type=Path, file_okay=False),
    help="Folder to download to [default: INVARIANCE_PROBE_DATA, else the user's cache].",
)
def fetch(names: tuple[str, ...], to: Path | None) -> None:
    """Download recordings of the catalogue, and check them.

    A download that broke off goes on where it was.
    """
    from invariance_probe.data.catalog import entry_named
    from invariance_probe.data.catalog.fetching import fetch as download
    from invariance_probe.data.catalog.folders import (
        VARIABLE,
        destination,
        search_path,
    )

    folders = {name: destination(name, entry_named(name), to) for name in names}
    with progress() as on_bytes:
        for name, folder in folders.items():
            downloaded = download(name, entry_named(name), folder, on_bytes)
            done = "fetched to" if downloaded else "is here already:"
            click.echo(f"{name} {done} {folder}")
    if to is not None and to.resolve() not in [folder.resolve() for folder in search_path()]:
        click.echo(f"Studies find it if the environment variable {VARIABLE} is {to.resolve()}.")


@contextmanager
def progress() -> "Iterator[Callable[[CataloguedFile, int], None]]":
    """Show the progress of downloads, as bars or as timed lines.

    Yields
    ------
    on_bytes
        Function that takes a file and the number of its bytes that are there.
    """
    if sys.stderr.isatty():
        from rich.console import Console
        from rich.progress import (
            BarColumn,
            DownloadColumn,
            Progress,
            TextColumn,
            TimeRemainingColumn,
        )

        columns = (
            TextColumn("{task.description}"),
            BarColumn(),
            DownloadColumn(),
            TimeRemainingColumn(),
        )
        with Progress(*columns, console=Console(stderr=True)) as bars:
            tasks: dict[str, TaskID] = {}

            def draw(file: "CataloguedFile", done: int) -> None:
                if file.path not in tasks:
                    tasks[file.path] = bars.add_task(Path(file.path).name, total=file.size)
                bars.update(tasks[file.path], completed=done)

            yield draw
        return
    from invariance_probe.data.catalog.words import size_text

    last = [time.monotonic()]

    def line(file: "CataloguedFile", done: int) -> None:
        now = time.monotonic()
        if now - last[0] >= EVERY_S or done == file.size:
            last[0] = now
            click.echo(f"{file.path}: {size_text(done)} of {size_text(file.size)}", err=True)

    yield line
