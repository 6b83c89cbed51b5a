"""A real Ray cluster of two machines with two GPUs each, all of them this machine, in a network of its own."""

import importlib.util
import os
import shutil
import subprocess
import sys
from pathlib import Path
from types import TracebackType
from typing import Self

import pytest

from faults.fleet_under_fire import HERE


class RayCluster:
    """Started and ended as a context manager."""

    def __init__(self, log: Path) -> None:
        if importlib.util.find_spec("ray") is None:
            pytest.skip("no Ray here: pip install 'winnow-hpo[ray]'")
        own_network = ["unshare", "--net"] if os.geteuid() == 0 else ["unshare", "--net", "--map-root-user"]
        if shutil.which("unshare") is None or subprocess.run([*own_network, "true"], capture_output=True).returncode:
            pytest.skip("no network namespace of its own can be made here")
        self._log = log
        self._command = [*own_network, sys.executable, str(Path(__file__).parent / "ray_machines.py")]

    def __enter__(self) -> Self:
        # The machines' own environment is what their workers get.
        environment = {
            **os.environ,
            "PYTHONPATH": f"{HERE}{os.pathsep}{HERE.parents[1]}",
            "OMP_NUM_THREADS": "1",
            "RAY_USAGE_STATS_ENABLED": "0",
        }
        with self._log.open("wb") as log:
            self._machines = subprocess.Popen(
                self._command,
                env=environment,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
            )
        self.address = self._heard()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._machines.communicate(timeout=300)

    @property
    def inside(self) -> list[str]:
        """What a command begins with that is to run in the cluster's network."""
        user = [] if os.geteuid() == 0 else ["--user", "--preserve-credentials"]
        return ["nsenter", f"--target={self._machines.pid}", "--net", *user]

    def lose_a_machine(self) -> None:
        """Kill a machine's Ray with all that it started, as if its power had gone."""
        self._tell("lose")

    def add_a_machine(self) -> None:
        self._tell("add")

    def clear(self) -> None:
        """End all workers: one that a lost machine's return has just restarted would keep its GPU."""
        self._tell("clear")

    def _tell(self, word: str) -> None:
        assert self._machines.stdin is not None
        self._machines.stdin.write(f"{word}\n")
        self._machines.stdin.flush()
        self._heard()

    def _heard(self) -> str:
        assert self._machines.stdout is not None
        line = self._machines.stdout.readline().strip()
        assert line, self._log.read_text()
        return line
