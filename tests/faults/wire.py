"""A proxy on the wire of PostgreSQL that does harm: seeded, message by message, both ways.

It cuts a connection before or after any message, delays one, stalls one way for a while (what was stalled is delivered
late, also when its sender has gone), and loses the answer to a COMMIT.
"""

import random
import socket
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

DELAY_SECONDS = 0.02


class Wire:
    """Listens on a port of this machine and speaks to the server at a Unix socket."""

    def __init__(self, server: Path, seed: int, harm: float = 0.004, longest_stall: float = 1.0) -> None:
        """`harm` is the probability that something befalls a message; answers to COMMITs are lost 20 times as often."""
        self.done: Counter[str] = Counter()
        """What was done so far."""
        self._server = server
        self._random = random.Random(seed)
        self._harm = harm
        self._longest_stall = longest_stall
        self._lock = threading.Lock()
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.port = self._listening.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def url(self, database: str) -> str:
        return f"postgresql+psycopg://postgres@127.0.0.1:{self.port}/{database}?sslmode=disable&gssencmode=disable"

    def close(self) -> None:
        self._harm = 0.0
        self._listening.close()

    def decide(self, message: bytes, to_server: bool) -> str:
        """What befalls a message: nothing, mostly."""
        with self._lock:
            if to_server and message[:1] in b"QP" and b"COMMIT" in message and self._random.random() < 20 * self._harm:
                return self._note("lose the answer to a COMMIT")
            if self._random.random() >= self._harm:
                return ""
            return self._note(self._random.choice(["cut before", "cut after", "delay", "stall"]))

    def stall_seconds(self) -> float:
        with self._lock:
            return self._random.uniform(0.1, self._longest_stall)

    def _note(self, what: str) -> str:
        self.done[what] += 1
        return what

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self._listening.accept()
                server = socket.socket(socket.AF_UNIX)
                server.connect(str(self._server))
                pair = _Pair(self, client, server)
                for pump in (pair.to_server, pair.to_client):
                    threading.Thread(target=pump, daemon=True).start()


class _Pair:
    """One connection: two sockets and what passes between them."""

    def __init__(self, wire: Wire, client: socket.socket, server: socket.socket) -> None:
        self.wire = wire
        self.client = client
        self.server = server
        self.deaf = False
        """Whether the client is to hear nothing more; cut once the server has answered."""

    def to_server(self) -> None:
        self._pump(self.client, self.server, to_server=True)

    def to_client(self) -> None:
        self._pump(self.server, self.client, to_server=False)

    def _pump(self, source: socket.socket, sink: socket.socket, to_server: bool) -> None:
        with suppress(OSError):
            for message in _messages(source, begins_untyped=to_server):
                if self.deaf and not to_server:
                    if message[:1] == b"Z":  # the transaction is over, and nobody hears it
                        break
                    continue
                what = self.wire.decide(message, to_server)
                if what == "cut before":
                    break
                if what == "delay":
                    time.sleep(DELAY_SECONDS)
                if what == "stall":
                    time.sleep(self.wire.stall_seconds())
                if what == "lose the answer to a COMMIT":
                    self.deaf = True
                sink.sendall(message)
                if what == "cut after":
                    break
        for end in (self.client, self.server):
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
        if not to_server:
            self.client.close()
            self.server.close()


def _messages(source: socket.socket, begins_untyped: bool) -> Iterator[bytes]:
    """The messages of PostgreSQL's protocol: a letter (but for the first), four bytes of length, and content."""
    held = b""
    untyped = begins_untyped
    while True:
        head = 4 if untyped else 5
        if len(held) >= head:
            size = head - 4 + int.from_bytes(held[head - 4 : head], "big")
            if len(held) >= size:
                yield held[:size]
                held, untyped = held[size:], False
                continue
        more = source.recv(65536)
        if not more:
            return
        held += more
