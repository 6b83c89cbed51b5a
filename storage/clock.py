"""The database's clock, the only one that decides anything.

Times of Winnow's are seconds since 1970 by that clock, so that no time zone and no worker's clock can matter.
"""

from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import Float
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.functions import FunctionElement

_BEGINNING = datetime(1970, 1, 1)
_SECOND = timedelta(seconds=1)


class database_now(FunctionElement[float]):
    """The present by the database's clock: seconds since 1970, UTC."""

    type = Float(53)
    inherit_cache = True


@compiles(database_now, "sqlite")
def _now_sqlite(element: Any, compiler: Any, **_: Any) -> str:
    return "((julianday('now') - 2440587.5) * 86400.0)"


@compiles(database_now, "postgresql")
def _now_postgresql(element: Any, compiler: Any, **_: Any) -> str:
    return "CAST(EXTRACT(EPOCH FROM clock_timestamp()) AS double precision)"


@compiles(database_now, "mysql")
@compiles(database_now, "mariadb")
def _now_mysql(element: Any, compiler: Any, **_: Any) -> str:
    return "CAST(UNIX_TIMESTAMP(SYSDATE(6)) AS DOUBLE)"


def optuna_now() -> datetime:
    """Return the present as Optuna's tables hold it: naive UTC, by this machine's clock, for people to read only."""
    return datetime.now(UTC).replace(tzinfo=None)


def to_optuna(local: datetime | None) -> datetime | None:
    """Return a trial's time (naive, of this machine's zone) as Optuna's tables hold it."""
    return None if local is None else local.astimezone(UTC).replace(tzinfo=None)


def from_optuna(stored: datetime | None) -> datetime | None:
    """Return a time of Optuna's tables as a trial has it: naive, of this machine's zone."""
    return None if stored is None else datetime.fromtimestamp((stored - _BEGINNING) / _SECOND)
