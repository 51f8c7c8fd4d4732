"""The command line: parse arguments, call the runner, print.

Nothing is measured or inferred here. Commands import what they need when they are
called, so that `--help` answers at once. Only the command line does so.

The docstring of a command is its help text, so that parameters are described by their
options and not in it.
"""

import errno
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args

import click

from invariance_probe.cli.data import data
from invariance_probe.cli.options import OUT, OVERRIDE, RUNS, STUDY, open_file, warn
from invariance_probe.cli.planned import (
    power_in_words,
    price_in_words,
    recipes_in_words,
    stock_in_words,
)
from invariance_probe.cli.progress import progress
from invariance_probe.cli.store import store
from invariance_probe.errors import InvarianceProbeError, WriteError
from invariance_probe.plan.run import Arm
from invariance_probe.study.counting import counted
from invariance_probe.study.new import TEMPLATES

if TYPE_CHECKING:
    from invariance_probe.executors.jobs import Executor
    from invariance_probe.result import Result

BYTES_A_RUN = 60_000
"""Disk space of one baseline or grid run, in bytes, as `plan` estimates it."""
SPREAD_HELP = (
    "SDs over subject, session, seed, block and rest, in units of the decodable range; 0, .08, "
    ".04, .06, .03 if left out"
)
BYTES_AN_EXAMINATION = 16_000
"""Disk space of one test of a stored encoder, in bytes: four small files."""
CALIBRATED = ("simclr", "vicreg", "byol", "moco", "simsiam", "barlow_twins", "swap_vae", "myow")
"""Methods that `calibrate` has settings for."""


class _Friendly(click.Group):
    """Group of commands that print expected errors without a traceback.

    The exit code is 2 if the user's input is wrong, 1 if a file cannot be written, and 130
    if the user stopped the command. Any other error shows its traceback.
    """

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except WriteError as error:
            click.echo(str(error), err=True)
            sys.exit(1)
        except InvarianceProbeError as error:
            click.echo(str(error), err=True)
            sys.exit(2)
        except OSError as error:
            if error.errno not in (errno.ENOSPC, errno.EDQUOT, errno.EROFS):
                raise
            click.echo(
                f"{error.filename or 'a file'} cannot be written: {error.strerror}; what was "
                "measured is kept",
                err=True,
            )
            sys.exit(1)
        except KeyboardInterrupt:
            click.echo(
                "Stopped. What was measured is kept; run the same command to go on.", err=True
            )
            sys.exit(130)


@click.group(cls=_Friendly, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="invariance-probe")
def main() -> None:
    """Find out what a neural code is invariant to."""


main.add_command(store)
main.add_command(data)


@main.command()
@STUDY
@OVERRIDE
@RUNS
@OUT
@click.option(
    "--workers",
    type=click.IntRange(min=1),
    help="Worker processes, one thread each [default: one a core].",
)
@click.option(
    "--device", type=click.Choice(["auto", "cpu", "cuda"]), default="cpu", show_default=True
)
@click.option(
    "--on",
    type=click.Choice(["local", "slurm", "dask"]),
    default="local",
    show_default=True,
    help="Who measures.",
)
@click.option(
    "--profile",
    type=click.Path(path_type=Path),
    help="What the cluster asks of jobs, for --on slurm (YAML).",
)
@click.option("--address", metavar="tcp://HOST:PORT|local", help="The scheduler, for --on dask.")
def run(
    study: Path, overrides: tuple[str, ...], runs: Path, out: Path | None, workers: int | None,
    device: str, on: str, profile: Path | None, address: str | None,
) -> None:  # fmt: skip
    """Train what is missing, infer and render the report."""
    from invariance_probe.reporting.folder import report_folder
    from invariance_probe.runner import run as run_study

    execute = _executor(on, profile, address, workers)
    file = open_file(study, overrides)
    folder = report_folder(file, out)
    chosen = _device() if device == "auto" else device
    with progress() as on_event:
        result = run_study(
            file.study, runs, workers=workers, device=chosen, on_event=on_event, execute=execute
        )
    _say(result, folder)
    bad = result.findings.runs
    sys.exit(1 if bad.failed or bad.missing else 0)


@main.command()
@STUDY
@OVERRIDE
@RUNS
@OUT
def report(study: Path, overrides: tuple[str, ...], runs: Path, out: Path | None) -> None:
    """Render the report again from the store."""
    from invariance_probe.reporting.folder import report_folder
    from invariance_probe.runner import judge

    file = open_file(study, overrides)
    folder = report_folder(file, out)
    _say(judge(file.study, runs, warn), folder)


@main.command()
@STUDY
@OVERRIDE
@RUNS
def validate(study: Path, overrides: tuple[str, ...], runs: Path) -> None:
    """Check a study and its recordings; train nothing.

    What is found in a recording is kept in the run store, so that other commands need not
    open it again.
    """
    from invariance_probe.planning import make_plan, notes, warnings
    from invariance_probe.results.store import Store

    file = open_file(study, overrides)
    plan = make_plan(file, Store(runs))
    for line in (*warnings(file, plan), *notes(plan)):
        click.echo(line, err=True)
    sessions, planned = counted(len(plan.sessions), "session"), counted(len(plan.runs), "run")
    click.echo(f"{study}: valid; {sessions}, {planned}")


@main.command()
@STUDY
@OVERRIDE
@RUNS
@click.option(
    "--pilot",
    type=click.Path(path_type=Path),
    help="A pilot study whose stored runs show how much results vary.",
)
@click.option("--sd", metavar="NAME=SD,...", help=f"How much results vary, stated: {SPREAD_HELP}.")
@click.option(
    "--effect",
    metavar="NAME=VALUE,...",
    help="True effects to assume: C_code, D, H; delta for a jitter.",
)
def plan(
    study: Path,
    overrides: tuple[str, ...],
    runs: Path,
    pilot: Path | None,
    sd: str | None,
    effect: str | None,
) -> None:
    """Say what a study would train, and what that costs.

    With --pilot or --sd, say also which power it has. A study is refused if one worker
    process would need more memory than is free here.
    """
    from invariance_probe.executors.memory import fitting_workers, memory_at_hand
    from invariance_probe.plan.memory import worker_need
    from invariance_probe.planning import make_plan, stock, warnings
    from invariance_probe.results.store import Store

    opened = Store(runs)
    file = open_file(study, overrides)
    made = make_plan(file, opened)
    for warning in warnings(file, made):
        click.echo(warning, err=True)
    names = ", ".join(session.name for session in made.sessions)
    click.echo(f"{counted(len(made.sessions), 'session')}: {names}")
    click.echo(f"{counted(len(made.conditions), 'condition')}:")
    for condition in made.conditions:
        click.echo(f"  {condition.axis or 'identity dose'} {condition.dose:g} {condition.arm}")
    click.echo(
        f"{counted(len(made.baselines), 'baseline run')}, {counted(len(made.grid), 'grid run')}, "
        f"{counted(made.model_steps(), 'model-step')}"
    )
    for hypothesis in made.study.dose_claims:
        click.echo(recipes_in_words(hypothesis.id, made.panels[hypothesis.id]))
    click.echo(
        f"{counted(len(made.encoder_examinations), 'examination')} of stored encoders, "
        "which train nothing"
    )
    if made.reliance_runs:
        click.echo(
            f"{counted(len(made.reliance_runs), 'model')} trained and attacked beside, "
            "in no verdict"
        )
    click.echo(price_in_words(made))
    disk = (len(made.baselines) + len(made.grid)) * BYTES_A_RUN + len(
        made.examined
    ) * BYTES_AN_EXAMINATION
    click.echo(f"about {disk / 1e6:.0f} MB of disk")
    need, at_hand = worker_need(made), memory_at_hand()
    free = "" if at_hand is None else f"; {at_hand / 1e9:.1f} GB are free here"
    click.echo(f"about {need} of memory for each worker process{free}")
    click.echo(stock_in_words(stock(made, runs)))
    fitting_workers(need, 1, 1, at_hand)
    if pilot or sd is not None or effect is not None:
        click.echo("\n" + power_in_words(made, runs, pilot, sd, effect))


@main.command()
@STUDY
@RUNS
def register(study: Path, runs: Path) -> None:
    """Freeze hypotheses and data fingerprints, before any target is read."""
    from invariance_probe.runner import register as register_study

    path, sha256 = register_study(study, runs)
    click.echo(f"registered: {path}")
    click.echo(f"sha256: {sha256}")
    click.echo(
        "A file's hash does not prove when it was made: publish it now, for example on OSF or "
        "as a signed tag on a public remote."
    )


@main.command()
@click.argument("spec", type=click.Path(path_type=Path))
@click.option(
    "--out", required=True, type=click.Path(path_type=Path), help="The .npz file to write."
)
@click.option(
    "--session", default=None, help="Which session of a world of several [default: its first]."
)
def simulate(spec: Path, out: Path, session: str | None) -> None:
    """Write a simulated recording, with its truth, to an .npz file.

    Other software can read the file.
    """
    from invariance_probe.data.simulate.export import export

    click.echo(export(spec, out, session), nl=False)


@main.command()
@click.option(
    "--size",
    type=click.Choice(["full", "licence", "quick"]),
    default="full",
    show_default=True,
    help="How many sessions.",
)
@click.option(
    "--quick",
    is_flag=True,
    help="The same as --size quick: minutes, whether it works, not how well.",
)
@click.option("--method", type=click.Choice(CALIBRATED), default="simclr", show_default=True)
@click.option(
    "--part",
    type=click.Choice(
        [
            "all",
            "dropout",
            "few",
            "arms",
            "time",
            "contrasts",
            "measures",
            "worlds",
            "code",
            "learning",
        ]
    ),
    default="all",
    show_default=True,
    help="Verdicts on dropout, claims from three sessions, arms, training doses and time, "
    "contrasts of mined pairs, measures without SSL, or worlds G3 to G6; and, not among "
    "`all`, the finding of the code over the phase map, and findings of learning held "
    "against recipes outside of the panel.",
)
@click.option(
    "--arithmetic",
    type=click.Choice(["torch", "native", "bfloat16"]),
    default="torch",
    show_default=True,
    help="How training steps are computed; only with --part dropout.",
)
@click.option("--no-train", is_flag=True, help="Judge what the store has.")
@click.option(
    "--runs",
    default="runs/calibration",
    show_default=True,
    type=click.Path(path_type=Path),
    help="The run store.",
)
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    help="Folder of the report [default: reports/calibration/METHOD, or PART].",
)
@click.option(
    "--workers", type=click.IntRange(min=1), help="Worker processes [default: one a core]."
)
def calibrate(
    size: str,
    quick: bool,
    method: str,
    part: str,
    arithmetic: str,
    no_train: bool,
    runs: Path,
    out: Path | None,
    workers: int | None,
) -> None:
    """Count how often verdicts are wrong, on simulated worlds of known truth.

    A calibration that was stopped goes on where it was.
    """
    from invariance_probe.calibration import calibrate as run_calibration

    if arithmetic != "torch" and part != "dropout":
        raise click.UsageError(
            f"--arithmetic {arithmetic} can only be used with --part dropout; got --part {part}"
        )
    size = "quick" if quick else size
    name = {"all": method, "dropout": f"{method}-dropout"}.get(part, part)
    name += "" if arithmetic == "torch" else f"-{arithmetic}"
    folder = out or Path("reports") / "calibration" / (f"{name}-quick" if size == "quick" else name)
    with progress() as on_event:
        rows = run_calibration(
            runs, folder, size, method, not no_train, workers, on_event, part, arithmetic
        )
    missed = [row for row in rows if row.met is False]
    for row in missed:
        click.echo(f"missed: {row.about}: {row.figure}: {row.reached:.3f}, asked {row.asked}")
    click.echo(f"{counted(len(rows), 'figure')}, {len(missed)} missed: {folder / 'README.md'}")


@main.command()
@STUDY
@OVERRIDE
@RUNS
def status(study: Path, overrides: tuple[str, ...], runs: Path) -> None:
    """Say what the store has of a study."""
    from invariance_probe.planning import read_statuses

    made, statuses, damaged = read_statuses(open_file(study, overrides), runs, warn)
    for name, planned in (
        ("baselines", made.baselines),
        ("grid", made.grid),
        ("examined", made.examined),
    ):
        keys = {run.key() for run in planned}
        states = [statuses[key] for key in keys if key in statuses]
        counts = ", ".join(
            f"{states.count(state)} {state}" for state in ("done", "collapsed", "failed")
        )
        broken = sum(key in damaged for key in keys)
        missing = f"{len(keys) - len(states)} missing" + (
            f", {broken} of them damaged" if broken else ""
        )
        click.echo(f"{name}: {counted(len(keys), 'run')}: {counts}, {missing}")
    for why in damaged.values():
        click.echo(f"damaged: {why}", err=True)


@main.command()
@STUDY
@OVERRIDE
@RUNS
@click.option("--session", required=True, help="Whose encoder.")
@click.option(
    "--out", required=True, type=click.Path(path_type=Path), help="The .safetensors file to write."
)
@click.option(
    "--condition",
    default="identity",
    show_default=True,
    metavar="identity|PATH=DOSE",
    help="At which swept dose.",
)
@click.option(
    "--arm",
    type=click.Choice(get_args(Arm)),
    default="independent",
    show_default=True,
)
@click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True)
@click.option(
    "--fold",
    type=click.IntRange(min=0),
    default=0,
    show_default=True,
    help="The fold that it was not trained on.",
)
def export(
    study: Path,
    overrides: tuple[str, ...],
    runs: Path,
    session: str,
    out: Path,
    condition: str,
    arm: str,
    seed: int,
    fold: int,
) -> None:
    """Write one stored encoder to a file.

    Python reads it as a scikit-learn transformer.
    """
    from invariance_probe.runner import export_encoder

    path = export_encoder(
        open_file(study, overrides), runs, out, session, condition, arm, seed, fold, warn
    )
    click.echo(f"{path}: read it with invariance_probe.SSLTransformer.load({str(path)!r})")


@main.command(
    epilog="Templates: " + "; ".join(f"{name} ({asks})" for name, asks in TEMPLATES.items()) + "."
)
@click.argument("template", default="dropout", metavar=f"[{'|'.join(TEMPLATES)}]")
def new(template: str) -> None:
    """Print a commented study to start from; `dropout` when none is named."""
    from invariance_probe.study.new import template_text

    click.echo(template_text(template), nl=False)


@main.command()
def schema() -> None:
    """Print the JSON Schema of a study."""
    from invariance_probe.study.schema import schema_text

    click.echo(schema_text(), nl=False)


def _executor(
    on: str, profile: Path | None, address: str | None, workers: int | None
) -> "Executor | None":
    """Make the executor that `--on` names; None for worker processes here.

    Parameters
    ----------
    on
        `local` (worker processes on this machine), `slurm` or `dask`.
    profile
        YAML file with the options of a Slurm cluster's jobs; allowed only with `slurm`.
    address
        Address of the Dask scheduler; required with `dask`, allowed only there.
    workers
        Number of worker processes of a local Dask cluster.

    Raises
    ------
    click.UsageError
        If an option is missing, or does not go with the value of `--on`.
    ExecutionError
        If dask.distributed is not installed.
    """
    for name, given, needs in (("--profile", profile, "slurm"), ("--address", address, "dask")):
        if given is not None and on != needs:
            raise click.UsageError(f"{name} can only be used with --on {needs}; got --on {on}")
    if on == "slurm":
        from invariance_probe.executors.slurm import Slurm
        from invariance_probe.study.cluster import SlurmProfile
        from invariance_probe.study.load import load_profile

        return Slurm(load_profile(profile) if profile is not None else SlurmProfile())
    if on == "dask":
        if address is None:
            raise click.UsageError(
                "--on dask needs --address: give tcp://HOST:PORT of a running scheduler, or local"
            )
        try:
            from invariance_probe.executors.dask import Dask
        except ModuleNotFoundError as error:
            from invariance_probe.errors import ExecutionError

            raise ExecutionError(
                f"--on dask needs dask.distributed, but {error.name!r} is not installed; run: pip "
                "install 'invariance-probe[dask]'"
            ) from None
        return Dask(address, workers)
    return None


def _device() -> str:
    """Return the device that `--device auto` selects on this machine."""
    import torch

    return "cuda" if torch.cuda.is_available() else "cpu"


def _say(result: "Result", folder: Path) -> None:
    """Write the report, and print every verdict and the numbers of runs."""
    index = result.report(folder)
    click.echo(str(result))
    for message in sorted(set(result.lost.values())):
        click.echo(f"lost: {message}", err=True)
    click.echo(f"report: {index}")
