"""What may be tried again after a database's error, and how the error is said."""

import sqlite3

from sqlalchemy import Engine
from sqlalchemy.exc import DBAPIError

LONGEST_PAUSE = 3.0
"""Seconds between two tries, at most."""
_POSTGRESQL = {"08", "53", "57", "58"}  # connection, resources, operator's intervention, system: classes of SQLSTATE
_POSTGRESQL_EXACT = {
    *("40001", "40P01"),  # serialisation, deadlock
    *("55P03", "25P03", "25P04"),  # time-outs: of a lock, an idle transaction, a transaction
}
_MYSQL = {
    *(1040, 1203, 1226),  # no connection left, for anybody or for this user
    *(1021, 1114),  # a full disk
    *(1053, 1159, 1205, 1213, 1317, 1927, 1969, 2002, 2003, 2006, 2013, 2014, 2055, 3024, 4031),
}
_MYSQL_READ_ONLY = {1290, 1792, 1836}
_SQLITE = {
    sqlite3.SQLITE_BUSY,
    sqlite3.SQLITE_LOCKED,
    sqlite3.SQLITE_READONLY,
    sqlite3.SQLITE_IOERR,
    sqlite3.SQLITE_FULL,
    sqlite3.SQLITE_CANTOPEN,
}


def is_passing(error: DBAPIError) -> bool:
    """Return whether the same statement may succeed a little later."""
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
        return any(kind.__name__ == "OperationalError" for kind in type(original).__mro__)
    return state[:2] in _POSTGRESQL or state in _POSTGRESQL_EXACT


def is_read_only(error: BaseException) -> bool:
    """Return whether a server takes no writes, as a standby, or one whose disk its provider found too full."""
    number = error.args[0] if error.args else None
    return getattr(error, "sqlstate", None) == "25006" or number in _MYSQL_READ_ONLY


def cause(error: BaseException, engine: Engine) -> str:
    """Return the innermost message in one line, without the password."""
    while error.__cause__ is not None:
        error = error.__cause__
    message = " ".join(str(getattr(error, "orig", None) or error).split())
    password = str(engine.url.password or "")
    return message.replace(password, "***") if password else message


def is_full(error: BaseException) -> bool:
    """Return whether the server has given all of its connections away."""
    return any(sign in _text(error) for sign in _FULL)


def is_absent(error: BaseException) -> bool:
    """Return whether nobody answers where the server should be, as with a wrong host or port."""
    return any(sign in _text(error) for sign in _ABSENT)


def refusal(error: BaseException) -> str:
    """Return what to do about a server that lets this URL's user not in or not do it; empty of another error."""
    return next((advice for sign, advice in _REFUSALS.items() if sign in _text(error)), "")


def remedy(error: BaseException, kind: str) -> str:
    """Return what to do about an error of a kind of database."""
    if is_full(error):
        return "run fewer workers and dashboards, raise the server's max_connections, or put PgBouncer before it"
    if kind == "sqlite":
        return next(advice for sign, advice in _OF_FILES.items() if sign in _text(error))
    return refusal(error) or "check that the server runs, and host and port in the URL"


def _text(error: BaseException) -> str:
    return str(getattr(error, "orig", None) or error).lower()


_FULL = (
    *("too many clients", "too many connections", "connection slots", "too many database connections"),
    "max_user_connections",
)
_ABSENT = ("connection refused", "resolve host", "no such file", "unreachable", "no route", "timeout", "can't connect")
_REFUSALS = {
    "authentication failed": "check user and password in the URL",
    "no password supplied": "check user and password in the URL",
    "access denied": "check user and password in the URL, and that the user may use this database",
    "does not exist": "check the names of the database and of the user in the URL",
    "unknown database": "check the name of the database in the URL",
    "pg_hba.conf": "have the server's pg_hba.conf let this user in from here",
    "permission denied": "let this user make and use tables in the database, or name its owner in the URL",
    "read-only": "name the server that takes writes, and see why this one does not",
    "read only": "name the server that takes writes, and see why this one does not",
    "invalid ": "check the options in the URL",
}
_OF_FILES = {
    "full": "make room on the disk of the file",
    "readonly": "check that this process may write the file and its folder",
    "unable to open": "check that this process may read and write the file and its folder",
    "locked": "see which process holds the file, and keep it on a local disk",
    "": "check the disk of the file",
}
