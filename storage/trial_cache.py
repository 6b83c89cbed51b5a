"""A study's trials in memory: finished ones are read once, since they never change; the others whenever asked for."""

import copy
import json
import math
import time
from bisect import insort
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import lru_cache, partial
from itertools import groupby
from operator import attrgetter, itemgetter
from typing import Any, Literal

from optuna.distributions import BaseDistribution, json_to_distribution
from optuna.trial import FrozenTrial, TrialState
from sqlalchemy import (
    BindParameter,
    CompoundSelect,
    Connection,
    Select,
    String,
    bindparam,
    cast,
    literal,
    select,
    union_all,
)

from winnow.garbage import uncollected
from winnow.storage import pauses
from winnow.storage.clock import from_optuna
from winnow.storage.optuna_tables import (
    intermediate_values,
    parameters,
    restored,
    trial_system_attributes,
    trial_user_attributes,
    trials,
    values,
)
from winnow.storage.seen_trials import MAY_BE_NEWS, SeenTrials

MANY = 200
"""From so many trials on, their rows are asked for by study and not by id."""
TRIAL_ROWS = select(
    trials.c.trial_id, trials.c.number, trials.c.state, trials.c.datetime_start, trials.c.datetime_complete
)
"""The query for what `freeze` needs of rows of `trials`."""
_NEWS = TRIAL_ROWS.where(MAY_BE_NEWS).order_by(trials.c.trial_id)
_ONE = TRIAL_ROWS.where(trials.c.trial_id == bindparam("id"))
_by_number = attrgetter("number")
_distribution = lru_cache(maxsize=4096)(json_to_distribution)


class TrialCache:
    """What this process knows of the trials of one study. Not thread-safe: its storage locks it."""

    def __init__(self, study_id: int) -> None:
        self.study_id = study_id
        self.read_at = -math.inf
        """When (`time.monotonic`) it was last refreshed."""
        self.seen = SeenTrials(study_id)
        self.finished: dict[int, FrozenTrial] = {}
        self.paused: dict[int, tuple[int, FrozenTrial]] = {}
        """With how many attempts each has had, for so long as it stays as it is."""
        self._of_states: dict[frozenset[TrialState], list[FrozenTrial]] = {}

    def refresh(
        self, connection: Connection, wanted: frozenset[TrialState], held: Mapping[int, FrozenTrial]
    ) -> list[FrozenTrial]:
        """Read what is new; returns those of the unfinished trials whose state is wanted.

        Those that this process holds, by their ids, are given as they are and not read.
        """
        newest = self.seen.newest
        rows = connection.execute(_NEWS, self.seen.values).all()
        ended = [row for row in rows if TrialState[row.state].is_finished()]
        shown = [row for row in rows if TrialState[row.state] in wanted and not TrialState[row.state].is_finished()]
        tokens = pauses.tokens(connection, self.study_id) if any(row.state == "WAITING" for row in shown) else {}
        self.paused = {trial: known for trial, known in self.paused.items() if tokens.get(trial) == known[0]}
        known = {**held, **{trial_id: trial for trial_id, (_, trial) in self.paused.items()}}
        unknown = [row for row in shown if row.trial_id not in known]
        frozen = freeze(connection, [*ended, *unknown], self.study_id, newest)
        for trial in frozen[: len(ended)]:
            self._add(trial)
        for trial in frozen[len(ended) :]:
            if trial._trial_id in tokens and trial.state is TrialState.WAITING:
                self.paused[trial._trial_id] = tokens[trial._trial_id], trial
        for row in rows:
            self.seen.note(row.trial_id, row.state)
        self.read_at = time.monotonic()
        return [*(known[row.trial_id] for row in shown if row.trial_id in known), *frozen[len(ended) :]]

    def of_states(self, wanted: frozenset[TrialState]) -> list[FrozenTrial]:
        """Return the finished trials in these states, by number: a list of the caller's own."""
        kept = frozenset(state for state in wanted if state.is_finished())
        if kept not in self._of_states:
            chosen = [trial for trial in self.finished.values() if trial.state in kept]
            self._of_states[kept] = sorted(chosen, key=_by_number)
        return list(self._of_states[kept])

    def _add(self, trial: FrozenTrial) -> None:
        if trial._trial_id in self.finished:
            return
        self.finished[trial._trial_id] = trial
        for states, known in self._of_states.items():
            if trial.state in states:
                insort(known, trial, key=_by_number)


def read_one(connection: Connection, trial_id: int) -> FrozenTrial | None:
    """Return one trial as the database has it now."""
    row = connection.execute(_ONE, {"id": trial_id}).one_or_none()
    return None if row is None else freeze(connection, [row], 0, 0)[0]


def as_pruned(trial: FrozenTrial) -> FrozenTrial:
    """Return a paused trial as a sampler is to see it."""
    shown = copy.copy(trial)
    shown.state = TrialState.PRUNED
    last = math.nan if shown.last_step is None else shown.intermediate_values[shown.last_step]
    shown.values = None if math.isnan(last) else [last]
    return shown


def freeze(connection: Connection, rows: Sequence[Any], study_id: int, newest: int) -> list[FrozenTrial]:
    """Return rows of `trials` as Optuna's trials, with everything that belongs to them in one further query.

    Many trials are found by study and by being newer than `newest`, a few by their ids.
    """
    if not rows:
        return []
    with uncollected():
        details = {row.trial_id: _Details() for row in rows}
        ids = list(details)
        few = len(ids) < MANY
        for query in [_few_details()] if few else _many_details(study_id, min(newest + 1, *ids)):
            result = connection.execute(query, {"ids": ids} if few else None)
            assert result.cursor is not None
            # As the driver gives them: SQLAlchemy's own rows would take longer than all the rest.
            for kind, found in groupby(result.cursor.fetchall(), key=_kind):
                _FILL[kind](details, found)
        return [details[row.trial_id].frozen(row) for row in rows]


@lru_cache(maxsize=1)
def _few_details() -> CompoundSelect[Any]:
    """Return the query for the rows around the trials of these `ids`: made once, which takes longer than to ask it."""
    ids: BindParameter[int] = bindparam("ids", expanding=True)
    return union_all(*(rows.where(table.c.trial_id.in_(ids)) for table, rows in _rows_around()))


def _many_details(study_id: int, oldest: int) -> list[Select[Any]]:
    """Return the queries for the rows around the trials of a study from an id on."""
    of_study = trials.c.study_id == study_id, trials.c.trial_id >= oldest
    return [rows.join(trials, trials.c.trial_id == table.c.trial_id).where(*of_study) for table, rows in _rows_around()]


def _rows_around() -> Iterator[tuple[Any, Select[Any]]]:
    """Yield each table around `trials`, and the query for its rows."""
    for kind, (order, name, number, text) in enumerate(_COLUMNS):
        yield (
            name.table,
            select(
                literal(kind).label("kind"),
                name.table.c.trial_id,
                (literal(0) if order is None else order).label("place"),
                cast(name, String(512)).label("name"),
                (literal(0.0) if number is None else number).label("number"),
                (literal("") if text is None else text).label("text"),
            ),
        )


_COLUMNS: list[tuple[Any, Any, Any, Any]] = [  # order, name, number, text
    (parameters.c.param_id, parameters.c.param_name, parameters.c.param_value, parameters.c.distribution_json),
    (values.c.objective, values.c.value_type, values.c.value, None),
    (
        intermediate_values.c.step,
        intermediate_values.c.intermediate_value_type,
        intermediate_values.c.intermediate_value,
        None,
    ),
    (None, trial_user_attributes.c.key, None, trial_user_attributes.c.value_json),
    (None, trial_system_attributes.c.key, None, trial_system_attributes.c.value_json),
]
_kind = itemgetter(0)


class _Details:
    """The rows of one trial in the tables around `trials`."""

    __slots__ = ("intermediate", "parameters", "system", "user", "values")

    def __init__(self) -> None:
        self.parameters: list[tuple[int, str, float, BaseDistribution]] = []
        self.values: dict[int, float] = {}
        self.intermediate: dict[int, float] = {}
        self.user: dict[str, Any] = {}
        self.system: dict[str, Any] = {}

    def frozen(self, row: Any) -> FrozenTrial:
        self.parameters.sort()  # in the order in which they were suggested: no two have one place
        return FrozenTrial(
            number=row.number,
            trial_id=row.trial_id,
            state=TrialState[row.state],
            value=None,
            values=[self.values[i] for i in range(len(self.values))] if self.values else None,
            datetime_start=from_optuna(row.datetime_start),
            datetime_complete=from_optuna(row.datetime_complete),
            params={name: kind.to_external_repr(number) for _, name, number, kind in self.parameters},
            distributions={name: kind for _, name, _, kind in self.parameters},
            user_attrs=self.user,
            system_attrs=self.system,
            intermediate_values=self.intermediate,
        )


_Found = Iterable[tuple[int, int, int, str, float, str]]
"""Kind, trial, order, name, number, text."""


def _fill_parameters(details: dict[int, _Details], found: _Found) -> None:
    for _, trial_id, order, name, number, text in found:
        if trial_id in details:
            details[trial_id].parameters.append((order, name, number, _distribution(text)))


def _fill_values(details: dict[int, _Details], found: _Found) -> None:
    for _, trial_id, order, name, number, _ in found:
        if trial_id in details:
            details[trial_id].values[order] = restored(number, name)


def _fill_intermediate(details: dict[int, _Details], found: _Found) -> None:
    for _, trial_id, order, name, number, _ in found:
        if trial_id in details:
            details[trial_id].intermediate[order] = number if name == "FINITE" else restored(number, name)


def _fill_attributes(whose: Literal["user", "system"], details: dict[int, _Details], found: _Found) -> None:
    for _, trial_id, _, name, _, text in found:
        if trial_id in details:
            getattr(details[trial_id], whose)[name] = json.loads(text)


_FILL = (
    _fill_parameters,
    _fill_values,
    _fill_intermediate,
    partial(_fill_attributes, "user"),
    partial(_fill_attributes, "system"),
)
