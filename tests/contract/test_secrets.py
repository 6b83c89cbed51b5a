"""A password is in no error, repr, pickle or log, whatever is wrong with the URL."""

import logging
import os
import pickle
import subprocess
import sys
import traceback
from pathlib import Path

import pytest
from sqlalchemy import make_url

from winnow import storage
from winnow.storage import Storage
from winnow.storage.errors import StorageError
from winnow.storage.opening import parse

SECRET = "hunter2"
URLS = [
    f"postgresql://me:{SECRET}@127.0.0.1:1/db",
    f"postgresql://me:{SECRET}@/db?host=/nowhere",
    f"postgresql://me:{SECRET}127.0.0.1/db",  # the @ is missing
    f"postgresql://me:{SECRET}@127.0.0.1:port/db",
    f"postgresql://me:{SECRET}@no-such-host.invalid/db",
    f"postgresql://me:{{{SECRET}}}@127.0.0.1:1/db",
    f"postgresql://me:%{SECRET}@127.0.0.1:1/db",
    f"postgresql://me:{SECRET}%zz@127.0.0.1:1/db",
    f"postgresql://me:{SECRET}@127.0.0.1:1/db?sslmode=never",
    f"postgresql:/me:{SECRET}@127.0.0.1/db",
    f"postgres//me:{SECRET}@127.0.0.1/db",
    f"nonsense://me:{SECRET}@127.0.0.1/db",
    f"oracle://me:{SECRET}@127.0.0.1/db",
    f"mysql://me:{SECRET}@127.0.0.1:1/db",
    f"me:{SECRET}@127.0.0.1",
]


@pytest.mark.parametrize("url", URLS)
def test_no_error_holds_the_password(url: str, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    with pytest.raises(StorageError) as refused:
        storage.open(url)
    shown = "".join(traceback.format_exception(refused.value)) + repr(refused.value) + caplog.text
    assert SECRET not in shown
    assert refused.value.remedy


@pytest.mark.parametrize("url", URLS)
def test_no_command_prints_the_password(url: str, tmp_path: Path) -> None:
    if URLS.index(url) % 4:  # a process each: a few will do, the message is the one above
        pytest.skip("as the others")
    done = subprocess.run(
        [sys.executable, "-m", "winnow", "--debug", "status", "s"],
        env={**os.environ, "OPTUNA_STORAGE": url},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode != 0
    assert SECRET not in done.stdout + done.stderr


def test_no_repr_or_pickle_holds_it(monkeypatch: pytest.MonkeyPatch) -> None:
    url = f"postgresql+psycopg://me:{SECRET}@127.0.0.1:1/db"
    opened = Storage(make_url(url))
    content = pickle.dumps(opened)
    assert SECRET.encode() not in content
    assert SECRET not in repr(opened) + repr(opened.database) + opened.place
    assert pickle.loads(content).database.engine.url.password is None
    monkeypatch.setenv("OPTUNA_STORAGE", url.replace("+psycopg", ""))
    assert pickle.loads(content).database.engine.url.password == SECRET
    monkeypatch.setenv("OPTUNA_STORAGE", f"postgresql://me:{SECRET}@elsewhere:1/db")
    assert pickle.loads(content).database.engine.url.password is None


def test_a_password_may_come_from_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "password"
    file.write_text(f"{SECRET}\n")
    monkeypatch.setenv("OPTUNA_STORAGE_PASSWORD_FILE", str(file))
    assert parse("postgresql://me@db/winnow").password == SECRET
    assert parse("postgresql://me:mine@db/winnow").password == "mine", "the URL's own comes first"
    assert parse("sqlite:///winnow.db").password is None
    with pytest.raises(StorageError) as refused:
        storage.open("postgresql://me@127.0.0.1:1/db")
    assert SECRET not in "".join(traceback.format_exception(refused.value))
    file.unlink()
    with pytest.raises(StorageError, match=r"cannot be read from .*password: No such file"):
        parse("postgresql://me@db/winnow")
    file.write_bytes(b"\xff\xfe")
    with pytest.raises(StorageError, match="it is no text"):
        parse("postgresql://me@db/winnow")
