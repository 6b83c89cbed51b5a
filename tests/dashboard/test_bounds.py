"""Clients that ask for nothing, or read nothing: they hold no connection for long, and keep nobody else out."""

import socket
import ssl
import subprocess
import time
from contextlib import ExitStack, suppress
from pathlib import Path

import httpx
import optuna
import pytest

from dashboard.test_listening import ROOT, command, ended
from dashboard_server import Serve, Served
from winnow import storage
from winnow.storage import tokens

LOGIN = b"POST /winnow/login HTTP/1.1\r\nHost: localhost\r\nOrigin: http://localhost\r\n"
ICON = b"GET /favicon.ico HTTP/1.1\r\nHost: localhost\r\n\r\n"
HALVES = {
    "nothing at all": b"",
    "half of a request line": b"GET /winn",
    "half of the headers": b"GET /winnow/ HTTP/1.1\r\nHost: localhost\r\nX-",
    "half of a body": LOGIN + b"Content-Length: 100\r\n\r\ntoken=",
    "half of a chunk": LOGIN + b"Transfer-Encoding: chunked\r\n\r\n40\r\ntoken=",
    "a request, then half of the next": ICON + b"GET /",
}


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("winnow.search.dashboard.connection_limits.SECONDS", 1.0)
    monkeypatch.setattr("winnow.search.dashboard.middleware._SECONDS", 1.0)


def connected(url: str) -> socket.socket:
    parts = httpx.URL(url)
    assert parts.port
    return socket.create_connection((parts.host, parts.port), timeout=300)


def read_to_the_end(client: socket.socket) -> bytes:
    """What the server says until it closes the connection."""
    said = b""
    with suppress(ConnectionResetError):
        while some := client.recv(65536):
            said += some
    return said


@pytest.mark.parametrize("half", HALVES)
def test_half_a_request_is_not_waited_for(served: Served, half: str) -> None:
    with connected(served.url) as client:
        client.sendall(HALVES[half])
        said = read_to_the_end(client)
    if LOGIN in HALVES[half]:
        assert said.startswith(b"HTTP/1.1 408 ")
    elif ICON in HALVES[half]:
        assert said.startswith(b"HTTP/1.1 200 ")


@pytest.mark.parametrize("before", [b"", ICON])
def test_headers_that_drip_in_are_not_waited_for(served: Served, before: bytes) -> None:
    with connected(served.url) as client:
        client.sendall(before + b"GET /winnow/ HTTP/1.1\r\n")
        with pytest.raises((BrokenPipeError, ConnectionResetError)):  # noqa: PT012
            for number in range(600):
                client.sendall(f"X-{number}: slow\r\n".encode())
                time.sleep(0.1)  # the pace of the client that is played here


def test_an_answer_that_nobody_reads_is_not_kept(served: Served) -> None:
    with connected(served.url) as client:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        client.sendall(b"GET /winnow/static/plotly.js HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert client.recv(12) == b"HTTP/1.1 200"
        while served.server.server_state.connections:
            time.sleep(0.05)


def test_a_page_that_is_open_stays_open(serve: Serve, sqlite_url: str) -> None:
    served = serve(sqlite_url, local=True)
    with httpx.stream("GET", f"{served.url}/winnow/events", timeout=300) as opened:
        lines = opened.iter_lines()
        assert next(lines)
        for _ in range(2):  # longer than the page has been silent
            with connected(served.url) as silent:
                assert read_to_the_end(silent) == b""
        optuna.create_study(storage=served.storage, study_name="new")
        assert any("new" in line for line in lines)


def test_a_handshake_that_does_not_come_is_not_waited_for(
    serve: Serve, sqlite_url: str, pair: tuple[Path, Path]
) -> None:
    served = serve(sqlite_url, certificate=pair[0], key=pair[1])
    for sent in (b"", b"\x16\x03\x01", ICON):
        with connected(served.url) as client:
            client.sendall(sent)
            read_to_the_end(client)
    trusted = ssl.create_default_context(cafile=str(pair[0]))
    with connected(served.url) as plain, trusted.wrap_socket(plain, server_hostname="localhost") as client:
        client.sendall(b"GET /")
        assert read_to_the_end(client) == b"", "nor are headers behind TLS"


@pytest.mark.parametrize(
    ("half", "tls"), [("half of the headers", False), ("half of a body", False), ("nothing at all", True)]
)
def test_300_half_requests_keep_nobody_out(sqlite_url: str, pair: tuple[Path, Path], half: str, tls: bool) -> None:
    secret = tokens.create(storage.open(sqlite_url).database, "ann", "reader", days=1)
    secured = ["--tls-certificate", str(pair[0]), "--tls-key", str(pair[1])] if tls else []
    with socket.create_server(("127.0.0.1", 0)) as found:
        port = found.getsockname()[1]
    few_files = ["bash", "-c", 'ulimit -n 256; exec "$@"', "winnow"]
    started = subprocess.Popen(
        [*few_files, *command(sqlite_url, "--port", str(port), *secured)], cwd=ROOT, stdout=subprocess.PIPE, text=True
    )
    trusted = ssl.create_default_context(cafile=str(pair[0]))
    url = f"http{'s' * tls}://localhost:{port}"
    with ended(started), ExitStack() as held:
        assert started.stdout
        assert started.stdout.readline().startswith("Dashboard: ")
        for _ in range(300):
            client = held.enter_context(connected(f"http://127.0.0.1:{port}"))
            with suppress(ConnectionResetError, BrokenPipeError):
                client.sendall(HALVES[half])
        for _ in range(20):
            headers = {"Authorization": f"Bearer {secret}"}
            answer = httpx.get(f"{url}/winnow/", headers=headers, verify=trusted, timeout=300)
            assert answer.status_code == 200
        assert started.poll() is None
