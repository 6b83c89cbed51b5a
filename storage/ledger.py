"""The ledger of test data: who read it, when, for which study, and what came of it. Only `winnow confirm` writes it.

Test data are known by their examples: of each, `results["examples"]` keeps the smallest prints, so that a reading under
another study, name or split is found by what it shares.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from sqlalchemy import insert, select, update

from winnow.storage.clock import database_now
from winnow.storage.database import Database
from winnow.storage.tables import ledger

KEPT = 500
"""So many of the examples' prints are kept of a reading: the smallest, which are a fair draw of all (Broder, 1997)."""


@dataclass(frozen=True)
class Examples:
    """Which test examples a reading read."""

    count: int
    smallest: tuple[str, ...]
    """Their prints, sorted; all of them where they are KEPT or fewer."""

    @classmethod
    def of(cls, prints: Sequence[str]) -> "Examples":
        """Keep what tells these examples, given by their prints in order, from others."""
        return cls(len(prints), tuple(prints[:KEPT]))

    @property
    def fingerprint(self) -> str:
        """One name for all of them."""
        return hashlib.sha256(" ".join([str(self.count), *self.smallest]).encode()).hexdigest()[:16]

    def shares(self, other: "Examples") -> bool:
        """Return whether some are among the other's too.

        A share below one in a hundred may be missed where many are.
        """
        return not set(self.smallest).isdisjoint(other.smallest)


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

    @property
    def examples(self) -> Examples:
        """Which test examples were read."""
        return Examples(**{"count": 0, "smallest": (), **self.results.get("examples", {})})

    @property
    def models(self) -> list[dict[str, Any]]:
        """What each model gave; empty of a reading that was not finished, or that an earlier version wrote."""
        return [row for row in self.results.get("models", []) if isinstance(row, dict)]

    @property
    def judged(self) -> set[str]:
        """Which models were judged together, those among them that an earlier reading had read; named by weights."""
        return set(self.results.get("judged") or (row.get("weights") for row in self.models))


def announce(database: Database, study_name: str, examples: Examples, reader: str, purpose: str) -> int:
    """Write that test data are about to be read; returns the entry. Done before the reading, so that none is hidden."""
    row = insert(ledger).values(
        study_name=study_name,
        data_fingerprint=examples.fingerprint,
        read_at=database_now(),
        reader=reader,
        purpose=purpose,
        results={"examples": asdict(examples)},
    )
    return int(database.add(row))


def conclude(
    database: Database, entry: int, examples: Examples, models: Sequence[dict[str, Any]], judged: Sequence[str] = ()
) -> None:
    """Add what the reading gave, model by model, and with which of those read before they were `judged` together."""
    results = {"examples": asdict(examples), "models": list(models), "judged": list(judged)}
    database.execute(update(ledger).where(ledger.c.entry == entry).values(results=results))


def entries(database: Database, study_name: str | None = None) -> list[Entry]:
    """Return every reading in this storage, or of one study, oldest first."""
    query = select(ledger).order_by(ledger.c.entry)
    if study_name is not None:
        query = query.where(ledger.c.study_name == study_name)
    return [Entry(**row) for row in database.mappings(query)]


def of_the_same(database: Database, examples: Examples) -> list[Entry]:
    """Return every reading of test data that share examples with these, for whatever study, oldest first."""
    return [entry for entry in entries(database) if entry.examples.shares(examples)]
