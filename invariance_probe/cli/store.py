"""`invariance-probe store`: verify, clean and merge run stores.

The docstring of a command is its help text.
"""

import sys
from pathlib import Path

import click

from invariance_probe.cli.options import RUNS, warn
from invariance_probe.study.counting import counted


@click.group()
def store() -> None:
    """Verify or clean the run store, or merge another store into it."""


@store.command()
@RUNS
@click.option(
    "--repair",
    "mend",
    is_flag=True,
    help="Move what is damaged to RUNS/damaged, so that it is made again.",
)
def verify(runs: Path, mend: bool) -> None:
    """Read everything again and check it against its hashes.

    Exits with 1 when something is damaged.
    """
    from invariance_probe.results.store import Store
    from invariance_probe.results.upkeep import repair
    from invariance_probe.results.upkeep import verify as verify_store

    opened = Store(runs)
    count, damage = verify_store(opened)
    for one in damage:
        click.echo(f"damaged: {one.why}")
    for aside in repair(opened, damage) if mend else ():
        click.echo(f"moved to {aside}")
    click.echo(f"{runs}: {counted(count, 'folder')}, {len(damage)} damaged")
    if damage:
        click.echo(
            "Run the studies again to make them again."
            if mend
            else "Give --repair to move them aside; the next run makes them again."
        )
    sys.exit(1 if damage else 0)


@store.command()
@RUNS
@click.option(
    "--keep",
    multiple=True,
    type=click.Path(path_type=Path),
    metavar="STUDY",
    help="A study whose runs stay; all else goes.",
)
@click.option(
    "--grace",
    default=24.0,
    show_default=True,
    metavar="HOURS",
    help="How long other machines' unfinished writes are left alone.",
)
@click.option(
    "--delete/--dry-run",
    "do_it",
    default=False,
    help="Delete, or only say what would go [default: --dry-run].",
)
def gc(runs: Path, keep: tuple[Path, ...], grace: float, do_it: bool) -> None:
    """Say what can go, and delete it with --delete.

    What can go is what dead processes left and, with --keep, what no named study needs.
    """
    from invariance_probe.planning import stored_plan
    from invariance_probe.results.store import Store
    from invariance_probe.results.upkeep import delete, find_rubbish
    from invariance_probe.study.load import open_study

    opened = Store(runs)
    rubbish = find_rubbish(
        opened, [stored_plan(open_study(study, ()), opened, warn) for study in keep], grace * 3600
    )
    size = rubbish.size
    for path in rubbish.paths:
        click.echo(path)
    if do_it:
        delete(opened, rubbish)
    click.echo(
        f"{'deleted' if do_it else 'would delete'} "
        f"{counted(len(rubbish.leftovers), 'leftover')} of dead processes, "
        f"{counted(len(rubbish.results), 'run')}, {counted(len(rubbish.encoders), 'encoder')}: "
        f"{size / 1e6:.1f} MB" + ("" if do_it or not rubbish.paths else "; give --delete to do it")
    )


@store.command()
@click.argument("other", type=click.Path(path_type=Path))
@RUNS
def merge(other: Path, runs: Path) -> None:
    """Copy what the store OTHER has and this one lacks.

    Exits with 1 when something could not be taken.
    """
    from invariance_probe.results.store import Store
    from invariance_probe.results.upkeep import merge as merge_stores

    merged = merge_stores(Store(runs), Store(other))
    for why in merged.damaged:
        click.echo(f"damaged, not copied: {why}")
    for why in merged.conflicts:
        click.echo(f"refused: {why}")
    click.echo(
        f"{merged.copied} copied, {merged.already} here already, {len(merged.conflicts)} "
        f"refused, {len(merged.damaged)} damaged"
    )
    sys.exit(1 if merged.conflicts or merged.damaged else 0)
