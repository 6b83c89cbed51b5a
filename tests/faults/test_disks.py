"""A full disk under workers that share an SQLite file and write checkpoints."""

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from faults.fleet_under_fire import Fleet

WORKERS = 2


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of four megabytes."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", folder], capture_output=True)
    if mounted.returncode != 0:
        pytest.skip(f"no right to mount a small disk: {mounted.stderr.decode().strip()}")
    yield folder
    subprocess.run(["umount", "-l", folder], check=True)


def test_the_disk_is_full_for_a_while(small_disk: Path, tmp_path: Path) -> None:
    ours = Fleet(tmp_path, f"sqlite:///{small_disk}/winnow.db", trials=8, epoch_seconds=0.5, lease_seconds=30)
    try:
        ours.start(WORKERS)
        ours.wait_trained(4)
        filler = small_disk / "filler"
        with filler.open("wb") as file:
            _fill(file.fileno())
        ours.wait_trained(8)  # they train on
        filler.unlink()
        ours.wait_done()
        ours.prove()
    finally:
        ours.end()


def _fill(descriptor: int) -> None:
    try:
        while True:
            os.write(descriptor, bytes(4096))
    except OSError:
        return
