"""Checkpoints: bytes from which an attempt goes on, kept as files and known to the database with their SHA-256.

What the bytes mean is the objective's business. The file is written first, whole; the database learns of it in the
transaction that records its epoch, under the lease. A trial keeps its last two files.
"""

import logging
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import Engine, select

from storage.errors import FileDamaged
from storage.files import read_checked, write_whole
from storage.leases import Lease
from storage.resilient import read
from storage.tables import checkpoints
from storage.writes import Row

KEPT = 2
_log = logging.getLogger("winnow")


@dataclass(frozen=True)
class Stored:
    """A checkpoint file as it was written."""

    sha256: str
    size: int
    token: int


def write(folder: Path, lease: Lease, epoch: int, content: bytes) -> Stored:
    """Write the file of one epoch. Each attempt has names of its own: a stale worker overwrites nothing."""
    return Stored(write_whole(_path(folder, lease.trial_id, lease.token, epoch), content), len(content), lease.token)


def row(lease: Lease, epoch: int, stored: Stored) -> Row:
    """What makes a written checkpoint known, to be written with its epoch."""
    content = {"epoch": epoch, "token": stored.token, "sha256": stored.sha256, "size": stored.size}
    return Row(checkpoints, ("trial_id", "epoch"), {"trial_id": lease.trial_id, **content}, over=True)


def newest(engine: Engine, folder: Path, lease: Lease) -> tuple[int, bytes] | None:
    """The newest whole checkpoint of a trial as (epoch, bytes); a damaged one is passed over with a word in the log."""
    query = (
        select(checkpoints.c.epoch, checkpoints.c.token, checkpoints.c.sha256)
        .where(checkpoints.c.trial_id == lease.trial_id)
        .order_by(checkpoints.c.epoch.desc())
        .limit(2 * KEPT)
    )
    for epoch, token, sha256 in read(engine, lambda connection: connection.execute(query).all()):
        try:
            return epoch, read_checked(_path(folder, lease.trial_id, token, epoch), sha256)
        except FileDamaged as error:
            _log.warning("trial %d: %s; trying the checkpoint before it", lease.number, error)
    return None


def prune_files(folder: Path, lease: Lease, keep: int = KEPT) -> None:
    """Remove all but the newest `keep` files of a trial."""
    home = _home(folder, lease.trial_id)
    files = sorted(home.glob("*.checkpoint"), key=lambda file: file.name) if home.is_dir() else []
    for file in files[: len(files) - keep]:
        file.unlink(missing_ok=True)
    if keep == 0 and home.is_dir() and not any(home.iterdir()):
        home.rmdir()


def _home(folder: Path, trial_id: int) -> Path:
    return folder / "checkpoints" / f"{trial_id:08d}"


def _path(folder: Path, trial_id: int, token: int, epoch: int) -> Path:
    return _home(folder, trial_id) / f"{token:03d}-{epoch:06d}.checkpoint"
