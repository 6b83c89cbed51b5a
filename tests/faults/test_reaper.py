"""The last worker dies, and the reaper too, between its steps."""

import re
import signal
import subprocess
import sys
from collections.abc import Callable

from faults.fleet_under_fire import HERE, LEASE_SECONDS, Fleet


def _reap(ours: Fleet, *arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "winnow", "reap", "--lease-seconds", str(LEASE_SECONDS), *arguments],
        cwd=HERE,
        env=ours.environment,
        stdout=subprocess.PIPE,
        text=True,
    )


def test_the_server_brings_trials_back_when_no_worker_is_left(fleet: Callable[..., Fleet]) -> None:
    ours = fleet(epoch_seconds=0.5)
    ours.start()
    ours.wait_trained(16)
    for worker in ours.workers:
        worker.kill()
        worker.wait()
    held = {trial.number for trial in ours.study.optuna.trials if trial.state.name == "RUNNING"}
    said, _ = _reap(ours).communicate(timeout=60)
    requeued = re.fullmatch(r"Requeued trials: ([0-9, ]+)\.\n", said)
    assert requeued is not None, said
    assert {int(number) for number in requeued[1].split(", ")} == held
    assert {trial.number for trial in ours.study.optuna.trials if trial.state.name == "WAITING"} == held


def test_the_reaper_is_killed_at_its_work(fleet: Callable[..., Fleet]) -> None:
    ours = fleet(epoch_seconds=0.2)
    ours.start()
    for _ in range(3):
        reaper = _reap(ours, "--every", "1")
        ours.wait_trained(len(ours.trained.read_text().splitlines()) + ours.random.randrange(8, 24))
        reaper.send_signal(signal.SIGKILL)
        reaper.communicate()
    ours.wait_done()
    ours.prove()
