"""Leaving: a signal asks a worker to hand its trial back and go, within a time that somebody may count on."""

import os
import signal
import threading
from collections.abc import Callable
from types import FrameType

FAREWELL_SECONDS = 4.5
"""So long after its grace period a worker leaves as it is: whoever preempts it does not wait for a database."""


class Leaving:
    """Whether this process was asked to leave."""

    def __init__(self, grace_seconds: float) -> None:
        self.kill: Callable[[], None] = lambda: None
        """What has to be ended when the process cannot leave in order."""
        self._seconds = grace_seconds + FAREWELL_SECONDS
        self._asked = threading.Event()

    @property
    def asked(self) -> bool:
        """Whether to leave as soon as the trial is handed back."""
        return self._asked.is_set()

    def listen(self) -> None:
        """Take the signals from now on."""
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            if signal.getsignal(number) is not signal.SIG_IGN:  # as nohup asks for
                signal.signal(number, self._ask)

    def _ask(self, number: int, frame: FrameType | None) -> None:
        if not self.asked:
            self._asked.set()
            last_resort = threading.Timer(self._seconds, self._leave)
            last_resort.daemon = True
            last_resort.start()

    def _leave(self) -> None:
        self.kill()
        os._exit(1)
