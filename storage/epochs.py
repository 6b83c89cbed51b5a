"""Write and read the epochs of trials: Optuna's intermediate value and Winnow's row, in one transaction."""

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from sqlalchemy import select

from winnow.records import METRICS, Epoch
from winnow.storage import checkpoints, content
from winnow.storage.database import Database
from winnow.storage.errors import ContentRefused
from winnow.storage.leases import Lease
from winnow.storage.optuna_tables import intermediate_values, stored, trials
from winnow.storage.tables import epochs
from winnow.storage.upserts import Row, write_held

if TYPE_CHECKING:
    import pandas

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


def frame(database: Database, study_id: int) -> "pandas.DataFrame":
    """Return every epoch of a study as a DataFrame: one row an epoch, `trial` and `epoch` first. Needs pandas."""
    import pandas

    curves = read(database, study_id)
    names = dict.fromkeys(name for curve in curves.values() for epoch in curve for name in (*METRICS, *epoch.extra))
    rows = [
        {"trial": number, "epoch": epoch.epoch, "value": epoch.value, **epoch.metrics}
        for number, curve in curves.items()
        for epoch in curve
    ]
    return pandas.DataFrame(rows, columns=["trial", "epoch", "value", *(names or METRICS)])


def _finite(value: float | None) -> float | None:
    """Return a number that every database holds: what is infinite or no number is left out."""
    return value if value is not None and math.isfinite(value) else None
