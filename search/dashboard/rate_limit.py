"""A limit on guessing: after a few wrong secrets from one address, or many from all, none is looked at for a while."""

import time
from collections import deque

WINDOW = 60.0
"""Seconds."""
OF_ONE = 5
OF_ALL = 100
_MOST_ADDRESSES = 10_000


class Attempts:
    """Wrong secrets of the last minute."""

    def __init__(self) -> None:
        self._by_address: dict[str, deque[float]] = {}
        self._all: deque[float] = deque()

    def wait(self, address: str) -> float:
        """For how many seconds this address must wait before its next try; 0 where it need not."""
        return max(self._wait(self._by_address.get(address, deque()), OF_ONE), self._wait(self._all, OF_ALL))

    def note(self, address: str) -> None:
        """A wrong secret came from this address."""
        if len(self._by_address) >= _MOST_ADDRESSES:
            self._by_address.clear()  # `OF_ALL` still holds
        for tries in (self._by_address.setdefault(address, deque()), self._all):
            tries.append(time.monotonic())

    def _wait(self, tries: deque[float], most: int) -> float:
        now = time.monotonic()
        while tries and now - tries[0] > WINDOW:
            tries.popleft()
        return 0.0 if len(tries) < most else WINDOW - (now - tries[-most])
