"""Ports for servers that must be told one: PostgreSQL, MariaDB and Slurm's daemons cannot bind port 0 and say which.

All others bind port 0 themselves. As a program it prints one port.
"""

import fcntl
import os
import random
import socket
import tempfile
from pathlib import Path

# Below what Linux (32768) and macOS (49152) give to outgoing connections: none can take a port before its server does.
CANDIDATES = range(10_000, 32_768)


def reserve(count: int) -> list[int]:
    """Return ports that nobody listens at, and that no other process of the tests is given while this one lives."""
    ports: list[int] = []
    for port in random.sample(CANDIDATES, len(CANDIDATES)):
        if len(ports) == count:
            return ports
        if _lock(port) and _is_free(port):
            ports.append(port)
    raise RuntimeError(f"of {len(CANDIDATES)} ports fewer than {count} are free")


def _lock(port: int) -> bool:
    """Hold a file's lock until this process ends: its descriptor is never closed before."""
    folder = Path(tempfile.gettempdir()) / f"winnow-test-ports-{os.getuid()}"
    folder.mkdir(exist_ok=True)
    file = os.open(folder / str(port), os.O_CREAT | os.O_WRONLY)
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(file)
        return False
    return True


def _is_free(port: int) -> bool:
    try:
        socket.create_server(("127.0.0.1", port)).close()
    except OSError:
        return False
    return True


if __name__ == "__main__":
    print(*reserve(1))
