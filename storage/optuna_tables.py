"""Optuna's own tables, as Optuna 5.0 makes them: Winnow reads and writes their rows.

Times are naive UTC, enumerations are stored by name, infinite and missing values by a type beside them.
"""

import math
from typing import Any

from sqlalchemy import (
    Column,
    ColumnElement,
    DateTime,
    Enum,
    Float,
    ForeignKey,
    Integer,
    MetaData,
    ScalarSelect,
    String,
    Table,
    Text,
    select,
)

REVISION = "v3.2.0.a"
"""What Alembic's table says of a storage of Optuna 5.0."""

metadata = MetaData()

studies = Table("studies", metadata, Column("study_id", Integer, primary_key=True), Column("study_name", String(512)))
directions = Table(
    "study_directions",
    metadata,
    Column("study_direction_id", Integer, primary_key=True),
    Column("direction", Enum("NOT_SET", "MINIMIZE", "MAXIMIZE", name="studydirection")),
    Column("study_id", Integer, ForeignKey("studies.study_id")),
    Column("objective", Integer),
)
study_user_attributes = Table(
    "study_user_attributes",
    metadata,
    Column("study_user_attribute_id", Integer, primary_key=True),
    Column("study_id", Integer, ForeignKey("studies.study_id")),
    Column("key", String(512)),
    Column("value_json", Text),
)
study_system_attributes = Table(
    "study_system_attributes",
    metadata,
    Column("study_system_attribute_id", Integer, primary_key=True),
    Column("study_id", Integer, ForeignKey("studies.study_id")),
    Column("key", String(512)),
    Column("value_json", Text),
)
trials = Table(
    "trials",
    metadata,
    Column("trial_id", Integer, primary_key=True),
    Column("number", Integer),
    Column("study_id", Integer, ForeignKey("studies.study_id")),
    Column("state", Enum("RUNNING", "COMPLETE", "PRUNED", "FAIL", "WAITING", name="trialstate")),
    Column("datetime_start", DateTime),
    Column("datetime_complete", DateTime),
)
parameters = Table(
    "trial_params",
    metadata,
    Column("param_id", Integer, primary_key=True),
    Column("trial_id", Integer, ForeignKey("trials.trial_id")),
    Column("param_name", String(512)),
    Column("param_value", Float(53)),
    Column("distribution_json", Text),
)
values = Table(
    "trial_values",
    metadata,
    Column("trial_value_id", Integer, primary_key=True),
    Column("trial_id", Integer, ForeignKey("trials.trial_id")),
    Column("objective", Integer),
    Column("value", Float(53)),
    Column("value_type", Enum("FINITE", "INF_POS", "INF_NEG", name="trialvaluetype")),
)
intermediate_values = Table(
    "trial_intermediate_values",
    metadata,
    Column("trial_intermediate_value_id", Integer, primary_key=True),
    Column("trial_id", Integer, ForeignKey("trials.trial_id")),
    Column("step", Integer),
    Column("intermediate_value", Float(53)),
    Column("intermediate_value_type", Enum("FINITE", "INF_POS", "INF_NEG", "NAN", name="trialintermediatevaluetype")),
)
trial_user_attributes = Table(
    "trial_user_attributes",
    metadata,
    Column("trial_user_attribute_id", Integer, primary_key=True),
    Column("trial_id", Integer, ForeignKey("trials.trial_id")),
    Column("key", String(512)),
    Column("value_json", Text),
)
trial_system_attributes = Table(
    "trial_system_attributes",
    metadata,
    Column("trial_system_attribute_id", Integer, primary_key=True),
    Column("trial_id", Integer, ForeignKey("trials.trial_id")),
    Column("key", String(512)),
    Column("value_json", Text),
)
heartbeats = Table(
    "trial_heartbeats",
    metadata,
    Column("trial_heartbeat_id", Integer, primary_key=True),
    Column("trial_id", Integer, ForeignKey("trials.trial_id")),
)

OF_A_TRIAL = [parameters, values, intermediate_values, trial_user_attributes, trial_system_attributes, heartbeats]
OF_A_STUDY = [directions, study_user_attributes, study_system_attributes]


def last_number(study_id: int | ColumnElement[int]) -> ScalarSelect[Any]:
    """Return the query for the number of a study's newest trial: null where it has none."""
    numbers = select(trials.c.number).where(trials.c.study_id == study_id)
    return numbers.order_by(trials.c.trial_id.desc()).limit(1).scalar_subquery()


def stored(value: float) -> tuple[float | None, str]:
    """Return a value and its type as Optuna's tables hold them."""
    if math.isnan(value):
        return None, "NAN"
    if math.isinf(value):
        return None, "INF_POS" if value > 0 else "INF_NEG"
    return value, "FINITE"


def restored(value: float | None, kind: str) -> float:
    """Return the value that was stored."""
    if kind == "FINITE" and value is not None:
        return value
    return {"INF_POS": math.inf, "INF_NEG": -math.inf}.get(kind, math.nan)
