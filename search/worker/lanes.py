"""The lanes of a worker: so many trials at once, which its trainer trains as stacks."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from fractions import Fraction

WAIT_SECONDS = 0.5


class Lanes:
    """Who of a worker's lanes has a trial: any number, or one that is to be alone."""

    def __init__(self, count: int) -> None:
        self.count = count
        """How many may be at work; fewer after their stack did not fit the device."""
        self.busy = 0
        self._wanted = 0
        self._parts: dict[str, Fraction] = {}
        self._changed = threading.Condition()

    @contextmanager
    def shared(self, keep_waiting: Callable[[], bool]) -> Iterator[bool]:
        """Have a trial beside others; yields False where the caller waits no longer for those that are alone."""
        with self._entered(lambda: not self._wanted, keep_waiting) as entered:
            yield entered

    @contextmanager
    def alone(self, keep_waiting: Callable[[], bool]) -> Iterator[bool]:
        """Have a trial with no other in this worker; yields False where the caller waits no longer."""
        with self._changed:
            self._wanted += 1
        try:
            with self._entered(lambda: not self.busy, keep_waiting) as entered:
                yield entered
        finally:
            with self._changed:
                self._wanted -= 1
                self._changed.notify_all()

    def make_way(self, keep_waiting: Callable[[], bool]) -> None:
        """Wait while a trial is, or is to be, alone, or there is no room: who claims another then only holds it."""
        with self._changed:
            while (self._wanted or sum(self._parts.values()) >= 1) and keep_waiting():
                self._changed.wait(WAIT_SECONDS)

    def take(self, claim: str, size: int) -> None:
        """Give a trial its part of the worker: one of as many as are done at once of its shape.

        So one that no stack makes faster trains beside what began before it, and nothing begins beside it.
        """
        with self._changed:
            self._parts[claim] = Fraction(1, size)

    def leave(self, claim: str) -> None:
        """Take it back."""
        with self._changed:
            self._parts.pop(claim, None)
            self._changed.notify_all()

    def halve(self, count: int) -> None:
        """Have half of `count` lanes from now on: what so many had together did not fit, which each of them says."""
        self.count = max(1, min(self.count, count // 2))

    @contextmanager
    def _entered(self, may_enter: Callable[[], bool], keep_waiting: Callable[[], bool]) -> Iterator[bool]:
        with self._changed:
            while not may_enter():
                if not keep_waiting():
                    entered = False
                    break
                self._changed.wait(WAIT_SECONDS)
            else:
                entered = True
                self.busy += 1
        try:
            yield entered
        finally:
            if entered:
                with self._changed:
                    self.busy -= 1
                    self._changed.notify_all()


def renewing(renew: Callable[[], None], seconds: float, keep_waiting: Callable[[], bool]) -> Callable[[], bool]:
    """Return `keep_waiting`, which also renews a lease every few seconds while its trial waits to be alone."""
    next_time = time.monotonic() + seconds

    def wait() -> bool:
        nonlocal next_time
        if time.monotonic() > next_time:
            renew()
            next_time = time.monotonic() + seconds
        return keep_waiting()

    return wait
