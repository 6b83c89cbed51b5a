"""What is settled once per study, by whichever worker comes first, and is then the same for all."""

import json
from typing import Any

from sqlalchemy import select

from winnow.storage.database import Database
from winnow.storage.optuna_tables import study_user_attributes
from winnow.storage.upserts import Right, insert_new


def settled(database: Database, study_id: int, key: str) -> Any | None:
    """Return what was settled under `key`; None while nothing was."""
    query = select(study_user_attributes.c.value_json).where(
        study_user_attributes.c.study_id == study_id, study_user_attributes.c.key == key
    )
    found = database.scalar(query)
    return None if found is None else json.loads(found)


def settle(database: Database, study_id: int, key: str, value: Any) -> Any:
    """Settle `value` under `key` unless another was settled before; returns what holds."""
    row = {"study_id": study_id, "key": key, "value_json": json.dumps(value)}
    table, unique = study_user_attributes, ["study_id", "key"]
    database.write(insert_new, table, unique, row, Right.STUDY)
    return settled(database, study_id, key)
