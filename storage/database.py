"""The one way to a database: every statement of Winnow's is run by a `Database`, which meets the troubles of it.

A restart, a lost connection, a deadlock or somebody else's lock is waited out for as long as the `Database` has
patience; anything else is raised at once. What leaves here is a StorageError without a password, never a driver's
exception. A commit whose answer was lost is looked up, so that nothing is written twice.
"""

import logging
import math
import random
import secrets
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, Concatenate, ParamSpec, TypeVar

from sqlalchemy import Connection, Engine, Executable, Insert, RowMapping, bindparam, insert, update
from sqlalchemy.exc import DBAPIError, IntegrityError, SQLAlchemyError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from winnow.storage.errors import StorageError, StorageUnreachable
from winnow.storage.retries import LONGEST_PAUSE, cause, is_absent, is_full, is_passing, refusal, remedy
from winnow.storage.tables import receipts

Result = TypeVar("Result")
P = ParamSpec("P")
PATIENCE = 10.0
FULL_SECONDS = 60.0
"""For so long, at least, a server is asked again that has no connection left: others will give theirs up."""
_COUNT_UP = (
    update(receipts)
    .where(receipts.c.receipt == bindparam("of"), receipts.c.number < bindparam("to"))
    .values(number=bindparam("to"))
)
_log = logging.getLogger("winnow")


@dataclass
class Contact:
    """Since when a process has been in touch with its database."""

    longest_gap: float = math.inf
    """Seconds between two calls after which nobody can say that the database was there all the time."""
    since: float | None = None
    """Since when (`time.monotonic`) every call has succeeded; None before the first and after a failure."""
    _last: float = -math.inf
    _ahead: float | None = None
    """By how much the database's clock was ahead of this process's when it was last told."""

    def made(self) -> None:
        """Note that a call has succeeded."""
        now = time.monotonic()
        if self.since is None or now - self._last > self.longest_gap:
            self.since = now
        self._last = now

    def lost(self) -> None:
        """Note that a call has failed."""
        self.since = None

    def tell_time(self, of_database: float, longest_step: float) -> None:
        """Hear what the database's clock says; one that was set meanwhile, as after a machine's sleep, is a failure."""
        ahead = of_database - time.monotonic()
        if self._ahead is not None and abs(ahead - self._ahead) > longest_step:
            self.lost()
        self._ahead = ahead

    @property
    def was_made(self) -> bool:
        """Whether any call has ever succeeded."""
        return self._last > -math.inf

    @property
    def seconds(self) -> float:
        """For how long there has been contact without a break."""
        return 0.0 if self.since is None else time.monotonic() - self.since


@dataclass
class _Receipt:
    """A row that one transaction at a time counts up: it tells whether a commit took place."""

    name: str = field(default_factory=lambda: secrets.token_hex(16))
    number: int = 0


@dataclass
class Database:
    """A database as one part of a process uses it. May be shared by threads."""

    engine: Engine
    patience: float = PATIENCE
    """Seconds for which a call goes on trying."""
    give_up: Callable[[], bool] = lambda: False
    """Asked between two tries: whether the caller wants to wait no longer."""
    contact: Contact = field(default_factory=Contact)
    """Shared by all that a process has of one database."""
    _receipts: list[_Receipt] = field(default_factory=list, init=False, repr=False)
    """Those that no transaction uses now: there are as many as there were writers at once."""

    def __post_init__(self) -> None:
        # Made once: to make it takes as long as a question.
        self._outside = self.engine.execution_options(isolation_level="AUTOCOMMIT")

    @property
    def kind(self) -> str:
        """The name of its dialect: sqlite, postgresql, mysql or mariadb."""
        return self.engine.dialect.name

    @property
    def url(self) -> str:
        """Its URL, password included."""
        return self.engine.url.render_as_string(hide_password=False)

    # --- questions

    def read(self, work: Callable[Concatenate[Connection, P], Result], *args: P.args, **options: P.kwargs) -> Result:
        """Ask something outside of any transaction; raise StorageUnreachable when the database stays away."""

        def once() -> Result:
            with self._outside.connect() as connection:
                return work(connection, *args, **options)

        return self.patiently(once)

    def rows(self, query: Executable) -> Sequence[Any]:
        """Return all rows of a query."""
        return self.read(lambda connection: connection.execute(query).all())

    def mappings(self, query: Executable) -> Sequence[RowMapping]:
        """Return all rows of a query by the names of their columns."""
        return self.read(lambda connection: connection.execute(query).mappings().all())

    def scalars(self, query: Executable) -> Sequence[Any]:
        """Return the first column of all rows of a query."""
        return self.read(lambda connection: connection.execute(query).scalars().all())

    def scalar(self, query: Executable, values: Mapping[str, Any] | None = None) -> Any:
        """Return the first column of a query's first row; None where it has none."""
        return self.read(lambda connection: connection.execute(query, values).scalar())

    # --- changes

    def write(self, work: Callable[Concatenate[Connection, P], Result], *args: P.args, **options: P.kwargs) -> Result:
        """Do some work in one transaction, which takes place once, however often it has to be tried.

        It begins by counting up a receipt. A later try that finds it counted knows that only the answer to the commit
        was lost; one that comes while the first is still being committed waits for its end at that row.
        """
        receipt = self._receipts.pop() if self._receipts else self._new_receipt()
        receipt.number += 1
        mark = {"of": receipt.name, "to": receipt.number}
        results: list[Result] = []

        def once() -> Result:
            with self.engine.connect() as connection, connection.begin():
                if connection.execute(_COUNT_UP, mark).rowcount == 0 and results:
                    return results[-1]
                results[:] = []
                result = work(connection, *args, **options)
                results.append(result)
            results.clear()
            return result

        try:
            return self.patiently(once)
        finally:
            if not results:  # or nobody knows what became of it
                self._receipts.append(receipt)

    def add(self, row: Insert) -> Any:
        """Insert one row, once; return its primary key's first column."""
        made = self.write(lambda connection: connection.execute(row).inserted_primary_key)
        assert made is not None
        return made[0]

    def transaction(
        self, work: Callable[Concatenate[Connection, P], Result], *args: P.args, **options: P.kwargs
    ) -> Result:
        """Do some work in one transaction that may take place twice, since it finds or makes the same each time."""

        def once() -> Result:
            with self.engine.connect() as connection, connection.begin():
                return work(connection, *args, **options)

        return self.patiently(once)

    def change(self, work: Callable[Concatenate[Connection, P], Result], *args: P.args, **options: P.kwargs) -> Result:
        """Do work that is one statement and may run twice, as a transaction by itself."""
        return self.read(work, *args, **options)

    def execute(self, statement: Executable, values: Mapping[str, Any] | None = None) -> int:
        """Run one statement that may run twice, as a transaction by itself; return how many rows it changed."""
        return self.change(lambda connection: connection.execute(statement, values).rowcount)

    # --- connections

    def release(self) -> None:
        """Close the connections that nobody uses at this moment."""
        self.engine.dispose()

    def _new_receipt(self) -> _Receipt:
        receipt = _Receipt()
        with suppress(IntegrityError):  # made before, by a try whose answer was lost
            self.execute(insert(receipts).values(receipt=receipt.name, number=0))
        return receipt

    def patiently(self, once: Callable[[], Result]) -> Result:
        """Do something that may be done again; raise StorageUnreachable when the database stays away."""
        began = time.monotonic()
        tries = 0
        while True:
            try:
                result = once()
            except IntegrityError:
                raise  # a race with another writer: the caller knows what it means
            except (DBAPIError, PoolTimeout) as error:
                self.contact.lost()
                if isinstance(error, DBAPIError) and not is_passing(error):
                    problem = f"the database refused a statement: {cause(error, self.engine)}"
                    raise StorageError(problem, refusal(error)) from None
                tries += 1
                waited = time.monotonic() - began
                if waited >= self._patience_with(error) or self.give_up():
                    problem = f"the database does not answer: {cause(error, self.engine)} (tried for {waited:.0f} s)"
                    raise StorageUnreachable(problem, remedy(error, self.kind)) from None
                if tries == 3:
                    problem = cause(error, self.engine)
                    advice = remedy(error, self.kind)
                    _log.warning("the database does not answer: %s; trying again; %s", problem, advice)
                self._pause(tries)
            except SQLAlchemyError as error:
                raise StorageError(f"the database refused a statement: {cause(error, self.engine)}") from None
            else:
                self.contact.made()
                if tries >= 3:
                    _log.warning("the database answers again after %.0f s", time.monotonic() - began)
                return result

    def _patience_with(self, error: BaseException) -> float:
        """Return for how many seconds to go on trying after an error that may pass."""
        if is_full(error):
            return max(self.patience, FULL_SECONDS)
        if self.contact.was_made or is_absent(error):
            return self.patience
        # A server that has never let us in will not, where it says so; a connection cut meanwhile says nothing.
        return 0.0 if refusal(error) else max(self.patience, PATIENCE)

    def _pause(self, tries: int) -> None:
        """Wait longer from try to try, at random, so that the workers do not all come back at once."""
        rest(min(LONGEST_PAUSE, 0.05 * 2**tries) * random.uniform(0.5, 1.0), self.give_up)


def rest(seconds: float, give_up: Callable[[], bool]) -> None:
    """Do nothing for so long, or until `give_up` says so, which is asked five times a second."""
    end = time.monotonic() + seconds
    while (left := end - time.monotonic()) > 0 and not give_up():
        time.sleep(min(left, 0.2))
