"""The one boundary where a database's troubles are met: try again while that can help, then say what is wrong.

Every statement of Winnow's runs inside `transact` or `read`. A restart, a lost connection, a deadlock or somebody
else's lock is waited out for as long as the engine's `Link` has patience; anything else is raised at once. What leaves
here is a StorageError without a password, never a driver's exception.
"""

import logging
import math
import random
import sqlite3
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TypeVar

from sqlalchemy import Connection, Engine
from sqlalchemy.exc import DBAPIError, IntegrityError, SQLAlchemyError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from winnow.storage.errors import StorageError, StorageUnreachable

Result = TypeVar("Result")

LONGEST_PAUSE = 3.0
_OPTION = "winnow_link"
_POSTGRESQL = {"08", "53", "57", "58"}  # connection, resources, operator's intervention, system: classes of SQLSTATE
_POSTGRESQL_EXACT = {"40001", "40P01", "55P03", "25P03"}  # serialisation, deadlock, lock and idle time-outs
_MYSQL = {1040, 1053, 1159, 1205, 1213, 1927, 1969, 2002, 2003, 2006, 2013, 2014, 2055, 3024}
_SQLITE = {
    sqlite3.SQLITE_BUSY,
    sqlite3.SQLITE_LOCKED,
    sqlite3.SQLITE_READONLY,
    sqlite3.SQLITE_IOERR,
    sqlite3.SQLITE_FULL,
    sqlite3.SQLITE_CANTOPEN,
}
_log = logging.getLogger("winnow")


@dataclass
class Contact:
    """Since when a process has been in touch with its database."""

    longest_gap: float = math.inf
    """Seconds between two calls after which nobody can say that the database was there all the time."""
    since: float | None = None
    """Since when (`time.monotonic`) every call has succeeded; None before the first and after a failure."""
    _last: float = -math.inf

    def made(self) -> None:
        """A call has succeeded."""
        now = time.monotonic()
        if self.since is None or now - self._last > self.longest_gap:
            self.since = now
        self._last = now

    def lost(self) -> None:
        """A call has failed."""
        self.since = None

    @property
    def seconds(self) -> float:
        """For how long there has been contact without a break."""
        return 0.0 if self.since is None else time.monotonic() - self.since


@dataclass
class Link:
    """How calls to a database are made."""

    patience: float = 10.0
    """Seconds for which a call goes on trying."""
    give_up: Callable[[], bool] = lambda: False
    """Asked between two tries: whether the caller wants to wait no longer."""
    contact: Contact = field(default_factory=Contact)
    """Shared by all links of a process to one database."""


def attach(engine: Engine, link: Link) -> Engine:
    """The same engine with its pool, whose calls are made as `link` says."""
    return engine.execution_options(**{_OPTION: link})


def link_of(engine: Engine) -> Link:
    """The engine's link; one of its own for an engine that has none."""
    found = engine.get_execution_options().get(_OPTION)
    return found if isinstance(found, Link) else Link()


def transact(engine: Engine, work: Callable[[Connection], Result], *, repeatable: bool = True) -> Result:
    """Do some work in one transaction; raises StorageUnreachable when the database stays away.

    When the connection is lost during the commit, nobody knows whether it took place. Work that finds out by itself
    when it runs twice is `repeatable`; other work is not tried again after that.
    """

    def once() -> Result:
        with engine.connect() as connection:
            transaction = connection.begin()
            result = work(connection)
            try:
                transaction.commit()
            except DBAPIError as error:
                if repeatable or not is_passing(error):
                    raise
                raise StorageUnreachable(
                    "the database was lost while a change was being committed", "look whether it was made"
                ) from None
            return result

    return _patiently(engine, once)


def read(engine: Engine, work: Callable[[Connection], Result]) -> Result:
    """Run one query outside of any transaction; raises StorageUnreachable when the database stays away."""

    def once() -> Result:
        with engine.execution_options(isolation_level="AUTOCOMMIT").connect() as connection:
            return work(connection)

    return _patiently(engine, once)


def at_once(engine: Engine, statement: Callable[[Connection], Result]) -> Result:
    """Run one statement that is a transaction by itself: the database is asked once, not three times."""
    return read(engine, statement)


def _patiently(engine: Engine, once: Callable[[], Result]) -> Result:
    link = link_of(engine)
    began = time.monotonic()
    tries = 0
    while True:
        try:
            result = once()
        except IntegrityError:
            raise  # a race with another writer: the caller knows what it means
        except (DBAPIError, PoolTimeout) as error:
            link.contact.lost()
            if isinstance(error, DBAPIError) and not is_passing(error):
                raise StorageError(f"the database refused a statement: {cause(error, engine)}") from None
            tries += 1
            waited = time.monotonic() - began
            if waited >= link.patience or link.give_up():
                raise StorageUnreachable(
                    f"the database does not answer: {cause(error, engine)}", f"it was tried for {waited:.0f} s"
                ) from None
            if tries == 3:
                _log.warning("the database does not answer: %s; trying again", cause(error, engine))
            _pause(tries, link)
        except SQLAlchemyError as error:
            raise StorageError(f"the database refused a statement: {cause(error, engine)}") from None
        else:
            link.contact.made()
            if tries >= 3:
                _log.warning("the database answers again after %.0f s", time.monotonic() - began)
            return result


def _pause(tries: int, link: Link) -> None:
    """Wait longer from try to try, at random, so that the workers do not all come back at once."""
    end = time.monotonic() + min(LONGEST_PAUSE, 0.05 * 2**tries) * random.uniform(0.5, 1.0)
    while (left := end - time.monotonic()) > 0 and not link.give_up():
        time.sleep(min(left, 0.2))


def is_passing(error: DBAPIError) -> bool:
    """Whether the same statement may succeed a little later."""
    original = error.orig
    if error.connection_invalidated or original is None:
        return True
    if isinstance(original, sqlite3.Error):
        code = getattr(original, "sqlite_errorcode", None)
        return code is not None and code & 0xFF in _SQLITE
    number = original.args[0] if original.args else None
    if isinstance(number, int):  # PyMySQL
        return number in _MYSQL or number == 0
    state = getattr(original, "sqlstate", None)  # psycopg; a connection that failed has no state
    if state is None:
        return _is_operational(original)
    return state[:2] in _POSTGRESQL or state in _POSTGRESQL_EXACT


def _is_operational(error: BaseException) -> bool:
    return any(kind.__name__ == "OperationalError" for kind in type(error).__mro__)


def cause(error: BaseException, engine: Engine) -> str:
    """The innermost message in one line, without the password."""
    while error.__cause__ is not None:
        error = error.__cause__
    message = " ".join(str(getattr(error, "orig", None) or error).split())
    password = str(engine.url.password or "")
    return message.replace(password, "***") if password else message
