"""What a worker tells the process that supervises it: its name, how many trials it has ended, and why it ends itself.

The messages are lines of JSON on a pipe. The supervisor reads them; it does not go by the worker's log.
"""

import json
import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass

from winnow.errors import DeviceError, WinnowError
from winnow.search.worker.processes import die_with_parent

SUPERVISOR = "WINNOW_SUPERVISOR"
"""In a worker's environment: the id of its supervisor's process, and where given the descriptor of a pipe to it."""

LONGEST = 2000
"""Characters of a problem: a message has to fit the pipe whole."""


@dataclass(frozen=True)
class Farewell:
    """Why a worker ended, in its own words."""

    problem: str = ""
    """Empty where it has nothing left to do, or was asked to leave."""
    remedy: str = ""
    exit_code: int = 0
    device: bool = False
    """Whether its device is at fault, so that workers elsewhere may go on."""

    @property
    def refused(self) -> bool:
        """Whether it would end so again, however often it is started."""
        return self.exit_code == WinnowError.exit_code


class Supervision:
    """A worker's side of the pipe; everything is said into the void where nobody supervises."""

    def __init__(self, descriptor: int | None = None) -> None:
        self._pipe = descriptor
        self._ended = 0

    @classmethod
    def from_environment(cls) -> "Supervision | None":
        """Return the supervision that this process is under, if any, and leave when the supervisor is gone."""
        told = os.environ.pop(SUPERVISOR, "")
        if not told:
            return None
        parent, _, descriptor = told.partition(":")
        die_with_parent(int(parent), signal.SIGTERM)
        if descriptor:
            os.set_blocking(int(descriptor), False)
            os.set_inheritable(int(descriptor), False)
        return cls(int(descriptor) if descriptor else None)

    def works_as(self, worker: str) -> None:
        """Say the name under which it holds leases."""
        self._say({"worker": worker})

    def trial_ended(self) -> None:
        """Say that one more trial has ended."""
        self._ended += 1
        self._say({"ended": self._ended})

    @contextmanager
    def told(self) -> Iterator[None]:
        """Say how the block ended."""
        try:
            yield
        except WinnowError as error:
            farewell = Farewell(error.problem[:LONGEST], error.remedy, error.exit_code, isinstance(error, DeviceError))
            self._say({"farewell": asdict(farewell)})
            raise
        except Exception as error:
            self._say({"farewell": asdict(Farewell(f"{type(error).__name__}: {error}"[:LONGEST], exit_code=1))})
            raise
        self._say({"farewell": asdict(Farewell())})

    def _say(self, message: dict[str, object]) -> None:
        if self._pipe is not None:
            with suppress(OSError):  # the supervisor is gone, or does not read: neither ends a worker
                os.write(self._pipe, json.dumps(message).encode() + b"\n")


@dataclass
class Heard:
    """A supervisor's side of the pipe to one worker."""

    descriptor: int
    ended: int = 0
    worker: str = ""
    """The name under which it holds leases; empty before it has one."""
    farewell: Farewell | None = None
    """None while the worker is there, and for ever where it was killed."""
    over: bool = False
    """Whether nothing more will be heard: the worker has left, or closed its end."""
    _rest: bytes = b""

    def read(self) -> None:
        """Take note of what the worker has said since."""
        with suppress(BlockingIOError):
            while content := os.read(self.descriptor, 65536):
                self._rest += content
            self.over = True
        *lines, self._rest = self._rest.split(b"\n")
        for line in lines:
            message = json.loads(line)
            self.ended = message.get("ended", self.ended)
            self.worker = message.get("worker", self.worker)
            if "farewell" in message:
                self.farewell = Farewell(**message["farewell"])
