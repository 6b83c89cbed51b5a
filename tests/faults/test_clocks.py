"""Workers whose clocks and time zones are wrong: only the database's clock counts."""

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from faults.fleet_under_fire import HERE, Fleet

DAY = 86400


@pytest.fixture
def wrong_clock(tmp_path: Path) -> dict[str, str]:
    """The environment in which a process's clock is wrong by what the file WRONG_CLOCK says, in seconds."""
    compiler = shutil.which("cc")
    if compiler is None:
        pytest.skip("no C compiler here to build the wrong clock: apt-get install gcc libc6-dev")
    library = tmp_path / "wrong_clock.so"
    subprocess.run([compiler, "-shared", "-fPIC", "-O1", "-o", library, HERE / "wrong_clock.c"], check=True)
    return {"LD_PRELOAD": str(library)}


def test_other_zones_change_nothing(fleet: Callable[..., Fleet]) -> None:
    ours = fleet()
    for zone in ("Pacific/Kiritimati", "Pacific/Pago_Pago", "Asia/Kathmandu", "UTC"):
        ours.start(2, TZ=zone)
    ours.wait_done()
    ours.prove()


def test_clocks_that_are_wrong_or_set_anew_change_nothing(
    fleet: Callable[..., Fleet], wrong_clock: dict[str, str], tmp_path: Path
) -> None:
    ours = fleet(epoch_seconds=0.2)
    clocks = [tmp_path / f"clock-{i}" for i in range(3)]
    for clock, seconds in zip(clocks, (-400 * DAY, 40 * DAY, 0), strict=True):
        clock.write_text(str(seconds))
        ours.start(2, **wrong_clock, WRONG_CLOCK=str(clock))
    ours.start(2)
    for seconds in (-3 * DAY, 3 * DAY, 3600):
        ours.wait_trained(len(ours.trained.read_text().splitlines()) + 30)
        clocks[-1].write_text(str(seconds))
    ours.wait_done()
    ours.prove()
    trained = [float(line.split()[2]) for line in ours.trained.read_text().splitlines()]
    assert max(trained) - min(trained) > 400 * DAY, "the workers did go by other clocks"


REAPS = """
import pathlib, sys, time
from optuna.study import StudyDirection
from winnow import storage
from winnow.storage import claims, endings

url, clock = sys.argv[1:]
opened = storage.open(url)
lease = claims.claim(opened.database, opened.create_new_study([StudyDirection.MAXIMIZE]), "w", seconds=2)
reap = lambda: endings.reap(opened.database, lease.study_id, 0.5)
assert reap() == []
time.sleep(0.6)  # what has to pass of the contact
assert reap() == [] and opened.database.contact.seconds > 0.5
pathlib.Path(clock).write_text(str(8 * 3600))
assert reap() == [], "its owner has had no time to renew it"
while not (found := reap()):
    time.sleep(0.05)
assert found == [0] and opened.database.contact.seconds > 0.5, "its owner has had that time"
"""


def test_a_machine_that_slept_takes_no_trial_from_its_owner(wrong_clock: dict[str, str], tmp_path: Path) -> None:
    """An SQLite file has its machine's clock, which is ahead by hours when a laptop wakes up."""
    clock = tmp_path / "clock"
    environment = {**os.environ, **wrong_clock, "WRONG_CLOCK": str(clock), "PYTHONPATH": str(HERE.parents[1])}
    arguments = [f"sqlite:///{tmp_path}/winnow.db", str(clock)]
    done = subprocess.run([sys.executable, "-c", REAPS, *arguments], env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
