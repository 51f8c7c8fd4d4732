"""The profile of a cluster: options of its jobs, in a file of their own.

In: a YAML profile. Out: one frozen value. It is no part of a study: a study is hashed,
registered and shared, but partitions, accounts and modules belong to a person and a
place, and one profile serves all studies of that person. Nothing here reaches a key.
"""

from typing import Annotated

from pydantic import Field

from invariance_probe.study.declaration import Declaration


class SlurmProfile(Declaration):
    """Options of the array jobs of `--on slurm`, as sbatch takes them.

    What is left out is the cluster's default.
    """

    partition: str = ""
    account: str = ""
    qos: str = ""
    time: str | int = ""
    """Longest time of a task: minutes, or `HH:MM:SS`, or `D-HH:MM:SS`.

    When its time ends, what a task trains is kept, and another task goes on with it.
    """
    memory: str | int = ""
    """Memory of a task: megabytes, or with a unit, such as `4G`."""
    options: tuple[Annotated[str, Field(pattern=r"^--[a-z]")], ...] = ()
    """Further options, each as it is written on sbatch's command line.

    For example `--constraint=avx512` or `--gres=gpu:1`.
    """
    setup: tuple[str, ...] = ()
    """Shell commands that a task runs first.

    For example `module load python` or `source ~/env/bin/activate`.
    """
    python: str = ""
    """The Python on the nodes that has this toolkit, after `setup`.

    If omitted, the Python that runs this command.
    """
    tasks: Annotated[int, Field(ge=1)] = 1000
    """Most tasks of an array: at most the cluster's MaxArraySize less one.

    Where there are more stacks of runs, a task takes several.
    """
    at_once: Annotated[int, Field(ge=1)] | None = None
    """Most tasks that run at the same time."""
    warning_s: Annotated[int, Field(ge=1, le=65535)] = 120
    """How long before its end a task is told to keep what it trains (seconds)."""
    poll_s: Annotated[float, Field(gt=0)] = 15.0
    """Seconds between two queries of the queue."""
