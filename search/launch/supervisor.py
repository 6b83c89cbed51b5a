"""The restart loop: one worker kept at work, started again when it dies, and given up when that does not help.

It serves the fleet of this machine, a task of Slurm and an actor of Ray alike. Nothing heavy is imported: the process
of a supervisor waits, and the worker beside it does the work.
"""

import logging
import math
import os
import signal
import subprocess
import threading
import time
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext, suppress
from multiprocessing import connection
from pathlib import Path
from types import FrameType
from typing import BinaryIO

from winnow.errors import WinnowError, WorkerFailed
from winnow.exit_status import ending
from winnow.search.worker.forking import FORK_SERVER, LOST, Forked, ForkServer, Process
from winnow.search.worker.processes import module_command
from winnow.search.worker.supervision import SUPERVISOR, Farewell, Heard

LOOK_SECONDS = 0.5
MOST_CRASHES = 4
"""A worker that dies so often without ending a trial in between is not started again."""
LONGEST_PAUSE = 60.0
DEVICE_PAUSE = 600.0
"""A device that failed its worker is tried again after so many seconds."""
LOG_BYTES = 4 * 2**20
"""A worker's log that has grown beyond this keeps its last half: a trial may print without end."""
_log = logging.getLogger("winnow")


class Supervisor:
    """One worker's place. `look` is to be called about twice a second; no method waits for the worker."""

    def __init__(
        self,
        arguments: Sequence[str],
        *,
        name: str = "the worker",
        environment: Mapping[str, str] | None = None,
        log: Path | None = None,
        cores: Sequence[int] = (),
    ) -> None:
        """`arguments` are those of `winnow work`; the worker writes to `log`, or where this process does."""
        self.given_up: Farewell | None = None
        """Why it is not started again, or not before long; None while it is kept at work."""
        self.idle = False
        """Whether the worker left because nothing was left to do."""
        self.dead: list[str] = []
        """The names of workers that ended without handing back what they held, until somebody takes them from here."""
        self.process: Process | None = None
        self._arguments = list(arguments)
        self._name = name
        self._environment = dict(environment or {})
        self._log = log
        self._cores = cores
        self._heard = Heard(-1)
        self._ended_before = 0
        self._fruitless = 0
        self._start_after = 0.0

    @property
    def ended(self) -> int:
        """How many trials its workers have ended, as far as they were heard."""
        return self._ended_before + self._heard.ended

    @property
    def descriptor(self) -> int | None:
        """Where its worker can be heard; None where there is none, or nothing more will be heard."""
        return None if self.process is None or self._heard.over else self._heard.descriptor

    def hear(self) -> bool:
        """Take note of what the worker has said, and return whether it has left."""
        self._heard.read()
        if self._heard.over and self.process is not None:
            with suppress(subprocess.TimeoutExpired):  # its files were closed, which the kernel does last but one
                self.process.wait(0.05)
        return self._heard.over

    def look(self, fork_server: ForkServer | None = None) -> None:
        """Take note of the worker's end, and start one where there is none and it is time, by a fork server if any."""
        self._bound_log()
        if self.process is not None:
            self._heard.read()
            if (status := self.process.poll()) is not None:
                self._heard.read()
                os.close(self._heard.descriptor)
                self.process = None
                self._note_end(status, self._heard)
        can_start = self.given_up is None or self.given_up.device
        if self.process is None and can_start and time.monotonic() >= self._start_after:
            self._start(fork_server)

    def ask_to_leave(self) -> None:
        """Have the worker hand its trial back and leave."""
        if self.process is not None:
            self.process.terminate()

    def kill(self) -> None:
        """End the worker at once."""
        if self.process is not None and self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        self._bound_log()

    def _bound_log(self) -> None:
        if self._log is not None:
            with suppress(OSError):  # a full disk, for one, ends no worker
                keep_end(self._log, LOG_BYTES)

    def _note_end(self, status: int, heard: Heard) -> None:
        # Whose fork server was killed has left in order, and nobody knows its status.
        self.idle = status in (0, LOST) and heard.farewell == Farewell()
        self._fruitless = 1 if heard.ended else self._fruitless + 1
        self._start_after = time.monotonic() + min(LONGEST_PAUSE, 2.0**self._fruitless)
        farewell = heard.farewell or Farewell(_words(status), exit_code=1)
        if heard.farewell is None and heard.worker:
            self.dead.append(heard.worker)
        if self.idle:
            _log.info("%s found nothing to do; it looks again later", self._name)
        elif farewell.device:
            self._start_after = time.monotonic() + DEVICE_PAUSE
            self._give_up(farewell)
        elif farewell.refused or self._fruitless >= MOST_CRASHES:
            self._give_up(farewell)
        else:
            _log.warning("%s ended: %s; it is started again", self._name, farewell.problem)

    def _give_up(self, farewell: Farewell) -> None:
        self.given_up = farewell
        when = f"for {DEVICE_PAUSE / 60:.0f} minutes" if farewell.device else "again"
        where = "" if self._log is None else f" (its log: {self._log})"
        _log.warning("%s is not started %s: %s%s", self._name, when, farewell.problem, where)

    def _output(self) -> AbstractContextManager[BinaryIO | None]:
        """Return where a worker writes, opened: its log, or nowhere where that cannot be; None: where this does."""
        if self._log is None:
            return nullcontext()
        try:
            self._log.parent.mkdir(parents=True, exist_ok=True)
            return self._log.open("ab")
        except OSError as error:
            _log.warning("%s has no log: %s", self._name, error)
            return open(os.devnull, "wb")

    def _start(self, fork_server: ForkServer | None) -> None:
        self.given_up = None
        ours, theirs = os.pipe()
        os.set_blocking(ours, False)
        self._ended_before = self.ended
        self._heard = Heard(ours)
        try:
            with self._output() as output:
                self.process = self._forked(fork_server, theirs, output) or subprocess.Popen(
                    module_command("winnow", "work", *self._arguments),
                    env={**os.environ, **self._environment, SUPERVISOR: f"{os.getpid()}:{theirs}"},
                    pass_fds=[theirs],
                    stdin=subprocess.DEVNULL,
                    stdout=output,
                    stderr=output,
                )
        except OSError as error:  # no room for another process, for one
            os.close(ours)
            self._heard = Heard(-1, farewell=Farewell(f"it cannot be started: {error}", exit_code=1))
            self._note_end(1, self._heard)
            return
        finally:
            os.close(theirs)
        if self._cores and hasattr(os, "sched_setaffinity"):
            os.sched_setaffinity(self.process.pid, self._cores)  # its trainer inherits it

    def _forked(self, by: ForkServer | None, theirs: int, output: BinaryIO | None) -> Forked | None:
        """Have the fork server fork the worker, whose parent it is then; None where it cannot."""
        if by is None or output is None:
            return None
        server, asked, log = by.process_id, by.descriptor, output.fileno()
        environment = {**os.environ, **self._environment, SUPERVISOR: f"{server}:{theirs}"}
        environment[FORK_SERVER] = f"{server}:{asked}"
        with open(os.devnull, "rb") as nothing:
            files = {0: nothing.fileno(), 1: log, 2: log, theirs: theirs, asked: asked}
            return by.fork("winnow", ["work", *self._arguments], environment, files)


def keep_end(log: Path, most: int) -> None:
    """Cut a file of more than `most` bytes to its last half of that; who appends to it goes on. Raises OSError."""
    if log.stat().st_size <= most:
        return
    with log.open("a+b") as file:
        file.seek(-(most // 2), os.SEEK_END)
        end = file.read()
        file.truncate(0)
        file.write(b"(what stood before was cut)\n" + end)


class Signals:
    """Takes SIGINT, SIGTERM and SIGHUP (a terminal that is closed) as the wish to stop, while it is entered.

    In another thread than the main one, which alone may do so, it leaves them to whoever has that.
    """

    def __init__(self) -> None:
        self.stopped_by: int | None = None
        self.times = 0
        self.descriptor = -1
        """Readable when a signal has come."""

    def __enter__(self) -> "Signals":
        self.descriptor, self._end = os.pipe()
        is_main = threading.current_thread() is threading.main_thread()
        self._before = {
            number: signal.signal(number, self._note)
            for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
            if is_main and signal.getsignal(number) is not signal.SIG_IGN  # as nohup asks for
        }
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)
        os.close(self.descriptor)
        os.close(self._end)

    def _note(self, number: int, frame: FrameType | None) -> None:
        self.stopped_by = number
        self.times += 1
        os.write(self._end, b".")


def wait(workers: Sequence[Supervisor], signals: Signals, seconds: float, ended: float = math.inf) -> None:
    """Wait so long, or until a signal comes, a worker leaves, or the workers have ended so many trials since ever."""
    until = time.monotonic() + seconds
    while sum(worker.ended for worker in workers) < ended:
        heard = {worker.descriptor: worker for worker in workers if worker.descriptor is not None}
        ready = connection.wait([signals.descriptor, *heard], max(0.0, until - time.monotonic()))
        if signals.descriptor in ready:
            os.read(signals.descriptor, 1)
        left = [heard[each].hear() for each in ready if each in heard]
        if not ready or signals.descriptor in ready or any(left):
            return


def keep_one(arguments: Sequence[str]) -> tuple[int, bool]:
    """Keep one worker at work where an engine has put this process, until nothing is left to do or it is stopped.

    Returns the exit status, and whether it was stopped by a signal.
    """
    logging.basicConfig(format="winnow: %(message)s")
    worker = Supervisor(arguments)
    with Signals() as signals:
        while signals.stopped_by is None and not worker.idle and worker.given_up is None:
            worker.look()
            wait([worker], signals, LOOK_SECONDS)
        worker.ask_to_leave()
        while worker.process is not None and worker.process.poll() is None:
            wait([worker], signals, LOOK_SECONDS)
    failed = signals.stopped_by is None and worker.given_up is not None
    return worker.given_up.exit_code if failed and worker.given_up else 0, signals.stopped_by is not None


def refuse_all_given_up(workers: Sequence[Supervisor]) -> None:
    """Raise WorkerFailed where a worker refused its input, or where none can be kept at work."""
    given_up = [worker.given_up for worker in workers if worker.given_up is not None]
    for farewell in given_up:
        if farewell.refused and not farewell.device:  # it would be as bad for every other
            raise WorkerFailed(farewell.problem, farewell.remedy)
    if workers and len(given_up) == len(workers):
        first: WinnowError = WorkerFailed(given_up[0].problem, given_up[0].remedy)
        raise WorkerFailed("no worker can be kept alive", f"the last one says: {first}")


def _words(status: int) -> str:
    if status == 0:
        return "it ended without having worked and without a word"
    if status < 0:
        return f"it {ending(status)}"
    return f"it left with status {status} and without a word"
