"""`--slots auto` on real processes: workers are added to the CPU while the machine gets more done with them."""

from typing import Any

import pytest

from integration.winnow import Place

OBJECTIVE = """
import glob, os, time

def side_by_side(trial):
    for epoch in range(1, 5):
        time.sleep(0.25)  # stands for training that leaves room for others
        trial.report(0.5, epoch)
    return trial.suggest_float("x", 0.0, 1.0)

def in_each_others_way(trial):
    mine = f"training-{os.getpid()}"
    open(mine, "w").close()
    for epoch in range(1, 5):
        others = len(glob.glob("training-*")) - 1
        time.sleep(0.15 + 0.45 * others)  # stands for training on a device that one trial keeps busy
        trial.report(0.5, epoch)
    os.remove(mine)
    return trial.suggest_float("x", 0.0, 1.0)
"""


def run(place: Place, function: str, trials: int) -> list[dict[str, Any]]:
    """The records of a study's trials, in the order in which they began."""
    (place.folder / "packed.py").write_text(OBJECTIVE)
    (place.folder / "s.toml").write_text(
        f'name = "s"\nobjective = "packed:{function}"\n[pruner]\nname = "none"\n[budget]\ntrials = {trials}\n'
    )
    done = place.run("--debug", "run", "s.toml", "--devices", "cpu", "--slots", "auto", "--workers", "2", seconds=250)
    assert done.returncode == 0, done.stderr
    assert "1 worker (1 on cpu; 1 thread each), and more while they fit and speed up the search" in done.stderr
    assert place.states() == ["COMPLETE"] * trials
    return [trial.user_attrs["winnow:run"] for trial in place.study().trials]


def test_workers_that_pay_stay(place: Place) -> None:
    runs = run(place, "side_by_side", 14)
    assert len({run["worker"] for run in runs[:3]}) == 1
    assert len({run["worker"] for run in runs}) == 2
    assert len({run["worker"] for run in runs[-3:]}) == 2


@pytest.mark.timeout(300)
def test_a_worker_that_does_not_pay_leaves(place: Place) -> None:
    runs = run(place, "in_each_others_way", 24)
    assert len({run["worker"] for run in runs}) == 2, "a second one was tried"
    assert len({run["worker"] for run in runs[-3:]}) == 1
