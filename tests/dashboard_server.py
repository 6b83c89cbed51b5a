"""The dashboard as it is served: a real server on a real port, with people who hold tokens."""

import subprocess
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest

from winnow import storage
from winnow.storage import Storage, tokens
from winnow.storage.tokens import Role


@dataclass
class Served:
    """A running dashboard."""

    storage: Storage
    url: str
    artifacts: Path
    application: Any
    server: Any
    secrets: dict[str, str] = field(default_factory=dict)

    def client(self, role: Role | None = None) -> httpx.Client:
        """A script that holds a token of this role, made at the first call; without a role it holds none."""
        headers = {} if role is None else {"Authorization": f"Bearer {self.secret(role)}"}
        return httpx.Client(base_url=self.url, headers=headers, timeout=300)

    def secret(self, role: Role) -> str:
        if role not in self.secrets:
            self.secrets[role] = tokens.create(self.storage.database, role, role, days=1)
        return self.secrets[role]


Serve = Callable[..., Served]


@pytest.fixture
def serve(tmp_path: Path) -> Iterator[Serve]:
    """Start a dashboard on a storage URL; all of them end with the test."""
    import uvicorn

    from winnow.search.dashboard import app
    from winnow.search.dashboard import server as servers

    running: list[tuple[uvicorn.Server, threading.Thread, app.Dashboard]] = []

    def start(url: str, *, local: bool = False, **options: Any) -> Served:
        opened = storage.open(url)
        opened.database.patience = 1.0
        place = servers.Place("127.0.0.1", 0, **options)
        made = app.build(opened, tmp_path / "artifacts", allowed_hosts=place.allowed_hosts, local=local)
        server = servers.make(made, place)
        # It listens from now on: what is asked before the server runs waits in its queue.
        listening = servers.listen(place)
        port = listening.getsockname()[1]
        thread = threading.Thread(target=server.run, args=[[listening]])
        thread.start()
        running.append((server, thread, made))
        scheme = "http" if place.certificate is None else "https"
        return Served(opened, f"{scheme}://127.0.0.1:{port}", tmp_path / "artifacts", made, server)

    yield start
    for server, thread, made in running:
        server.should_exit = True
        thread.join(60)
        made.own.state.analyses.close()
        made.own.state.watching.storage.database.release()


@pytest.fixture
def served(serve: Serve, sqlite_url: str) -> Served:
    """A dashboard on an SQLite file, which asks for tokens."""
    return serve(sqlite_url)


@pytest.fixture
def pair(tmp_path: Path) -> tuple[Path, Path]:
    """A certificate of this machine's own, and its key."""
    certificate, key = tmp_path / "certificate.pem", tmp_path / "key.pem"
    make = "openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=localhost -addext subjectAltName=DNS:localhost"
    subprocess.run([*make.split(), "-keyout", key, "-out", certificate], check=True, capture_output=True)
    return certificate, key
