"""The trainer's process as its supervisor sees it: started when it is needed, killed whole when it hangs."""

import logging
import os
import socket
import threading
from collections.abc import Callable
from contextlib import closing, suppress
from dataclasses import dataclass, field
from importlib.util import find_spec
from multiprocessing.connection import Connection

from winnow import defaults
from winnow.errors import DeviceError, WinnowError, WorkerFailed
from winnow.search.study.spec import Spec
from winnow.search.study.study import WinnowStudy, refuse_other_code
from winnow.search.worker.channels import Channel, Channels
from winnow.search.worker.devices import Device, bind
from winnow.search.worker.forking import ForkServer
from winnow.search.worker.fusing import Fusing
from winnow.search.worker.messages import Answer, Measure, Pipe, Prepare, Ready
from winnow.search.worker.numerics import is_precision_open
from winnow.search.worker.process_group import ProcessGroup
from winnow.search.worker.processes import ALLOCATOR, refuse_deleted_folder

LOOK_SECONDS = 0.5
TRAINING_PACKAGES = ("torch", "torchvision", "sklearn", "safetensors")
_log = logging.getLogger("winnow")


@dataclass(frozen=True)
class WorkerOptions:
    """What may be said of a worker when it is started."""

    device: Device = field(default_factory=lambda: Device("cpu"))
    threads: int = 1
    lease_seconds: float = defaults.LEASE_SECONDS
    progress_minutes: float = defaults.PROGRESS_MINUTES
    """A trainer that reports nothing for so long is taken to hang."""
    grace_seconds: float = defaults.GRACE_SECONDS
    """How long a trainer may go on after a stop was asked for, to reach the end of its epoch."""
    fork_server: ForkServer | None = None
    """Whom to ask for a trainer of one thread on the CPU."""

    @property
    def longest_gap(self) -> float:
        """Seconds without a call after which nobody can say that the database was there all the time."""
        return self.lease_seconds / 2

    @property
    def longest_wait(self) -> float:
        """How long whoever waits may ask the database nothing: longer, and it would never be let reap."""
        return self.longest_gap / 2


def missing_packages() -> list[str]:
    """Return the packages that Winnow's own training imports and that are not installed."""
    return [name for name in TRAINING_PACKAGES if find_spec(name) is None]


def refuse_missing_packages(spec: Spec) -> None:
    """Raise WinnowError where a package is not installed that Winnow's own training imports."""
    if spec.built_in and (missing := missing_packages()):
        problem = f"{missing[0]} is not installed, and training {spec.name!r} here needs it"
        raise WinnowError(problem, "pip install 'winnow-hpo[train]'")


def refuse_other_devices(spec: Spec, device: Device) -> None:
    """Raise WinnowError where a worker has not as many devices as train each trial of a study; a CPU is any number."""
    count = spec.fleet.devices_per_trial
    if device.kind != "cpu" and device.count != count:
        raise WinnowError(
            f"the study {spec.name!r} trains each trial on {count} devices, and a worker on {device.name} has "
            f"{device.count}",
            f"give --devices auto, or --device {','.join(f'cuda:{i}' for i in range(count))}",
        )


@dataclass
class TrainerProcess:
    """The trainer's process, started when it is needed and again after it was killed."""

    study: WinnowStudy
    options: WorkerOptions
    process: ProcessGroup | None = None
    pipe: Pipe | None = None
    code: dict[str, str] = field(default_factory=dict)
    """What the study's trials are known to run, by module: what this worker's trainers have imported."""
    number: int = 0
    """How many trainers there have been."""
    fuse: int = 0
    """How many trials it trains at once, as stacks; 0 until the first of this worker's has said so."""
    measures_shapes: bool = False
    """Whether so many are but the most, and of each shape it finds how many pay: see `stack_size`."""
    _channels: Channels | None = None
    _is_ready: bool = False
    _killing: threading.Lock = field(default_factory=threading.Lock)

    @property
    def alive(self) -> bool:
        """Whether there is a process, be it one that still loads what its trials need."""
        return self.process is not None and self.process.alive

    @property
    def is_ready(self) -> bool:
        """Whether there is a process that can be given a trial."""
        return self._is_ready and self.alive

    def start(self) -> Pipe:
        """Return the pipe of a running trainer; raises WinnowError where none can be started."""
        if self.pipe is not None and self.alive:
            return self.pipe
        self.kill()  # what a dead one has started may live on
        refuse_deleted_folder()
        ours, theirs = socket.socketpair()
        self.number += 1
        self.process = ProcessGroup(
            "winnow.search.worker.trainer",
            theirs.fileno(),
            {**ALLOCATOR, **os.environ, **bind(self.options.device, self.options.threads)},
            self.options.fork_server if self.options.threads == 1 else None,
        )
        theirs.close()
        self.pipe = Connection(ours.detach())
        calibrate = is_precision_open(self.study)
        with suppress(ConnectionError):  # whoever waits for its answer finds that it has died already
            spec = self.study.spec.model_dump(mode="json")
            fuse = self.fuse or self.study.spec.fleet.fuse
            self.pipe.send(Prepare(spec, self.options.device.kind, calibrate, fuse, self.options.progress_minutes))
        return self.pipe

    def wait_until_ready(self, give_up: Callable[[], bool]) -> Ready | None:
        """Wait for the objective and its data; None where the caller gave up first.

        Raises WinnowError with what was wrong with them, or WorkerFailed where its process has died twice.
        """
        try:
            ready = self._first_word(give_up)
        except (EOFError, ConnectionError):
            _log.warning("the trainer's process %s while it started; it is started again", self.how_it_ended())
            try:
                ready = self._first_word(give_up)
            except (EOFError, ConnectionError):
                problem = f"the trainer's process {self.how_it_ended()} while it started, twice"
                raise WorkerFailed(problem, "see its output above") from None
        if ready is None:
            return None
        if ready.problem:
            _log.debug(ready.traceback)
            if ready.device:
                raise DeviceError(f"{self.options.device.name} cannot be used: {ready.problem}", ready.remedy)
            raise WinnowError(ready.problem, ready.remedy)
        self.refuse_other_code(ready.code)
        if not self.fuse and ready.fuse_why:
            _log.info("%s trains %s", self.options.device.name, ready.fuse_why)
        self.measures_shapes |= ready.measures_shapes  # one that is started again is told how many, and measures none
        self.fuse = ready.fuse
        if self.fuse > 1:
            assert self.pipe is not None
            self._channels = Channels(self.pipe)
        self._is_ready = True
        return ready

    def _first_word(self, give_up: Callable[[], bool]) -> Ready | None:
        """Wait for what a trainer says when it has loaded all; raises EOFError or ConnectionError where it dies."""
        pipe = self.start()
        while not pipe.poll(LOOK_SECONDS):
            if give_up():
                return None
            if not self.alive and not pipe.poll(0.0):
                raise EOFError
        ready: Ready = pipe.recv()
        return ready

    def conversation(self) -> Pipe | None:
        """Return the pipe by which one trial is trained; None where the trainer is gone, or its successor not ready."""
        with self._killing:
            if not self._is_ready:
                return None
            return self._channels.open() if self._channels is not None else self.pipe

    def stack_size(self, asked: Measure, keep_waiting: Callable[[], bool]) -> Fusing:
        """Have the trainer find how many trials of a shape it best trains at once; one where it cannot say."""
        unknown = Fusing(1, "one trial at a time: its trainer did not say what a stack would gain")
        pipe = self.conversation()
        if pipe is None:
            return unknown
        with suppress(EOFError, ConnectionError), closing(pipe):
            pipe.send(asked)
            while not pipe.poll(LOOK_SECONDS):
                if not keep_waiting():
                    return unknown
            answer: Answer = pipe.recv()
            return Fusing(*answer.value)
        return unknown

    def refuse_other_code(self, code: dict[str, str]) -> None:
        """Raise StudyError where a trainer has imported other code than the study's trials run."""
        if not code.items() <= self.code.items():
            refuse_other_code(self.study, code)
            self.code = self.code | code

    def how_it_ended(self) -> str:
        """Say how a trainer that has closed its pipe ended."""
        return "is gone" if self.process is None else self.process.how_it_ended()

    def kill(self, of: Pipe | None = None) -> None:
        """End the trainer and all that it started; its device is free afterwards.

        With `of`, only where this conversation is with the trainer of now, and not with one before it.
        """
        with self._killing:
            if isinstance(of, Channel) and of.of is not self._channels:
                return
            self._kill()

    def _kill(self) -> None:
        if self.process is not None:
            self.process.kill()
        if self.pipe is not None:
            self.pipe.close()
        self._channels = None
        self._is_ready = False
        self.process = self.pipe = None
