"""The fork server of a fleet as its clients see it, and the processes that it forks for them.

It saves time and nothing else: where it cannot be had, or is gone, the same process is started by a command.
"""

import json
import math
import os
import signal
import socket
import struct
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import asdict, dataclass
from multiprocessing.connection import Connection

from winnow.search.worker.devices import Device, bind
from winnow.search.worker.processes import ALLOCATOR, module_command

FORK_SERVER = "WINNOW_FORK_SERVER"
"""In a worker's environment: the id of its fleet's fork server, and the descriptor by which it is asked."""
ANSWER_SECONDS = 60.0
"""A fork server that does not answer for so long is taken to hang."""
STATUS_SECONDS = 5.0
"""So long it may take to say how a process ended."""
LOST = 255
"""The status of a process of which the fork server does not say how it ended, since it is gone or hangs."""


@dataclass(frozen=True)
class Request:
    """A process that is asked for."""

    module: str
    """Run as by `python -m`, by calling its `main`."""
    arguments: list[str]
    environment: dict[str, str]
    files: list[int]
    """Numbers of the files that it has open, which come with the request."""
    leads_group: bool
    cores: list[int]
    """The only ones that it may use."""


class Forked:
    """A process that a fork server has forked; what is asked of it is asked of a `subprocess.Popen`, too."""

    def __init__(self, process_id: int, handle: int, answers: int) -> None:
        """`handle` names the process, whoever has its id by now: pidfd_open(2); `answers` says how it ended."""
        self.pid = process_id
        self._handle = Connection(handle, writable=False)
        self._answers = Connection(answers)
        self._status: int | None = None
        self._taking = threading.Lock()

    def poll(self) -> int | None:
        """Return how it ended, as `subprocess` gives it; None while it runs."""
        with suppress(subprocess.TimeoutExpired):
            return self.wait(0.0)
        return None

    def wait(self, timeout: float | None = None) -> int:
        """Wait for its end, and return how it ended; raises subprocess.TimeoutExpired."""
        if not self._handle.poll(timeout):
            raise subprocess.TimeoutExpired(f"process {self.pid}", timeout or 0.0)
        with self._taking:
            if self._status is None:
                told = self._answers.poll(STATUS_SECONDS) and os.read(self._answers.fileno(), 64)
                self._status = int(told) if told else LOST
            return self._status

    def send_signal(self, number: signal.Signals) -> None:
        """Send it a signal, unless it has ended."""
        with suppress(ProcessLookupError):
            signal.pidfd_send_signal(self._handle.fileno(), number)

    def terminate(self) -> None:
        """Ask it to leave."""
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        """End it at once."""
        self.send_signal(signal.SIGKILL)


Process = subprocess.Popen[bytes] | Forked


class ForkServer:
    """Whom a fleet and its workers ask for processes."""

    def __init__(self, process_id: int, requests: socket.socket) -> None:
        """`requests` is shared by all who ask."""
        self.process_id = process_id
        self._requests = requests
        self._is_gone = False

    @classmethod
    def from_environment(cls) -> "ForkServer | None":
        """Return the one of the fleet that this process belongs to, if it has one."""
        told = os.environ.pop(FORK_SERVER, "")
        if not told:
            return None
        process_id, _, descriptor = told.partition(":")
        os.set_inheritable(int(descriptor), False)
        return cls(int(process_id), socket.socket(fileno=int(descriptor)))

    @property
    def descriptor(self) -> int:
        """The file by which it is asked."""
        return self._requests.fileno()

    def fork(
        self,
        module: str,
        arguments: Sequence[str],
        environment: Mapping[str, str],
        files: Mapping[int, int],
        *,
        leads_group: bool = False,
    ) -> Forked | None:
        """Have a module of Winnow's run in a process of its own, by calling its `main`; None where that cannot be.

        `files` are those that it has open, by the numbers that they have there.
        """
        if self._is_gone:  # or has not answered, for which nobody waits twice
            return None
        cores = sorted(os.sched_getaffinity(0))
        asked = Request(module, list(arguments), dict(environment), list(files), leads_group, cores)
        answers, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        try:
            with theirs:
                request = json.dumps(asdict(asked)).encode()
                socket.send_fds(self._requests, [request], [theirs.fileno(), *files.values()])
            answers.settimeout(ANSWER_SECONDS)
            told, (handle,), _, _ = socket.recv_fds(answers, 64, 1)
            answers.settimeout(None)
        except (OSError, ValueError):
            self._is_gone = True
            answers.close()
            return None
        return Forked(int(told), handle, answers.detach())


@contextmanager
def fork_server(modules: Sequence[Sequence[str]]) -> Iterator[ForkServer | None]:
    """Have a fork server for processes of one CPU thread; None where there can be none.

    It imports some modules after others, and between them answers who asks.
    """
    with ExitStack() as ends:
        server = None
        with suppress(OSError):  # no room for another process
            server = _start(modules, ends) if _can_be() else None
        yield server


def _start(modules: Sequence[Sequence[str]], ends: ExitStack) -> ForkServer:
    """Start a fork server that ends with `ends`; raises OSError."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    ends.enter_context(ours)
    # Where the server hangs, it fills, and then takes no more.
    ours.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, struct.pack("ll", math.ceil(ANSWER_SECONDS), 0))
    command = [str(os.getpid()), str(theirs.fileno()), *map(",".join, modules)]
    with theirs:
        process = subprocess.Popen(
            module_command("winnow.search.worker.fork_server", *command),
            env={**ALLOCATOR, **os.environ, **bind(Device("cpu"), 1)},
            pass_fds=[theirs.fileno()],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
    ends.callback(process.wait)
    ends.callback(process.kill)  # called first
    return ForkServer(process.pid, ours)


def _can_be() -> bool:
    if sys.platform != "linux" or not hasattr(os, "pidfd_open"):
        return False
    try:
        os.close(os.pidfd_open(os.getpid()))
    except OSError:  # a kernel, or a container, that has none
        return False
    return True
