"""Running the real command in a folder of its own, with an objective of one's own that needs no torch."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import optuna
import psutil

from winnow import storage

OBJECTIVE = """
import time
import optuna

def search(trial, epochs=4, epoch_seconds=0.0):
    x = trial.suggest_float("x", 0.0, 1.0)
    value = 0.0
    for epoch in range(1, epochs + 1):
        time.sleep(epoch_seconds)  # stands for training
        value = x * epoch / epochs
        trial.report(value, epoch)
        if trial.should_prune():
            raise optuna.TrialPruned
    return value

def keeps(trial):
    x = trial.suggest_float("x", 0.0, 1.0)
    if trial.user_attrs.get("winnow:keep_weights"):
        trial.store_artifact("weights", f"{x!r} of trial {trial.number}".encode())
    return x

def fails(trial):
    raise RuntimeError("the disk is on fire")

def sometimes_fails(trial):
    if trial.suggest_float("x", 0.0, 1.0) and trial.number % 2:
        raise RuntimeError("odd numbers fail")
    return float(trial.number)
"""


@dataclass(frozen=True)
class Place:
    """A folder with a spec, an objective and a storage, and the command run in it."""

    folder: Path
    started: list[subprocess.Popen[Any]] = field(default_factory=list)

    @property
    def url(self) -> str:
        return f"sqlite:///{self.folder}/winnow.db"

    def spec(self, trials: int, *, name: str = "s", function: str = "search", more: str = "") -> str:
        (self.folder / "mine.py").write_text(OBJECTIVE)
        (self.folder / "s.toml").write_text(
            f'name = "{name}"\nobjective = "mine:{function}"\n{more}\n[budget]\ntrials = {trials}\n'
        )
        return "s.toml"

    def run(self, *arguments: str, seconds: float = 600, **environment: str) -> subprocess.CompletedProcess[str]:
        return self.python("-m", "winnow", *arguments, seconds=seconds, **environment)

    def python(self, *arguments: str, seconds: float = 600, **environment: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, *arguments],
            cwd=self.folder,
            env=self.environment(environment),
            capture_output=True,
            text=True,
            timeout=seconds,
        )

    def start(self, *arguments: str, **environment: str) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            [sys.executable, "-m", "winnow", *arguments],
            cwd=self.folder,
            env=self.environment(environment),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        self.started.append(process)
        return process

    def end(self) -> None:
        """Leave nothing behind of what a failed test started."""
        for process in self.started:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
                process.communicate()

    def environment(self, more: dict[str, str]) -> dict[str, str]:
        # A TMPDIR of its own: the locks on devices that lie there are not those of other tests.
        return {**os.environ, "OPTUNA_STORAGE": self.url, "TMPDIR": str(self.folder), **more}

    def storage(self) -> storage.Storage:
        return storage.open(self.url, create=False)

    def study(self, name: str = "s") -> optuna.Study:
        return optuna.load_study(study_name=name, storage=self.storage())

    def states(self, name: str = "s") -> list[str]:
        return [trial.state.name for trial in self.study(name).trials]


def wait_for(what: Callable[[], Any], seconds: float = 300) -> Any:
    """The first true answer of `what`, asked again and again; fails after `seconds`."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        answer = what()
        if answer:
            return answer
        time.sleep(0.05)
    raise AssertionError(f"nothing came of {what} in {seconds} seconds")


def wait_for_listening(server: subprocess.Popen[Any], said: Callable[[], str], seconds: float = 300) -> int:
    """Return the port that a server bound for itself and answers on; fail at once where it has ended."""

    def ports() -> list[int]:
        assert server.poll() is None, said()
        sockets = psutil.Process(server.pid).net_connections("tcp")
        return [each.laddr.port for each in sockets if each.status == psutil.CONN_LISTEN and answers(each.laddr.port)]

    def answers(port: int) -> bool:
        """What listens for a moment while a server starts is not the server."""
        with socket.socket() as knocking:
            return knocking.connect_ex(("127.0.0.1", port)) == 0

    return int(wait_for(ports, seconds)[0])
