"""The same faults where trials pause at rungs and go on: by whomever, each goes on from where it was paused."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from faults import test_database, test_workers
from faults.fleet_under_fire import Fleet, wait_for
from storage_servers import PostgresServer
from winnow.storage.activity import State, set_state

test_nothing_goes_wrong = test_workers.test_nothing_goes_wrong
test_a_worker_is_killed = test_workers.test_a_worker_is_killed
test_a_trainer_is_killed = test_workers.test_a_trainer_is_killed
test_all_workers_are_killed = test_workers.test_all_workers_are_killed
test_a_stopped_worker = test_workers.test_a_stopped_worker_loses_its_trial_and_takes_the_next
test_preempted_workers_hand_their_trials_back = test_workers.test_preempted_workers_hand_their_trials_back
test_the_server_restarts = test_database.test_the_server_restarts
ASHA = {"name": "asha_promotion", "min_resource": 1, "max_resource": 6, "reduction_factor": 2}
RUNGS = (1, 2, 4)
HYPERBAND = {"name": "hyperband_synchronous", "min_resource": 1, "max_resource": 6, "reduction_factor": 2}


@pytest.fixture
def fleet(tmp_path: Path, postgres_url: str) -> Iterator[Callable[..., Fleet]]:
    """Make a fleet whose trials pause at rungs."""
    made: list[Fleet] = []

    def make(trials: int = 120, **options: Any) -> Fleet:
        made.append(Fleet(tmp_path, postgres_url, trials=trials, **{"pruner": ASHA, **options}))
        return made[-1]

    yield make
    for each in made:
        each.end()


def test_a_worker_dies_while_the_server_is_away(fleet: Callable[..., Fleet], postgres: PostgresServer) -> None:
    """Who cannot say that a trial pauses trains on."""
    ours = fleet(trials=30, epoch_seconds=1.0)
    ours.start()
    ours.wait_trained(12)
    postgres.stop("immediate")
    before = len(ours.trained.read_text().splitlines())

    def trains_on() -> bool:
        since = [line.split()[:2] for line in ours.trained.read_text().splitlines()[before:]]
        return any(
            [number, str(rung)] in since and [number, str(rung + 1)] in since for number, _ in since for rung in RUNGS
        )

    wait_for(trains_on, 180, "a trial that trains on where it would have paused")
    ours.random.choice(ours.workers).kill()
    postgres.start()
    ours.wait_done()
    ours.prove(kills=1)


def test_connections_are_cut_again_and_again(fleet: Callable[..., Fleet], postgres: PostgresServer) -> None:
    ours = fleet()
    ours.start()
    cut = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid() AND datname LIKE 't_%'"
    for trained in range(10, 200, 10):
        ours.wait_trained(trained)
        postgres.execute(cut)
    ours.wait_done()
    ours.prove()


def test_brackets_survive_killed_workers(fleet: Callable[..., Fleet]) -> None:
    ours = fleet(epoch_seconds=0.2, pruner=HYPERBAND)
    ours.start()
    for trained in (30, 60, 90):
        ours.wait_trained(trained)
        ours.random.choice(ours.alive()).kill()
    ours.wait_done()
    ours.prove(kills=3)


def test_a_study_is_paused_resumed_stopped_and_begun_again(fleet: Callable[..., Fleet]) -> None:
    ours = fleet(epoch_seconds=0.2)
    ours.start()
    ours.wait_trained(40)
    database, study_id = ours.storage.database, ours.study.study_id
    set_state(database, study_id, State.PAUSED)
    wait_for(lambda: not ours.training(), 30, "workers that wait")
    assert not any(trial.state.name == "RUNNING" for trial in ours.study.optuna.trials)
    set_state(database, study_id, State.ACTIVE)
    ours.wait_trained(len(ours.trained.read_text().splitlines()) + 20)
    set_state(database, study_id, State.STOPPED)
    ours.wait_done()
    assert any(trial.state.name == "WAITING" for trial in ours.study.optuna.trials)
    set_state(database, study_id, State.ACTIVE)
    ours.start(4)
    ours.wait_done()
    ours.prove(kills=16)
