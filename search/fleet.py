"""A fleet on this machine: worker processes, started, watched and restarted until the study is done."""

import math
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType

from search import status
from search.errors import WorkerFailed
from search.status import Status
from search.study import WinnowStudy

LOOK_SECONDS = 0.5
ENOUGH_FAILURES = 5
"""When the first so many trials all failed, the rest would too."""
MOST_CRASHES = 4
"""A worker that dies so often without finishing a trial in between is not started again."""
DRAIN_SECONDS = 20.0
FLEET = "WINNOW_FLEET"
"""Set in a worker's environment: it belongs to a fleet and drains when the fleet's process is gone."""


@dataclass
class Slot:
    """A place for one worker, and how it went there."""

    device: str
    log: Path
    process: subprocess.Popen[bytes] | None = None
    crashes: int = 0
    finished_at_crash: int = 0
    start_after: float = 0.0
    given_up: str = field(default="")


class Fleet:
    """Runs a study on workers of its own until nothing is left, or until it is told to stop."""

    def __init__(self, study: WinnowStudy, devices: list[str], threads: int = 1) -> None:
        self.study = study
        self.threads = threads
        self.stopping = False
        study.storage.link.patience = math.inf  # an outage of the database ends no search
        study.storage.link.give_up = lambda: self.stopping
        logs = study.storage.files / "logs"
        logs.mkdir(parents=True, exist_ok=True)
        self.slots = [Slot(device, logs / f"{study.name}-{i}.log") for i, device in enumerate(devices)]
        for slot in self.slots:
            slot.log.write_bytes(b"")

    def run(self, show: Callable[[Status], None]) -> Status:
        """Work until the study is done or stopped; `show` gets the state of things twice a second.

        Raises WorkerFailed where no worker can be kept alive, with the last words of one of them.
        """
        before = {number: signal.signal(number, self._stop) for number in (signal.SIGINT, signal.SIGTERM)}
        try:
            now = status.read(self.study)
            while not now.is_done and not self.stopping:
                self._keep_alive(now)
                _refuse_to_waste(now)
                show(now)
                time.sleep(LOOK_SECONDS)
                now = status.read(self.study)
            self._drain()
            now = status.read(self.study)
            show(now)
            return now
        finally:
            self._kill()
            for number, handler in before.items():
                signal.signal(number, handler)

    def _stop(self, number: int, frame: FrameType | None) -> None:
        if self.stopping:  # asked twice: no waiting for the end of an epoch
            self._kill()
        self.stopping = True

    def _keep_alive(self, now: Status) -> None:
        for slot in self.slots:
            if slot.process is not None and (code := slot.process.poll()) is not None:
                slot.process = None
                if code == 2:  # bad input: it would be as bad again
                    raise WorkerFailed(*_last_words(slot.log))
                if code != 0:
                    self._note_crash(slot, now)
            if slot.process is None and not slot.given_up and time.monotonic() >= slot.start_after:
                self._start(slot)
        if all(slot.given_up for slot in self.slots):
            raise WorkerFailed("no worker can be kept alive", f"the last log says: {self.slots[0].given_up}")

    def _note_crash(self, slot: Slot, now: Status) -> None:
        if now.finished > slot.finished_at_crash:
            slot.crashes = 0
        slot.crashes += 1
        slot.finished_at_crash = now.finished
        slot.start_after = time.monotonic() + min(60.0, 2.0**slot.crashes)
        if slot.crashes >= MOST_CRASHES:
            slot.given_up = _last_words(slot.log)[0] or f"see {slot.log}"

    def _start(self, slot: Slot) -> None:
        url = self.study.storage.engine.url.render_as_string(hide_password=False)
        # The URL goes by the environment: a command line can be read by everyone on the machine.
        with slot.log.open("ab") as log:
            slot.process = subprocess.Popen(
                [
                    *(sys.executable, "-m", "search", "work", self.study.name),
                    *("--device", slot.device, "--threads", str(self.threads)),
                ],
                env={**os.environ, "OPTUNA_STORAGE": url, FLEET: "1"},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )

    def _drain(self) -> None:
        """Ask every worker to hand its trial back, and wait for it."""
        alive = [slot.process for slot in self.slots if slot.process is not None]
        for process in alive:
            process.terminate()
        deadline = time.monotonic() + DRAIN_SECONDS
        for process in alive:
            try:
                process.wait(max(0.1, deadline - time.monotonic()))
            except subprocess.TimeoutExpired:
                process.kill()

    def _kill(self) -> None:
        for slot in self.slots:
            if slot.process is not None and slot.process.poll() is None:
                slot.process.kill()
                slot.process.wait()


def _refuse_to_waste(now: Status) -> None:
    """Stop before a mistake in the objective uses up the whole budget."""
    failed = now.states.get("FAIL", 0)
    if failed == now.finished >= ENOUGH_FAILURES:
        reason = max(now.failures, key=lambda reason: now.failures[reason])
        raise WorkerFailed(
            f"the first {failed} trials all failed: {reason}",
            f"mend it and go on with a larger budget; winnow status {now.study} --json has the tracebacks",
        )


def _last_words(log: Path) -> tuple[str, str]:
    """The last error that a worker wrote, as problem and remedy."""
    lines = [line for line in log.read_text(errors="replace").splitlines() if line.strip()]
    errors = [line.removeprefix("winnow: ") for line in lines if line.startswith("winnow: ")]
    last = errors[-1] if errors else (lines[-1] if lines else "")
    problem, _, remedy = last.partition("; ")
    return problem, remedy
