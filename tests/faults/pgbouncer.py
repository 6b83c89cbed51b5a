"""A real PgBouncer on a Unix socket: many clients on few connections of the server's, lent by the transaction."""

import os
import shutil
import subprocess
from pathlib import Path
from types import TracebackType
from typing import Self

import pytest

from faults.fleet_under_fire import wait_for
from storage_servers import PostgresServer

PORT = 6432
"""A part of the socket's name."""


class PgBouncer:
    """Started and ended as a context manager."""

    def __init__(self, postgres: PostgresServer, database: str, connections: int) -> None:
        program = shutil.which("pgbouncer", path=f"{os.environ.get('PATH', '')}:/usr/sbin")
        if program is None:
            pytest.skip("no PgBouncer here: apt-get install pgbouncer")
        self._postgres = postgres
        self._file = postgres.folder / "pgbouncer.ini"
        self._socket = postgres.folder / f".s.PGSQL.{PORT}"
        self._file.write_text(f"""[databases]
{database} = host={postgres.folder} dbname={database} user=postgres
[pgbouncer]
listen_addr =
listen_port = {PORT}
unix_socket_dir = {postgres.folder}
auth_type = any
pool_mode = transaction
default_pool_size = {connections}
""")
        self._file.chmod(0o644)
        self._command = [program, "-q", str(self._file)]
        self.url = f"postgresql+psycopg://postgres@/{database}?host={postgres.folder}&port={PORT}"

    def __enter__(self) -> Self:
        with Path(self._postgres.folder / "pgbouncer.log").open("wb") as log:
            self._process = subprocess.Popen(self._command, stdout=log, stderr=log, user=self._postgres.user)
        wait_for(self._socket.exists, 20, "PgBouncer's socket")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._process.terminate()
        self._process.wait(20)
