"""Rows that are written once, or written over, in one statement on every database."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection, Select, Table
from sqlalchemy.dialects import mysql, postgresql, sqlite

_COUNTED = {"preserve_rowcount": True}


def insert_new(connection: Connection, table: Table, key: Sequence[str], source: Select[Any]) -> bool:
    """Add the row that `source` selects unless one with this key is there; returns whether it was added."""
    names = [column.name for column in source.selected_columns]
    if connection.dialect.name in ("mysql", "mariadb"):
        statement: Any = mysql.insert(table).prefix_with("IGNORE").from_select(names, source)
    else:
        statement = _insert(connection, table).from_select(names, source).on_conflict_do_nothing(index_elements=key)
    return connection.execute(statement, execution_options=_COUNTED).rowcount == 1


def put(connection: Connection, table: Table, key: Sequence[str], source: Select[Any]) -> bool:
    """Add the row that `source` selects, or give the one with this key its values; False where nothing was selected."""
    names = [column.name for column in source.selected_columns]
    changed = [name for name in names if name not in key]
    if connection.dialect.name in ("mysql", "mariadb"):
        insert = mysql.insert(table).from_select(names, source)
        statement: Any = insert.on_duplicate_key_update({name: insert.inserted[name] for name in changed})
    else:
        insert_or = _insert(connection, table).from_select(names, source)
        statement = insert_or.on_conflict_do_update(
            index_elements=key, set_={name: insert_or.excluded[name] for name in changed}
        )
    return connection.execute(statement, execution_options=_COUNTED).rowcount > 0


def _insert(connection: Connection, table: Table) -> Any:
    return postgresql.insert(table) if connection.dialect.name == "postgresql" else sqlite.insert(table)
