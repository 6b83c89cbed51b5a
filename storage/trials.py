"""Trials in Optuna's tables: made, changed and told. Functions of a connection, used by `Storage`.

A change names the right by which it is made: the lease that holds the trial, or none (stock Optuna's way: anybody may
change a trial that has not finished). The right is checked and locked in the very statement that changes something.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from optuna.distributions import BaseDistribution, distribution_to_json, json_to_distribution
from optuna.trial import FrozenTrial, TrialState
from sqlalchemy import ColumnElement, Connection, Table, and_, insert, not_, select, update

from winnow.records import Outcome
from winnow.storage import content, endings, leases, studies
from winnow.storage.clock import optuna_now, to_optuna
from winnow.storage.leases import Lease
from winnow.storage.optuna_tables import (
    intermediate_values,
    last_number,
    parameters,
    stored,
    trial_system_attributes,
    trial_user_attributes,
    trials,
    values,
)
from winnow.storage.pauses import IS_PAUSED
from winnow.storage.upserts import OPEN_STATES, Right, put, put_all

_TOLD = {
    TrialState.COMPLETE: Outcome.COMPLETE,
    TrialState.PRUNED: Outcome.PRUNED,
    TrialState.FAIL: Outcome.EXCEPTION,
    TrialState.WAITING: Outcome.STOPPED,
}
"""How an attempt ended whose trial was told a state by Optuna's own calls."""


class Refused(Exception):
    """The change was not made: the trial is not there, has finished, or the lease is lost."""


def create(connection: Connection, study_id: int, template: FrozenTrial | None) -> int:
    """Add a trial to a study, empty and RUNNING or as the template says; returns its id; raises KeyError."""
    studies.lock(connection, study_id)
    before = connection.scalar(select(last_number(study_id)))
    number = 0 if before is None else before + 1
    row: dict[str, Any] = {"state": "RUNNING", "datetime_start": optuna_now()}
    if template is not None:
        row = {
            "state": template.state.name,
            "datetime_start": to_optuna(template.datetime_start),
            "datetime_complete": to_optuna(template.datetime_complete),
        }
    made = connection.execute(insert(trials).values(study_id=study_id, number=number, **row))
    assert made.inserted_primary_key is not None
    trial_id = int(made.inserted_primary_key[0])
    if template is not None:
        for table, rows in _rows_of(template, connection.dialect.name):
            named = [{"trial_id": trial_id, **row} for row in rows]
            if named:
                connection.execute(insert(table), named)
    return trial_id


def _rows_of(template: FrozenTrial, dialect: str) -> Iterable[tuple[Table, list[dict[str, Any]]]]:
    yield (
        values,
        [
            {"objective": i, "value": number, "value_type": kind}
            for i, (number, kind) in enumerate(stored(content.result(value)) for value in template.values or [])
        ],
    )
    yield (
        parameters,
        [
            _parameter(name, template.distributions[name].to_internal_repr(value), template.distributions[name])
            for name, value in template.params.items()
        ],
    )
    yield intermediate_values, [_intermediate(step, value) for step, value in template.intermediate_values.items()]
    yield trial_user_attributes, [_attribute(*item, dialect) for item in template.user_attrs.items()]
    yield trial_system_attributes, [_attribute(*item, dialect) for item in template.system_attrs.items()]


def _parameter(name: str, value: float, distribution: BaseDistribution) -> dict[str, Any]:
    return {
        "param_name": content.name(name, "a parameter"),
        "param_value": value,
        "distribution_json": distribution_to_json(distribution),
    }


def _intermediate(step: int, value: float) -> dict[str, Any]:
    number, kind = stored(value)
    return {"step": content.step(step), "intermediate_value": number, "intermediate_value_type": kind}


def _attribute(key: str, value: Any, dialect: str) -> dict[str, Any]:
    return {"key": key, "value_json": content.as_json(content.name(key, "an attribute"), value, dialect)}


Draw = tuple[str, float, BaseDistribution]
"""A parameter's name, its value as Optuna stores it, and what it was drawn from."""


def set_parameter(connection: Connection, trial_id: int, lease: Lease | None, draw: Draw) -> None:
    """Give a trial a parameter; raises Refused."""
    _put(connection, parameters, trial_id, lease, "param_name", _parameter(*draw))


@dataclass
class Drawn:
    """What was drawn for a trial, to be written together."""

    parameters: list[Draw] = field(default_factory=list)
    attributes: dict[str, Any] = field(default_factory=dict)
    """System attributes: its sampler's."""


def set_drawn(connection: Connection, lease: Lease, drawn: Drawn) -> None:
    """Give a held trial all that was drawn for it; raise LeaseLost, ContentRefused."""
    leases.hold(connection, lease)
    trial, dialect = {"trial_id": lease.trial_id}, connection.dialect.name
    rows = [{**trial, **_parameter(*draw)} for draw in drawn.parameters]
    put_all(connection, parameters, ["trial_id", "param_name"], rows)
    rows = [{**trial, **_attribute(*item, dialect)} for item in drawn.attributes.items()]
    put_all(connection, trial_system_attributes, ["trial_id", "key"], rows)


def set_intermediate_value(connection: Connection, trial_id: int, lease: Lease | None, step: int, value: float) -> None:
    """Give a trial the value of a step; raises Refused."""
    _put(connection, intermediate_values, trial_id, lease, "step", _intermediate(step, value))


def set_attribute(
    connection: Connection, table: Table, trial_id: int, lease: Lease | None, key: str, value: Any
) -> None:
    """Give a trial an attribute; raise Refused, ContentRefused."""
    _put(connection, table, trial_id, lease, "key", _attribute(key, value, connection.dialect.name))


def set_state(
    connection: Connection, trial_id: int, lease: Lease | None, state: TrialState, results: Sequence[float] | None
) -> bool:
    """Give a trial its state and values; False where it should run, and runs already or is paused; raises Refused.

    A leased trial that finishes, or is put back, gives up its lease with it.
    """
    if lease is not None:
        leases.hold(connection, lease)
    allowed: ColumnElement[bool] = trials.c.state.in_(OPEN_STATES)
    times = {}
    if state is TrialState.RUNNING:  # one that is paused is its scheduler's, and no trial that somebody queued
        allowed = and_(trials.c.state == "WAITING", not_(IS_PAUSED))
        times = {"datetime_start": optuna_now()}
    if state.is_finished():
        times = {"datetime_complete": optuna_now()}
    changed = connection.execute(
        update(trials).where(trials.c.trial_id == trial_id, allowed).values(state=state.name, **times)
    )
    if changed.rowcount == 0:
        query = select(trials.c.state).where(trials.c.trial_id == trial_id)
        if state is TrialState.RUNNING and connection.execute(query).scalar() in OPEN_STATES:
            return False
        raise Refused
    for objective, result in enumerate(results or []):
        number, kind = stored(content.result(result))
        row = {"trial_id": trial_id, "objective": objective, "value": number, "value_type": kind}
        put(connection, values, ["trial_id", "objective"], row)
    if lease is not None and state is not TrialState.RUNNING:
        endings.close_attempt(connection, trial_id, lease.token, _TOLD[state])
    return True


def distribution_in_study(connection: Connection, study_id: int, name: str) -> BaseDistribution | None:
    """Return how a parameter is distributed in the trials of a study that have it."""
    query = (
        select(parameters.c.distribution_json)
        .join(trials, trials.c.trial_id == parameters.c.trial_id)
        .where(trials.c.study_id == study_id, parameters.c.param_name == name)
        .limit(1)
    )
    found = connection.execute(query).scalar()
    return None if found is None else json_to_distribution(found)


def study_of(connection: Connection, trial_id: int) -> int:
    """Return the study of a trial; raises KeyError."""
    found = connection.execute(select(trials.c.study_id).where(trials.c.trial_id == trial_id)).scalar()
    if found is None:
        raise KeyError(f"there is no trial with the id {trial_id}")
    return int(found)


def _put(
    connection: Connection, table: Table, trial_id: int, lease: Lease | None, key: str, row: Mapping[str, Any]
) -> None:
    named = {"trial_id": trial_id, **row}
    right = Right.OPEN_TRIAL if lease is None else Right.LEASE
    if not put(connection, table, ["trial_id", key], named, right, None if lease is None else lease.holder):
        raise Refused
