"""What a trial reports after each epoch: Optuna's intermediate value and Winnow's row, in one transaction."""

import math
from collections.abc import Mapping
from typing import Any

from sqlalchemy import Engine, insert, select

from storage import checkpoints
from storage.leases import Lease, hold
from storage.tables import epochs, intermediate_values, trials

COLUMNS = [column.name for column in epochs.columns if column.name not in ("trial_id", "epoch")]


def record(
    engine: Engine,
    lease: Lease,
    epoch: int,
    value: float,
    metrics: Mapping[str, float | None],
    checkpoint: checkpoints.Stored | None = None,
) -> None:
    """Write one epoch of a held trial, with the checkpoint that was taken after it; raises LeaseLost.

    The first committed value of an epoch stays: what a later attempt reports for it again changes nothing.
    """
    with engine.begin() as connection:
        hold(connection, lease)
        known = connection.execute(
            select(intermediate_values.c.step).where(
                intermediate_values.c.trial_id == lease.trial_id, intermediate_values.c.step == epoch
            )
        ).first()
        if known is None:
            stored, kind = _as_optuna_stores(value)
            connection.execute(
                insert(intermediate_values).values(
                    trial_id=lease.trial_id,
                    step=epoch,
                    intermediate_value=stored,
                    intermediate_value_type=kind,
                )
            )
            row = {name: metrics[name] for name in COLUMNS if metrics.get(name) is not None}
            connection.execute(insert(epochs).values(**{"value": value, **row}, trial_id=lease.trial_id, epoch=epoch))
        if checkpoint is not None:
            checkpoints.note(connection, lease, epoch, checkpoint)


def read(engine: Engine, study_id: int) -> dict[int, list[dict[str, Any]]]:
    """Every epoch of a study by trial number, in order; a mapping of rows with `epoch` and the columns of COLUMNS."""
    query = (
        select(trials.c.number, epochs)
        .join(trials, trials.c.trial_id == epochs.c.trial_id)
        .where(trials.c.study_id == study_id)
        .order_by(trials.c.number, epochs.c.epoch)
    )
    curves: dict[int, list[dict[str, Any]]] = {}
    with engine.connect() as connection:
        for row in connection.execute(query).mappings():
            curves.setdefault(row["number"], []).append({name: row[name] for name in ("epoch", *COLUMNS)})
    return curves


def _as_optuna_stores(value: float) -> tuple[float | None, str]:
    if math.isnan(value):
        return None, "NAN"
    if math.isinf(value):
        return None, "INF_POS" if value > 0 else "INF_NEG"
    return value, "FINITE"
