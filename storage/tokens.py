"""Tokens: who may use the dashboard, in which role. Shown once, when they are made; kept as a hash."""

import hashlib
import secrets
from dataclasses import dataclass
from typing import Any, Literal, get_args

from sqlalchemy import ColumnElement, Engine, and_, insert, literal, or_, select, update
from sqlalchemy.exc import IntegrityError

from winnow.storage.clock import database_now
from winnow.storage.errors import StorageError
from winnow.storage.retries import read, transact
from winnow.storage.tables import tokens

Role = Literal["reader", "editor", "admin"]
ROLES: tuple[Role, ...] = get_args(Role)
"""Each may do what those before it may."""
DAY = 86_400.0


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


def create(engine: Engine, name: str, role: Role, days: float | None) -> str:
    """Make a token that is good for so many days (None: for ever) and return its secret, which is kept nowhere.

    Raises StorageError where a token of this name was made before: the audit log knows people by these names.
    """
    secret = f"winnow_{secrets.token_urlsafe(32)}"
    row = insert(tokens).values(
        name=name,
        role=role,
        sha256=digest(secret),
        created_at=database_now(),
        expires_at=None if days is None else database_now() + days * DAY,
    )
    try:
        transact(engine, lambda connection: connection.execute(row))
    except IntegrityError:
        raise StorageError(
            f"there is, or was, a token named {name!r}", "take another name: the audit log knows people by it"
        ) from None
    return secret


def revoke(engine: Engine, name: str) -> bool:
    """End a token and every session that was opened with it; returns whether there was one to end."""
    change = (
        update(tokens).where(tokens.c.name == name, tokens.c.revoked_at.is_(None)).values(revoked_at=database_now())
    )
    return transact(engine, lambda connection: connection.execute(change).rowcount) == 1


def everything(engine: Engine) -> list[Token]:
    """All tokens that were ever made, oldest first."""
    query = select(*columns()).order_by(tokens.c.token)
    return [Token(**row) for row in read(engine, lambda connection: connection.execute(query).mappings().all())]


def find(engine: Engine, secret: str) -> Token | None:
    """The valid token with this secret."""
    query = select(*columns()).where(tokens.c.sha256 == digest(secret), valid())
    row = read(engine, lambda connection: connection.execute(query).mappings().one_or_none())
    return None if row is None else Token(**row)


def valid() -> ColumnElement[bool]:
    """The condition under which a row of `tokens` opens anything."""
    unexpired = or_(tokens.c.expires_at.is_(None), tokens.c.expires_at > database_now())
    return and_(tokens.c.revoked_at.is_(None), unexpired)


def digest(secret: str) -> str:
    """What is kept of a secret. It is 256 random bits, so a plain hash cannot be turned round by guessing."""
    return hashlib.sha256(secret.encode()).hexdigest()


def columns() -> list[ColumnElement[Any]]:
    """What a Token is made of."""
    plain: list[ColumnElement[Any]] = [tokens.c[name] for name in Token.__dataclass_fields__ if name != "valid"]
    return [*plain, and_(literal(True), valid()).label("valid")]
