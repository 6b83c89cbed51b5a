"""The documented rights (docs/roles.sql) are enough for a worker and for a reader, and are no more than that."""

import contextlib
from collections.abc import Iterator
from pathlib import Path

import optuna
import pytest

from storage_servers import PostgresServer
from winnow import storage
from winnow.records import Budget, Epoch, Outcome
from winnow.storage import budget, claims, endings, epochs, leases, workers
from winnow.storage.errors import StorageError

GRANTS = Path(__file__).parents[2] / "docs" / "roles.sql"


@pytest.fixture
def database(postgres: PostgresServer, postgres_url: str) -> Iterator[str]:
    """A database with a study, in which the documented grants were made."""
    name = postgres_url.partition("@/")[2].partition("?")[0]
    owner = storage.open(postgres_url)
    study_id = owner.create_new_study([optuna.study.StudyDirection.MAXIMIZE], "s")
    budget.set_budget(owner.database, study_id, Budget(trials=5))
    postgres.execute(GRANTS.read_text(), name)
    yield name
    owner.database.release()
    for role in ("winnow_worker", "winnow_reader"):
        postgres.execute(f"DROP OWNED BY {role}", name)
        postgres.execute(f"DROP ROLE {role}", name)


def test_a_worker_can_do_all_of_its_work(postgres: PostgresServer, database: str) -> None:
    opened = storage.open(postgres.url(database, "winnow_worker"))
    study = optuna.load_study(study_name="s", storage=opened)
    study_id = opened.get_study_id_from_name("s")
    workers.register(opened.database, study_id, "w", "host", 1, "cpu")
    lease = claims.claim(opened.database, study_id, "w")
    assert lease is not None
    with opened.holding(lease):
        trial = optuna.trial.Trial(study, lease.trial_id)
        trial.suggest_float("x", 0, 1)
        trial.set_user_attr("key", 1)
        epochs.record(opened.database, lease, Epoch(1, 0.5))
        leases.renew(opened.database, lease)
        endings.give_back(opened.database, lease, Outcome.STOPPED)
    again = claims.claim(opened.database, study_id, "w")
    assert again is not None
    endings.finish(opened.database, again, Outcome.COMPLETE, 1.0, {"winnow:run": {}})
    endings.reap(opened.database, study_id)
    workers.sign_off(opened.database, "w")
    study.optimize(lambda trial: trial.suggest_float("x", 0, 1), n_trials=1)
    assert study.best_value == 1.0


@pytest.mark.parametrize(
    "statement",
    [
        "DELETE FROM trials",
        "DELETE FROM winnow_attempts",
        "DROP TABLE winnow_attempts",
        "CREATE TABLE more (x int)",
        "ALTER TABLE trials ADD COLUMN x int",
        "UPDATE winnow_schema SET version = 9",
    ],
)
def test_a_worker_can_destroy_nothing(postgres: PostgresServer, database: str, statement: str) -> None:
    opened = storage.open(postgres.url(database, "winnow_worker"))
    with pytest.raises(StorageError, match=r"permission denied|must be owner"):
        opened.database.write(lambda connection: connection.exec_driver_sql(statement))


def test_a_reader_reads_and_changes_nothing(postgres: PostgresServer, database: str) -> None:
    opened = storage.open(postgres.url(database, "winnow_reader"))
    study = optuna.load_study(study_name="s", storage=opened)
    study_id = opened.get_study_id_from_name("s")
    assert study.trials == []
    assert workers.present(opened.database, study_id) == []
    assert opened.database.read(budget.spent, study_id).trials == 0
    with pytest.raises(StorageError, match="permission denied"):
        study.set_user_attr("key", 1)
    with contextlib.suppress(StorageError):
        claims.claim(opened.database, study_id, "w")
    assert study.get_trials() == []
