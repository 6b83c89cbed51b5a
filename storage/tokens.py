"""Tokens: who may use the dashboard, in which role. Shown once, when they are made; kept as a hash."""

import hashlib
import re
import secrets
from dataclasses import dataclass
from typing import Any, Literal, get_args

from sqlalchemy import ColumnElement, Executable, and_, insert, literal, or_, select, update
from sqlalchemy.exc import IntegrityError

from winnow.storage.clock import database_now
from winnow.storage.database import Database
from winnow.storage.errors import StorageError
from winnow.storage.tables import tokens

Role = Literal["reader", "editor", "admin"]
ROLES: tuple[Role, ...] = get_args(Role)
"""Each may do what those before it may."""
DAY = 86_400.0
_FORM = re.compile(r"winnow_[A-Za-z0-9_-]{43}")


@dataclass(frozen=True)
class Token:
    """What is known of a token. Times are seconds since 1970 by the database's clock."""

    token: int
    name: str
    role: Role
    created_at: float
    expires_at: float | None
    revoked_at: float | None
    valid: bool
    """Whether it opens anything now."""


def create(database: Database, name: str, role: Role, days: float | None) -> str:
    """Make a token that is valid for so many days (None: for ever) and return its secret, which is kept nowhere.

    Raises StorageError where a token of this name was made before: the audit log knows people by these names.
    """
    secret = f"winnow_{secrets.token_urlsafe(32)}"  # of the form that `find` looks for
    row = insert(tokens).values(
        name=name,
        role=role,
        sha256=digest(secret),
        created_at=database_now(),
        expires_at=None if days is None else database_now() + days * DAY,
    )
    try:
        database.add(row)
    except IntegrityError:
        raise StorageError(
            f"there is, or was, a token named {name!r}", "take another name: the audit log knows people by it"
        ) from None
    return secret


def revoke(database: Database, name: str) -> bool:
    """End a token and every session that was opened with it; returns whether there was one to end."""
    change = (
        update(tokens).where(tokens.c.name == name, tokens.c.revoked_at.is_(None)).values(revoked_at=database_now())
    )
    return database.write(lambda connection: connection.execute(change).rowcount) == 1


def everything(database: Database) -> list[Token]:
    """Return all tokens that were ever made, oldest first."""
    return read(database, select(*columns()).order_by(tokens.c.token))


def any_made(database: Database) -> bool:
    """Return whether a token was ever made, be it revoked or expired since."""
    return database.scalar(select(tokens.c.token).limit(1)) is not None


def find(database: Database, secret: str) -> Token | None:
    """Return the valid token with this secret. What does not look like a token costs no query."""
    if not _FORM.fullmatch(secret):
        return None
    return next(iter(read(database, select(*columns()).where(tokens.c.sha256 == digest(secret), valid()))), None)


def read(database: Database, query: Executable) -> list[Token]:
    """Return the tokens of a query for `columns`."""
    return [Token(**row) for row in database.mappings(query)]


def valid() -> ColumnElement[bool]:
    """Return the condition under which a row of `tokens` opens anything."""
    unexpired = or_(tokens.c.expires_at.is_(None), tokens.c.expires_at > database_now())
    return and_(tokens.c.revoked_at.is_(None), unexpired)


def digest(secret: str) -> str:
    """Return the hash that is kept of a secret. Of 256 random bits, a plain hash cannot be inverted by guessing."""
    return hashlib.sha256(secret.encode()).hexdigest()


def columns() -> list[ColumnElement[Any]]:
    """Return the columns of a Token."""
    plain: list[ColumnElement[Any]] = [tokens.c[name] for name in Token.__dataclass_fields__ if name != "valid"]
    return [*plain, and_(literal(True), valid()).label("valid")]
