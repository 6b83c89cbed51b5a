"""What a trial reports after each epoch: Optuna's intermediate value and Winnow's row, in one transaction."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from sqlalchemy import Engine, select

from winnow.storage import checkpoints
from winnow.storage.leases import Lease
from winnow.storage.optuna_tables import intermediate_values, stored, trials
from winnow.storage.retries import read as query
from winnow.storage.tables import epochs
from winnow.storage.upserts import Row, write_held

if TYPE_CHECKING:
    import pandas

COLUMNS = [column.name for column in epochs.columns if column.name not in ("trial_id", "epoch")]


@dataclass(frozen=True)
class Epoch:
    """One epoch of a trial."""

    epoch: int
    value: float
    metrics: Mapping[str, float | None] = field(default_factory=dict)
    checkpoint: checkpoints.Stored | None = None
    """What was written after it, if anything was."""


def record(engine: Engine, lease: Lease, report: Epoch) -> None:
    """Write one epoch of a held trial, with the checkpoint that was taken after it; raises LeaseLost.

    The first committed value of an epoch stays: what a later attempt reports for it again changes nothing. A report is
    a sign of life, even of an owner whose lease ran out unclaimed: the lease goes on.
    """
    number, kind = stored(report.value)
    trial = {"trial_id": lease.trial_id}
    as_optuna = {**trial, "step": report.epoch, "intermediate_value": number, "intermediate_value_type": kind}
    known = {name: report.metrics[name] for name in COLUMNS if name in report.metrics}
    as_winnow = {**trial, "epoch": report.epoch, "value": report.value, **known}
    rows = [Row(intermediate_values, ("trial_id", "step"), as_optuna), Row(epochs, ("trial_id", "epoch"), as_winnow)]
    if report.checkpoint is not None:
        rows.append(checkpoints.row(lease, report.epoch, report.checkpoint))
    if not write_held(engine, lease.holder, rows):
        raise lease.lost()


def read(engine: Engine, study_id: int) -> dict[int, list[dict[str, Any]]]:
    """Every epoch of a study by trial number, in order; a mapping of rows with `epoch` and the columns of COLUMNS."""
    rows = (
        select(trials.c.number, epochs)
        .join(trials, trials.c.trial_id == epochs.c.trial_id)
        .where(trials.c.study_id == study_id)
        .order_by(trials.c.number, epochs.c.epoch)
    )
    curves: dict[int, list[dict[str, Any]]] = {}
    for row in query(engine, lambda connection: connection.execute(rows).mappings().all()):
        curves.setdefault(row["number"], []).append({name: row[name] for name in ("epoch", *COLUMNS)})
    return curves


def frame(engine: Engine, study_id: int) -> "pandas.DataFrame":
    """Every epoch of a study as a DataFrame: one row an epoch, `trial` and `epoch` first. Needs pandas."""
    import pandas

    curves = read(engine, study_id)
    rows = [{"trial": number, **row} for number, curve in curves.items() for row in curve]
    return pandas.DataFrame(rows, columns=["trial", "epoch", *COLUMNS])
