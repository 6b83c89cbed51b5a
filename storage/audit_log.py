"""The audit log: every change that was asked for through the dashboard or about its tokens: who, when, what.

An entry is written before the change is made, and its outcome after: no change stands without an entry.
"""

from dataclasses import dataclass

from sqlalchemy import insert, select, update

from winnow.storage.clock import database_now
from winnow.storage.content import text
from winnow.storage.database import Database
from winnow.storage.tables import audit

LONGEST = 500
"""Characters of a change's content that are kept."""


@dataclass(frozen=True)
class Entry:
    """One change that was asked for."""

    entry: int
    at: float
    """Seconds since 1970, UTC."""
    who: str
    address: str
    action: str
    content: str
    status: int | None
    """The HTTP status that it ended with (0 on the command line); None where nobody lived to write it."""


def begin(database: Database, who: str, address: str, action: str, content: str, status: int | None = None) -> int:
    """Write that a change is about to be made; returns the entry."""
    row = insert(audit).values(
        at=database_now(),
        who=text(who, 255, database.kind),
        address=text(address, 64, database.kind),
        action=text(action, 255, database.kind),
        content=text(content, LONGEST, database.kind),
        status=status,
    )
    return int(database.add(row))


def conclude(database: Database, entry: int, status: int) -> None:
    """Add how it ended."""
    change = update(audit).where(audit.c.entry == entry).values(status=status)
    database.execute(change)


def entries(database: Database, most: int = 500) -> list[Entry]:
    """Return the latest entries, newest first."""
    query = select(audit).order_by(audit.c.entry.desc()).limit(most)
    return [Entry(**row) for row in database.mappings(query)]
