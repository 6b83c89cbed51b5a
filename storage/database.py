"""Opening the SQL storage: one URL, Optuna's tables and Winnow's, and errors that keep the password."""

import time
from pathlib import Path
from typing import Any

import optuna
from sqlalchemy import URL, Engine, make_url
from sqlalchemy.exc import (
    ArgumentError,
    IntegrityError,
    NoSuchModuleError,
    OperationalError,
    ProgrammingError,
    SQLAlchemyError,
)

from storage import tables
from storage.errors import StorageError, StorageUnreachable

DRIVERS = {"postgresql": "postgresql+psycopg", "postgres": "postgresql+psycopg", "mysql": "mysql+pymysql"}
SQLITE_BUSY_SECONDS = 60


class Storage(optuna.storages.RDBStorage):
    """An Optuna storage that also holds Winnow's tables. Made by `open`."""

    engine: Engine

    @property
    def place(self) -> str:
        """The URL without its password."""
        return self.engine.url.render_as_string(hide_password=True)

    @property
    def files(self) -> Path:
        """Where checkpoints and artifacts of this storage lie, unless WINNOW_FILES says otherwise."""
        database = self.engine.url.database
        if self.engine.dialect.name == "sqlite" and database:
            return Path(database + ".files")
        return Path("winnow.files")


def open(url: str, *, create: bool = True) -> Storage:
    """The storage at an SQLAlchemy URL, with all its tables.

    Several processes may open an empty database at once. With `create` false a missing SQLite file is refused
    instead of made. Raises StorageUnreachable or StorageError; neither holds the password.
    """
    parsed = _parse(url)
    if parsed.get_backend_name() == "sqlite":
        _check_sqlite(parsed, create)
    try:
        return _open(parsed)
    except ImportError as error:
        raise StorageError(
            f"the driver for {parsed.drivername} is not installed", "pip install 'winnow-hpo[postgresql]'"
        ) from error
    except (SQLAlchemyError, optuna.exceptions.StorageInternalError) as error:
        raise StorageUnreachable(
            f"the storage {parsed.render_as_string(hide_password=True)} cannot be opened: {_cause(error, parsed)}",
            "check that the server runs and that host, port, database, user and password are right",
        ) from None


def _parse(url: str) -> URL:
    try:
        parsed = make_url(url)
        parsed.get_backend_name()
        if parsed.drivername in DRIVERS:
            parsed = parsed.set(drivername=DRIVERS[parsed.drivername])
        parsed.get_dialect()
    except (ArgumentError, NoSuchModuleError, ValueError):
        # The text of the URL is not repeated: where it cannot be parsed, nobody knows which part is the password.
        raise StorageError(
            "the storage URL is not one that can be read",
            "write sqlite:///FILE.db or postgresql://USER:PASSWORD@HOST:PORT/DATABASE "
            "(a password's own @ / : % are written %40 %2F %3A %25)",
        ) from None
    except ImportError:
        raise StorageError(
            f"the driver for {parsed.drivername} is not installed", "pip install 'winnow-hpo[postgresql]'"
        ) from None
    return parsed


def _check_sqlite(url: URL, create: bool) -> None:
    if not url.database or url.database == ":memory:":
        raise StorageError("an SQLite database in memory cannot be shared by workers", "write sqlite:///FILE.db")
    path = Path(url.database)
    if not path.exists() and not create:
        raise StorageUnreachable(
            f"there is no storage at {path}", "give --storage or OPTUNA_STORAGE, or create a study"
        )
    if not path.parent.is_dir():
        raise StorageUnreachable(f"the folder of the storage {path} is not there", f"make it: mkdir -p {path.parent}")


def _open(url: URL) -> Storage:
    # Optuna fills braces in a URL as a template, so it gets them doubled.
    text = url.render_as_string(hide_password=False).replace("{", "{{").replace("}", "}}")
    for attempt in range(8):
        try:
            storage = Storage(text, engine_kwargs=_engine_arguments(url))
            if url.get_backend_name() == "sqlite":
                # Readers and a writer then do not wait for each other. The file remembers it.
                with storage.engine.connect() as connection:
                    connection.exec_driver_sql("PRAGMA journal_mode=WAL")
            tables.create(storage.engine)
            return storage
        except (OperationalError, ProgrammingError, IntegrityError) as error:
            # Another process is making the same tables at this moment; every step can be taken twice.
            if ("exist" not in str(error.orig) and "unique" not in str(error.orig).lower()) or attempt == 7:
                raise
            time.sleep(0.05 * 2**attempt)
    raise AssertionError("unreachable")


def _engine_arguments(url: URL) -> dict[str, Any]:
    if url.get_backend_name() == "sqlite":
        return {"connect_args": {"timeout": SQLITE_BUSY_SECONDS}}
    return {"pool_pre_ping": True, "connect_args": {"connect_timeout": 10}}


def _cause(error: BaseException, url: URL) -> str:
    """The innermost message in one line, without the password."""
    while error.__cause__ is not None:
        error = error.__cause__
    message = " ".join(str(getattr(error, "orig", None) or error).split())
    password = str(url.password or "")
    return message.replace(password, "***") if password else message
