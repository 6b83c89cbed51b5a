"""A study whose workers an engine starts, and the proof that its budget was kept."""

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import psutil

from faults.fleet_under_fire import Fleet, wait_for
from winnow.storage import workers


class SearchOnCluster(Fleet):
    """The study of the tests of faults; its workers are an engine's instead of its own.

    No trial trains until `train` is called: how fast an engine starts its workers decides nothing.
    """

    def __init__(self, folder: Path, url: str, *, trials: int = 12) -> None:
        self._hold = folder / "hold"
        self._hold.touch()
        super().__init__(folder, url, trials=trials, lease_seconds=5.0, epoch_seconds=0.5, hold=str(self._hold))
        self.environment["WINNOW_WORK_LEASE_SECONDS"] = "5"
        content = self.study.spec.model_dump(mode="json", include={"name", "objective", "fixed"})
        (folder / "s.toml").write_text(
            f'name = "s"\nobjective = "{content["objective"]}"\n'
            'sampler = { name = "random" }\npruner = { name = "none" }\n'
            f"budget = {{ trials = {self.trials} }}\n[fixed]\n"
            + "".join(f"{key} = {json.dumps(value)}\n" for key, value in content["fixed"].items())
        )

    def winnow(
        self, *arguments: str, inside: Sequence[str] = (), **environment: str
    ) -> subprocess.CompletedProcess[str]:
        """Run the command as its user does, in the folder of the spec; where `inside` says."""
        return subprocess.run(
            [*inside, sys.executable, "-m", "winnow", *arguments],
            cwd=self.folder,
            env={**os.environ, **self.environment, **environment},
            capture_output=True,
            text=True,
            timeout=300,
        )

    def wait_at_work(self, workers: int, seconds: float = 300) -> None:
        """Wait until so many workers hold a trial each."""
        wait_for(lambda: len(self.training()) == workers, seconds, f"{workers} workers at work")

    def train(self) -> None:
        """Let the trials train."""
        self._hold.unlink()

    def states(self) -> list[str]:
        """Of all trials."""
        return [trial.state.name for trial in self.study.optuna.trials]

    def wait_finished(self, seconds: float = 600) -> None:
        """Wait until every trial has its result and every worker has left."""
        wait_for(lambda: self.states() == ["COMPLETE"] * self.trials, seconds, "the last result")
        wait_for(lambda: not self.processes(), 300, "the workers' end")

    def processes(self) -> list[psutil.Process]:
        """The workers that are at work; a cluster's machines are all this one."""
        present = workers.present(self.storage.database, self.study.study_id)
        return [psutil.Process(worker.process) for worker in present if psutil.pid_exists(worker.process)]
