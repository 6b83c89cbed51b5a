"""One short row a trial: what a page about a large study needs of all its trials, read once and never its epochs.

Finished trials never change, so a look costs what is new since the last one. What a page shows of a few trials only
(parameters, configurations, curves) is asked for by their ids.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from optuna.distributions import BaseDistribution, json_to_distribution
from optuna.trial import FrozenTrial, TrialState
from sqlalchemy import Connection, String, and_, cast, func, or_, select

from winnow.records import BASELINE, OUTCOME, REASON, RUN, Epoch
from winnow.storage.clock import from_optuna
from winnow.storage.epochs import from_row
from winnow.storage.optuna_tables import (
    parameters,
    restored,
    trial_system_attributes,
    trial_user_attributes,
    trials,
    values,
)
from winnow.storage.seen_trials import MAY_BE_NEWS, SeenTrials
from winnow.storage.tables import epochs
from winnow.storage.trial_cache import MANY, TRIAL_ROWS, freeze

# Optuna's own attributes: a list of all of a trial's constraints, or each under `constraints:NAME`.
CONSTRAINTS = "constraints"


@dataclass(slots=True)
class Outline:
    """What came of a trial, without what was asked of it."""

    trial_id: int
    number: int
    state: str
    value: float | None
    started: datetime | None
    ended: datetime | None
    reason: str = ""
    outcome: str = ""
    baseline: bool = False
    feasible: bool = True
    device_seconds: float | None = None
    """What its worker recorded; of a trial that was paused, without the time for which it was."""


class Outlines:
    """The trials of one study as this process knows them. Not thread-safe."""

    def __init__(self, study_id: int) -> None:
        self.study_id = study_id
        self.known: dict[int, Outline] = {}
        """By trial id."""
        self.code: dict[str, set[str]] = {}
        """Of each module that trials ran, its versions."""
        self.seen = SeenTrials(study_id)

    def refresh(self, connection: Connection) -> list[Outline]:
        """Read what is new; returns the trials that have ended since the last look."""
        first = and_(values.c.trial_id == trials.c.trial_id, values.c.objective == 0)
        query = TRIAL_ROWS.add_columns(values.c.value, values.c.value_type).outerjoin_from(trials, values, first)
        ended = []
        for row in connection.execute(query.where(MAY_BE_NEWS), self.seen.values).all():
            outline = Outline(
                row.trial_id,
                row.number,
                str(row.state),
                None if row.value_type is None else restored(row.value, row.value_type),
                from_optuna(row.datetime_start),
                from_optuna(row.datetime_complete),
            )
            self.known[row.trial_id] = outline
            self.seen.note(row.trial_id, outline.state)
            if TrialState[outline.state].is_finished():
                ended.append(outline)
        self._describe(connection, ended)
        return ended

    def _describe(self, connection: Connection, ended: Sequence[Outline]) -> None:
        """Add the attributes that say why a trial ended, whether it is the baseline, and whether it is feasible."""
        if not ended:
            return
        new = {outline.trial_id: outline for outline in ended}
        limits = trial_system_attributes.c.key
        for table, wanted in (
            (trial_user_attributes, trial_user_attributes.c.key.in_([REASON, OUTCOME, BASELINE, RUN])),
            (trial_system_attributes, or_(limits == CONSTRAINTS, limits.like(f"{CONSTRAINTS}:%"))),
        ):
            query = select(table.c.trial_id, table.c.key, table.c.value_json)
            if len(new) < MANY:
                query = query.where(table.c.trial_id.in_(sorted(new)), wanted)
            else:
                query = query.join(trials, trials.c.trial_id == table.c.trial_id).where(
                    trials.c.study_id == self.study_id, trials.c.trial_id >= min(new), wanted
                )
            for trial_id, key, content in connection.execute(query):
                if trial_id not in new:
                    continue
                if key == REASON:
                    new[trial_id].reason = str(json.loads(content))
                elif key == OUTCOME:
                    new[trial_id].outcome = str(json.loads(content))
                elif key == RUN:
                    run = json.loads(content)
                    note_code(self.code, run)
                    seconds = run.get("device_seconds") if isinstance(run, dict) else None
                    new[trial_id].device_seconds = seconds if isinstance(seconds, int | float) else None
                elif key == BASELINE:
                    new[trial_id].baseline = json.loads(content) is True
                else:
                    new[trial_id].feasible &= _holds(json.loads(content))


def objectives(connection: Connection, ids: Sequence[int]) -> dict[int, tuple[float, ...]]:
    """Return the values of trials by their ids, one for each objective."""
    found: dict[int, tuple[float, ...]] = {}
    for some in _few(ids):
        query = select(values.c.trial_id, values.c.value, values.c.value_type).where(values.c.trial_id.in_(some))
        for trial_id, value, kind in connection.execute(query.order_by(values.c.trial_id, values.c.objective)):
            found[trial_id] = (*found.get(trial_id, ()), restored(value, kind))
    return found


def details(connection: Connection, ids: Sequence[int]) -> dict[int, FrozenTrial]:
    """Return whole trials by their ids."""
    found: dict[int, FrozenTrial] = {}
    for some in _few(ids):
        rows = connection.execute(TRIAL_ROWS.where(trials.c.trial_id.in_(some))).all()
        found |= {trial._trial_id: trial for trial in freeze(connection, rows, 0, 0)}
    return found


def curves(connection: Connection, ids: Sequence[int]) -> dict[int, list[Epoch]]:
    """Return the epochs of trials by their ids, each in order."""
    found: dict[int, list[Epoch]] = {}
    for some in _few(ids):
        query = select(epochs).where(epochs.c.trial_id.in_(some)).order_by(epochs.c.trial_id, epochs.c.epoch)
        for row in connection.execute(query).mappings():
            found.setdefault(row["trial_id"], []).append(from_row(row))
    return found


def searched(
    connection: Connection, study_id: int, since: int
) -> dict[int, tuple[dict[str, Any], dict[str, BaseDistribution]]]:
    """Return the parameters and their distributions of the trials of a study whose ids are larger than `since`."""
    query = (
        select(parameters.c.trial_id, parameters.c.param_name, parameters.c.param_value, parameters.c.distribution_json)
        .join(trials, trials.c.trial_id == parameters.c.trial_id)
        .where(trials.c.study_id == study_id, trials.c.trial_id > since)
        .order_by(parameters.c.param_id)
    )
    kinds: dict[str, BaseDistribution] = {}
    found: dict[int, tuple[dict[str, Any], dict[str, BaseDistribution]]] = {}
    for trial_id, name, number, text in connection.execute(query):
        kind = kinds.get(text)
        if kind is None:
            kind = kinds[text] = json_to_distribution(text)
        own = found.setdefault(trial_id, ({}, {}))
        own[0][name], own[1][name] = kind.to_external_repr(number), kind
    return found


@dataclass(frozen=True)
class Count:
    """How many trials of a study are in a state."""

    study_id: int
    state: str
    trials: int


def counts(connection: Connection) -> list[Count]:
    """Return every study's trials by state, in one query."""
    state = cast(trials.c.state, String)  # as it is written, even where Optuna has no such state
    query = select(trials.c.study_id, state, func.count()).group_by(trials.c.study_id, trials.c.state)
    return [Count(study_id, str(state), number) for study_id, state, number in connection.execute(query)]


def note_code(versions: dict[str, set[str]], run: Any) -> None:
    """Add the code that a trial ran, by what its worker recorded of it, to the versions of each module."""
    code = run.get("code") if isinstance(run, dict) else None
    for module, digest in code.items() if isinstance(code, dict) else ():
        versions.setdefault(str(module), set()).add(str(digest))


def _holds(content: Any) -> bool:
    """Return whether constraints (one, or a list of the older form) are kept; what is no number is not."""
    known = content if isinstance(content, list) else [content]
    return all(isinstance(excess, int | float) and excess <= 0 for excess in known)


def is_feasible(trial: FrozenTrial) -> bool:
    """Return whether a trial keeps all its constraints, whatever a foreign script wrote in their place."""
    return all(
        _holds(content)
        for key, content in trial.system_attrs.items()
        if key == CONSTRAINTS or key.startswith(f"{CONSTRAINTS}:")
    )


def _few(ids: Sequence[int]) -> list[tuple[int, ...]]:
    return [tuple(ids[start : start + MANY - 1]) for start in range(0, len(ids), MANY - 1)]
