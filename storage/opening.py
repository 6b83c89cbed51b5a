"""Opening the SQL storage: one URL, Optuna's tables and Winnow's, and errors that keep the password."""

import os
from pathlib import Path

from sqlalchemy import URL, make_url
from sqlalchemy.exc import ArgumentError, NoSuchModuleError

from winnow.storage import migrations
from winnow.storage.errors import StorageError, StorageMissing, StorageUnreachable
from winnow.storage.storage import Storage
from winnow.storage.stores import files_of

DRIVERS = {
    "postgresql": "postgresql+psycopg",
    "postgres": "postgresql+psycopg",
    "mysql": "mysql+pymysql",
    "mariadb": "mariadb+pymysql",
}
SQLITE_PATIENCE = 10.0
"""Seconds: a file may be locked for a moment by a process that makes its tables."""
PASSWORD_FILE = "OPTUNA_STORAGE_PASSWORD_FILE"
"""Names the file that holds the password of a URL without one, as the secrets of containers are given."""
EXTRAS = {"postgresql": "postgresql", "mysql": "mariadb", "mariadb": "mariadb"}


def open(url: str, *, create: bool = True, patience: float = 0.0) -> Storage:
    """Return the storage at an SQLAlchemy URL, with all its tables.

    Several processes may open an empty database at once. With `create` false a missing SQLite file is refused
    instead of made. A server that is not there is waited for, for `patience` seconds here, one that cuts the connection
    for PATIENCE at least, and one that does not let this user in not at all; afterwards each call has the patience of
    the `Database`. Raises StorageUnreachable or StorageError; neither holds the password.
    """
    parsed = parse(url)
    if parsed.get_backend_name() == "sqlite":
        _check_sqlite(parsed, create)
    if create and os.environ.get("WINNOW_FILES"):
        _check_files(files_of(parsed))
    try:
        storage = Storage(parsed)
    except ImportError:
        raise _no_driver(parsed) from None
    afterwards = storage.database.patience
    storage.database.patience = max(patience, SQLITE_PATIENCE) if parsed.get_backend_name() == "sqlite" else patience
    try:
        if parsed.get_backend_name() == "sqlite":
            _use_write_ahead_log(storage)
        migrations.apply(storage.database)
    except StorageUnreachable as error:
        raise StorageUnreachable(
            f"the storage {storage.place} cannot be opened: {error.problem}", error.remedy
        ) from None
    except StorageError as error:
        if not error.problem.endswith("file is not a database"):
            raise
        problem = f"the storage {storage.place} is another kind of file"
        raise StorageError(problem, "name one that SQLite made, or a new one") from None
    storage.database.patience = afterwards
    return storage


def parse(url: str) -> URL:
    """Return a storage's URL with the driver that Winnow uses and its password, wherever that comes from.

    Raises StorageError.
    """
    try:
        parsed = make_url(url)
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
        raise _no_driver(parsed) from None
    if parsed.get_backend_name() not in ("sqlite", *EXTRAS):
        raise StorageError(
            f"{parsed.get_backend_name()} is not a database that Winnow knows",
            "use SQLite on one machine, PostgreSQL or MariaDB for many workers",
        )
    return _with_password(parsed)


def _with_password(url: URL) -> URL:
    path = os.environ.get(PASSWORD_FILE)
    if path is None or url.password is not None or url.get_backend_name() == "sqlite":
        return url
    try:
        return url.set(password=Path(path).read_text().strip())
    except (OSError, UnicodeDecodeError) as error:
        raise StorageError(
            f"the storage's password cannot be read from {path}: {getattr(error, 'strerror', 'it is no text')}",
            f"{PASSWORD_FILE} names a text file that this process may read, and that holds nothing else",
        ) from None


def _no_driver(url: URL) -> StorageError:
    extra = EXTRAS.get(url.get_backend_name(), "postgresql")
    return StorageError(f"the driver for {url.drivername} is not installed", f"pip install 'winnow-hpo[{extra}]'")


def _check_sqlite(url: URL, create: bool) -> None:
    if not url.database or url.database == ":memory:":
        raise StorageError("an SQLite database in memory cannot be shared by workers", "write sqlite:///FILE.db")
    path = Path(url.database)
    if not path.parent.is_dir():
        raise StorageUnreachable(f"the folder of the storage {path} is not there", f"make it: mkdir -p {path.parent}")
    if path.is_dir():
        raise StorageError(f"the storage {path} is a folder", f"name a file in it: sqlite:///{path}/winnow.db")
    if not path.exists() and not create:
        remedy = "go where the study was begun, give --storage or OPTUNA_STORAGE, or create a study"
        raise StorageMissing(f"there is no storage at {path}", remedy)


def _check_files(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StorageError(
            f"WINNOW_FILES is {folder}, where no folder can be made: {error.strerror}",
            "name a folder that this process may write, or s3://BUCKET/PREFIX",
        ) from None


def _use_write_ahead_log(storage: Storage) -> None:
    """Let readers and a writer not wait for each other. The file remembers it."""
    query = "PRAGMA journal_mode"
    if storage.database.read(lambda connection: connection.exec_driver_sql(query).scalar()) != "wal":
        storage.database.read(lambda connection: connection.exec_driver_sql(f"{query}=WAL").scalar())
