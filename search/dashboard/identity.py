"""Identify who is asking: the person behind a session's cookie or a script's bearer token."""

import math
import time
from contextlib import suppress
from dataclasses import dataclass
from http.cookies import CookieError, SimpleCookie

from anyio import CapacityLimiter, to_thread
from starlette.concurrency import run_in_threadpool
from starlette.requests import HTTPConnection

from winnow.storage import Storage, sessions, tokens
from winnow.storage.errors import StorageUnreachable
from winnow.storage.tokens import ROLES, Role

COOKIE = "winnow_session"
# A revoked token opens nothing after so many seconds.
_SECONDS = 10.0
# An open dashboard asks for tokens so many seconds after the first was made.
_SECONDS_OPEN = 2.0
_MOST = 1000


@dataclass(frozen=True)
class Person:
    """A name and what it may do."""

    name: str
    role: Role

    def may(self, role: Role) -> bool:
        """Return whether this person's role may do what `role` may."""
        return ROLES.index(self.role) >= ROLES.index(role)


LOCAL = Person("local", "admin")
"""Whoever reaches a dashboard that only this machine reaches, while nobody has made a token."""


@dataclass(frozen=True)
class Credentials:
    """What a request came with."""

    secret: str
    by_cookie: bool


def credentials(request: HTTPConnection) -> Credentials | None:
    """Return the bearer token, else the session's cookie."""
    scheme, _, secret = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() == "bearer" and secret.strip():
        return Credentials(secret.strip(), by_cookie=False)
    try:
        morsel = SimpleCookie(request.headers.get("cookie", "")).get(COOKIE)
    except CookieError:
        return None
    return None if morsel is None else Credentials(morsel.value, by_cookie=True)


class People:
    """Find persons by their secrets, and remember them for a few seconds.

    `local` says that only this machine reaches the dashboard: then nobody needs a token until the first one is made.
    """

    def __init__(self, storage: Storage, *, local: bool) -> None:
        self._storage = storage
        self._known: dict[Credentials, tuple[float, Person]] = {}
        self._open = local
        self._asked_at = -math.inf
        # Wrong secrets wait for each other here, and never take the threads that answer everybody else.
        self._limiter = CapacityLimiter(4)

    async def is_open(self) -> bool:
        """Return whether nobody needs a token; once false, it stays so, whatever becomes of the tokens."""
        if self._open and time.monotonic() - self._asked_at >= _SECONDS_OPEN:
            self._asked_at = time.monotonic()
            with suppress(StorageUnreachable):  # while the database is away nobody can make a token either
                self._open = not await run_in_threadpool(tokens.any_made, self._storage.database)
        return self._open

    async def find(self, given: Credentials) -> Person | None:
        """Return whose secret it is; raise StorageUnreachable where only the database could tell.

        While the database is away a person stays who they were: nobody can revoke a token then either.
        """
        found_at, person = self._known.get(given, (0.0, None))
        if person is not None and time.monotonic() - found_at < _SECONDS:
            return person
        find = sessions.find if given.by_cookie else tokens.find
        try:
            token = await to_thread.run_sync(find, self._storage.database, given.secret, limiter=self._limiter)
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
