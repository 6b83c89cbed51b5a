"""What is settled once per study, by whichever worker comes first, and is then the same for all."""

import json
from typing import Any

from sqlalchemy import Engine, column, insert, select, table
from sqlalchemy.exc import IntegrityError

# Optuna's own, whose (study_id, key) is unique: what is settled can be read with stock tools too.
_attributes = table("study_user_attributes", column("study_id"), column("key"), column("value_json"))


def settled(engine: Engine, study_id: int, key: str) -> Any | None:
    """What was settled under `key`; None while nothing was."""
    query = select(_attributes.c.value_json).where(_attributes.c.study_id == study_id, _attributes.c.key == key)
    with engine.connect() as connection:
        found = connection.execute(query).scalar_one_or_none()
    return None if found is None else json.loads(found)


def settle(engine: Engine, study_id: int, key: str, value: Any) -> Any:
    """Settle `value` under `key` unless another was settled before; returns what holds."""
    try:
        with engine.begin() as connection:
            connection.execute(insert(_attributes).values(study_id=study_id, key=key, value_json=json.dumps(value)))
    except IntegrityError:
        return settled(engine, study_id, key)
    return value
