"""What `winnow status` says, on wide terminals and narrow ones; and its estimates on a study of known times."""

import io
import os
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import pytest
from rich.console import Console

from winnow import storage
from winnow.records import Budget, Epoch, Outcome
from winnow.search.analysis.status import Best, Status, seconds_left
from winnow.search.analysis.study_view import StudyView
from winnow.search.report.terminal import status_screen
from winnow.search.report.terminal.progress import Progress
from winnow.search.study import study as studies
from winnow.search.study.validation import check
from winnow.storage import claims, endings, epochs, workers
from winnow.storage.activity import State
from winnow.storage.budget import Spent
from winnow.storage.workers import GivenUp, Worker

WORKERS = [
    Worker("a", "gpu-node-01.cluster.example.org", 411, "cuda:0", "training", 14, 7, 0.91237, 1.2),
    Worker("b", "gpu-node-01.cluster.example.org", 412, "cuda:1", "training", 15, None, None, 0.4),
    Worker("c", "laptop", 99, "cpu", "idle", None, None, None, 95.0),
]
NOW = Status(
    study="digits",
    direction="maximize",
    states={"COMPLETE": 9, "PRUNED": 3, "FAIL": 2, "RUNNING": 2},
    best=Best(7, 0.98765, {}),
    baseline=0.95,
    spent=Spent(16, 4000.0, 7200.0, Budget(trials=40, device_hours=10.0)),
    workers=WORKERS,
    failures={"RuntimeError: the disk is on fire": 2},
    stopped="",
    tracebacks={},
    saved_training_seconds=1800.0,
    seconds_left=5400.0,
)


def shown(width: int, now: Status = NOW) -> str:
    console = Console(file=io.StringIO(), width=width)
    console.print(status_screen.status(now))
    return console.file.getvalue()  # type: ignore[attr-defined]


def test_it_says_what_a_person_asks_for() -> None:
    told = shown(120)
    assert "digits: 9 completed, 2 failed, 3 pruned, 2 running" in told
    assert "best 0.9877 (trial 7), baseline 0.9500" in told
    assert "2 h 0 min of device time spent, 30 min 0 s of training time saved by pruning, 8 h 0 min left" in told
    assert "done in about 1 h 30 min" in told
    assert "2 failed: RuntimeError: the disk is on fire" in told
    row = next(line for line in told.splitlines() if "cuda:0" in line)
    host, *rest = row.split()
    assert (host[:22], host[-1]) == ("gpu-node-01.cluster.ex", "…"), "Rich cuts it to the column"
    assert rest == ["cuda:0", "training", "14", "7", "0.9124", "1.2", "s"]


@pytest.mark.parametrize("width", [120, 60])
def test_every_worker_is_one_line_however_narrow_the_terminal(width: int) -> None:
    lines = shown(width).splitlines()
    assert max(map(len, lines)) <= width
    table = lines[next(i for i, line in enumerate(lines) if line.startswith("host")) + 1 :]
    for row, (device, age) in zip(
        table, [("cuda:0", "1.2 s"), ("cuda:1", "0.4 s"), ("cpu", "1 min 35 s")], strict=False
    ):
        assert device in row
        assert row.endswith(age)


def test_what_a_narrow_terminal_has_no_room_for_is_left_out_whole() -> None:
    told = shown(40)
    assert "…" not in told
    assert "host" not in told
    row = next(line.split() for line in told.splitlines() if "cuda:0" in line)
    assert row == ["cuda:0", "14", "7", "0.9124", "1.2", "s"]


def test_a_study_of_which_every_trial_failed_asks_for_a_mended_one() -> None:
    asked = "every trial failed: fix that and run it again"
    assert asked in shown(120, replace(NOW, states={"FAIL": 2, "WAITING": 1}, workers=[]))
    assert asked not in shown(120, replace(NOW, workers=[]))
    assert asked not in shown(120, replace(NOW, states={"RUNNING": 2}))


def test_a_place_that_was_given_up_is_named_with_its_reason() -> None:
    lost = Status(**{**vars(NOW), "given_up": [GivenUp("node-2", "cuda:3", "no kernel image for this GPU", 125.0)]})
    assert "cuda:3 of node-2 was given up 2 min 5 s ago: no kernel image for this GPU" in shown(120, lost)


def test_a_paused_study_says_how_it_goes_on() -> None:
    paused = Status(**{**vars(NOW), "spent": Spent(16, 1.0, 1.0, Budget(trials=40), State.PAUSED)})
    assert "paused by hand: winnow resume digits goes on" in shown(120, paused)


def test_a_time_limit_is_said_as_one_until_there_is_a_forecast() -> None:
    begun = Spent(2, 6.0, 12.0, Budget(trials=40, hours=1 / 6))
    at_work = [replace(worker, age=1.0) for worker in WORKERS[:2]]
    assert seconds_left(begun, {"RUNNING": 2}, at_work, []) is None
    assert "at most 9 min 54 s more" in shown(120, replace(NOW, spent=begun, seconds_left=None))
    assert seconds_left(begun, {"RUNNING": 2, "COMPLETE": 8}, at_work, [4.0]) == (40 - 8 - 1) * 4.0 / 2
    assert seconds_left(begun, {"RUNNING": 8, "COMPLETE": 8}, at_work, [4.0]) == (40 - 8 - 4) * 4.0 / 8, "in stacks"
    only_hours = replace(begun, budget=Budget(hours=1 / 6))
    assert seconds_left(only_hours, {"RUNNING": 2}, at_work, []) == pytest.approx(594.0)
    epochs_alone = replace(begun, budget=Budget(epochs=50), epochs=20)
    assert seconds_left(epochs_alone, {"RUNNING": 2}, at_work, [4.0]) == 30 * 12.0 / 20 / 2


def test_estimates_come_from_the_trials_that_ended(tmp_path: Path) -> None:
    opened = storage.open(f"sqlite:///{tmp_path}/s.db")
    spec = check(
        {
            "name": "s",
            "data": {"name": "digits"},
            "search": {"lr": {"low": 0.001, "high": 0.1}},
            "budget": {"trials": 10, "device_hours": 1.0},
        },
        "s.toml",
    )
    study = studies.create(opened, spec)
    for outcome, lasts, seconds in (
        (Outcome.COMPLETE, 4, 40.0),
        (Outcome.COMPLETE, 4, 40.0),
        (Outcome.PRUNED, 1, 10.0),
    ):
        lease = claims.claim(opened.database, study.study_id, "w")
        assert lease is not None
        for epoch in range(1, lasts + 1):
            epochs.record(opened.database, lease, Epoch(epoch, 0.5))
        endings.finish(opened.database, lease, outcome, 0.5, {"winnow:run": {"device_seconds": seconds}})
    view = StudyView.of(study)
    alone = view.status()
    assert alone.saved_training_seconds == pytest.approx(30.0), "three epochs of ten seconds"
    assert alone.device_seconds_left == pytest.approx(3600.0, abs=60.0)
    assert alone.seconds_left is None, "nobody is at work"
    for name in ("one", "two"):
        workers.register(opened.database, study.study_id, name, "host", 1, "cpu")
    ahead = view.status()
    assert ahead.seconds_left == pytest.approx(7 * 30.0 / 2), "seven trials of thirty seconds by two workers"
    opened.database.release()


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="no disk here that is always full")
def test_a_full_disk_under_the_progress_ends_no_search() -> None:
    shows: list[str] = []
    with suppress(OSError), Path("/dev/full").open("w") as full:  # what it still holds when it is closed
        Progress(Console(file=full)).show(NOW)
        shows.append("went on")
    assert shows
