"""Checkpoints: bytes from which an attempt goes on, kept as files and known to the database with their SHA-256.

What the bytes mean is the objective's business. The file is written first, whole; the database learns of it in the
transaction that records its epoch, under the lease. A trial keeps its last two files.
"""

import logging
from dataclasses import dataclass

from sqlalchemy import select

from winnow.storage.database import Database
from winnow.storage.errors import FileDamaged, StorageError
from winnow.storage.leases import Lease
from winnow.storage.optuna_tables import trials
from winnow.storage.stores import Store
from winnow.storage.tables import checkpoints
from winnow.storage.upserts import OPEN_STATES, Row

KEPT = 2
_FOLDER = "checkpoints/"
_log = logging.getLogger("winnow")


@dataclass(frozen=True)
class Stored:
    """A checkpoint file as it was written."""

    sha256: str
    size: int
    token: int


def write(store: Store, lease: Lease, epoch: int, content: bytes) -> Stored:
    """Write the file of one epoch; raises OSError. Attempts have names of their own: a stale one overwrites nothing."""
    return Stored(store.write(_name(lease.trial_id, lease.token, epoch), content), len(content), lease.token)


def row(lease: Lease, epoch: int, stored: Stored) -> Row:
    """What makes a written checkpoint known, to be written with its epoch."""
    content = {"epoch": epoch, "token": stored.token, "sha256": stored.sha256, "size": stored.size}
    return Row(checkpoints, ("trial_id", "epoch"), {"trial_id": lease.trial_id, **content}, over=True)


def newest(database: Database, store: Store, lease: Lease) -> tuple[int, bytes] | None:
    """The newest whole checkpoint of a trial as (epoch, bytes); a damaged one is passed over with a word in the log."""
    query = (
        select(checkpoints.c.epoch, checkpoints.c.token, checkpoints.c.sha256)
        .where(checkpoints.c.trial_id == lease.trial_id)
        .order_by(checkpoints.c.epoch.desc())
        .limit(2 * KEPT)
    )
    for epoch, token, sha256 in database.rows(query):
        try:
            return epoch, store.read(_name(lease.trial_id, token, epoch), sha256)
        except FileDamaged as error:
            _log.warning("trial %d: %s; trying the checkpoint before it", lease.number, error)
    return None


def prune_files(store: Store, lease: Lease, keep: int = KEPT) -> None:
    """Remove all but the newest `keep` files of a trial; what cannot be removed now is left with a word in the log."""
    try:
        names = store.names(_of_trial(lease.trial_id))
        for name in names[: len(names) - keep]:
            store.remove(name)
    except OSError as error:
        _log.warning("trial %d: an old checkpoint stays: %s", lease.number, error)


def sweep(database: Database, store: Store) -> None:
    """Remove the files of trials that have finished: those whose worker died before it did, or at its last attempt."""
    try:
        numbers = {name: name.removeprefix(_FOLDER).partition("-")[0] for name in store.names(_FOLDER)}
        files = {name: int(number) for name, number in numbers.items() if number.isdigit()}
        query = select(trials.c.trial_id).where(
            trials.c.trial_id.in_(set(files.values())), trials.c.state.not_in(OPEN_STATES)
        )
        finished = set(database.scalars(query))
        for name, trial_id in files.items():
            if trial_id in finished:
                store.remove(name)
    except (OSError, StorageError) as error:
        _log.warning("checkpoints of finished trials stay: %s", error)


def _of_trial(trial_id: int) -> str:
    return f"{_FOLDER}{trial_id:08d}-"


def _name(trial_id: int, token: int, epoch: int) -> str:
    return f"{_of_trial(trial_id)}{token:03d}-{epoch:06d}.checkpoint"
