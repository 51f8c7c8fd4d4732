"""A real Slurm on this machine: munged, slurmctld and two slurmd on loopback.

Everything lies in one folder, and is gone when the test is over.
"""

import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

NEEDED = ("munged", "mungekey", "slurmctld", "slurmd", "sbatch", "squeue", "scontrol", "sinfo")
NODES = ("n0", "n1")

CONFIG = """
ClusterName=loopback
SlurmctldHost=localhost(127.0.0.1)
AuthType=auth/munge
AuthInfo=socket={folder}/munge.socket,cred_expire=5
CredType=cred/munge
SlurmUser=root
SlurmdUser=root
SlurmctldPort={ports[0]}
SlurmctldPidFile={folder}/slurmctld.pid
SlurmctldLogFile={folder}/slurmctld.log
SlurmdPidFile={folder}/%n.pid
SlurmdLogFile={folder}/%n.log
SlurmdSpoolDir={folder}/%n.spool
SlurmdParameters=config_overrides
StateSaveLocation={folder}/state
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SwitchType=switch/none
MpiDefault=none
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU
SchedulerParameters=sched_interval=2,batch_sched_delay=0
JobRequeue=1
ReturnToService=2
SlurmdTimeout={timeout}
KillWait=10
MinJobAge=10
NodeName=n0 NodeHostname={host} NodeAddr=127.0.0.1 Port={ports[1]} CPUs=2 RealMemory=2000
NodeName=n1 NodeHostname={host} NodeAddr=127.0.0.1 Port={ports[2]} CPUs=2 RealMemory=2000
PartitionName=all Nodes=ALL Default=YES MaxTime=INFINITE State=UP
"""


def why_not() -> str:
    """Say why there can be no Slurm here; empty when there can."""
    missing = [name for name in NEEDED if shutil.which(name) is None]
    if missing:
        return f"not installed: {', '.join(missing)} (apt packages slurm-wlm and munge)"
    return "" if os.geteuid() == 0 else "Slurm's daemons are started as root"


@dataclass
class Slurm:
    """A running cluster."""

    folder: Path
    daemons: dict[str, "subprocess.Popen[bytes]"] = field(default_factory=dict)

    @property
    def environment(self) -> dict[str, str]:
        return {**os.environ, "SLURM_CONF": str(self.folder / "slurm.conf")}

    def call(self, *command: str) -> str:
        return subprocess.run(
            command, env=self.environment, capture_output=True, text=True, timeout=60, check=True
        ).stdout

    def start(self, name: str, *command: str) -> None:
        """Start a daemon that ends with this process, however it ends."""
        with (self.folder / f"{name}.said").open("ab") as said:
            self.daemons[name] = subprocess.Popen(
                ["setpriv", "--pdeathsig", "KILL", *command],
                env=self.environment,
                stdout=said,
                stderr=said,
                start_new_session=True,
            )

    def start_node(self, name: str) -> None:
        self.start(name, "slurmd", "-D", "-N", name, "-f", str(self.folder / "slurm.conf"))

    def kill_node(self, name: str) -> None:
        """Take a node away as a power cut does, so that nobody reports.

        First its daemon is killed, then the processes that watch its tasks, then the
        tasks.
        """
        tasks = self.processes(name)
        watching = {parent for pid in tasks if (parent := _parent(pid)) not in (0, 1)} - set(tasks)
        daemon = self.daemons.pop(name)
        for pid in (daemon.pid, *watching, *tasks):
            _kill(pid)
        daemon.wait()

    def processes(self, node: str) -> list[int]:
        """Return the processes of the tasks that run on a node."""
        found = []
        for path in Path("/proc").glob("[0-9]*/environ"):
            try:
                environment = path.read_bytes().split(b"\0")
            except OSError:
                continue
            if (
                f"SLURMD_NODENAME={node}".encode() in environment
                and f"SLURM_CONF={self.folder}/slurm.conf".encode() in environment
            ):
                found.append(int(path.parent.name))
        return found

    def state(self) -> str:
        return self.call("sinfo", "--noheader", "--Node", "--format=%N %T")

    def wait_for(self, nodes: int) -> None:
        deadline = time.monotonic() + 60
        while (
            sum(
                line.split()[1] in ("idle", "mixed", "allocated")
                for line in self._state().splitlines()
            )
            < nodes
        ):
            assert time.monotonic() < deadline, self._state() + self.logs()
            time.sleep(0.2)

    def logs(self) -> str:
        return "\n".join(
            f"--- {p.name}\n{p.read_text(errors='replace')[-3000:]}"
            for p in sorted(self.folder.glob("*.log"))
        )

    def _state(self) -> str:
        done = subprocess.run(
            ["sinfo", "--noheader", "--Node", "--format=%N %T"],
            env=self.environment,
            capture_output=True,
            text=True,
            check=False,
        )
        return done.stdout


@contextmanager
def loopback_slurm(folder: Path, timeout: int = 10) -> Iterator[Slurm]:
    """Start a cluster of two nodes with two cores each, and end it."""
    folder.mkdir(parents=True)
    (folder / "state").mkdir()
    for name in NODES:
        (folder / f"{name}.spool").mkdir()
    with _free_ports(3) as ports:
        config = CONFIG.format(
            folder=folder, ports=ports, host=socket.gethostname().split(".")[0], timeout=timeout
        )
    (folder / "slurm.conf").write_text(config)
    key = folder / "munge.key"
    subprocess.run(["mungekey", "--create", f"--keyfile={key}"], check=True)
    slurm = Slurm(folder)
    try:
        slurm.start(
            "munged",
            "munged",
            "--foreground",
            "--force",
            f"--key-file={key}",
            f"--socket={folder}/munge.socket",
            f"--pid-file={folder}/munged.pid",
            f"--log-file={folder}/munged.log",
            f"--seed-file={folder}/munged.seed",
        )
        deadline = time.monotonic() + 20
        while not (folder / "munge.socket").exists():
            assert time.monotonic() < deadline, (folder / "munged.said").read_text() + slurm.logs()
            time.sleep(0.05)
        slurm.start("slurmctld", "slurmctld", "-D", "-f", str(folder / "slurm.conf"))
        for name in NODES:
            slurm.start_node(name)
        slurm.wait_for(2)
        yield slurm
    finally:
        for name in NODES:
            for pid in slurm.processes(name):
                _kill(pid)
        for daemon in reversed(slurm.daemons.values()):
            for pid in (*_below(daemon.pid), daemon.pid):
                _kill(pid)
            daemon.wait()


@contextmanager
def _free_ports(count: int) -> Iterator[list[int]]:
    sockets = [socket.socket() for _ in range(count)]
    try:
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        yield [one.getsockname()[1] for one in sockets]
    finally:
        for one in sockets:
            one.close()


def _kill(pid: int) -> None:
    with suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)


def _parent(pid: int) -> int:
    try:
        return int(Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[1])
    except OSError:
        return 0


def _below(pid: int) -> list[int]:
    """Return all descendants of a process."""
    parents = {}
    for path in Path("/proc").glob("[0-9]*/stat"):
        parents[int(path.parent.name)] = _parent(int(path.parent.name))
    found, fresh = [], {pid}
    while fresh := {child for child, parent in parents.items() if parent in fresh}:
        found += sorted(fresh)
    return found
