"""Sessions: what a browser holds after a login in place of the token. They end with their token."""

import secrets

from sqlalchemy import insert, select, update

from winnow.storage.clock import database_now
from winnow.storage.database import Database
from winnow.storage.tables import sessions, tokens
from winnow.storage.tokens import Token, columns, digest, read, valid

HOURS = 12.0


def begin(database: Database, token: Token) -> str:
    """Open a session of HOURS and return its secret, which is kept as a hash only."""
    secret = secrets.token_urlsafe(32)
    row = insert(sessions).values(sha256=digest(secret), token=token.token, expires_at=database_now() + HOURS * 3600)
    database.add(row)
    return secret


def find(database: Database, secret: str) -> Token | None:
    """Return the token by which a session was opened; None where either has ended."""
    query = (
        select(*columns())
        .join(sessions, sessions.c.token == tokens.c.token)
        .where(
            sessions.c.sha256 == digest(secret),
            sessions.c.ended_at.is_(None),
            sessions.c.expires_at > database_now(),
            valid(),
        )
    )
    return next(iter(read(database, query)), None)


def end(database: Database, secret: str) -> None:
    """Close a session."""
    change = update(sessions).where(sessions.c.sha256 == digest(secret)).values(ended_at=database_now())
    database.execute(change)
