"""The ledger of test data: who read it, when, for which study, and what came of it. Only `winnow confirm` writes it."""

from dataclasses import dataclass
from typing import Any

from sqlalchemy import Engine, insert, select, update

from winnow.storage.clock import database_now
from winnow.storage.retries import read, transact
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


def announce(engine: Engine, study_name: str, data_fingerprint: str, reader: str, purpose: str) -> int:
    """Write that test data are about to be read; returns the entry. Done before the reading, so that none is hidden."""
    row = insert(ledger).values(
        study_name=study_name,
        data_fingerprint=data_fingerprint,
        read_at=database_now(),
        reader=reader,
        purpose=purpose,
        results={},
    )
    made = transact(engine, lambda connection: connection.execute(row).inserted_primary_key)
    assert made is not None
    return int(made[0])


def conclude(engine: Engine, entry: int, results: dict[str, Any]) -> None:
    """Add what the reading gave."""
    change = update(ledger).where(ledger.c.entry == entry).values(results=results)
    transact(engine, lambda connection: connection.execute(change))


def entries(engine: Engine, study_name: str) -> list[Entry]:
    """Every reading for a study, oldest first."""
    query = select(ledger).where(ledger.c.study_name == study_name).order_by(ledger.c.entry)
    rows = read(engine, lambda connection: connection.execute(query).mappings().all())
    return [Entry(**row) for row in rows]
