"""Deleting a study so that it can be restored: it is hidden from every list and gives up its name for thirty days."""

from dataclasses import dataclass

from sqlalchemy import ColumnElement, Connection, delete, exists, insert, select, update
from sqlalchemy.exc import IntegrityError

from winnow.storage import studies as rows
from winnow.storage.activity import State
from winnow.storage.clock import database_now
from winnow.storage.database import Database
from winnow.storage.errors import StorageError
from winnow.storage.optuna_tables import studies
from winnow.storage.tables import attempts, budgets, deletions

DAYS = 30.0


@dataclass(frozen=True)
class Deletion:
    """A study that can be restored."""

    study_id: int
    name: str
    deleted_at: float
    """Seconds since 1970, UTC."""
    deleted_by: str


def remove(database: Database, study_id: int, by: str) -> None:
    """Hide a study, stop it, and free its name; raises StorageError while a worker holds one of its trials."""

    def work(connection: Connection) -> None:
        rows.lock(connection, study_id)  # claims take the same lock: no trial begins meanwhile
        held = attempts.c.ended_at.is_(None) & (attempts.c.expires_at > database_now())
        if connection.execute(select(exists().where(attempts.c.study_id == study_id, held))).scalar():
            raise StorageError(
                "a worker holds a trial of this study", "stop the study, wait until its workers are gone, and try again"
            )
        name = rows.name_of(connection, study_id)
        row = {"study_id": study_id, "name": name, "deleted_at": database_now(), "deleted_by": by[:255]}
        connection.execute(insert(deletions).values(**row))
        _rename(connection, study_id, f"deleted:{study_id}:{name}"[:512])
        connection.execute(update(budgets).where(budgets.c.study_id == study_id).values(state=State.STOPPED))

    try:
        database.write(work)
    except IntegrityError:
        raise StorageError("this study was deleted already", "winnow restore lists what can be restored") from None


def shown_name(connection: Connection, study_id: int) -> str:
    """Return the name of a study that was not deleted; raises KeyError."""
    hidden = select(exists().where(deletions.c.study_id == study_id))
    if connection.execute(hidden).scalar():
        raise KeyError(f"the study {study_id} was deleted")
    return rows.name_of(connection, study_id)


def restore(database: Database, name: str) -> None:
    """Bring the study of this name that was deleted last back under its name; raises StorageError."""

    def work(connection: Connection) -> None:
        found = connection.execute(
            select(deletions).where(deletions.c.name == name, _restorable()).order_by(deletions.c.deleted_at.desc())
        ).first()
        if found is None:
            raise StorageError(
                f"no study {name!r} was deleted in the last {DAYS:.0f} days", "winnow restore lists those that were"
            )
        _rename(connection, found.study_id, name)
        connection.execute(delete(deletions).where(deletions.c.study_id == found.study_id))

    try:
        database.write(work)
    except IntegrityError:
        raise StorageError(f"there is another study {name!r} now", "delete that one first") from None


def everything(database: Database) -> list[Deletion]:
    """Return the studies that can be restored, the last deleted first."""
    query = select(deletions).where(_restorable()).order_by(deletions.c.deleted_at.desc())
    return [Deletion(**row) for row in database.mappings(query)]


def purge(database: Database) -> list[str]:
    """Delete for good what nobody restored in time; returns the names."""
    query = select(deletions.c.study_id, deletions.c.name).where(~_restorable())
    found = database.rows(query)
    for study_id, _ in found:
        database.write(rows.remove, study_id)
    return [name for _, name in found]


def _restorable() -> ColumnElement[bool]:
    return deletions.c.deleted_at > database_now() - DAYS * 86_400


def _rename(connection: Connection, study_id: int, name: str) -> None:
    connection.execute(update(studies).where(studies.c.study_id == study_id).values(study_name=name))
