"""The tables: Winnow's own, and those columns of Optuna's that Winnow reads and writes itself.

Optuna's tables stay as Optuna made them (read from the schema of Optuna 5.0.0: times are naive UTC, enumerations are
stored by name). Winnow's own stand beside them, named `winnow_…`. Times of Winnow's are seconds since 1970 by the
database's clock, so that no time zone and no worker's clock can matter.
"""

from datetime import UTC, datetime
from typing import Any

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    Column,
    Connection,
    DateTime,
    Engine,
    Enum,
    Float,
    ForeignKey,
    Integer,
    MetaData,
    String,
    Table,
    Text,
    event,
    text,
)
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.functions import FunctionElement

_metadata = MetaData()

# --- Optuna's

studies = Table("studies", _metadata, Column("study_id", Integer, primary_key=True), Column("study_name", String(512)))
trials = Table(
    "trials",
    _metadata,
    Column("trial_id", Integer, primary_key=True),
    Column("number", Integer),
    Column("study_id", Integer, ForeignKey("studies.study_id")),
    Column("state", Enum("RUNNING", "COMPLETE", "PRUNED", "FAIL", "WAITING", name="trialstate")),
    Column("datetime_start", DateTime),
    Column("datetime_complete", DateTime),
)
values = Table(
    "trial_values",
    _metadata,
    Column("trial_value_id", Integer, primary_key=True),
    Column("trial_id", Integer, ForeignKey("trials.trial_id")),
    Column("objective", Integer),
    Column("value", Float(precision=53)),
    Column("value_type", Enum("FINITE", "INF_POS", "INF_NEG", name="trialvaluetype")),
)
intermediate_values = Table(
    "trial_intermediate_values",
    _metadata,
    Column("trial_intermediate_value_id", Integer, primary_key=True),
    Column("trial_id", Integer, ForeignKey("trials.trial_id")),
    Column("step", Integer),
    Column("intermediate_value", Float(precision=53)),
    Column(
        "intermediate_value_type",
        Enum("FINITE", "INF_POS", "INF_NEG", "NAN", name="trialintermediatevaluetype"),
    ),
)
user_attributes = Table(
    "trial_user_attributes",
    _metadata,
    Column("trial_user_attribute_id", Integer, primary_key=True),
    Column("trial_id", Integer, ForeignKey("trials.trial_id")),
    Column("key", String(512)),
    Column("value_json", Text),
)

# --- Winnow's


def _trial_key(**options: Any) -> Column[int]:
    return Column("trial_id", Integer, ForeignKey("trials.trial_id", ondelete="CASCADE"), **options)


def _study_key(**options: Any) -> Column[int]:
    return Column("study_id", Integer, ForeignKey("studies.study_id", ondelete="CASCADE"), **options)


schema = Table("winnow_schema", _metadata, Column("version", Integer, primary_key=True))

budgets = Table(
    "winnow_budgets",
    _metadata,
    _study_key(primary_key=True, autoincrement=False),
    Column("trials", Integer),
    Column("seconds", Float(53)),
    Column("device_seconds", Float(53)),
    Column("started_at", Float(53)),
    Column("draining", Boolean, nullable=False, default=False),
)
leases = Table(
    "winnow_leases",
    _metadata,
    _trial_key(primary_key=True, autoincrement=False),
    _study_key(nullable=False, index=True),
    Column("token", Integer, nullable=False),
    Column("worker", String(128), nullable=False),
    Column("expires_at", Float(53), nullable=False),
)
attempts = Table(
    "winnow_attempts",
    _metadata,
    _trial_key(primary_key=True, autoincrement=False),
    Column("token", Integer, primary_key=True, autoincrement=False),
    _study_key(nullable=False, index=True),
    Column("worker", String(128), nullable=False),
    Column("started_at", Float(53), nullable=False),
    Column("ended_at", Float(53)),
    Column("outcome", String(64)),
)
workers = Table(
    "winnow_workers",
    _metadata,
    Column("worker", String(128), primary_key=True),
    _study_key(nullable=False, index=True),
    Column("host", String(255), nullable=False),
    Column("process", Integer, nullable=False),
    Column("device", String(64), nullable=False),
    Column("state", String(32), nullable=False),
    Column("trial_number", Integer),
    Column("epoch", Integer),
    Column("value", Float(53)),
    Column("started_at", Float(53), nullable=False),
    Column("seen_at", Float(53), nullable=False),
)
epochs = Table(
    "winnow_epochs",
    _metadata,
    _trial_key(primary_key=True, autoincrement=False),
    Column("epoch", Integer, primary_key=True, autoincrement=False),
    Column("value", Float(53)),
    Column("train_loss", Float(53)),
    Column("train_accuracy", Float(53)),
    Column("validation_loss", Float(53)),
    Column("validation_accuracy", Float(53)),
    Column("lr", Float(53)),
    Column("weight_norm", Float(53)),
    Column("seconds", Float(53)),
)
checkpoints = Table(
    "winnow_checkpoints",
    _metadata,
    _trial_key(primary_key=True, autoincrement=False),
    Column("epoch", Integer, primary_key=True, autoincrement=False),
    Column("token", Integer, nullable=False),
    Column("sha256", String(64), nullable=False),
    Column("size", BigInteger, nullable=False),
)
designs = Table(
    "winnow_designs",
    _metadata,
    _study_key(primary_key=True, autoincrement=False),
    Column("number", Integer, primary_key=True, autoincrement=False),
    Column("parameters", JSON, nullable=False),
    Column("config", JSON, nullable=False),
)
ledger = Table(
    # No foreign key: that test data were read stays written when the study is deleted.
    "winnow_ledger",
    _metadata,
    Column("entry", Integer, primary_key=True),
    Column("study_name", String(512), nullable=False, index=True),
    Column("data_fingerprint", String(64), nullable=False),
    Column("read_at", Float(53), nullable=False),
    Column("reader", String(255), nullable=False),
    Column("purpose", String(255), nullable=False),
    Column("results", JSON, nullable=False),
)

OWN = [schema, budgets, leases, attempts, workers, epochs, checkpoints, designs, ledger]
VERSION = 1
_OF_A_TRIAL = [leases, attempts, epochs, checkpoints]
_OF_A_STUDY = [budgets, workers, designs]


def create(engine: Engine) -> None:
    """Make Winnow's tables where they are missing. Optuna's must be there."""
    _metadata.create_all(engine, tables=OWN)
    with engine.begin() as connection:
        if connection.execute(schema.select()).first() is None:
            connection.execute(schema.insert().values(version=VERSION))


@event.listens_for(leases, "after_create")
@event.listens_for(designs, "after_create")
def _sweep_on_sqlite(target: Table, connection: Connection, **_: Any) -> None:
    """SQLite gives the ids of deleted rows to new ones and, as stock Optuna opens it, cascades nothing: triggers do."""
    if connection.dialect.name != "sqlite":
        return
    parent, key, own = ("trials", "trial_id", _OF_A_TRIAL) if target is leases else ("studies", "study_id", _OF_A_STUDY)
    deletes = " ".join(f"DELETE FROM {table.name} WHERE {key} = OLD.{key};" for table in own)
    connection.execute(
        text(f"CREATE TRIGGER IF NOT EXISTS winnow_sweep_{parent} AFTER DELETE ON {parent} BEGIN {deletes} END")
    )


class database_now(FunctionElement[float]):
    """The database's clock: seconds since 1970, UTC."""

    type = Float(53)
    inherit_cache = True


@compiles(database_now, "sqlite")
def _now_sqlite(element: Any, compiler: Any, **_: Any) -> str:
    return "((julianday('now') - 2440587.5) * 86400.0)"


@compiles(database_now, "postgresql")
def _now_postgresql(element: Any, compiler: Any, **_: Any) -> str:
    return "CAST(EXTRACT(EPOCH FROM clock_timestamp()) AS double precision)"


@compiles(database_now, "mysql")
@compiles(database_now, "mariadb")
def _now_mysql(element: Any, compiler: Any, **_: Any) -> str:
    return "CAST(UNIX_TIMESTAMP(SYSDATE(6)) AS DOUBLE)"


def optuna_now() -> datetime:
    """The present as Optuna's tables hold it: naive UTC, by this machine's clock, for people to read only."""
    return datetime.now(UTC).replace(tzinfo=None)
