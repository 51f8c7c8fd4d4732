"""What a cluster asks of its jobs: a file of its own, because it says nothing of a study.

A study is hashed, registered and shared; partitions, accounts and modules belong to a person and a place, and one profile serves
all of that person's studies. Nothing here reaches a key.
"""

from typing import Annotated

from pydantic import Field

from invariance_probe.study.declaration import Declaration


class SlurmProfile(Declaration):
    """Options of the array jobs of `--on slurm`, as sbatch takes them; what is left out is the cluster's default."""

    partition: str = ""
    account: str = ""
    qos: str = ""
    time: str | int = ""
    """Longest time of a task: minutes, or `HH:MM:SS`, or `D-HH:MM:SS`. A task that comes to its end is kept and goes on in another."""
    memory: str | int = ""
    """Memory of a task: megabytes, or with a unit, such as `4G`."""
    options: tuple[Annotated[str, Field(pattern=r"^--[a-z]")], ...] = ()
    """Further options, each as it is written on sbatch's command line: `--constraint=avx512`, `--gres=gpu:1`."""
    setup: tuple[str, ...] = ()
    """Shell commands that a task runs first: `module load python`, `source ~/env/bin/activate`."""
    python: str = ""
    """The Python that has this toolkit on the nodes, after `setup`; the one that runs this command when left out."""
    tasks: Annotated[int, Field(ge=1)] = 1000
    """Most tasks of an array (the cluster's MaxArraySize less one, at most); where there are more stacks, a task takes several."""
    at_once: Annotated[int, Field(ge=1)] | None = None
    """Most tasks that run at the same time."""
    warning_s: Annotated[int, Field(ge=1, le=65535)] = 120
    """How long before the end of its time a task is told to keep what it trains."""
    poll_s: Annotated[float, Field(gt=0)] = 15.0
    """Seconds between two looks at the queue."""
