"""The tables' versions: what is missing is made by one process at a time, step by step, and never twice.

Where the database can undo the making of a table, a step and its version number are one transaction; every step can
also be taken again after it was broken off (MariaDB).
"""

import fcntl
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import optuna
from sqlalchemy import Column, Connection, Engine, Table, func, inspect, select, text

from winnow.storage import identities, optuna_tables, tables
from winnow.storage.database import PATIENCE, Database
from winnow.storage.errors import StorageError

LOCK = 0x77696E6E6F77
"""The number of the advisory lock: the letters of "winnow"."""
LOCK_SECONDS = 120


def apply(database: Database) -> None:
    """Bring the storage to this version of Winnow: Optuna's tables where there are none, then our own.

    Any number of processes may do this at once. A storage that is up to date is only looked at, which needs no right
    to change tables. Raises StorageError where Optuna's tables or ours are of another version than this program's.
    """
    if not database.read(_is_current):
        database.patience = max(database.patience, PATIENCE)  # the server is there, and a cut of it will pass
        database.patiently(partial(_bring_up_to_date, database))


def _bring_up_to_date(database: Database) -> None:
    with _alone(database.engine):
        if database.read(_revision) is None:
            _make_optuna_tables(database)
        if (revision := database.read(_revision)) != optuna_tables.REVISION:
            raise StorageError(
                f"Optuna's tables are of version {revision}, and this Winnow reads {optuna_tables.REVISION}",
                "bring them up to date with: optuna storage upgrade --storage URL",
            )
        for version, step in enumerate(STEPS, start=1):
            database.transaction(_take, version, step)


def _is_current(connection: Connection) -> bool:
    if not inspect(connection).has_table(tables.schema.name):
        return False
    version = connection.execute(select(func.max(tables.schema.c.version))).scalar() or 0
    if version > len(STEPS):
        raise StorageError(
            f"the storage was made by a newer Winnow (version {version} of its tables, {len(STEPS)} here)",
            "install that version: pip install --upgrade winnow-hpo",
        )
    return version == len(STEPS) and _revision(connection) == optuna_tables.REVISION


def _revision(connection: Connection) -> str | None:
    """Return the version of Optuna's tables; None where Optuna has not finished making them."""
    if not inspect(connection).has_table("alembic_version"):
        return None
    return connection.execute(text("SELECT version_num FROM alembic_version")).scalar()


def _make_optuna_tables(database: Database) -> None:
    """Have Optuna make its own, with its own version marks."""
    template = database.url.replace("{", "{{").replace("}", "}}")  # which Optuna takes a URL for
    optuna.storages.RDBStorage(template).engine.dispose()
    if database.kind in ("mysql", "mariadb"):
        # Optuna's DATETIME would cut a trial's times to whole seconds here; everywhere else they are kept.
        for column in ("datetime_start", "datetime_complete"):
            database.execute(text(f"ALTER TABLE trials MODIFY {column} DATETIME(6)"))


def _take(connection: Connection, version: int, step: Callable[[Connection], None]) -> None:
    if inspect(connection).has_table(tables.schema.name):
        taken = select(tables.schema.c.version).where(tables.schema.c.version == version)
        if connection.execute(taken).first() is not None:
            return
    step(connection)
    connection.execute(tables.schema.insert().values(version=version, identity=identities.new()))


def _first(connection: Connection) -> None:
    """Make all tables of Winnow 0.1."""
    optuna_tables.metadata.create_all(connection, tables=tables.ALL)
    _sweep(connection, "trials", "trial_id", tables.OF_A_TRIAL)
    _sweep(connection, "studies", "study_id", tables.OF_A_STUDY)


def _sweep(connection: Connection, parent: str, key: str, own: Sequence[Table]) -> None:
    """Have the rows that belong to a deleted row deleted with it, where the database does not do so by itself.

    SQLite gives the ids of deleted rows to new ones and, as stock Optuna opens it, cascades nothing: triggers do.
    """
    if connection.dialect.name != "sqlite":
        return
    deletes = " ".join(f"DELETE FROM {table.name} WHERE {key} = OLD.{key};" for table in own)
    if key == "study_id":
        deletes += f" UPDATE {tables.identities.name} SET study_id = NULL WHERE study_id = OLD.study_id;"
    connection.execute(
        text(f"CREATE TRIGGER IF NOT EXISTS winnow_sweep_{parent} AFTER DELETE ON {parent} BEGIN {deletes} END")
    )


def _add(column: Column[Any], connection: Connection) -> None:
    """Add a column, where its table was made without it."""
    table = column.table.name
    if column.name not in {each["name"] for each in inspect(connection).get_columns(table)}:
        kind = column.type.compile(connection.dialect)
        connection.execute(text(f"ALTER TABLE {table} ADD COLUMN {column.name} {kind}"))


STEPS: list[Callable[[Connection], None]] = [
    _first,
    partial(_add, tables.workers.c.device_load),
    partial(_add, tables.attempts.c.lease_seconds),
]


@contextmanager
def _alone(engine: Engine) -> Iterator[None]:
    """Hold the lock under which tables are made; it ends with this process, whatever becomes of it."""
    if engine.dialect.name == "sqlite":
        path = Path(f"{engine.url.database}.lock")
        with path.open("w") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield
        return
    with engine.execution_options(isolation_level="AUTOCOMMIT").connect() as connection:
        if engine.dialect.name == "postgresql":
            connection.execute(text("SET lock_timeout = 0"))
            connection.execute(text(f"SET statement_timeout = '{LOCK_SECONDS}s'"))
            connection.execute(text(f"SELECT pg_advisory_lock({LOCK})"))
        elif connection.execute(text(f"SELECT GET_LOCK('winnow', {LOCK_SECONDS})")).scalar() != 1:
            raise StorageError(
                "another process has been making the storage's tables for too long",
                "look at it, or end it, and try again",
            )
        try:
            yield
        finally:
            connection.invalidate()  # closed, not returned to the pool: the lock and the settings end with it
