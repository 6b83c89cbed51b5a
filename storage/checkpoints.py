"""Checkpoints: bytes from which an attempt goes on, kept as files and known to the database with their SHA-256.

What the bytes mean is the objective's business. The file is written first, whole; the database learns of it in the
transaction that records its epoch, under the lease. A trial keeps its last two files.
"""

import logging
import re
from collections.abc import Iterable
from dataclasses import dataclass

from sqlalchemy import and_, exists, select

from winnow.storage import identities
from winnow.storage.clock import database_now
from winnow.storage.database import Database
from winnow.storage.errors import FileDamaged, StorageError
from winnow.storage.leases import Lease
from winnow.storage.optuna_tables import trials
from winnow.storage.stores import Store
from winnow.storage.tables import attempts, checkpoints
from winnow.storage.upserts import OPEN_STATES, Row

KEPT = 2
_FOLDER = "/checkpoints/"
_EPOCH = re.compile(r"-(\d+)\.checkpoint$")
_CLAIM = re.compile(r"-([0-9a-f]{32})-")
_AT_ONCE = 500
_log = logging.getLogger("winnow")


@dataclass(frozen=True)
class Stored:
    """A checkpoint file as it was written."""

    sha256: str
    size: int
    token: int


@dataclass(frozen=True)
class Found:
    """The newest checkpoint that is whole: `content` is None, and `epoch` 0, where there is none."""

    epoch: int = 0
    content: bytes | None = None
    damaged: str = ""
    """Why the newest of all is not this one; empty where it is, or where none was written."""


def write(store: Store, lease: Lease, epoch: int, content: bytes) -> Stored:
    """Write the file of one epoch; raise OSError. Attempts have names of their own: a stale one overwrites nothing."""
    return Stored(store.write(_name(lease, lease.claim, epoch), content), len(content), lease.token)


def row(lease: Lease, epoch: int, stored: Stored) -> Row:
    """Return what makes a written checkpoint known, to be written with its epoch."""
    content = {"epoch": epoch, "token": stored.token, "sha256": stored.sha256, "size": stored.size}
    return Row(checkpoints, ("trial_id", "epoch"), {"trial_id": lease.trial_id, **content}, over=True)


def newest(database: Database, store: Store, lease: Lease) -> Found:
    """Return the newest whole checkpoint of a trial; damaged ones are passed over with a warning.

    Raises OSError while the store does not answer: what lies there is not to be given up.
    """
    this = and_(attempts.c.trial_id == checkpoints.c.trial_id, attempts.c.token == checkpoints.c.token)
    query = (
        select(checkpoints.c.epoch, attempts.c.claim, checkpoints.c.sha256)
        .join(attempts, this)
        .where(checkpoints.c.trial_id == lease.trial_id)
        .order_by(checkpoints.c.epoch.desc())
    )
    damaged, there = "", set[str]()
    for epoch, claim, sha256 in database.rows(query):
        name = _name(lease, claim, epoch)
        if damaged and name not in there:
            continue  # removed when others had come after it, or lost as they are
        try:
            return Found(epoch, store.read(name, sha256), damaged)
        except FileDamaged as error:
            _log.warning("trial %d: %s; trying the checkpoint before it", lease.number, error)
            if not damaged:
                there.update(_files(store, lease.home, lease.number, (*lease.earlier_claims, lease.claim)))
            damaged = damaged or str(error)
    return Found(damaged=damaged)


def refuse_lost(database: Database, store: Store, study_id: int, host: str) -> None:
    """Raise StorageError where a host wrote checkpoints of trials that are to go on, and their folder is not there.

    So it looks where a disk is not mounted, or WINNOW_FILES is another: those trials would begin anew.
    """
    lost = store.has_lost(f"{database.transaction(identities.home, study_id)}{_FOLDER.rstrip('/')}")
    if not lost:
        return
    writer, holder = attempts.alias("writer"), attempts.alias("holder")
    is_held = exists().where(
        holder.c.trial_id == trials.c.trial_id, holder.c.ended_at.is_(None), holder.c.expires_at > database_now()
    )
    of_host = (
        select(trials.c.number)
        .join(checkpoints, checkpoints.c.trial_id == trials.c.trial_id)
        .join(writer, and_(writer.c.trial_id == checkpoints.c.trial_id, writer.c.token == checkpoints.c.token))
        .where(trials.c.study_id == study_id, trials.c.state.in_(OPEN_STATES), ~is_held)
        .where(writer.c.worker.startswith(f"{host}:", autoescape=True))
    )
    if (first := database.scalar(of_host.order_by(trials.c.number).limit(1))) is not None:
        raise StorageError(
            f"trial {first} is to go on from a checkpoint that this host wrote, and the folder {lost} is not there",
            "mount its disk, or start where, or with the WINNOW_FILES with which, it was written; where that is lost, "
            "make the folder (mkdir -p), and what lay there begins anew",
        )


def prune_files(store: Store, lease: Lease, keep: int = KEPT) -> None:
    """Remove all but the newest `keep` files of a trial; what cannot be removed now is left with a warning."""
    remove_files(store, lease.home, lease.number, (*lease.earlier_claims, lease.claim), keep)


def remove_files(store: Store, home: str, number: int, claims: Iterable[str], keep: int = 0) -> None:
    """Remove what the attempts at a trial have left in its study's home, but for the newest `keep`; as above."""
    try:
        names = _files(store, home, number, claims)
        for name in names[: len(names) - keep]:
            store.remove(name)
    except OSError as error:
        _log.warning("trial %d: an old checkpoint stays: %s", number, error)


def sweep(database: Database, store: Store) -> None:
    """Remove the files of deleted studies, and of finished trials whose worker died before it did so itself.

    What another database left in the same store, a copy of this one included, is not touched.
    """
    try:
        ours = database.read(identities.of_database) + "/"
        files = [*store.names(ours), *store.names(ours, torn=True)]
        deleted = tuple(f"{home}/" for home in database.read(identities.homes_of_deleted))
        claims = {name: _CLAIM.search(name) for name in files if _FOLDER in name}
        known = sorted({found[1] for found in claims.values() if found})
        query = (
            select(attempts.c.claim)
            .join(trials, trials.c.trial_id == attempts.c.trial_id)
            .where(trials.c.state.not_in(OPEN_STATES))
        )
        ended: set[str] = set()
        for start in range(0, len(known), _AT_ONCE):
            ended.update(database.scalars(query.where(attempts.c.claim.in_(known[start : start + _AT_ONCE]))))
        for name in files:
            found = claims.get(name)
            if name.startswith(deleted) or (found is not None and found[1] in ended):
                store.remove(name)
    except (OSError, StorageError) as error:
        _log.warning("checkpoints of finished trials stay: %s", error)


def _files(store: Store, home: str, number: int, claims: Iterable[str]) -> list[str]:
    """Return the names of what the attempts at a trial have left, in the order in which it was written."""

    def epoch(name: str) -> int:
        found = _EPOCH.search(name)
        return int(found[1]) if found else -1  # of no checkpoint, and so the first to go

    return [name for claim in claims for name in sorted(store.names(_of(home, number, claim)), key=epoch)]


def _of(home: str, number: int, claim: str) -> str:
    return f"{home}{_FOLDER}{number:06d}-{claim}-"


def _name(lease: Lease, claim: str, epoch: int) -> str:
    return f"{_of(lease.home, lease.number, claim)}{epoch:06d}.checkpoint"
