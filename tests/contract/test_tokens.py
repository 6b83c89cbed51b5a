"""Tokens, sessions and the audit log, on every database."""

import pytest
from sqlalchemy import select, update

from winnow.storage import Storage, audit_log, sessions, tokens
from winnow.storage.clock import database_now
from winnow.storage.errors import StorageError
from winnow.storage.tables import sessions as session_rows
from winnow.storage.tables import tokens as token_rows


def test_a_token_opens_until_it_is_revoked(opened: Storage) -> None:
    secret = tokens.create(opened.database, "ann", "editor", days=1)
    found = tokens.find(opened.database, secret)
    assert found is not None
    assert (found.name, found.role, found.valid) == ("ann", "editor", True)
    session = sessions.begin(opened.database, found)
    assert sessions.find(opened.database, session) == found
    assert tokens.revoke(opened.database, "ann")
    assert tokens.find(opened.database, secret) is None
    assert sessions.find(opened.database, session) is None, "a session ends with its token"
    assert not tokens.revoke(opened.database, "ann")
    assert [token.valid for token in tokens.everything(opened.database)] == [False]


def test_tokens_and_sessions_expire_by_the_databases_clock(opened: Storage) -> None:
    secret = tokens.create(opened.database, "ann", "reader", days=None)
    found = tokens.find(opened.database, secret)
    assert found is not None
    assert found.expires_at is None
    session = sessions.begin(opened.database, found)
    opened.database.execute(update(session_rows).values(expires_at=database_now() - 1))
    assert sessions.find(opened.database, session) is None
    opened.database.execute(update(token_rows).values(expires_at=database_now() - 1))
    assert tokens.find(opened.database, secret) is None


def test_no_secret_is_kept_and_no_name_is_used_twice(opened: Storage) -> None:
    secret = tokens.create(opened.database, "ann", "admin", days=1)
    session = sessions.begin(opened.database, tokens.everything(opened.database)[0])
    rows = opened.database.read(lambda c: [*c.execute(select(token_rows)), *c.execute(select(session_rows))])
    assert secret not in repr(rows)
    assert session not in repr(rows)
    tokens.revoke(opened.database, "ann")
    with pytest.raises(StorageError, match="there is, or was, a token named 'ann'"):
        tokens.create(opened.database, "ann", "reader", days=1)


def test_a_session_that_was_closed_opens_nothing(opened: Storage) -> None:
    tokens.create(opened.database, "ann", "reader", days=1)
    session = sessions.begin(opened.database, tokens.everything(opened.database)[0])
    sessions.end(opened.database, session)
    assert sessions.find(opened.database, session) is None


def test_the_log_says_who_when_and_what_and_how_it_ended(opened: Storage) -> None:
    entry = audit_log.begin(opened.database, "ann", "10.0.0.1", "DELETE /x", "a\x00b" * 1000)
    (begun,) = audit_log.entries(opened.database)
    assert (begun.who, begun.address, begun.action, begun.status) == ("ann", "10.0.0.1", "DELETE /x", None)
    assert len(begun.content) <= audit_log.LONGEST
    audit_log.conclude(opened.database, entry, 204)
    assert audit_log.entries(opened.database)[0].status == 204
