"""Rows that are written once, or written over, in one statement on every database.

A statement says by what right it writes: it takes effect only while that holds, and keeps it locked until its
transaction ends. Statements are built once; afterwards only their values change. Of SQLAlchemy's dialects, which take
as long to import as a tenth of all that a worker does, only the database's own is.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from functools import lru_cache
from importlib import import_module
from typing import Any

from sqlalchemy import Connection, Float, Select, Table, and_, bindparam, exists, func, select, update

from winnow.storage.clock import database_now
from winnow.storage.database import Database
from winnow.storage.optuna_tables import studies, trials
from winnow.storage.tables import attempts

_COUNTED = {"preserve_rowcount": True}
OPEN_STATES = ("RUNNING", "WAITING")

HELD = and_(
    attempts.c.trial_id == bindparam("held_trial"),
    attempts.c.token == bindparam("held_token"),
    attempts.c.ended_at.is_(None),
    exists().where(trials.c.trial_id == attempts.c.trial_id, trials.c.state == "RUNNING"),
)
"""The condition under which a row of `attempts` is the lease with this token, and its trial runs."""
_SECONDS = bindparam("held_seconds", type_=Float(53))
RENEWAL = update(attempts).where(HELD).values(expires_at=database_now() + _SECONDS)
"""Lets a lease run for so many seconds from now, and locks it until the transaction ends."""


class Right(Enum):
    """By what a row may be written."""

    ASSURED = "the caller has made sure"
    STUDY = "the study is there"
    OPEN_TRIAL = "the trial is there and has not finished"
    LEASE = "the trial runs, and is held by the lease whose token is given"
    FRESH_LEASE = "the same, and the lease has half of its seconds left"


@dataclass(frozen=True)
class Row:
    """A row to be written, and the columns that it is known by."""

    table: Table
    key: tuple[str, ...]
    content: Mapping[str, Any]
    over: bool = False
    """Whether a row with this key is given these values; otherwise it stays as it is."""


@dataclass(frozen=True)
class Holder:
    """Who writes for a trial: the values of `HELD` and `RENEWAL`."""

    trial_id: int
    token: int
    seconds: float

    @property
    def values(self) -> dict[str, Any]:
        """As the statements take them."""
        return {"held_trial": self.trial_id, "held_token": self.token, "held_seconds": self.seconds}


def insert_new(
    connection: Connection,
    table: Table,
    key: Sequence[str],
    row: Mapping[str, Any],
    right: Right = Right.ASSURED,
) -> bool:
    """Add a row unless one with this key is there; returns whether it was added."""
    return _write(connection, Row(table, tuple(key), row), right)


def put(
    connection: Connection,
    table: Table,
    key: Sequence[str],
    row: Mapping[str, Any],
    right: Right = Right.ASSURED,
    holder: Holder | None = None,
) -> bool:
    """Add a row, or give the one with this key its values; False where the right does not hold."""
    return _write(connection, Row(table, tuple(key), row, over=True), right, holder)


def put_all(connection: Connection, table: Table, key: Sequence[str], rows: Sequence[Mapping[str, Any]]) -> None:
    """Add rows with the same columns, or give those with their keys their values."""
    if rows:
        statement = _statement(connection.dialect.name, table, tuple(key), tuple(rows[0]), Right.ASSURED, over=True)
        connection.execute(statement, [_values_of(table, row) for row in rows])


def write_held(database: Database, writes: Sequence[tuple[Holder, Sequence[Row]]]) -> list[bool]:
    """Keep some leases and write some rows of the trial of each, in one transaction; False for a lease that is lost.

    PostgreSQL does it in one statement for each lease. Elsewhere there is one for each row, and a lease that has half
    of its seconds left is not renewed, which spares one more.
    """
    if database.kind == "postgresql" and len(writes) == 1:
        return [bool(database.scalar(*_in_one(*writes[0])) == 1)]
    return database.transaction(lambda connection: [_write_held(connection, *write) for write in writes])


def _write_held(connection: Connection, holder: Holder, rows: Sequence[Row]) -> bool:
    if connection.dialect.name == "postgresql":
        return bool(connection.scalar(*_in_one(holder, rows)) == 1)
    first, *others = rows
    if not _write(connection, first, Right.FRESH_LEASE, holder):
        if connection.execute(RENEWAL, holder.values).rowcount != 1:
            return False
        _write(connection, first)
    for row in others:
        _write(connection, row)
    return True


def _in_one(holder: Holder, rows: Sequence[Row]) -> tuple[Select[Any], dict[str, Any]]:
    values = holder.values
    statement = _all_in_one(tuple((row.table, row.key, tuple(row.content), row.over) for row in rows))
    for row in rows:
        values |= _values_of(row.table, row.content)
    return statement, values


def _values_of(table: Table, content: Mapping[str, Any]) -> dict[str, Any]:
    return {f"{table.name}_{name}": value for name, value in content.items()}


def _write(connection: Connection, row: Row, right: Right = Right.ASSURED, holder: Holder | None = None) -> bool:
    statement = _statement(connection.dialect.name, row.table, row.key, tuple(row.content), right, row.over)
    values = _values_of(row.table, row.content)
    if holder is not None:
        values |= holder.values
    return connection.execute(statement, values, execution_options=_COUNTED).rowcount > 0


@lru_cache(maxsize=256)
def _statement(
    dialect: str, table: Table, key: tuple[str, ...], names: tuple[str, ...], right: Right, over: bool
) -> Any:
    source = _source(table, names, right)
    if dialect in ("mysql", "mariadb"):
        from sqlalchemy.dialects import mysql

        insert = mysql.insert(table)
        if not over:
            return insert.prefix_with("IGNORE").from_select(names, source)
        insert = insert.from_select(names, source)
        changed = {name: insert.inserted[name] for name in names if name not in key}
        return insert.on_duplicate_key_update(changed)
    kind = import_module(f"sqlalchemy.dialects.{dialect}")
    return _unless_there(kind.insert(table).from_select(names, source), key, names, over)


@lru_cache(maxsize=64)
def _all_in_one(rows: tuple[tuple[Table, tuple[str, ...], tuple[str, ...], bool], ...]) -> Select[Any]:
    """Renews a lease and writes rows for whoever holds it; gives how many do."""
    from sqlalchemy.dialects import postgresql

    held = RENEWAL.returning(attempts.c.trial_id).cte("held")
    writes = []
    for table, key, names, over in rows:
        source = _values(table, names).select_from(held)
        insert = _unless_there(postgresql.insert(table).from_select(names, source), key, names, over)
        writes.append(insert.cte(f"in_{table.name}"))
    return select(func.count()).select_from(held).add_cte(*writes)


def _unless_there(insert: Any, key: tuple[str, ...], names: tuple[str, ...], over: bool) -> Any:
    if not over:
        return insert.on_conflict_do_nothing(index_elements=key)
    changed = {name: insert.excluded[name] for name in names if name not in key}
    return insert.on_conflict_do_update(index_elements=key, set_=changed)


def _values(table: Table, names: tuple[str, ...]) -> Select[Any]:
    return select(*[_new(table, name).label(name) for name in names])


def _new(table: Table, name: str) -> Any:
    return bindparam(f"{table.name}_{name}", type_=table.c[name].type)


def _source(table: Table, names: tuple[str, ...], right: Right) -> Select[Any]:
    """Return the row to be written, as long as the right holds."""
    row = _values(table, names)
    match right:
        case Right.STUDY:
            return row.select_from(studies).where(studies.c.study_id == _new(table, "study_id"))
        case Right.OPEN_TRIAL:
            is_open = and_(trials.c.trial_id == _new(table, "trial_id"), trials.c.state.in_(OPEN_STATES))
            return row.select_from(trials).where(is_open)
        case Right.LEASE:
            return row.select_from(attempts).where(HELD).with_for_update(read=True, of=attempts)
        case Right.FRESH_LEASE:
            # One that ends later than it can was given before the clock was set back, and is to be renewed.
            fresh = attempts.c.expires_at.between(database_now() + _SECONDS / 2, database_now() + _SECONDS)
            return row.select_from(attempts).where(HELD, fresh).with_for_update(read=True, of=attempts)
        case _:
            return row.where(exists(select(1)))  # SQLite needs a WHERE before ON CONFLICT
