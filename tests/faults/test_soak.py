"""Random faults, one after another, for as long as WINNOW_SOAK_MINUTES says (`make soak`: thirty)."""

import itertools
import os
import signal
import time
from collections.abc import Callable

import pytest

from faults.fleet_under_fire import WORKERS, Fleet
from storage_servers import PostgresServer

MINUTES = float(os.environ.get("WINNOW_SOAK_MINUTES", "0"))


@pytest.mark.skipif(not MINUTES, reason="WINNOW_SOAK_MINUTES says for how long: make soak")
@pytest.mark.timeout(60 * MINUTES + 600)
def test_random_faults(fleet: Callable[..., Fleet], postgres: PostgresServer) -> None:
    ours = fleet(trials=max(50, int(40 * MINUTES)), epoch_seconds=0.5)
    ours.start()
    ours.wait_trained(10)

    def pause() -> None:
        ours.wait_trained(len(ours.trained.read_text().splitlines()) + ours.random.randrange(5, 40), 120)

    def kill() -> None:
        ours.random.choice(ours.alive()).kill()

    def preempt() -> None:
        ours.random.choice(ours.alive()).send_signal(signal.SIGTERM)

    def freeze() -> None:
        worker = ours.random.choice(ours.alive())
        worker.send_signal(signal.SIGSTOP)
        pause()
        worker.send_signal(signal.SIGCONT)

    def restart() -> None:
        postgres.stop(ours.random.choice(["fast", "immediate"]))
        time.sleep(next(outages))  # how long it is away, whatever the workers do
        postgres.start()

    def cut() -> None:
        postgres.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname LIKE 't_%'")

    outages = itertools.cycle([5, 60, 1, 300, 20])
    faults = [kill, preempt, freeze, restart, cut]
    end = time.monotonic() + 60 * MINUTES
    while time.monotonic() < end and ours.remaining() > 2 * WORKERS:
        ours.wait_trained(0)  # one that is frozen before it has begun would be waited for in vain
        fault = ours.random.choice(faults)
        print(fault.__name__, flush=True)
        fault()
        pause()
        ours.start(WORKERS - len(ours.alive()))
    # A worker that begins while there is no database refuses to, with 2: whoever keeps a fleet starts it again. One
    # that is told to leave before it has begun to listen is ended by the signal.
    ours.wait_done(600, (0, 2, 128 + signal.SIGTERM, -signal.SIGTERM, -signal.SIGKILL))
    ours.prove(kills=1)
