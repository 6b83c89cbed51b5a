"""Rows that are written once, or written over, in one statement on every database.

A statement says by what right it writes: it takes effect only while that holds, and keeps it locked until its
transaction ends. Statements are built once; afterwards only their values change.
"""

from collections.abc import Mapping, Sequence
from enum import Enum
from functools import lru_cache
from typing import Any

from sqlalchemy import Connection, Select, Table, and_, bindparam, exists, select
from sqlalchemy.dialects import mysql, postgresql, sqlite

from storage.optuna_tables import studies, trials
from storage.tables import attempts

_COUNTED = {"preserve_rowcount": True}
OPEN_STATES = ("RUNNING", "WAITING")


class Right(Enum):
    """By what a row may be written."""

    ASSURED = "the caller has made sure"
    STUDY = "the study is there"
    OPEN_TRIAL = "the trial is there and has not finished"
    LEASE = "the trial runs, and is held by the lease whose token is given"


def insert_new(
    connection: Connection,
    table: Table,
    key: Sequence[str],
    row: Mapping[str, Any],
    right: Right = Right.ASSURED,
) -> bool:
    """Add a row unless one with this key is there; returns whether it was added."""
    return _write(connection, table, key, row, right, None, False)


def put(
    connection: Connection,
    table: Table,
    key: Sequence[str],
    row: Mapping[str, Any],
    right: Right = Right.ASSURED,
    token: int | None = None,
) -> bool:
    """Add a row, or give the one with this key its values; False where the right does not hold."""
    return _write(connection, table, key, row, right, token, True)


def _write(
    connection: Connection,
    table: Table,
    key: Sequence[str],
    row: Mapping[str, Any],
    right: Right,
    token: int | None,
    over: bool,
) -> bool:
    statement = _statement(connection.dialect.name, table, tuple(key), tuple(row), right, over)
    values = {f"new_{name}": value for name, value in row.items()}
    if right is Right.LEASE:
        values["held_token"] = token
    return connection.execute(statement, values, execution_options=_COUNTED).rowcount > 0


@lru_cache(maxsize=256)
def _statement(
    dialect: str, table: Table, key: tuple[str, ...], names: tuple[str, ...], right: Right, over: bool
) -> Any:
    source = _source(table, names, right)
    changed = [name for name in names if name not in key]
    if dialect in ("mysql", "mariadb"):
        insert = mysql.insert(table)
        if not over:
            return insert.prefix_with("IGNORE").from_select(names, source)
        insert = insert.from_select(names, source)
        return insert.on_duplicate_key_update({name: insert.inserted[name] for name in changed})
    kind: Any = postgresql if dialect == "postgresql" else sqlite
    insert = kind.insert(table).from_select(names, source)
    if not over:
        return insert.on_conflict_do_nothing(index_elements=key)
    return insert.on_conflict_do_update(index_elements=key, set_={name: insert.excluded[name] for name in changed})


def _source(table: Table, names: tuple[str, ...], right: Right) -> Select[Any]:
    """The row to be written, as long as the right holds."""
    columns = {name: bindparam(f"new_{name}", type_=table.c[name].type) for name in names}
    row = select(*[column.label(name) for name, column in columns.items()])
    if right is Right.STUDY:
        return row.select_from(studies).where(studies.c.study_id == columns["study_id"])
    if right is Right.OPEN_TRIAL:
        is_open = and_(trials.c.trial_id == columns["trial_id"], trials.c.state.in_(OPEN_STATES))
        return row.select_from(trials).where(is_open)
    if right is Right.LEASE:
        running = exists().where(trials.c.trial_id == attempts.c.trial_id, trials.c.state == "RUNNING")
        held = and_(
            attempts.c.trial_id == columns["trial_id"],
            attempts.c.token == bindparam("held_token"),
            attempts.c.ended_at.is_(None),
            running,
        )
        return row.select_from(attempts).where(held).with_for_update(read=True, of=attempts)
    return row.where(exists(select(1)))  # SQLite needs a WHERE before ON CONFLICT
