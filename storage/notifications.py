"""The bell: how idle workers hear that there is something to do, instead of asking all the time.

On PostgreSQL it is LISTEN and NOTIFY; elsewhere, and behind a pooler that swallows these, they look now and then.
"""

import logging
import time
from collections.abc import Callable
from typing import Any

from sqlalchemy import Connection, text

from winnow.storage.database import Database, rest

_NAME = "winnow"
_STEP = 0.5
_log = logging.getLogger("winnow")


def ring(connection: Connection) -> None:
    """Wake the idle workers of this database as soon as the transaction is committed."""
    if connection.dialect.name == "postgresql":
        connection.execute(text(f"NOTIFY {_NAME}"))


def ring_now(database: Database) -> None:
    """Wake the idle workers of this database."""
    if database.kind == "postgresql":
        database.transaction(ring)


class Bell:
    """What one idle worker waits at. Holds a connection from its first wait until it is closed."""

    def __init__(self, database: Database, give_up: Callable[[], bool]) -> None:
        """`give_up` is asked again and again: whether the worker was asked to leave."""
        self._database = database
        self._give_up = give_up
        self._connection: Any = None

    def wait(self, listening: float, blind: float) -> None:
        """Wait until it rings: for `listening` seconds at most, or for `blind` seconds where nobody can hear it.

        The first wait returns at once when it has begun to listen: what rang before that was not heard.
        """
        self._database.release()  # an idle worker holds this one connection
        if self._database.kind != "postgresql":
            return rest(blind, self._give_up)
        if self._connection is None:
            return self._listen(blind)
        end = time.monotonic() + listening
        try:
            while time.monotonic() < end and not self._give_up():
                if any(self._connection.driver_connection.notifies(timeout=_STEP, stop_after=1)):
                    return None
        except Exception as error:  # whatever the driver says of a connection that is gone
            _log.debug("the bell is not heard: %s", error)
            self.close()
            rest(blind, self._give_up)
        return None

    def close(self) -> None:
        """Stop listening."""
        if self._connection is not None:
            self._connection.invalidate()  # closed, not returned to the pool: it would go on listening there
            self._connection.close()
            self._connection = None

    def _listen(self, blind: float) -> None:
        try:
            self._connection = self._database.engine.raw_connection()
            driver: Any = self._connection.driver_connection
            driver.autocommit = True
            driver.execute(f"LISTEN {_NAME}")
        except Exception as error:  # the driver's own, which nothing has translated here
            _log.debug("the bell cannot be listened for: %s", error)
            self.close()
            rest(blind, self._give_up)
