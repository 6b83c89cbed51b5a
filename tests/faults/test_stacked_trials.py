"""Workers of eight trials at a time, killed, stopped, asked to leave, or without their database for a while.

Each trial goes on by itself, as one alone.
"""

import os
import re
import signal
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from faults.fleet_under_fire import STACKED, Fleet, filled, wait_for
from storage_servers import PostgresServer
from winnow.objectives.data.catalog import DataSpec
from winnow.objectives.data.loading import load
from winnow.objectives.hyperparameters import make_config
from winnow.objectives.training import train
from winnow.records import CONFIG, RUN
from winnow.storage import epochs

STACK = 8


def holding(fleet: Fleet, least: int) -> int:
    """Wait until a worker that lives has so many trials under way; returns its process."""
    alive = {worker.pid for worker in fleet.alive()}
    found: list[int] = []

    def look() -> bool:
        found[:] = [pid for pid, held in fleet.under_way().items() if pid in alive and len(held) >= least]
        return bool(found)

    wait_for(look, 180, f"a worker with {least} trials under way")
    return found[0]


def train_on(fleet: Fleet) -> None:
    """Wait until trials of the first worker train on though they cannot be reported."""
    wait_for(
        lambda: len(set(re.findall(r"trial (\d+) trains on", fleet.log(0)))) > 1, 180, "training without a database"
    )


def assert_as_alone(fleet: Fleet, least_attempts: int = 1) -> None:
    """A trial of so many attempts came to what its configuration comes to in one piece, with no other beside it."""
    torch.set_num_threads(1)
    trials = [trial for trial in fleet.study.optuna.trials if trial.state.name == "COMPLETE"]
    trial = next(trial for trial in trials if trial.user_attrs[RUN]["attempts"] >= least_attempts)
    data = load(DataSpec(**STACKED["data"]))
    alone = train(make_config(trial.user_attrs[CONFIG]), data, lambda *_: None)
    curve = epochs.read(fleet.storage.database, fleet.study.study_id)[trial.number]
    assert [epoch.value for epoch in curve] == [epoch.value for epoch in alone.epochs]
    for ours, theirs in zip(curve, alone.epochs, strict=True):
        assert ours.weight_norm == pytest.approx(theirs.weight_norm, rel=1e-6)


def test_a_worker_of_a_stack_is_killed_and_another_stopped(fleet: Callable[..., Fleet]) -> None:
    ours = fleet(trials=24, stack=STACK)
    ours.start(1)
    holding(ours, 4)
    ours.start(1)
    ours.workers[0].kill()
    ours.workers[0].wait()
    stopped = holding(ours, 4)
    os.kill(stopped, signal.SIGSTOP)
    lost = ours.under_way()[stopped]
    ours.start(1)
    wait_for(lambda: any(lost & held for pid, held in ours.under_way().items() if pid != stopped), 180, "a successor")
    os.kill(stopped, signal.SIGCONT)
    ours.wait_done()
    ours.prove(kills=2 * STACK)
    assert "no longer belongs to this worker" in ours.log(1)
    assert_as_alone(ours, least_attempts=2)


def test_a_stack_is_handed_back_by_a_worker_that_is_asked_to_leave(fleet: Callable[..., Fleet]) -> None:
    ours = fleet(trials=16, stack=STACK)
    ours.start(1)
    holding(ours, 4)
    (leaving,) = ours.workers
    leaving.send_signal(signal.SIGTERM)
    assert leaving.wait(60) == 0
    trials = ours.study.optuna.trials
    assert "RUNNING" not in {trial.state.name for trial in trials}
    assert sum(trial.state.name == "WAITING" and bool(trial.intermediate_values) for trial in trials) >= 2
    ours.start(1)
    ours.wait_done()
    ours.prove(kills=STACK)
    assert_as_alone(ours, least_attempts=2)


def test_the_server_is_away_from_a_stack(fleet: Callable[..., Fleet], postgres: PostgresServer) -> None:
    ours = fleet(trials=16, stack=STACK)
    ours.start(1)
    holding(ours, 4)
    postgres.stop("immediate")
    train_on(ours)
    postgres.start()
    ours.wait_done()
    ours.prove()
    assert_as_alone(ours)


def test_the_disk_of_a_stack_is_full(small_disk: Path, tmp_path: Path) -> None:
    ours = Fleet(tmp_path, f"sqlite:///{small_disk}/winnow.db", trials=16, stack=STACK, lease_seconds=30)
    try:
        ours.start(1)
        holding(ours, 4)
        filler = filled(small_disk)
        train_on(ours)
        filler.unlink()
        ours.wait_done()
        ours.prove()
        assert_as_alone(ours)
    finally:
        ours.end()
