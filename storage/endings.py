"""The end of a trial in Optuna's tables: results, last attributes and state, in the caller's transaction."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, insert, update

from winnow.records import FinalState
from winnow.storage import content
from winnow.storage.clock import optuna_now
from winnow.storage.optuna_tables import stored, trial_user_attributes, trials, values
from winnow.storage.upserts import put


def end(
    connection: Connection,
    trial_id: int,
    state: FinalState,
    results: Sequence[float | None],
    attributes: Mapping[str, Any],
) -> None:
    """End a trial that the caller has locked; a result that is None or NaN is none."""
    for objective, result in enumerate(results):
        if result is not None and not math.isnan(result):
            number, kind = stored(result)
            row = {"objective": objective, "value": number, "value_type": kind}
            connection.execute(insert(values).values(trial_id=trial_id, **row))
    put_attributes(connection, trial_id, attributes)
    ended = {"state": state, "datetime_complete": optuna_now()}
    connection.execute(update(trials).where(trials.c.trial_id == trial_id).values(**ended))


def put_attributes(connection: Connection, trial_id: int, attributes: Mapping[str, Any]) -> None:
    """Write user attributes of a trial, in place of those it had; raise ContentRefused."""
    for key, value in attributes.items():
        row = {"trial_id": trial_id, "key": key, "value_json": content.as_json(key, value, connection.dialect.name)}
        put(connection, trial_user_attributes, ["trial_id", "key"], row)
