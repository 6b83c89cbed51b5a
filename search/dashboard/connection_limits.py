"""Bound what clients hold: how many connections there are, and for how long one may ask for nothing or read nothing."""

import asyncio
import math
import resource
import ssl
from typing import Any

from uvicorn.protocols.http.h11_impl import H11Protocol

SECONDS = 10.0
"""For a TLS handshake, for the headers of a request, and for taking some of an answer that was sent."""
BACKLOG = 32
"""Connections that the event loop accepts at one go, before it counts them."""


def most() -> int:
    """Return how many connections may be open: a third of the files that this process may open; the rest needs them."""
    files, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return 1000 if files == resource.RLIM_INFINITY else min(1000, max(16, files // 3))


class BoundedProtocol(H11Protocol):
    """HTTP on one connection, which is closed where its client neither asks nor reads.

    Where there are too many connections, the one that has been silent longest goes; one that is being answered stays.
    """

    tls: ssl.SSLContext | None = None
    """With it every connection is TLS, and its handshake is bounded like the rest."""
    most = 1000

    def __init__(self, *given: Any, **named: Any) -> None:
        super().__init__(*given, **named)
        self._timer: asyncio.TimerHandle | None = None
        self._unsent = math.inf
        """Bytes that the client had not taken at the last look."""
        self._early = bytearray()

    @property
    def waits(self) -> bool:
        """Whether it is the client's turn: no request is there in full that is still to be answered."""
        done = self.cycle is None or self.cycle.response_complete or self.cycle.more_body
        return done and not self.transport.get_write_buffer_size()

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Take a connection, where there is room for it."""
        self.transport = transport
        if len(self.connections) >= self.most and not self._make_room():
            transport.abort()
            return
        if self.tls is None:
            super().connection_made(transport)
        else:
            self.connections.add(self)
            transport.pause_reading()
            self._handshake = self.loop.create_task(self._start_tls(transport, self.tls))
        self._watch()

    async def _start_tls(self, transport: asyncio.Transport, tls: ssl.SSLContext) -> None:
        try:
            secured = await self.loop.start_tls(transport, self, tls, server_side=True, ssl_handshake_timeout=SECONDS)
        except OSError:  # what came is no TLS, or came too late; ssl.SSLError is one
            secured = None
        if secured is None:
            self._close()
        else:
            super().connection_made(secured)
            self._watch()
            self.data_received(bytes(self._early))

    def data_received(self, data: bytes) -> None:
        """Take in what has come; with the end of a handshake that may be before its task goes on."""
        if self.flow is None:
            self._early += data
        elif data:
            super().data_received(data)

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the connection."""
        self._stop_watching()
        super().connection_lost(exc)

    def on_response_complete(self) -> None:
        """Give the client time for its next request, however it drips in."""
        super().on_response_complete()
        self._watch()

    def resume_writing(self) -> None:
        """Note that the client reads."""
        super().resume_writing()
        self._unsent = math.inf

    def _make_room(self) -> bool:
        """Close the connection whose client has been silent longest; return whether there was one."""
        waiting = [each for each in self.connections if isinstance(each, BoundedProtocol) and each.waits]
        oldest = min(waiting, key=lambda each: each._timer.when() if each._timer else 0.0, default=None)
        if oldest is not None:
            oldest._close()
        return oldest is not None

    def _watch(self) -> None:
        self._stop_watching()
        self._timer = self.loop.call_later(SECONDS, self._look)

    def _stop_watching(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _look(self) -> None:
        """Close the connection where nothing has come or gone for SECONDS that had to."""
        unsent = self.transport.get_write_buffer_size()
        silent = self.cycle is None or self.cycle.response_complete
        if (unsent >= self._unsent) if unsent else silent:
            self._close()
        else:
            self._unsent = unsent or math.inf
            self._watch()

    def _close(self) -> None:
        self._stop_watching()
        self.connections.discard(self)
        self.transport.abort()
