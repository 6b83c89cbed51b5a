"""Whether a study is worked on: active, paused or stopped. Workers see it at their next claim or sign of life."""

from enum import StrEnum

from sqlalchemy import Connection, select, update

from winnow.storage.database import Database
from winnow.storage.notifications import ring
from winnow.storage.tables import budgets


class State(StrEnum):
    """What a study's workers shall do."""

    ACTIVE = "active"
    PAUSED = "paused"
    """Hand their trials back and wait."""
    STOPPED = "stopped"
    """Hand their trials back and leave."""


def set_state(database: Database, study_id: int, state: State) -> None:
    """Have a study worked on, paused or stopped from now on, wherever its workers are."""
    change = update(budgets).where(budgets.c.study_id == study_id).values(state=state)

    def work(connection: Connection) -> None:
        connection.execute(change)
        ring(connection)

    database.write(work)


def state_of(database: Database, study_id: int) -> State:
    """Return what the workers of a study shall do; a study without a budget of ours is active."""
    query = select(budgets.c.state).where(budgets.c.study_id == study_id)
    return State(database.scalar(query) or State.ACTIVE)
