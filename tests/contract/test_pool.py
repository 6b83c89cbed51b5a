"""Which studies a pool serves, on every database; and, on PostgreSQL, that its idle workers are woken."""

import gc
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import optuna
import pytest

from winnow import storage
from winnow.records import Budget, Outcome
from winnow.storage import Storage, claims, endings, workers
from winnow.storage.activity import State, set_state
from winnow.storage.budget import set_budget
from winnow.storage.notifications import Bell, ring_now
from winnow.storage.pool import Pool

READY = "ready"


def made(opened: Storage, name: str, trials: int = 2, priority: float = 1.0) -> int:
    study_id = opened.create_new_study([optuna.study.StudyDirection.MAXIMIZE], name)
    set_budget(opened.database, study_id, Budget(trials=trials), priority)
    opened.set_study_user_attr(study_id, READY, True)
    return study_id


def names(pool: Pool, besides: str = "") -> list[str]:
    return [each.name for each in pool.wanting(besides)]


def test_studies_that_are_ready_active_and_have_trials_left_want_workers(opened: Storage) -> None:
    pool = Pool(opened.database, READY)
    first, second = made(opened, "first"), made(opened, "second", priority=2.5)
    unready = opened.create_new_study([optuna.study.StudyDirection.MAXIMIZE], "unready")
    set_budget(opened.database, unready, Budget(trials=2))
    opened.create_new_study([optuna.study.StudyDirection.MAXIMIZE], "stock")
    assert [(each.name, each.priority) for each in pool.wanting()] == [("first", 1.0), ("second", 2.5)]
    set_state(opened.database, first, State.PAUSED)
    assert names(pool) == ["second"]
    set_state(opened.database, first, State.ACTIVE)
    held = [claims.claim(opened.database, first, "w") for _ in range(2)]
    assert all(held)
    assert names(pool) == ["second"], "all is given out"
    endings.give_back(opened.database, held[0], Outcome.STOPPED)  # type: ignore[arg-type]
    assert names(pool) == ["first", "second"], "but one waits again"
    for _ in range(2):
        claims.claim(opened.database, first, "w")
    endings.finish(opened.database, held[1], Outcome.COMPLETE, 1.0)  # type: ignore[arg-type]
    assert names(pool) == ["second"]
    set_budget(opened.database, first, Budget(trials=9))
    assert names(pool) == ["first", "second"], "a larger budget"
    assert second


def test_a_worker_counts_for_its_study_as_long_as_it_lives(opened: Storage) -> None:
    pool, study_id = Pool(opened.database, READY), made(opened, "s")
    for name in ("one", "two", "three"):
        workers.register(opened.database, study_id, name, "host", 1, "cpu")
    workers.sign_off(opened.database, "three")
    assert [each.workers for each in pool.wanting()] == [2]
    assert [each.workers for each in pool.wanting(besides="one")] == [1]


@pytest.fixture
def listening(postgres_url: str) -> Iterator[Storage]:
    opened = storage.open(postgres_url)
    yield opened
    opened.database.release()


@contextmanager
def soon(act: Callable[[], object]) -> Iterator[None]:
    """Do something a moment later, in another thread, which has ended afterwards."""
    timer = threading.Timer(0.2, act)
    timer.start()
    yield
    timer.join()


def test_the_bell_wakes_whoever_waits_at_it(listening: Storage) -> None:
    bell = Bell(listening.database, lambda: False)
    study_id = made(listening, "s")
    bell.wait(60, 60)  # begins to listen
    for rings in (
        lambda: ring_now(listening.database),
        lambda: set_state(listening.database, study_id, State.PAUSED),
    ):
        began = time.monotonic()
        with soon(rings):
            bell.wait(60, 60)
        assert time.monotonic() - began < 30
    bell.close()


def test_a_bell_whose_connection_is_cut_is_only_slower(listening: Storage) -> None:
    bell = Bell(listening.database, lambda: False)
    bell.wait(60, 60)
    with listening.database.engine.execution_options(isolation_level="AUTOCOMMIT").connect() as connection:
        connection.exec_driver_sql(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE datname = current_database() AND starts_with(query, 'LISTEN')"
        )
    bell.wait(60, 0.1)
    bell.wait(60, 0.1)  # listens again
    began = time.monotonic()
    with soon(lambda: ring_now(listening.database)):
        bell.wait(60, 60)
    assert time.monotonic() - began < 30
    bell.close()


def test_a_connection_that_is_out_while_its_pool_is_disposed_of_ends_without_a_word(listening: Storage) -> None:
    used = listening.database.engine.raw_connection()
    listening.database.release()
    used.close()  # into a pool that nobody has any more
    del used
    gc.collect()  # a warning of something left open fails this test


def test_whoever_is_asked_to_leave_waits_no_longer(opened: Storage) -> None:
    asked = threading.Event()
    bell = Bell(opened.database, asked.is_set)
    bell.wait(60, 0.1)
    began = time.monotonic()
    with soon(asked.set):
        bell.wait(60, 60)
    assert time.monotonic() - began < 30
    bell.close()
