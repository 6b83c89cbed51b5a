"""Who is at work: one row a worker, refreshed while it lives; and which places were given up, with the reason.

No row is deleted: what was not heard of for FORGOTTEN_SECONDS is not there any more.
"""

import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, RowMapping, insert, select, update

from winnow.storage.clock import database_now
from winnow.storage.database import Database
from winnow.storage.tables import workers

GONE, GIVEN_UP = "gone", "given up"
AWAY = (GONE, GIVEN_UP)
"""The states of a row that stands for no worker at work."""
FORGOTTEN_SECONDS = 600.0
SILENT_SECONDS = 60.0
"""A worker that gave no sign of life for so long is not counted on."""


@dataclass(frozen=True)
class Worker:
    """A worker as the database last heard of it."""

    worker: str
    host: str
    process: int
    device: str
    state: str
    trial_number: int | None
    epoch: int | None
    value: float | None
    age: float
    """Seconds since it last gave a sign of life."""
    device_load: Mapping[str, Sequence[float]] | None = None
    """The last samples of its device, by what was measured; None where no driver tells."""


@dataclass(frozen=True)
class GivenUp:
    """A place of a fleet where no worker is started for now."""

    host: str
    device: str
    reason: str
    age: float
    """Seconds since it was given up."""


def register(database: Database, study_id: int, worker: str, host: str, process: int, device: str) -> None:
    """Write down that a worker has started, under a name that no other ever had."""
    _add(database, study_id=study_id, worker=worker, host=host, process=process, device=device, state="starting")


def give_up(database: Database, study_id: int, host: str, process: int, device: str, reason: str) -> None:
    """Write down that the fleet of this process starts no worker on a device for now, and why."""
    place = {"worker": f"{host}:{process}:{secrets.token_hex(3)}", "host": host, "process": process, "device": device}
    _add(database, study_id=study_id, **place, state=GIVEN_UP, reason=reason)


def _add(database: Database, **values: Any) -> None:
    database.add(insert(workers).values(**values, started_at=database_now(), seen_at=database_now()))


def sign_of_life(
    database: Database,
    worker: str,
    state: str,
    trial_number: int | None = None,
    epoch: int | None = None,
    value: float | None = None,
    device_load: Mapping[str, Sequence[float]] | None = None,
) -> None:
    """Say what a worker does now, and how its device fares."""
    change = (
        update(workers)
        .where(workers.c.worker == worker)
        .values(
            state=state,
            trial_number=trial_number,
            epoch=epoch,
            value=value,
            device_load=device_load,
            seen_at=database_now(),
        )
    )
    database.execute(change)


def sign_off(database: Database, worker: str) -> None:
    """Say that a worker ends in order. One that is killed stays as it was, and its age tells."""
    sign_of_life(database, worker, GONE)


def present(database: Database, study_id: int) -> list[Worker]:
    """Return the workers of a study that have not signed off, in the order in which they started."""
    rows = _heard_of(database, Worker, workers.c.study_id == study_id, workers.c.state.not_in(AWAY))
    return [Worker(**row) for row in rows]


def given_up(database: Database, study_id: int | None = None, host: str | None = None) -> list[GivenUp]:
    """Return the places that were given up of late, each with its last reason: of one study or host, or of all."""
    of_study = () if study_id is None else (workers.c.study_id == study_id,)
    of_host = () if host is None else (workers.c.host == host,)
    rows = _heard_of(database, GivenUp, workers.c.state == GIVEN_UP, *of_study, *of_host)
    return list({(row["host"], row["device"]): GivenUp(**row) for row in rows}.values())


def _heard_of(
    database: Database, kind: type[Worker] | type[GivenUp], *conditions: ColumnElement[bool]
) -> Sequence[RowMapping]:
    """Return the rows that were heard of within FORGOTTEN_SECONDS, the oldest first."""
    columns = [workers.c[name] for name in kind.__dataclass_fields__ if name != "age"]
    query = (
        select(*columns, (database_now() - workers.c.seen_at).label("age"))
        .where(*conditions, workers.c.seen_at > database_now() - FORGOTTEN_SECONDS)
        .order_by(workers.c.started_at)
    )
    return database.mappings(query)
