"""Designs: what each trial of an analysis shall train, by trial number. A worker takes row N for trial N."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, exists, func, insert, select

from winnow.storage.database import Database
from winnow.storage.tables import designs


@dataclass(frozen=True)
class Row:
    """One trial of a design."""

    parameters: dict[str, Any]
    """What Optuna shall show (which side, which seed)."""
    config: dict[str, Any]
    """What is trained."""


def extend(database: Database, study_id: int, rows: Sequence[Row]) -> None:
    """Make `rows` the design; those that it has already stay as they are, so its new ones must come after them."""

    def work(connection: Connection) -> None:
        known = connection.execute(select(func.count()).where(designs.c.study_id == study_id)).scalar_one()
        for number, row in enumerate(rows[known:], start=known):
            connection.execute(
                insert(designs).values(study_id=study_id, number=number, parameters=row.parameters, config=row.config)
            )

    database.write(work)


def read(database: Database, study_id: int) -> list[Row]:
    """Return all rows of a study, in order; empty where it has no design."""
    rows = select(designs).where(designs.c.study_id == study_id).order_by(designs.c.number)
    found = database.rows(rows)
    return [Row(row.parameters, row.config) for row in found]


def is_designed(connection: Connection, study_id: int) -> bool:
    """Return whether a study has a design: its trials were planned, row by row, and none is drawn."""
    return bool(connection.execute(select(exists().where(designs.c.study_id == study_id))).scalar_one())
