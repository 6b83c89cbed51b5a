"""Winnow's own tables, named `winnow_…`, which stand beside Optuna's.

A lease and an attempt are one row: it is open while `ended_at` is empty, and the trial is held while `expires_at` lies
in the future; it began after so many `earlier_epochs` and is to pause at the epoch `until`. No row is ever deleted
here, so that a worker needs no right to delete.
"""

from typing import Any

from sqlalchemy import JSON, BigInteger, Column, Float, ForeignKey, Index, Integer, String, Table, Text

from winnow.storage.optuna_tables import metadata


def _trial_key(**options: Any) -> Column[int]:
    return Column("trial_id", Integer, ForeignKey("trials.trial_id", ondelete="CASCADE"), **options)


def _study_key(**options: Any) -> Column[int]:
    return Column("study_id", Integer, ForeignKey("studies.study_id", ondelete="CASCADE"), **options)


schema = Table(
    "winnow_schema",
    metadata,
    Column("version", Integer, primary_key=True, autoincrement=False),
    Column("identity", String(32), nullable=False),
)
identities = Table(
    # The identity of a study that was deleted stays, without its id: that is how its files are known.
    "winnow_identities",
    metadata,
    Column("identity", String(32), primary_key=True),
    Column("study_id", Integer, ForeignKey("studies.study_id", ondelete="SET NULL"), unique=True),
)
receipts = Table(
    # What a transaction counts up to be known by, when the answer to its commit was lost: see Database.write.
    "winnow_receipts",
    metadata,
    Column("receipt", String(32), primary_key=True),
    Column("number", Integer, nullable=False),
)

budgets = Table(
    "winnow_budgets",
    metadata,
    _study_key(primary_key=True, autoincrement=False),
    Column("trials", Integer),
    Column("seconds", Float(53)),
    Column("device_seconds", Float(53)),
    Column("epochs", Integer),
    Column("used_epochs", Integer, nullable=False, default=0, server_default="0"),
    Column("used_device_seconds", Float(53), nullable=False, default=0.0),
    Column("started_at", Float(53)),
    Column("state", String(16), nullable=False, default="active"),
    Column("priority", Float(53), nullable=False, default=1.0),
)
attempts = Table(
    "winnow_attempts",
    metadata,
    _trial_key(primary_key=True, autoincrement=False),
    Column("token", Integer, primary_key=True, autoincrement=False),
    _study_key(nullable=False),
    Column("worker", String(128), nullable=False),
    Column("claim", String(32), nullable=False, unique=True),
    Column("started_at", Float(53), nullable=False),
    Column("expires_at", Float(53), nullable=False),
    Column("ended_at", Float(53)),
    Column("outcome", String(255)),
    Column("until", Integer),
    Column("earlier_epochs", Integer, nullable=False, default=0, server_default="0"),
    Column("lease_seconds", Float(53)),
    Index("winnow_open_attempts", "study_id", "ended_at"),
)
workers = Table(
    "winnow_workers",
    metadata,
    Column("worker", String(128), primary_key=True),
    _study_key(nullable=False, index=True),
    Column("host", String(255), nullable=False),
    Column("process", Integer, nullable=False),
    Column("device", String(64), nullable=False),
    Column("state", String(32), nullable=False),
    Column("trial_number", Integer),
    Column("epoch", Integer),
    Column("value", Float(53)),
    Column("reason", Text),
    Column("started_at", Float(53), nullable=False),
    Column("seen_at", Float(53), nullable=False),
    Column("device_load", JSON(none_as_null=True)),
)
epochs = Table(
    "winnow_epochs",
    metadata,
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
    Column("extra", JSON(none_as_null=True)),
)
checkpoints = Table(
    "winnow_checkpoints",
    metadata,
    _trial_key(primary_key=True, autoincrement=False),
    Column("epoch", Integer, primary_key=True, autoincrement=False),
    Column("token", Integer, nullable=False),
    Column("sha256", String(64), nullable=False),
    Column("size", BigInteger, nullable=False),
)
designs = Table(
    "winnow_designs",
    metadata,
    _study_key(primary_key=True, autoincrement=False),
    Column("number", Integer, primary_key=True, autoincrement=False),
    Column("parameters", JSON, nullable=False),
    Column("config", JSON, nullable=False),
)
ledger = Table(
    # No foreign key: that test data were read stays written when the study is deleted.
    "winnow_ledger",
    metadata,
    Column("entry", Integer, primary_key=True),
    Column("study_name", String(512), nullable=False, index=True),
    Column("data_fingerprint", String(64), nullable=False),
    Column("read_at", Float(53), nullable=False),
    Column("reader", String(255), nullable=False),
    Column("purpose", String(255), nullable=False),
    Column("results", JSON, nullable=False),
)

# Who may use the dashboard, what they changed, and what they deleted.
tokens = Table(
    "winnow_tokens",
    metadata,
    Column("token", Integer, primary_key=True),
    Column("name", String(128), nullable=False, unique=True),
    Column("role", String(16), nullable=False),
    Column("sha256", String(64), nullable=False, unique=True),
    Column("created_at", Float(53), nullable=False),
    Column("expires_at", Float(53)),
    Column("revoked_at", Float(53)),
)
sessions = Table(
    "winnow_sessions",
    metadata,
    Column("sha256", String(64), primary_key=True),
    Column("token", Integer, ForeignKey("winnow_tokens.token"), nullable=False),
    Column("expires_at", Float(53), nullable=False),
    Column("ended_at", Float(53)),
)
audit = Table(
    "winnow_audit",
    metadata,
    Column("entry", Integer, primary_key=True),
    Column("at", Float(53), nullable=False),
    Column("who", String(255), nullable=False),
    Column("address", String(64), nullable=False),
    Column("action", String(255), nullable=False),
    Column("content", Text, nullable=False),
    Column("status", Integer),
)
deletions = Table(
    "winnow_deletions",
    metadata,
    _study_key(primary_key=True, autoincrement=False),
    Column("name", String(512), nullable=False),
    Column("deleted_at", Float(53), nullable=False),
    Column("deleted_by", String(255), nullable=False),
)

OF_A_TRIAL = [attempts, epochs, checkpoints]
OF_A_STUDY = [budgets, workers, designs, deletions]
ALL = [schema, identities, receipts, ledger, tokens, sessions, audit, *OF_A_STUDY, *OF_A_TRIAL]
