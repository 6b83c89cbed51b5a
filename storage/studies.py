"""Studies in Optuna's tables: made, named, described and deleted. Functions of a connection, used by `Storage`."""

import json
import uuid
from collections.abc import Sequence
from typing import Any

from optuna.study import StudyDirection
from optuna.study._frozen import FrozenStudy
from sqlalchemy import Connection, Table, bindparam, delete, insert, select

from winnow.storage import content
from winnow.storage.optuna_tables import (
    OF_A_STUDY,
    OF_A_TRIAL,
    directions,
    studies,
    study_system_attributes,
    study_user_attributes,
    trials,
)
from winnow.storage.tables import deletions
from winnow.storage.upserts import Right, put

_LOCK = select(studies.c.study_id).where(studies.c.study_id == bindparam("id")).with_for_update()


def create(connection: Connection, wanted: Sequence[StudyDirection], name: str | None) -> int:
    """Make a study; raises IntegrityError where the name is taken."""
    if name is None:
        name = f"no-name-{uuid.uuid4()}"
    content.name(name, "the study")
    made = connection.execute(insert(studies).values(study_name=name))
    assert made.inserted_primary_key is not None
    study_id = int(made.inserted_primary_key[0])
    for objective, direction in enumerate(wanted):
        connection.execute(insert(directions).values(study_id=study_id, objective=objective, direction=direction.name))
    return study_id


def remove(connection: Connection, study_id: int) -> None:
    """Delete a study with all its rows; raises KeyError."""
    lock(connection, study_id)
    of_study = select(trials.c.trial_id).where(trials.c.study_id == study_id)
    for table in OF_A_TRIAL:
        connection.execute(delete(table).where(table.c.trial_id.in_(of_study)))
    for table in (trials, *OF_A_STUDY, studies):
        connection.execute(delete(table).where(table.c.study_id == study_id))


def lock(connection: Connection, study_id: int) -> None:
    """Take the lock under which Optuna numbers trials; raises KeyError."""
    if connection.execute(_LOCK, {"id": study_id}).first() is None:
        raise _unknown(study_id)


def check(connection: Connection, study_id: int) -> None:
    """Raise KeyError where there is no such study."""
    name_of(connection, study_id)


def id_of(connection: Connection, name: str) -> int:
    """Return the id of a study; raises KeyError."""
    found = connection.execute(select(studies.c.study_id).where(studies.c.study_name == name)).scalar()
    if found is None:
        raise KeyError(f"there is no study {name!r}")
    return int(found)


def name_of(connection: Connection, study_id: int) -> str:
    """Return the name of a study; raises KeyError."""
    found = connection.execute(select(studies.c.study_name).where(studies.c.study_id == study_id)).scalar()
    if found is None:
        raise _unknown(study_id)
    return str(found)


def directions_of(connection: Connection, study_id: int) -> list[StudyDirection]:
    """Return what a study minimises and maximises; raises KeyError."""
    query = select(directions.c.direction).where(directions.c.study_id == study_id).order_by(directions.c.objective)
    found = [StudyDirection[name] for (name,) in connection.execute(query)]
    if not found:
        check(connection, study_id)
    return found


def set_attribute(connection: Connection, table: Table, study_id: int, key: str, value: Any) -> None:
    """Give a study an attribute, in place of the one it had; raise KeyError, ContentRefused."""
    value_json = content.as_json(content.name(key, "an attribute"), value, connection.dialect.name)
    row = {"study_id": study_id, "key": key, "value_json": value_json}
    if not put(connection, table, ["study_id", "key"], row, Right.STUDY):
        raise _unknown(study_id)


def attributes(connection: Connection, table: Table, study_id: int) -> dict[str, Any]:
    """Return all attributes of a study; raises KeyError."""
    found = connection.execute(select(table.c.key, table.c.value_json).where(table.c.study_id == study_id)).all()
    if not found:
        check(connection, study_id)
    return {key: json.loads(value) for key, value in found}


def everything(connection: Connection, attributes: bool = True) -> list[FrozenStudy]:
    """Return all studies, by id, but those that were deleted and may be restored; with their attributes or without."""
    shown = select(studies).where(studies.c.study_id.not_in(select(deletions.c.study_id)))
    found = {
        study_id: FrozenStudy(name, None, {}, {}, study_id, directions=[])
        for study_id, name in connection.execute(shown.order_by(studies.c.study_id))
    }
    query = select(directions.c.study_id, directions.c.direction).order_by(directions.c.objective)
    for study_id, direction in connection.execute(query):
        if study_id in found:
            found[study_id]._directions.append(StudyDirection[direction])
    tables = ((study_user_attributes, "user_attrs"), (study_system_attributes, "system_attrs"))
    for table, kind in tables if attributes else ():
        for study_id, key, value in connection.execute(select(table.c.study_id, table.c.key, table.c.value_json)):
            if study_id in found:
                getattr(found[study_id], kind)[key] = json.loads(value)
    return list(found.values())


def _unknown(study_id: int) -> KeyError:
    return KeyError(f"there is no study with the id {study_id}")
