"""Who is asking: the person behind a session's cookie or a script's bearer token."""

import time
from dataclasses import dataclass
from http.cookies import CookieError, SimpleCookie

from starlette.requests import HTTPConnection

from winnow.storage import Storage, sessions, tokens
from winnow.storage.errors import StorageUnreachable
from winnow.storage.tokens import ROLES, Role

COOKIE = "winnow_session"
_SECONDS = 10.0
"""A revoked token opens nothing after this."""
_MOST = 1000


@dataclass(frozen=True)
class Person:
    """A name and what it may do."""

    name: str
    role: Role

    def may(self, role: Role) -> bool:
        """Whether this person's role holds what `role` may do."""
        return ROLES.index(self.role) >= ROLES.index(role)


LOCAL = Person("local", "admin")
"""Whoever reaches a dashboard that only this machine reaches, while nobody has made a token."""


@dataclass(frozen=True)
class Credentials:
    """What a request came with."""

    secret: str
    by_cookie: bool


def credentials(request: HTTPConnection) -> Credentials | None:
    """The bearer token, else the session's cookie."""
    scheme, _, secret = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() == "bearer" and secret.strip():
        return Credentials(secret.strip(), by_cookie=False)
    try:
        morsel = SimpleCookie(request.headers.get("cookie", "")).get(COOKIE)
    except CookieError:
        return None
    return None if morsel is None else Credentials(morsel.value, by_cookie=True)


class People:
    """Finds persons by their secrets, and knows them for a few seconds without asking the database again."""

    def __init__(self, storage: Storage) -> None:
        self._storage = storage
        self._known: dict[Credentials, tuple[float, Person]] = {}

    def find(self, given: Credentials) -> Person | None:
        """Whose secret it is; raises StorageUnreachable where only the database could tell.

        While the database is away a person stays who they were: nobody can revoke a token then either.
        """
        found_at, person = self._known.get(given, (0.0, None))
        if person is not None and time.monotonic() - found_at < _SECONDS:
            return person
        find = sessions.find if given.by_cookie else tokens.find
        try:
            token = find(self._storage.engine, given.secret)
        except StorageUnreachable:
            if person is None:
                raise
            return person
        if token is None:
            self._known.pop(given, None)
            return None
        if len(self._known) >= _MOST:
            self._known.clear()
        person = Person(token.name, token.role)
        self._known[given] = (time.monotonic(), person)
        return person

    def forget(self, given: Credentials) -> None:
        """Ask the database the next time: the session has just ended."""
        self._known.pop(given, None)
