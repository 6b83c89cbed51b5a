"""Eight real workers on a real PostgreSQL, what can be done to them, and the proof that nothing was lost."""

import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Mapping
from contextlib import suppress
from itertools import pairwise
from pathlib import Path
from typing import Any

import psutil
from sqlalchemy import create_engine, text

from winnow import storage
from winnow.records import Outcome
from winnow.search.study import study as studies
from winnow.search.study.validation import check
from winnow.storage import workers

WORKERS = 8
LEASE_SECONDS = 3.0
EPOCHS = 6
HERE = Path(__file__).parent
STACKED: dict[str, Any] = {
    "data": {"name": "digits", "train": 700, "validation": 100},
    "fixed": {"model": "mlp", "widths": [32], "batch_size": 5, "epochs": EPOCHS},
    "search": {"lr": {"choices": [1e-3, 1e-2, 1e30]}, "dropout": {"low": 0.0, "high": 0.5}},
}
"""A search of Winnow's own objective; at the highest rate, trials diverge in their first epoch."""
_ENDS = (Outcome.COMPLETE, Outcome.DIVERGED, Outcome.EXCEPTION, Outcome.PROGRESS_LIMIT, Outcome.RUNG)
"""What an attempt comes to of itself."""


class Fleet:
    """A study and its workers, in a folder of their own."""

    def __init__(
        self,
        folder: Path,
        url: str,
        *,
        trials: int = 40,
        function: str = "search",
        lease_seconds: float = LEASE_SECONDS,
        pruner: Mapping[str, Any] | None = None,
        stack: int = 0,
        **fixed: Any,
    ) -> None:
        """With a `stack` of so many, trials of Winnow's own are trained, at once in each worker."""
        self.folder = folder
        self.url = url
        self.trials = trials
        self.stacks = stack > 0
        self.pauses = pruner is not None
        """Whether trials pause at rungs: then not all of them come to their end."""
        self.lease_seconds = lease_seconds
        self.trained = folder / "trained"
        self.trained.touch()
        self.seed = int(os.environ.get("WINNOW_FAULT_SEED") or random.randrange(2**32))
        print(f"WINNOW_FAULT_SEED={self.seed}")
        self.random = random.Random(self.seed)
        self.environment = {
            **os.environ,
            "OPTUNA_STORAGE": url,
            "WINNOW_FILES": str(folder / "files"),
            "PYTHONPATH": os.pathsep.join([str(HERE), str(HERE.parents[1])]),  # this checkout, wherever it lies
            "OMP_NUM_THREADS": "1",
        }
        shallow = {"objective": f"shallow:{function}", "fixed": {"log": str(self.trained), **fixed}}
        spec = {
            "name": "s",
            **(STACKED | {"fleet": {"fuse": stack}} if stack else shallow),
            "pruner": pruner or {"name": "none"},
            "sampler": {"name": "random"},
            "budget": {"trials": trials},
        }
        sys.path.append(str(HERE))
        self.storage = storage.open(url)
        self.study = studies.create(self.storage, check(spec, "the test"))
        self.workers: list[subprocess.Popen[bytes]] = []
        self._started: set[int] = set()

    def start(self, count: int = WORKERS, **environment: str) -> None:
        """Start workers, each as if on a machine of its own, which knows nothing of the others' deaths."""
        for _ in range(count):
            machine = self.folder / f"machine-{len(self.workers)}"
            machine.mkdir()
            log = (self.folder / f"worker-{len(self.workers)}.log").open("wb")
            self.workers.append(
                subprocess.Popen(
                    [sys.executable, "-m", "winnow", "work", "s", "--lease-seconds", str(self.lease_seconds)],
                    cwd=HERE,
                    env={**self.environment, "TMPDIR": str(machine), **environment},
                    stdout=log,
                    stderr=log,
                )
            )
            log.close()

    def wait_trained(self, epochs: int, seconds: float = 180) -> None:
        """Wait until so many epochs were trained in all, and no worker still starts, which would take a fault amiss."""
        wait_for(
            lambda: self._all_started() and len(self.trained.read_text().splitlines()) >= epochs, seconds, "training"
        )

    def _all_started(self) -> bool:
        """Whether each worker has once said that it is there, or has gone home."""
        if len(self._started) < len(self.workers):
            there = {worker.process for worker in workers.present(self.storage.database, self.study.study_id)}
            self._started |= {each.pid for each in self.workers if each.pid in there or each.poll() is not None}
        return len(self._started) == len(self.workers)

    def wait_done(self, seconds: float = 300, codes: tuple[int, ...] = (0, -signal.SIGKILL)) -> None:
        """Wait until every worker that was not killed has gone home, well: with one of these codes."""
        end = time.monotonic() + seconds
        for i, worker in enumerate(self.workers):
            try:
                code = worker.wait(max(0.1, end - time.monotonic()))
            except subprocess.TimeoutExpired:
                raise AssertionError(f"worker {i} still runs:\n{self.log(i)}") from None
            assert code in codes, f"worker {i} left with {code}:\n{self.log(i)}"

    def log(self, i: int) -> str:
        return (self.folder / f"worker-{i}.log").read_text()

    def alive(self) -> list[subprocess.Popen[bytes]]:
        return [worker for worker in self.workers if worker.poll() is None]

    def training(self) -> list[int]:
        """The processes of the workers that said at last that they train."""
        present = workers.present(self.storage.database, self.study.study_id)
        return [worker.process for worker in present if worker.state == "training"]

    def freeze_one(self) -> subprocess.Popen[bytes]:
        """Stop a worker in the middle of a trial, not between two."""
        held = text("SELECT worker FROM winnow_attempts WHERE ended_at IS NULL")
        while True:
            stopped = self.random.choice(self.alive())
            stopped.send_signal(signal.SIGSTOP)
            if any(f":{stopped.pid}:" in worker for worker in self.storage.database.scalars(held)):
                return stopped
            stopped.send_signal(signal.SIGCONT)

    def under_way(self) -> dict[int, set[int]]:
        """By the process of each worker, the trials that it holds and that have reported an epoch."""
        held = text(
            "SELECT DISTINCT a.worker, t.number FROM winnow_attempts a JOIN trials t USING (trial_id)"
            " JOIN winnow_epochs e USING (trial_id) WHERE a.ended_at IS NULL"
        )
        found: dict[int, set[int]] = {}
        for worker, number in self.storage.database.rows(held):
            found.setdefault(int(worker.split(":")[1]), set()).add(number)
        return found

    def remaining(self) -> int:
        """How many trials have not been given out."""
        return self.trials - len(self.study.optuna.get_trials(deepcopy=False))

    def end(self) -> None:
        for worker in self.alive():
            for process in [*psutil.Process(worker.pid).children(recursive=True), worker]:
                with suppress(psutil.NoSuchProcess):  # as the shell that guards a trainer ends with it
                    process.send_signal(signal.SIGCONT)
                    process.kill()
            worker.wait()
        self.storage.database.release()

    # --- the proof

    def prove(self, *, kills: int = 0, complete: int | None = None) -> None:
        """Every invariant of the storage, read from the database by plain SQL."""
        engine = create_engine(self.url)
        with engine.connect() as connection:

            def rows(query: str) -> list[Any]:
                return list(connection.execute(text(query)).all())

            states = dict(rows("SELECT state, count(*) FROM trials GROUP BY state"))
            numbers = [number for (number,) in rows("SELECT number FROM trials ORDER BY number")]
            curves = rows("SELECT trial_id, step FROM trial_intermediate_values ORDER BY trial_id, step")
            epochs = rows("SELECT trial_id, epoch FROM winnow_epochs ORDER BY trial_id, epoch")
            results = rows("SELECT trial_id, count(*) FROM trial_values GROUP BY trial_id")
            open_attempts = rows("SELECT * FROM winnow_attempts WHERE ended_at IS NULL")
            outcomes = [outcome for (outcome,) in rows("SELECT outcome FROM winnow_attempts")]
            checkpoints = rows("SELECT trial_id, epoch, token FROM winnow_checkpoints ORDER BY trial_id, epoch")
            exact = rows(
                "SELECT number FROM trials t JOIN trial_values v USING (trial_id) JOIN trial_params p USING (trial_id)"
                " WHERE abs(v.value - p.param_value * (SELECT max(epoch) FROM winnow_epochs e"
                " WHERE e.trial_id = t.trial_id)) > 1e-9"
            )
            whole = rows("SELECT trial_id FROM trials WHERE state = 'COMPLETE'")
            ((used, trained),) = rows("SELECT used_epochs, (SELECT count(*) FROM winnow_epochs) FROM winnow_budgets")
        engine.dispose()
        if self.stacks:
            assert states.keys() == {"COMPLETE", "PRUNED"}, "what diverged, and what did not"
        elif self.pauses:
            assert states.keys() == {"COMPLETE", "PRUNED"}, "what went on, and what did not"
            assert any(tries == Outcome.RUNG for tries in outcomes)
        else:
            expected = self.trials if complete is None else complete
            failed = {"FAIL": self.trials - expected} if expected < self.trials else {}
            assert states == {"COMPLETE": expected} | failed
        assert numbers == list(range(self.trials)), "the budget is exact"
        assert open_attempts == [], "nothing runs without a live lease"
        assert {count for _, count in results} <= {1}, "one result per trial"
        if self.stacks:
            assert {trial_id for trial_id, _ in results} == {trial_id for trial_id, _ in curves}
        else:
            assert len(results) == states["COMPLETE"] + states.get("PRUNED", 0)
            assert exact == [], "a trial that went on elsewhere came to the same value"
        assert curves == epochs, "both tables hold the same epochs"
        per_trial = Counter(trial_id for trial_id, _ in curves)
        assert sum(per_trial.values()) == len(set(curves)), "no epoch is recorded twice"
        assert all(per_trial[trial_id] == EPOCHS for (trial_id,) in whole), "no acknowledged epoch is lost"
        assert used == trained, "every epoch is booked once"
        for (trial_id, _, token), (next_id, _, next_token) in pairwise(checkpoints):
            assert trial_id != next_id or token <= next_token, "no checkpoint is older than its successor's"
        trained = Counter(tuple(line.split()[:2]) for line in self.trained.read_text().splitlines())
        redone = Counter(number for (number, _), times in trained.items() for _ in range(times - 1))
        broken_off = sum(Outcome(outcome) not in _ENDS for outcome in outcomes)
        assert sum(redone.values()) <= broken_off, "an attempt redoes at most one epoch"
        if kills == 0:
            assert broken_off == 0, "no fault here takes a trial from its worker"


def wait_for(condition: Callable[[], object], seconds: float, what: str) -> None:
    """Look until something is so; the processes of the tests have no event to wait for."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, f"{what}: not within {seconds} s"
        time.sleep(0.05)


def filled(folder: Path, room: int = 0) -> Path:
    """Fill a disk to its last byte, or but for so many; returns the file to be deleted."""
    filler = folder / "filler"
    with filler.open("wb", buffering=0) as file, suppress(OSError):
        while True:
            file.write(bytes(4096))
    os.truncate(filler, filler.stat().st_size - room)
    return filler
