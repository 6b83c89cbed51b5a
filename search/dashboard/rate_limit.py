"""Count wrong tokens, so that guessing is slowed and fills no log. What is right is never counted nor refused."""

import time
from collections import deque

WINDOW = 60.0
"""Seconds."""
OF_ONE = 5
OF_ALL = 100
# Bounds the memory that a flood from many addresses takes; `OF_ALL` holds beyond it.
_MOST_ADDRESSES = 10_000


class WrongTokens:
    """The wrong tokens of the last minute, by the address that they came from."""

    def __init__(self) -> None:
        self._by_address: dict[str, deque[float]] = {}
        self._all: deque[float] = deque()

    def note(self, address: str) -> float:
        """Count a wrong token; return the seconds to wait before the next try, 0 while there were only a few."""
        if len(self._by_address) >= _MOST_ADDRESSES:
            self._by_address.clear()
        counted = ((self._by_address.setdefault(address, deque()), OF_ONE), (self._all, OF_ALL))
        wait = max(_wait(tries, most) for tries, most in counted)
        if not wait:
            for tries, _ in counted:
                tries.append(time.monotonic())
        return wait


def _wait(tries: deque[float], most: int) -> float:
    now = time.monotonic()
    while tries and now - tries[0] > WINDOW:
        tries.popleft()
    return 0.0 if len(tries) < most else WINDOW - (now - tries[-most])
