"""How a worker is asked to leave by a signal, a person's Ctrl-C among them: in order, or at last without."""

import os
import signal
import threading
from types import FrameType

from winnow.search.worker.trainer_process import TrainerProcess

LAST_RESORT_SECONDS = 4.5
"""So long after its grace period a worker leaves as it is: whoever preempts it does not wait for a database."""


class Shutdown:
    """Whether this process was asked to leave, by SIGTERM, SIGINT, or SIGHUP of a terminal that was closed."""

    def __init__(self, grace_seconds: float) -> None:
        self.requested = threading.Event()
        self.trainer: TrainerProcess | None = None
        """Killed when the process cannot leave in order."""
        self._seconds = grace_seconds + LAST_RESORT_SECONDS

    def listen(self) -> None:
        """Take the signals from now on."""
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            if signal.getsignal(number) is not signal.SIG_IGN:  # as nohup asks for
                signal.signal(number, self._request)

    def _request(self, number: int, frame: FrameType | None) -> None:
        if not self.requested.is_set():
            self.requested.set()
            last_resort = threading.Timer(self._seconds, self._leave)
            last_resort.daemon = True
            last_resort.start()

    def _leave(self) -> None:
        if self.trainer is not None:
            self.trainer.kill()
        os._exit(1)
