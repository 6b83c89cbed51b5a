"""A fleet on this machine: worker processes, one for each place, started, watched and started again until the end."""

import logging
import os
import platform
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import FrameType

from winnow.errors import WorkerFailed
from winnow.search.launch.placement import Place
from winnow.search.worker.devices import Device

LOOK_SECONDS = 0.5
MOST_CRASHES = 4
"""A worker that dies so often without a trial finished in between is not started again."""
LONGEST_PAUSE = 60.0
DRAIN_SECONDS = 15.0
"""After its workers' grace period a fleet waits so long for the last of them."""
FLEET = "WINNOW_FLEET"
"""Set in a worker's environment: it belongs to a fleet and drains when the fleet's process is gone."""
_log = logging.getLogger("winnow")


@dataclass
class Slot:
    """A place for one worker, and how it went there."""

    place: Place
    log: Path
    process: subprocess.Popen[bytes] | None = None
    crashes: int = 0
    finished_at_crash: int = 0
    start_after: float = 0.0
    given_up: str = ""


class Fleet:
    """Workers of one kind on this machine, kept at work until it is over or until SIGINT or SIGTERM."""

    def __init__(
        self,
        work: Sequence[str],
        places: Sequence[Place],
        url: str,
        logs: Path,
        *,
        finished: Callable[[], int],
        grace_seconds: float = 5.0,
    ) -> None:
        """`work` is what `winnow work` is given beside place and storage; `finished` counts the trials that ended."""
        self.stopped_by: int | None = None
        """The signal that told it to stop."""
        self._work = list(work)
        self._url = url
        self._finished = finished
        self._grace_seconds = grace_seconds
        logs.mkdir(parents=True, exist_ok=True)
        self._logs = logs / f"{work[0].lstrip('-')}-{platform.node()}"
        self._made = 0
        self._leaving: list[subprocess.Popen[bytes]] = []
        self.slots: list[Slot] = []
        for place in places:
            self._add(place)

    def run(self, is_over: Callable[[], bool]) -> None:
        """Keep every slot at work until `is_over`, asked about twice a second; then every worker has left.

        Raises WorkerFailed where no worker can be kept alive, with the last words of one of them.
        """
        before = {number: signal.signal(number, self._stop) for number in (signal.SIGINT, signal.SIGTERM)}
        try:
            while self.stopped_by is None:
                began = time.monotonic()
                if is_over():
                    break
                self._keep_alive()
                # Looking costs more in a large study: it may take a twentieth of this process's time.
                time.sleep(max(LOOK_SECONDS, 20 * (time.monotonic() - began)))
            self._drain()
        finally:
            self._kill()
            for number, handler in before.items():
                signal.signal(number, handler)

    def fill(self, place: Place, count: int) -> None:
        """Have so many workers on a device: more like this place, or the last ones asked to leave."""
        there = [slot for slot in self.slots if slot.place.device == place.device]
        for _ in range(count - len(there)):
            self._add(place)
        for slot in there[count:]:
            if slot.process is not None:
                slot.process.terminate()
                self._leaving.append(slot.process)
            self.slots.remove(slot)

    def process_ids(self, device: Device) -> list[int]:
        """The processes of the workers on a device."""
        there = [slot.process for slot in self.slots if slot.place.device == device]
        return [process.pid for process in there if process is not None]

    def _add(self, place: Place) -> None:
        slot = Slot(place, self._logs.with_name(f"{self._logs.name}-{self._made}.log"))
        slot.log.write_bytes(b"")
        self._made += 1
        self.slots.append(slot)

    def _stop(self, number: int, frame: FrameType | None) -> None:
        if self.stopped_by is not None:  # asked twice: no waiting for the end of an epoch
            self._kill()
        self.stopped_by = number

    def _keep_alive(self) -> None:
        for slot in self.slots:
            if slot.process is not None and (code := slot.process.poll()) is not None:
                slot.process = None
                if code == 2:  # bad input: it would be as bad again
                    raise WorkerFailed(*_last_words(slot.log))
                if code != 0:
                    self._note_crash(slot)
            if slot.process is None and not slot.given_up and time.monotonic() >= slot.start_after:
                self._start(slot)
        if self.slots and all(slot.given_up for slot in self.slots):
            raise WorkerFailed("no worker can be kept alive", f"the last log says: {self.slots[0].given_up}")

    def _note_crash(self, slot: Slot) -> None:
        finished = self._finished()
        if finished > slot.finished_at_crash:
            slot.crashes = 0
        slot.crashes += 1
        slot.finished_at_crash = finished
        slot.start_after = time.monotonic() + min(LONGEST_PAUSE, 2.0**slot.crashes)
        if slot.crashes >= MOST_CRASHES:
            slot.given_up = _last_words(slot.log)[0] or f"see {slot.log}"
            _log.warning("a worker on %s is not started again: %s", slot.place.device.name, slot.given_up)

    def _start(self, slot: Slot) -> None:
        place = slot.place
        # The URL goes by the environment: a command line can be read by everyone on the machine. A supervisor
        # computes little: its libraries are not to take the cores that the trainers were given.
        environment = {**os.environ, "OPTUNA_STORAGE": self._url, FLEET: "1", "OMP_NUM_THREADS": "1"}
        with slot.log.open("ab") as log:
            slot.process = subprocess.Popen(
                [
                    *(sys.executable, "-m", "winnow", "work", *self._work),
                    *("--device", place.device.name, "--threads", str(place.threads)),
                    *("--grace-seconds", str(self._grace_seconds)),
                ],
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        if place.cores and hasattr(os, "sched_setaffinity"):
            os.sched_setaffinity(slot.process.pid, place.cores)  # its trainer inherits it

    def _drain(self) -> None:
        """Ask every worker to hand its trial back, and wait for it."""
        alive = [*self._processes(), *self._leaving]
        for process in alive:
            process.terminate()
        deadline = time.monotonic() + self._grace_seconds + DRAIN_SECONDS
        for process in alive:
            try:
                process.wait(max(0.1, deadline - time.monotonic()))
            except subprocess.TimeoutExpired:
                process.kill()

    def _kill(self) -> None:
        for process in [*self._processes(), *self._leaving]:
            if process.poll() is None:
                process.kill()
                process.wait()

    def _processes(self) -> list[subprocess.Popen[bytes]]:
        return [slot.process for slot in self.slots if slot.process is not None]


def _last_words(log: Path) -> tuple[str, str]:
    """The last error that a worker wrote, as problem and remedy."""
    lines = [line for line in log.read_text(errors="replace").splitlines() if line.strip()]
    errors = [line.removeprefix("winnow: ") for line in lines if line.startswith("winnow: ")]
    last = errors[-1] if errors else (lines[-1] if lines else "")
    problem, _, remedy = last.partition("; ")
    return problem, remedy
