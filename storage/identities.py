"""Random identities of databases and studies, which name the folders of their files.

Ids are no names for what outlives a process: every database counts from 1, SQLite gives the ids of deleted rows to new
ones, and a backup that was restored gives those that were given before. The identity of a study is kept after its end.
"""

import secrets

from sqlalchemy import Connection, bindparam, select

from winnow.storage.tables import identities, schema
from winnow.storage.upserts import Right, insert_new

_HOME = (
    select(schema.c.identity, identities.c.identity.label("study"))
    .select_from(schema.join(identities, identities.c.study_id == bindparam("id")))
    .where(schema.c.version == 1)
)


def new() -> str:
    """Return 128 random bits in hex."""
    return secrets.token_hex(16)


def of_database(connection: Connection) -> str:
    """Return the identity that was given to the database when its tables were made."""
    return str(connection.execute(select(schema.c.identity).where(schema.c.version == 1)).scalar_one())


def home(connection: Connection, study_id: int) -> str:
    """Return the folder of a study's files, DATABASE/STUDY; a study that stock Optuna made is given its identity."""
    found = connection.execute(_HOME, {"id": study_id}).one_or_none()
    if found is None:
        insert_new(connection, identities, ["study_id"], {"study_id": study_id, "identity": new()}, Right.STUDY)
        found = connection.execute(_HOME, {"id": study_id}).one_or_none()
        if found is None:
            raise KeyError(f"there is no study with the id {study_id}")
    return f"{found.identity}/{found.study}"


def homes_of_deleted(connection: Connection) -> list[str]:
    """Return the folders of the studies that were deleted, by whomever."""
    gone = connection.execute(select(identities.c.identity).where(identities.c.study_id.is_(None))).scalars().all()
    database = of_database(connection) if gone else ""
    return [f"{database}/{identity}" for identity in gone]
