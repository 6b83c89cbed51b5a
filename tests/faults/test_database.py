"""A database that goes away, forgets its clients, or does not answer."""

import os
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import psycopg
import pytest

from faults.fleet_under_fire import Fleet
from storage_servers import PostgresServer


@pytest.mark.parametrize("mode", ["fast", "immediate"])
def test_the_server_restarts(fleet: Callable[..., Fleet], postgres: PostgresServer, mode: str) -> None:
    ours = fleet(epoch_seconds=0.2)
    ours.start()
    ours.wait_trained(ours.random.randrange(20, 80))
    postgres.stop(mode)
    postgres.start()
    ours.wait_done()
    ours.prove()


def test_the_server_is_away_for_longer_than_a_lease(fleet: Callable[..., Fleet], postgres: PostgresServer) -> None:
    ours = fleet(epoch_seconds=1.5)
    ours.start()
    ours.wait_trained(20)
    postgres.stop("immediate")
    ours.wait_trained(20 + 8 * 3)  # they train on: three epochs each, which is longer than a lease
    postgres.start()
    ours.wait_done()
    ours.prove()


def test_a_worker_dies_while_the_server_is_away(fleet: Callable[..., Fleet], postgres: PostgresServer) -> None:
    ours = fleet(epoch_seconds=1.0)
    ours.start()
    ours.wait_trained(12)
    postgres.stop("immediate")
    before = len(ours.trained.read_text().splitlines())
    ours.wait_trained(before + 8)  # what they trained meanwhile lies on disk
    ours.random.choice(ours.workers).kill()
    postgres.start()
    ours.wait_done()
    ours.prove(kills=1)


def test_connections_are_cut_again_and_again(fleet: Callable[..., Fleet], postgres: PostgresServer) -> None:
    ours = fleet(epoch_seconds=0.1)
    ours.start()
    ours.wait_trained(10)
    cut = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid() AND datname LIKE 't_%'"
    with _again_and_again(lambda: postgres.execute(cut), ours.random.uniform(0.05, 0.4)):
        ours.wait_trained(150)
    ours.wait_done()
    ours.prove()


def test_a_backend_freezes(fleet: Callable[..., Fleet], postgres: PostgresServer) -> None:
    ours = fleet(trials=24, epoch_seconds=3, lease_seconds=60)
    ours.start()
    ours.wait_trained(8)
    backends = postgres.execute("SELECT pid FROM pg_stat_activity WHERE datname LIKE 't_%' AND pid <> pg_backend_pid()")
    (frozen,) = ours.random.choice(backends)
    os.kill(frozen, signal.SIGSTOP)
    try:
        ours.wait_trained(8 + 8 * 10, 120)  # for longer than a client waits for an answer
    finally:
        os.kill(frozen, signal.SIGCONT)
    ours.wait_done()
    ours.prove()


def test_somebody_holds_a_lock(fleet: Callable[..., Fleet], postgres: PostgresServer) -> None:
    ours = fleet(trials=16, epoch_seconds=3, lease_seconds=20)
    ours.start()
    ours.wait_trained(8)
    database = ours.url.partition("@/")[2].partition("?")[0]
    with psycopg.connect(host=str(postgres.folder), user="postgres", dbname=database) as connection:
        connection.execute("SELECT * FROM studies FOR UPDATE")
        connection.execute("SELECT * FROM trials FOR UPDATE")
        ours.wait_trained(8 + 8 * 4)  # for longer than a statement waits for a lock
    ours.wait_done()
    ours.prove()


@contextmanager
def _again_and_again(act: Callable[[], object], seconds: float) -> Iterator[None]:
    over = threading.Event()

    def work() -> None:
        while not over.wait(seconds):
            act()

    thread = threading.Thread(target=work)
    thread.start()
    yield
    over.set()
    thread.join()
