"""The ledger of test data: who read it, when, for which study, and what came of it. Only `winnow confirm` writes it."""

from dataclasses import dataclass
from typing import Any

from sqlalchemy import Engine, insert, select, update

from storage.tables import database_now, ledger


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
    with engine.begin() as connection:
        made = connection.execute(
            insert(ledger).values(
                study_name=study_name,
                data_fingerprint=data_fingerprint,
                read_at=database_now(),
                reader=reader,
                purpose=purpose,
                results={},
            )
        )
    assert made.inserted_primary_key is not None
    return int(made.inserted_primary_key[0])


def conclude(engine: Engine, entry: int, results: dict[str, Any]) -> None:
    """Add what the reading gave."""
    with engine.begin() as connection:
        connection.execute(update(ledger).where(ledger.c.entry == entry).values(results=results))


def entries(engine: Engine, study_name: str) -> list[Entry]:
    """Every reading for a study, oldest first."""
    query = select(ledger).where(ledger.c.study_name == study_name).order_by(ledger.c.entry)
    with engine.connect() as connection:
        return [Entry(**row) for row in connection.execute(query).mappings()]
