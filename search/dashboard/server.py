"""Serving the dashboard: what must be true before it may be reached from other machines, and the server itself."""

import socket
import ssl
import threading
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from winnow.errors import WinnowError
from winnow.search.dashboard.hosts import is_loopback
from winnow.search.launch.notifying import sender, watching
from winnow.storage import Storage, audit_log, deletions, tokens

if TYPE_CHECKING:
    import uvicorn

    from winnow.search.dashboard.app import Dashboard

# Seconds: a page is told of an outage rather than kept waiting.
_PATIENCE = 1.5


@dataclass(frozen=True)
class Place:
    """Where the dashboard is reached."""

    host: str
    port: int
    allowed_hosts: Sequence[str] = ()
    """Other names under which it is called."""
    trusted_proxy: str = "127.0.0.1"
    """From whom X-Forwarded-For and X-Forwarded-Proto are believed."""
    certificate: Path | None = None
    key: Path | None = None

    @property
    def url(self) -> str:
        """Where a browser on this machine finds it."""
        host = {"0.0.0.0": "localhost", "::": "localhost"}.get(self.host, self.host)
        shown = f"[{host}]" if ":" in host else host
        return f"http{'s' if self.certificate else ''}://{shown}:{self.port}/winnow/"


def is_open(storage: Storage, place: Place) -> bool:
    """Return whether nobody needs a token: only this machine reaches the place, and no token was ever made.

    Raises WinnowError where it is reached by others and no token would let anybody in.
    """
    made = tokens.everything(storage.database)
    others = not is_loopback(place.host) or bool(place.allowed_hosts)
    if others and not any(token.valid for token in made):
        raise WinnowError(
            f"the dashboard would be reached from other machines at {place.host}, and there is no token to log in with",
            "make one: winnow token create NAME --role reader",
        )
    return not made


def listen(place: Place) -> socket.socket:
    """Return the socket to answer at; raise WinnowError where it is taken, or the certificate is none."""
    _tls(place)
    family = socket.AF_INET6 if ":" in place.host else socket.AF_INET
    try:
        return socket.create_server((place.host, place.port), family=family)
    except OSError as error:
        raise WinnowError(
            f"the dashboard cannot listen on {place.host}, port {place.port}: {error.strerror or error}",
            "give another --port, or a --host of this machine",
        ) from None


def _tls(place: Place) -> ssl.SSLContext | None:
    if place.certificate is None:
        return None
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    try:
        context.load_cert_chain(place.certificate, place.key)
    except OSError as error:  # ssl.SSLError is one
        raise WinnowError(
            f"{place.certificate} and {place.key} are not a certificate and its key: {error.strerror or error}",
            "give two PEM files that belong together",
        ) from None
    return context


def make(dashboard: "Dashboard", place: Place) -> "uvicorn.Server":
    """Return the server of a place, which begins to answer when it is run."""
    import uvicorn

    from winnow.search.dashboard import connection_limits

    class Protocol(connection_limits.BoundedProtocol):
        tls = _tls(place)
        most = connection_limits.most()

    server = uvicorn.Server(
        uvicorn.Config(
            dashboard,
            http=Protocol,
            forwarded_allow_ips=place.trusted_proxy,
            backlog=connection_limits.BACKLOG,
            log_level="warning",
            access_log=False,
            ws="none",
            server_header=False,
            timeout_graceful_shutdown=5,
        )
    )
    dashboard.own.state.closing = lambda: server.should_exit
    return server


def serve(
    storage: Storage,
    place: Place,
    listening: socket.socket,
    artifacts: Path,
    *,
    local: bool,
    notify: Sequence[str] = (),
) -> None:
    """Answer until the process is told to end; `local` asks nobody for a token, `notify` are apprise's URLs."""
    from winnow.search.dashboard import app

    for name in deletions.purge(storage.database):
        audit_log.begin(storage.database, "winnow dashboard", "", "purge", f"{name}: deleted 30 days ago", status=0)
    storage.database.patience = _PATIENCE
    dashboard = app.build(storage, artifacts, allowed_hosts=place.allowed_hosts, local=local)
    threading.Thread(target=dashboard.own.state.watching.warm, daemon=True).start()
    with ExitStack() as open_ones:
        open_ones.callback(dashboard.own.state.analyses.close)
        if notify:
            open_ones.enter_context(watching(dashboard.own.state.watching.asked_for, sender(notify)))
        make(dashboard, place).run([listening])
