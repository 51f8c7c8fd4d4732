"""The profile of a cluster: options of its jobs, in a file of their own.

In: a YAML profile. Out: one frozen value. It is no part of a study: a study is hashed,
registered and shared, but partitions, accounts and modules belong to a person and a
place, and one profile serves all studies of that person. Nothing here changes a run's
key (the hash under which its result is stored).
"""

from typing import Annotated

from pydantic import Field

from invariance_probe.study.declaration import Declaration


class SlurmProfile(Declaration):
    """Options of the array jobs of `--on slurm`, as sbatch takes them.

    An option that is omitted has the cluster's default.
    """

    partition: str = ""
    account: str = ""
    qos: str = ""
    time: str | int = ""
    """Longest time of a task: minutes, or `HH:MM:SS`, or `D-HH:MM:SS`.

    When the time of a task ends, its unfinished training is saved, and another task
    continues it.
    """
    memory: str | int = ""
    """Memory of a task: megabytes, or with a unit, such as `4G`."""
    options: tuple[Annotated[str, Field(pattern=r"^--[a-z]")], ...] = ()
    """Further options, written as on sbatch's command line.

    For example `--constraint=avx512` or `--gres=gpu:1`.
    """
    setup: tuple[str, ...] = ()
    """Shell commands to run at the start of a task.

    For example `module load python` or `source ~/env/bin/activate`.
    """
    python: str = ""
    """Python interpreter on the nodes in which this toolkit is installed.

    It is looked up after `setup`. If omitted, it is the one that runs this command.
    """
    tasks: Annotated[int, Field(ge=1)] = 1000
    """Largest number of tasks in a job array; below the cluster's MaxArraySize.

    If there are more stacks of runs (models trained together), a task takes several.
    """
    at_once: Annotated[int, Field(ge=1)] | None = None
    """Largest number of tasks that run at the same time; no limit if omitted."""
    warning_s: Annotated[int, Field(ge=1, le=65535)] = 120
    """Seconds before its end at which a task is told to save unfinished training."""
    poll_s: Annotated[float, Field(gt=0)] = 15.0
    """Seconds between two queries of the queue."""
