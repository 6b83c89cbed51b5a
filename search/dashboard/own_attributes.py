"""Read a storage for pages: of a study's attributes only those that an analysis asks for, however many it has."""

import json
from typing import Any

from optuna.study._frozen import FrozenStudy
from sqlalchemy import Connection, Table, select

from winnow.storage import Storage
from winnow.storage import studies as rows
from winnow.storage.optuna_tables import study_system_attributes, study_user_attributes


class OwnAttributes(Storage):
    """Winnow's own user attributes of each study, and Optuna's names of its metrics; all else as in `storage`."""

    def __init__(self, storage: Storage) -> None:
        vars(self).update(vars(storage))

    def get_all_studies(self) -> list[FrozenStudy]:
        """Return all studies, as Optuna's."""
        return self.database.read(_studies)

    def get_study_user_attrs(self, study_id: int) -> dict[str, Any]:
        """Return the attributes that Winnow wrote."""
        return self._of_study(study_id, study_user_attributes, "winnow:%")

    def get_study_system_attrs(self, study_id: int) -> dict[str, Any]:
        """Return the attributes that Optuna itself reads of a study."""
        return self._of_study(study_id, study_system_attributes, "study:%")

    def _of_study(self, study_id: int, table: Table, pattern: str) -> dict[str, Any]:
        found = self.database.read(_attributes, table, pattern, study_id)
        return found.get(study_id, {})


def _studies(connection: Connection) -> list[FrozenStudy]:
    found = rows.everything(connection, attributes=False)
    own = _attributes(connection, study_user_attributes, "winnow:%")
    for study in found:
        study.user_attrs.update(own.get(study._study_id, {}))
    return found


def _attributes(
    connection: Connection, table: Table, pattern: str, study_id: int | None = None
) -> dict[int, dict[str, Any]]:
    """Read the attributes whose names match a pattern of SQL, by study."""
    query = select(table.c.study_id, table.c.key, table.c.value_json).where(table.c.key.like(pattern))
    if study_id is not None:
        query = query.where(table.c.study_id == study_id)
    found: dict[int, dict[str, Any]] = {}
    for owner, key, content in connection.execute(query):
        found.setdefault(owner, {})[key] = json.loads(content)
    return found
