"""Workers that are killed, stopped and starved."""

import os
import signal
from collections.abc import Callable
from contextlib import suppress

import psutil
import psycopg

from faults.fleet_under_fire import EPOCHS, LEASE_SECONDS, Fleet, wait_for
from storage_servers import PostgresServer


def test_nothing_goes_wrong(fleet: Callable[..., Fleet]) -> None:
    ours = fleet()
    ours.start()
    ours.wait_done()
    ours.prove()


def test_a_worker_is_killed(fleet: Callable[..., Fleet]) -> None:
    ours = fleet(epoch_seconds=0.2)
    ours.start()
    ours.wait_trained(ours.random.randrange(20, 100))
    ours.random.choice(ours.workers).kill()
    ours.wait_done()
    ours.prove(kills=1)


def test_the_last_trial_of_a_killed_worker_is_taken_by_one_that_waits(fleet: Callable[..., Fleet]) -> None:
    ours = fleet(trials=1, epoch_seconds=1)
    ours.start(2)
    wait_for(lambda: len(ours.training()) == 1, 30, "a worker at work")
    (at_work,) = ours.training()
    os.kill(at_work, signal.SIGKILL)
    ours.wait_done(60)
    ours.prove(kills=1)


def test_a_trainer_is_killed(fleet: Callable[..., Fleet]) -> None:
    ours = fleet(epoch_seconds=0.2)
    ours.start()
    ours.wait_trained(ours.random.randrange(20, 100))
    for trainer in psutil.Process(ours.random.choice(ours.workers).pid).children():
        with suppress(psutil.NoSuchProcess):  # the shell that guards it may have ended with it
            trainer.kill()
    ours.wait_done()
    ours.prove(kills=1)


def test_all_workers_are_killed(fleet: Callable[..., Fleet]) -> None:
    ours = fleet(epoch_seconds=0.2)
    ours.start()
    ours.wait_trained(ours.random.randrange(20, 100))
    for worker in ours.workers:
        worker.kill()
        worker.wait()
    ours.start(2)
    ours.wait_done()
    ours.prove(kills=8)


def test_on_the_machine_of_dead_workers_nobody_waits_for_their_leases(fleet: Callable[..., Fleet]) -> None:
    ours = fleet(epoch_seconds=0.2, lease_seconds=3600)
    ours.start(TMPDIR=str(ours.folder))
    ours.wait_trained(ours.random.randrange(20, 100))
    for worker in ours.workers:
        worker.kill()
        worker.wait()
    ours.start(2, TMPDIR=str(ours.folder))
    ours.wait_done()
    ours.prove(kills=8)


def test_a_stopped_worker_loses_its_trial_and_takes_the_next(fleet: Callable[..., Fleet]) -> None:
    ours = fleet(epoch_seconds=0.3)
    ours.start()
    ours.wait_trained(20)
    stopped = ours.freeze_one()
    before = len(ours.trained.read_text().splitlines())
    ours.wait_trained(before + int(WORKERS_EPOCHS_A_SECOND * 3 * LEASE_SECONDS))
    os.kill(stopped.pid, signal.SIGCONT)
    ours.wait_done()
    ours.prove(kills=1)
    assert "no longer belongs to this worker" in ours.log(ours.workers.index(stopped))


WORKERS_EPOCHS_A_SECOND = 7 / 0.3


def test_a_worker_stopped_in_the_middle_of_a_report_trains_no_further(
    fleet: Callable[..., Fleet], postgres: PostgresServer
) -> None:
    ours = fleet(trials=2, epoch_seconds=1)
    ours.start(1)
    ours.wait_trained(2)
    (stopped,) = ours.workers
    database = ours.url.partition("@/")[2].partition("?")[0]
    blocked = "SELECT pid FROM pg_stat_activity WHERE datname = %s AND wait_event_type = 'Lock'"
    with psycopg.connect(host=str(postgres.folder), user="postgres", dbname=database, autocommit=True) as connection:
        with connection.transaction():
            connection.execute("SELECT * FROM trials FOR UPDATE")
            connection.execute("SELECT * FROM winnow_attempts FOR UPDATE")
            wait_for(lambda: connection.execute(blocked, [database]).fetchone() is not None, 20, "a blocked report")
            os.kill(stopped.pid, signal.SIGSTOP)
            for (backend,) in connection.execute(blocked, [database]).fetchall():
                connection.execute("SELECT pg_terminate_backend(%s)", [backend])
        ours.start(1)
        taken = "SELECT 1 FROM winnow_attempts WHERE token > 1"
        wait_for(lambda: connection.execute(taken).fetchone() is not None, 60, "a second attempt")
    os.kill(stopped.pid, signal.SIGCONT)
    ours.wait_done()
    ours.prove(kills=1)
    assert "no longer belongs to this worker" in ours.log(0)


def test_preempted_workers_hand_their_trials_back(fleet: Callable[..., Fleet]) -> None:
    ours = fleet(epoch_seconds=0.2)
    ours.start()
    ours.wait_trained(40)
    for worker in ours.workers:
        worker.send_signal(ours.random.choice([signal.SIGTERM, signal.SIGINT]))
    for worker in ours.workers:
        assert worker.wait(10) == 0
    assert not any(trial.state.name == "RUNNING" for trial in ours.study.optuna.trials)
    ours.start(4)
    ours.wait_done()
    ours.prove(kills=8)


def test_a_hung_trainer_is_killed_with_all_that_it_started(fleet: Callable[..., Fleet]) -> None:
    ours = fleet(function="hang", trials=1)
    ours.start(1, WINNOW_WORK_PROGRESS_MINUTES="0.05")
    ours.wait_done(60)
    (trial,) = ours.study.optuna.trials
    assert trial.state.name == "FAIL"
    assert "gave no sign" in trial.user_attrs["winnow:reason"]
    trainer = int(ours.trained.read_text().split()[1])
    wait_for(lambda: not psutil.pid_exists(trainer), 5, "the trainer's end")
    assert EPOCHS
