"""The ledger of test data: who read it, when, for which study, and what came of it. Only `winnow confirm` writes it."""

from dataclasses import dataclass
from typing import Any

from sqlalchemy import insert, select, update

from winnow.storage.clock import database_now
from winnow.storage.database import Database
from winnow.storage.tables import ledger


@dataclass(frozen=True)
class Entry:
    """One reading of test data."""

    entry: int
    study_name: str
    data_fingerprint: str
    read_at: float
    """Seconds since 1970, UTC."""
    reader: str
    purpose: str
    results: dict[str, Any]


def announce(database: Database, study_name: str, data_fingerprint: str, reader: str, purpose: str) -> int:
    """Write that test data are about to be read; returns the entry. Done before the reading, so that none is hidden."""
    row = insert(ledger).values(
        study_name=study_name,
        data_fingerprint=data_fingerprint,
        read_at=database_now(),
        reader=reader,
        purpose=purpose,
        results={},
    )
    return int(database.add(row))


def conclude(database: Database, entry: int, results: dict[str, Any]) -> None:
    """Add what the reading gave."""
    change = update(ledger).where(ledger.c.entry == entry).values(results=results)
    database.execute(change)


def entries(database: Database, study_name: str) -> list[Entry]:
    """Every reading for a study, oldest first."""
    query = select(ledger).where(ledger.c.study_name == study_name).order_by(ledger.c.entry)
    rows = database.mappings(query)
    return [Entry(**row) for row in rows]
