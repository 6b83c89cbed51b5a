"""A real Slurm on loopback: a controller and two machines, all of them this one, started in a folder of their own.

Debian and Ubuntu have it as `apt-get install slurm-wlm munge`. Two devices that are everywhere stand for the GPUs of a
machine: Slurm hands them out one by one, and looks at them no further.
"""

import os
import platform
import shutil
import subprocess
import tempfile
from pathlib import Path
from types import TracebackType
from typing import Self

import pytest

import ports
from faults.fleet_under_fire import wait_for

PROGRAMS = ("munged", "slurmctld", "slurmd", "sbatch")
NODES = ("n1", "n2")
GPUS = ("/dev/null", "/dev/zero")


class SlurmCluster:
    """Started and ended as a context manager."""

    def __init__(self) -> None:
        missing = [name for name in PROGRAMS if _program(name) is None]
        if missing:
            pytest.skip(f"no {', '.join(missing)} here: apt-get install slurm-wlm munge")
        # Not under pytest's own folder: others must get to munge's socket, and its path may have 107 letters.
        self.folder = Path(tempfile.mkdtemp(prefix="winnow-slurm-"))
        self.folder.chmod(0o755)
        self.processes: list[subprocess.Popen[bytes]] = []
        self.environment = {"SLURM_CONF": str(self.folder / "slurm.conf")}

    def __enter__(self) -> Self:
        self._write_configuration()
        self._start_munge()
        self._start("slurmctld", "-D", "-c")
        for node in NODES:
            self._start("slurmd", "-D", "-N", node)
        try:
            wait_for(lambda: self.ask("sinfo", "-h", "-o", "%t").split() == ["idle"], 300, "two idle machines")
        except BaseException:
            self.__exit__(None, None, None)
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is None:
            self.clear()
        for process in reversed(self.processes):
            process.terminate()
        for process in self.processes:
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        shutil.rmtree(self.folder, ignore_errors=True)

    def ask(self, *command: str) -> str:
        """What one of Slurm's commands prints."""
        done = subprocess.run(
            command, env={**os.environ, **self.environment}, capture_output=True, text=True, timeout=300
        )
        assert done.returncode == 0, done.stderr + self.logs()
        return done.stdout

    def finish(self, job: str, seconds: float = 600) -> None:
        """Wait until no task of a job runs or waits any more."""
        wait_for(lambda: not self.tasks(job), seconds, f"the end of Slurm job {job}")

    def tasks(self, job: str) -> list[str]:
        """The tasks of a job that run or wait, each with its state and machine."""
        return self.ask("squeue", "-h", "--array", "-j", job, "-o", "%i %T %R").splitlines()

    def clear(self) -> None:
        """End all jobs, and have all machines back."""
        self.ask("scancel", "--quiet", "--state=PENDING", "--partition=gpu")
        self.ask("scancel", "--quiet", "--partition=gpu")
        wait_for(lambda: not self.ask("squeue", "-h"), 300, "the end of all jobs")
        for node in self.ask("sinfo", "-h", "-N", "-o", "%n", "--states=down,drain").split():
            self.ask("scontrol", "update", f"NodeName={node}", "State=RESUME")

    def logs(self) -> str:
        """The last words of the daemons."""
        return "\n".join(f"--- {path.name}\n{path.read_text()[-2000:]}" for path in self.folder.glob("*.log"))

    def _write_configuration(self) -> None:
        host = platform.node()
        controller, *daemons = ports.reserve(1 + len(NODES))
        nodes = "\n".join(
            f"NodeName={node} NodeHostname={host} NodeAddr=127.0.0.1 Port={port} CPUs=4 RealMemory=1000 "
            f"Gres=gpu:{len(GPUS)} State=UNKNOWN"
            for node, port in zip(NODES, daemons, strict=True)
        )
        user = subprocess.run(["id", "-un"], capture_output=True, text=True, check=True).stdout.strip()
        (self.folder / "slurm.conf").write_text(f"""
ClusterName=winnow
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={controller}
SlurmUser={user}
SlurmdUser={user}
AuthType=auth/munge
AuthInfo=socket={self.folder}/munge.socket
CredType=cred/munge
StateSaveLocation={self.folder}/state
SlurmdSpoolDir={self.folder}/spool-%n
SlurmctldPidFile={self.folder}/slurmctld.pid
SlurmdPidFile={self.folder}/slurmd-%n.pid
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SwitchType=switch/none
MpiDefault=none
JobAcctGatherType=jobacct_gather/none
ReturnToService=0
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
SchedulerParameters=batch_sched_delay=0,sched_min_interval=0,bf_interval=1
SlurmdParameters=config_overrides
KillWait=15
GresTypes=gpu
{nodes}
PartitionName=gpu Nodes={",".join(NODES)} Default=YES MaxTime=INFINITE State=UP
""")
        (self.folder / "gres.conf").write_text(
            "".join(f"NodeName={','.join(NODES)} Name=gpu File={gpu} Flags=nvidia_gpu_env\n" for gpu in GPUS)
        )
        (self.folder / "cgroup.conf").write_text("CgroupAutomount=no\n")
        (self.folder / "state").mkdir()
        for node in NODES:
            (self.folder / f"spool-{node}").mkdir()

    def _start_munge(self) -> None:
        key = self.folder / "munge.key"
        key.write_bytes(os.urandom(128))
        key.chmod(0o600)
        files = {"key-file": key, "seed-file": self.folder / "munge.seed", "log-file": self.folder / "munge.log"}
        socket_ = self.folder / "munge.socket"
        self._start(
            "munged",
            "--foreground",
            "--num-threads=2",
            f"--socket={socket_}",
            f"--pid-file={self.folder}/munge.pid",
            *(f"--{name}={path}" for name, path in files.items()),
        )
        wait_for(socket_.exists, 120, "munge's socket")

    def _start(self, name: str, *arguments: str) -> None:
        label = "-".join([name, *(argument for argument in arguments if argument in NODES)])
        with (self.folder / f"{label}.log").open("wb") as log:
            self.processes.append(
                subprocess.Popen(
                    [str(_program(name)), *arguments],
                    env={**os.environ, **self.environment},
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=log,
                )
            )


def _program(name: str) -> str | None:
    return shutil.which(name, path=f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin")
