"""Several conversations over one pipe: each trial of a stack has its own between its supervisor and its trainer."""

import itertools
import queue
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from winnow.search.worker.messages import Pipe


class Channel:
    """One conversation, used as the pipe of a trial that is alone."""

    def __init__(self, channels: "Channels", number: int) -> None:
        self.of = channels
        self._number = number
        self._heard: queue.SimpleQueue[Any] = queue.SimpleQueue()
        self._next: list[Any] = []

    def send(self, obj: Any) -> None:
        """Pickle and send a message."""
        self.of.send(self._number, obj)

    def recv(self) -> Any:
        """Return the next message; raises EOFError where the other end is gone, for ever after."""
        message = self._next.pop() if self._next else self._heard.get()
        if isinstance(message, EOFError):
            self._next.append(message)
            raise message
        return message

    def poll(self, timeout: float) -> bool:
        """Wait up to `timeout` seconds for a message."""
        if not self._next:
            with suppress(queue.Empty):
                self._next.append(self._heard.get(timeout=timeout) if timeout else self._heard.get_nowait())
        return bool(self._next)

    def close(self) -> None:
        """End this conversation; the pipe stays."""
        self.of.forget(self._number)

    def put(self, message: Any) -> None:
        """Have `recv` give a message."""
        self._heard.put(message)


class Channels:
    """All conversations over a pipe, which a thread of their own reads."""

    def __init__(self, pipe: Pipe, accept: Callable[[Channel], None] | None = None) -> None:
        """`accept` gets each channel that the other side opens, which is the only side that opens any."""
        self._pipe = pipe
        self._accept = accept
        self._numbers = itertools.count()
        self._open: dict[int, Channel] = {}
        self._lock = threading.Lock()
        self._sending = threading.Lock()
        self._gone = False
        self.reader = threading.Thread(target=self._read, name="channels", daemon=True)
        self.reader.start()

    def open(self) -> Channel:
        """Begin a conversation."""
        with self._lock:
            number = next(self._numbers)
            channel = self._open[number] = Channel(self, number)
            if self._gone:
                channel.put(EOFError())
        return channel

    def send(self, number: int, message: Any) -> None:
        """Say something in one conversation."""
        with self._sending:
            self._pipe.send((number, message))

    def forget(self, number: int) -> None:
        """Hear nothing more of a conversation."""
        with self._lock:
            self._open.pop(number, None)

    def _read(self) -> None:
        while True:
            try:
                number, message = self._pipe.recv()
            except Exception:  # the other side is gone, or this one has closed the pipe, or sent what nobody can read
                break
            with self._lock:
                channel, is_new = self._open.get(number), False
                if channel is None and self._accept is not None:
                    channel, is_new = Channel(self, number), True
                    self._open[number] = channel
            if channel is not None:
                channel.put(message)
            if is_new and self._accept is not None and channel is not None:
                self._accept(channel)
        with self._lock:
            self._gone = True
            for channel in self._open.values():
                channel.put(EOFError())
