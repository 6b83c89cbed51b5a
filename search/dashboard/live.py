"""One look at the database for all who watch: what is asked for again within its time is answered from memory."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

from starlette.concurrency import run_in_threadpool

from winnow.storage.errors import StorageError

Seen = TypeVar("Seen")


@dataclass(frozen=True)
class Look(Generic[Seen]):
    """What was seen last, and what is wrong where the database does not answer now."""

    seen: Seen | None
    outage: str = ""


class Channel(Generic[Seen]):
    """Something in the database that many watch: looked at every so many seconds while anybody asks."""

    def __init__(self, look: Callable[[], Seen], every: float) -> None:
        self._look = look
        self.every = every
        self.looks = 0
        """How often the database was asked."""
        self._lock = asyncio.Lock()
        self._looked_at = -float("inf")
        self._last: Look[Seen] = Look(None)

    async def latest(self) -> Look[Seen]:
        """Return what there is now, at most `every` seconds old; raises what the look does beside StorageError."""
        async with self._lock:  # those who come meanwhile find it done
            if time.monotonic() - self._looked_at >= self.every:
                self.looks += 1
                try:
                    self._last = Look(await run_in_threadpool(self._look))
                except StorageError as error:
                    self._last = Look(self._last.seen, str(error))
                self._looked_at = time.monotonic()
            return self._last

    def expire(self) -> None:
        """Look anew the next time somebody asks: this process has just changed something."""
        self._looked_at = -float("inf")

    async def changes(self) -> AsyncIterator[Look[Seen] | None]:
        """Yield what there is now, then every second what has changed, or None."""
        before: Look[Seen] | None = None
        while True:
            now = await self.latest()
            yield None if now == before else now
            before = now
            await asyncio.sleep(min(self.every, 1.0))
