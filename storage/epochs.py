"""Write and read the epochs of trials: Optuna's intermediate value and Winnow's row, in one transaction."""

import math
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import select

from winnow.records import METRICS, Epoch
from winnow.storage import checkpoints, content
from winnow.storage.database import Database
from winnow.storage.errors import ContentRefused
from winnow.storage.leases import Lease
from winnow.storage.optuna_tables import intermediate_values, stored, trials
from winnow.storage.tables import epochs
from winnow.storage.upserts import Row, write_held

Rows = list[Row]


def record(database: Database, lease: Lease, epoch: Epoch, checkpoint: checkpoints.Stored | None = None) -> None:
    """Write one epoch of a held trial, with the checkpoint that was taken after it.

    Raise LeaseLost, and ContentRefused for a step that is none.

    The first committed value of an epoch stays: what a later attempt reports for it again changes nothing. A report is
    a sign of life, even of an owner whose lease ran out unclaimed: the lease goes on.
    """
    (held,) = record_all(database, [(lease, rows_of(lease, epoch, checkpoint))])
    if not held:
        raise lease.lost()


def record_all(database: Database, writes: Sequence[tuple[Lease, Rows]]) -> list[bool]:
    """Write epochs of several held trials in one transaction; False for each whose lease is lost."""
    return write_held(database, [(lease.holder, rows) for lease, rows in writes])


def rows_of(lease: Lease, epoch: Epoch, checkpoint: checkpoints.Stored | None = None) -> Rows:
    """Return what `record` writes; raise ContentRefused."""
    try:
        step = content.step(epoch.epoch)
    except ContentRefused as error:
        raise error.of_trial(lease.number) from None
    number, kind = stored(epoch.value)
    trial = {"trial_id": lease.trial_id}
    as_optuna = {**trial, "step": step, "intermediate_value": number, "intermediate_value_type": kind}
    finite = {name: _finite(getattr(epoch, name)) for name in ("value", *METRICS)}
    extra = {name: value for name, value in epoch.extra.items() if math.isfinite(value)}
    as_winnow = {**trial, "epoch": epoch.epoch, **finite, "extra": extra or None}
    rows = [Row(intermediate_values, ("trial_id", "step"), as_optuna), Row(epochs, ("trial_id", "epoch"), as_winnow)]
    if checkpoint is not None:
        rows.append(checkpoints.row(lease, epoch.epoch, checkpoint))
    return rows


@dataclass
class _Write:
    lease: Lease
    rows: Rows
    held: bool = False
    error: Exception | None = None


class GroupCommit:
    """Epochs that several lanes report at a time, written in one transaction."""

    def __init__(self, database: Database) -> None:
        """`database` is tried once: its callers have patience of their own."""
        self._database = database
        self._waiting: list[_Write] = []
        self._lock = threading.Lock()
        self._writing = threading.Lock()

    def record(self, lease: Lease, epoch: Epoch, checkpoint: checkpoints.Stored | None) -> None:
        """Do as `record`, with whatever else waits to be written."""
        write = _Write(lease, rows_of(lease, epoch, checkpoint))
        with self._lock:
            self._waiting.append(write)
        with self._writing:  # who waits here finds that the one before has written for all that waited
            with self._lock:
                writes, self._waiting = self._waiting, []
            if writes:
                try:
                    held = record_all(self._database, [(each.lease, each.rows) for each in writes])
                    for each, is_held in zip(writes, held, strict=True):
                        each.held = is_held
                except Exception as error:
                    for each in writes:
                        each.error = error
        if write.error is not None:
            raise write.error
        if not write.held:
            raise lease.lost()


def read(database: Database, study_id: int) -> dict[int, list[Epoch]]:
    """Return every epoch of a study by trial number, each trial's in order."""
    rows = (
        select(trials.c.number, epochs)
        .join(trials, trials.c.trial_id == epochs.c.trial_id)
        .where(trials.c.study_id == study_id)
        .order_by(trials.c.number, epochs.c.epoch)
    )
    curves: dict[int, list[Epoch]] = {}
    for row in database.mappings(rows):
        curves.setdefault(row["number"], []).append(from_row(row))
    return curves


def from_row(row: Mapping[Any, Any]) -> Epoch:
    """Return the epoch that a row of the table holds."""
    value = math.nan if row["value"] is None else row["value"]
    return Epoch(row["epoch"], value, **{name: row[name] for name in METRICS}, extra=row["extra"] or {})


def _finite(value: float | None) -> float | None:
    """Return a number that every database holds: what is infinite or no number is left out."""
    return value if value is not None and math.isfinite(value) else None
