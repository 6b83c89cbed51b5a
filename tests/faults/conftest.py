"""Every test here does harm to real workers and their database."""

import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from faults.fleet_under_fire import Fleet
from storage_servers import PostgresServer


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if "/faults/" in str(item.path):
            item.add_marker(pytest.mark.faults)


@pytest.fixture
def fleet(tmp_path: Path, postgres: PostgresServer, postgres_url: str) -> Iterator[Callable[..., Fleet]]:
    """Makes a fleet on a PostgreSQL database of its own; whatever a test did to the server is mended afterwards."""
    made: list[Fleet] = []

    def make(**options: Any) -> Fleet:
        made.append(Fleet(tmp_path, postgres_url, **options))
        return made[-1]

    yield make
    for each in made:
        each.end()


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of sixteen megabytes: SQLite writes four beside the database before it takes them in."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=16m", "tmpfs", folder], capture_output=True)
    if mounted.returncode != 0:
        pytest.skip(f"no right to mount a small disk: {mounted.stderr.decode().strip()}")
    yield folder
    subprocess.run(["umount", "-l", folder], check=True)
