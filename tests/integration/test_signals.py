"""Killed at any moment, a command leaves no process behind; told to leave, it hands its trials back."""

import fcntl
import os
import pty
import signal
import subprocess
import sys
import termios
import threading
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import psutil
import pytest
from sqlalchemy import select

from integration.winnow import Place, wait_for
from winnow.storage.tables import attempts

SLOW = "[fixed]\nepochs = 100\nepoch_seconds = 0.2\n[pruner]\nname = 'none'\n"
LEASE: dict[str, Any] = {"WINNOW_WORK_LEASE_SECONDS": "2"}
FAMILY = """
import multiprocessing, os, subprocess, time

def search(trial):
    if not os.path.exists("family"):
        sleeper = subprocess.Popen(["sleep", "600"])
        loader = multiprocessing.get_context("fork").Process(target=time.sleep, args=(600,))
        loader.start()
        with open("family.new", "w") as file:
            file.write(f"{os.getpid()} {sleeper.pid} {loader.pid}")
        os.rename("family.new", "family")
        time.sleep(600)
    return trial.suggest_float("x", 0.0, 1.0)
"""
REPEATABLE = """
import os, time

def fit(trial, x, seed=0):
    for epoch in range(1, 31):
        time.sleep(0.2 * os.path.exists("slowly"))  # stands for training
        trial.report(x, epoch)
    return 1 - abs(x - 0.5) + trial.number / 1000
"""
SEARCH = """
name = "s"
objective = "again:fit"
search = { x = { low = 0.0, high = 1.0 } }
baseline = { x = 0.1 }
pruner = { name = "none" }
budget = { trials = 3 }
"""


@pytest.mark.parametrize("processes", [2, 3, 4, 5, 7])
def test_a_run_that_is_killed_while_its_workers_start_leaves_nobody(place: Place, processes: int) -> None:
    search = place.start("run", place.spec(trials=4, more=SLOW), "--devices", "cpu", "--workers", "2")
    wait_for(lambda: len(list(_processes(place))) >= processes)
    search.kill()
    search.communicate()
    wait_for(lambda: not list(_processes(place)))
    if (place.folder / "winnow.db").exists():  # else it was still looking at the objective
        assert set(place.states()) <= {"WAITING"}


def test_a_worker_that_is_killed_takes_its_trainer_and_all_that_it_started_along(place: Place) -> None:
    spec = place.spec(trials=2)
    (place.folder / "mine.py").write_text(FAMILY)
    assert place.run("create", spec).returncode == 0
    worker = place.start("work", "s", **LEASE)
    wait_for((place.folder / "family").exists)
    family = [int(each) for each in (place.folder / "family").read_text().split()]
    assert all(psutil.pid_exists(each) for each in family)
    worker.kill()
    worker.communicate()
    wait_for(lambda: not list(_processes(place)))
    wait_for(lambda: not any(psutil.pid_exists(each) for each in family))
    assert place.run("work", "s", **LEASE).returncode == 0
    assert place.states() == ["COMPLETE", "COMPLETE"]
    lost = "worker killed" if sys.platform == "linux" else "lease expired"
    assert sorted(_outcomes(place)) == ["complete", "complete", lost]


@pytest.mark.parametrize("sent", [signal.SIGHUP, signal.SIGTERM, signal.SIGINT])
def test_a_worker_that_is_told_to_leave_keeps_its_epochs(place: Place, sent: signal.Signals) -> None:
    assert place.run("create", place.spec(trials=1, more=SLOW)).returncode == 0
    worker = place.start("work", "s")
    wait_for(lambda: _trials_under_way(place) == 1)
    worker.send_signal(sent)
    _, errors = worker.communicate()
    assert worker.returncode == 0, errors
    assert place.states() == ["WAITING"]
    assert _outcomes(place) == ["preempted"], "no crash"
    assert not list(_processes(place))


@pytest.mark.parametrize("sent", [signal.SIGHUP, signal.SIGTERM, signal.SIGINT])
def test_a_run_and_its_workers_may_all_get_the_signal(place: Place, sent: signal.Signals) -> None:
    search = place.start("run", place.spec(trials=4, more=SLOW), "--devices", "cpu", "--workers", "2")
    wait_for(lambda: _trials_under_way(place) == 2)
    os.killpg(search.pid, sent)
    _, errors = search.communicate()
    assert search.returncode == 128 + sent, errors
    _assert_handed_back(place)


def test_a_terminal_that_is_closed_costs_no_epoch(place: Place) -> None:
    ours, theirs = pty.openpty()
    command = ["run", place.spec(trials=4, more=SLOW), "--devices", "cpu", "--workers", "2"]
    search = subprocess.Popen(
        [sys.executable, "-m", "winnow", *command],
        cwd=place.folder,
        env=place.environment({"TERM": "xterm"}),
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        start_new_session=True,
        preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),
    )
    place.started.append(search)
    os.close(theirs)
    threading.Thread(target=_drain, args=(ours,), daemon=True).start()
    wait_for(lambda: _trials_under_way(place) == 2)
    os.close(ours)  # the kernel sends SIGHUP, and whoever writes there fails from now on
    search.wait()
    _assert_handed_back(place)


@pytest.mark.parametrize("sent", [signal.SIGTERM, signal.SIGHUP, signal.SIGINT])
def test_a_run_that_is_told_to_leave_before_it_has_workers_says_so_by_its_status(
    place: Place, sent: signal.Signals
) -> None:
    (place.folder / "sitecustomize.py").write_text(
        "import sys\n"
        "class Watch:\n"
        "    def find_spec(self, name, path=None, target=None):\n"
        "        if name == 'winnow.search.launch.fleet':\n"
        f"            import os; open('here', 'w').close(); os.kill(os.getpid(), {int(sent)})\n"
        "sys.meta_path.insert(0, Watch())\n"
    )
    search = place.start("run", place.spec(trials=2), "--workers", "1", PYTHONPATH=str(place.folder))
    _, errors = search.communicate()
    assert search.returncode == 128 + sent, errors
    assert "Traceback" not in errors
    assert (place.folder / "here").exists()
    assert not list(_processes(place))


@pytest.mark.parametrize(
    "module", ["click", "winnow.search.cli.run", "optuna", "sqlalchemy", "winnow.search.api.study"]
)
@pytest.mark.parametrize(
    "command",
    [["-m", "winnow"], ["-c", "from winnow.__main__ import main; main()"]],
    ids=["as a module", "as a script"],
)
def test_an_impatient_ctrl_c_ends_a_command_without_a_word(place: Place, command: list[str], module: str) -> None:
    (place.folder / "sitecustomize.py").write_text(
        "import sys\n"
        "class Watch:\n"
        "    def find_spec(self, name, path=None, target=None):\n"
        f"        if name == {module!r}:\n"
        f"            import os; os.kill(os.getpid(), {int(signal.SIGINT)})\n"
        "sys.meta_path.insert(0, Watch())\n"
    )
    environment = place.environment({"PYTHONPATH": str(place.folder)})
    started = [sys.executable, *command, "run", place.spec(trials=2)]
    asked = subprocess.run(started, cwd=place.folder, env=environment, capture_output=True, text=True)
    assert (asked.returncode, asked.stdout, asked.stderr) == (130, "", "")


@pytest.mark.parametrize(
    ("command", "analysis"),
    [("confirm s --top 1 --seeds 2", "s-confirm"), ("ablate s --looks 1", "s-ablation-0-1")],
)
def test_an_analysis_that_is_interrupted_says_so_and_goes_on_where_it_was(
    place: Place, command: str, analysis: str
) -> None:
    (place.folder / "again.py").write_text(REPEATABLE)
    (place.folder / "s.toml").write_text(SEARCH)
    assert place.run("run", "s.toml", "--workers", "2").returncode == 0
    (place.folder / "slowly").touch()
    asked = place.start(*command.split(), "--workers", "2")
    wait_for(lambda: _trials_under_way(place, analysis) == 2)
    os.killpg(asked.pid, signal.SIGINT)
    out, errors = asked.communicate()
    assert asked.returncode == 130, errors
    assert "Traceback" not in out + errors
    assert "Stopped: 0 trials finished, 2 to be continued. Run the same command to continue." in out + errors
    assert _trials_under_way(place, analysis) == 2, "and both are kept"
    assert not list(_processes(place))
    (place.folder / "slowly").unlink()
    done = place.run(*command.split(), "--workers", "2")
    assert done.returncode == 0, done.stderr
    assert place.states(analysis) == ["COMPLETE"] * len(place.states(analysis))
    assert [each for each in _outcomes(place) if each != "complete"] == ["preempted"] * 2


def _assert_handed_back(place: Place) -> None:
    wait_for(lambda: not list(_processes(place)))
    assert place.states() == ["WAITING"] * 2
    assert _outcomes(place) == ["preempted"] * 2, "no crash"
    assert _trials_under_way(place) == 2


def _drain(terminal: int) -> None:
    """Read what is shown, as a terminal does."""
    with suppress(OSError):
        while os.read(terminal, 65536):
            pass


def _processes(place: Place) -> Iterator[psutil.Process]:
    """Yield every process that was started in the place, by whomever."""
    for process in psutil.process_iter():
        with suppress(psutil.Error):
            if process.environ().get("TMPDIR") == str(place.folder) and process.status() != psutil.STATUS_ZOMBIE:
                yield process


def _outcomes(place: Place) -> list[str]:
    return list(place.storage().database.scalars(select(attempts.c.outcome).order_by(attempts.c.ended_at)))


def _trials_under_way(place: Place, study: str = "s") -> int:
    """Count the trials that have reported two epochs."""
    if not (place.folder / "winnow.db").exists():
        return 0
    try:
        return sum(len(trial.intermediate_values) >= 2 for trial in place.study(study).trials)
    except KeyError:
        return 0
