"""`winnow dashboard` as a process: it listens behind TLS, and says what keeps it from listening."""

import re
import socket
import ssl
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx

from winnow import storage
from winnow.storage import tokens

ROOT = Path(__file__).parents[2]


def command(url: str, *options: str) -> list[str]:
    return [sys.executable, "-m", "winnow", "dashboard", "--storage", url, *options]


def refused(url: str, *options: str) -> str:
    done = subprocess.run(command(url, *options), cwd=ROOT, capture_output=True, text=True, timeout=300)
    assert done.returncode == 2
    assert done.stdout == "", "it is not said to be there"
    return done.stderr


def test_behind_tls_a_session_is_for_tls_alone(sqlite_url: str, pair: tuple[Path, Path]) -> None:
    secret = tokens.create(storage.open(sqlite_url).database, "ann", "reader", days=1)
    options = ["--port", "0", "--tls-certificate", str(pair[0]), "--tls-key", str(pair[1])]
    behind_tls = ssl.create_default_context(cafile=str(pair[0]))
    with ended(subprocess.Popen(command(sqlite_url, *options), cwd=ROOT, stdout=subprocess.PIPE, text=True)) as server:
        assert server.stdout
        told = re.fullmatch(r"Dashboard: https://127\.0\.0\.1:(\d+)/winnow/\n", server.stdout.readline())
        assert told, "it says which port it was given"
        url = f"https://localhost:{told[1]}"
        with httpx.Client(base_url=url, verify=behind_tls, timeout=300) as browser:
            logged_in = browser.post("/winnow/login", data={"token": secret}, headers={"Origin": url})
            assert logged_in.status_code == 303
            assert "; Secure" in logged_in.headers["set-cookie"]
            assert browser.get("/winnow/").status_code == 200


@contextmanager
def ended(process: subprocess.Popen[str]) -> Iterator[subprocess.Popen[str]]:
    try:
        yield process
    finally:
        process.terminate()
        process.communicate(timeout=300)


def test_what_is_no_certificate_is_refused(sqlite_url: str, pair: tuple[Path, Path]) -> None:
    certificate, key = map(str, pair)
    said = refused(sqlite_url, "--port", "0", "--tls-certificate", key, "--tls-key", key)
    assert f"{key} and {key} are not a certificate and its key" in said
    assert "go together" in refused(sqlite_url, "--tls-certificate", certificate)


def test_a_port_that_is_taken_is_refused(sqlite_url: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        said = refused(sqlite_url, "--port", str(port))
    assert f"the dashboard cannot listen on 127.0.0.1, port {port}: Address already in use" in said
