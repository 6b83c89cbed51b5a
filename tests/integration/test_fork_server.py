"""What a fork server forks is what a command would have started, and a search goes on without it."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from integration.winnow import Place, wait_for
from winnow.search.worker.forking import LOST, ForkServer, fork_server
from winnow.search.worker.process_group import ProcessGroup

SLOW = "[fixed]\nepochs = 12\nepoch_seconds = 0.2\n[pruner]\nname = 'none'\n"
TELLS = """
import gc, json, os, signal, sys

def main():
    known = {"arguments": sys.argv[1:], "command": sys.orig_argv[1:], "mine": os.environ.get("MINE")}
    known |= {"leads": os.getpgrp() == os.getpid(), "cores": len(os.sched_getaffinity(0)), "garbage": gc.isenabled()}
    known["interrupt"] = signal.getsignal(signal.SIGINT) is signal.default_int_handler
    open_now = [each for each in os.listdir("/proc/self/fd") if os.path.exists(f"/proc/self/fd/{each}")]
    known["files"] = sorted(map(int, open_now))
    print(json.dumps(known))
    print("an error", file=sys.stderr)
    sys.stdin.read()
    if sys.argv[1:] == ["dies"]:
        os.kill(os.getpid(), signal.SIGSEGV)
    sys.exit(int(sys.argv[1]))
"""


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[ForkServer]:
    (tmp_path / "tells.py").write_text(TELLS)
    monkeypatch.setenv("PYTHONPATH", f"{tmp_path}{os.pathsep}{os.environ.get('PYTHONPATH', '')}")
    with fork_server([["json"], ["tells", "a module that is not there"]]) as found:
        assert found is not None, "these tests want a Linux with pidfd_open"
        yield found


def told(server: ForkServer, folder: Path, argument: str, **environment: str) -> tuple[dict[str, Any], int]:
    """Return what a forked process said of itself, and its status."""
    with open(os.devnull, "rb") as nothing, open(folder / "out", "wb") as out, open(folder / "err", "wb") as err:
        files = {0: nothing.fileno(), 1: out.fileno(), 2: err.fileno(), 7: nothing.fileno()}
        forked = server.fork("tells", [argument], {**os.environ, **environment}, files)
    assert forked is not None
    status = forked.wait(60.0)
    assert (folder / "err").read_text() == "an error\n"
    return json.loads((folder / "out").read_text()), status


def test_what_is_forked_is_as_if_started_by_a_command(server: ForkServer, tmp_path: Path) -> None:
    known, status = told(server, tmp_path, "3", MINE="a value")
    assert status == 3
    assert known["arguments"] == ["3"]
    assert known["command"] == ["-P", "-m", "tells", "3"]
    assert known["mine"] == "a value"
    assert known["files"] == [0, 1, 2, 7], "and none of the server's or of those who asked before"
    assert known["garbage"], "it is looked for"
    assert known["interrupt"], "Ctrl-C means what it means to a command"
    again, _ = told(server, tmp_path, "0")
    assert again["mine"] is None, "a fork's environment is its own"


def test_a_signal_that_ends_what_was_forked_is_told(server: ForkServer, tmp_path: Path) -> None:
    assert told(server, tmp_path, "dies")[1] == -signal.SIGSEGV


def test_it_has_the_cores_of_who_asks(server: ForkServer, tmp_path: Path) -> None:
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {min(before)})
    try:
        known, _ = told(server, tmp_path, "0")
    finally:
        os.sched_setaffinity(0, before)
    assert known["cores"] == 1


def test_who_looks_sees_the_command(server: ForkServer) -> None:
    ours, theirs = os.pipe()
    forked = server.fork("tells", ["0"], os.environ, {0: ours, 1: 1, 2: 2})
    assert forked is not None
    process = psutil.Process(forked.pid)
    wait_for(lambda: [each for each in process.cmdline() if each] == [sys.executable, "-P", "-m", "tells", "0"])
    assert forked.poll() is None
    with pytest.raises(subprocess.TimeoutExpired):
        forked.wait(0.0)
    forked.kill()
    assert forked.wait(60.0) == -signal.SIGKILL
    os.close(ours)
    os.close(theirs)


def test_what_outlives_the_server_is_seen_to_end(server: ForkServer) -> None:
    ours, theirs = os.pipe()
    forked = server.fork("tells", ["0"], os.environ, {0: ours, 1: 1, 2: 2})
    assert forked is not None
    os.kill(server.process_id, signal.SIGKILL)
    assert server.fork("tells", ["0"], os.environ, {0: ours, 1: 1, 2: 2}) is None, "nobody forks any more"
    assert forked.poll() is None
    forked.terminate()
    assert forked.wait(60.0) == forked.poll() == LOST
    os.close(ours)
    os.close(theirs)


def test_one_that_hangs_keeps_nobody(server: ForkServer) -> None:
    ours, theirs = os.pipe()
    group = ProcessGroup("tells", ours, os.environ, server)
    os.kill(server.process_id, signal.SIGSTOP)
    group.kill()
    assert not group.alive
    os.close(ours)
    os.close(theirs)


def test_a_group_is_killed_at_once_and_whole(server: ForkServer) -> None:
    ours, theirs = os.pipe()
    for _ in range(5):
        group = ProcessGroup("tells", ours, os.environ, server)
        assert psutil.Process(group.process_id).ppid() == server.process_id
        group.kill()
        assert not group.alive
        assert group.how_it_ended() == "was killed by SIGKILL"
    os.close(ours)
    os.close(theirs)


def family(run: "subprocess.Popen[str]") -> list[psutil.Process]:
    return psutil.Process(run.pid).children(recursive=True)


def with_word(processes: list[psutil.Process], word: str) -> list[psutil.Process]:
    return [each for each in processes if word in " ".join(each.cmdline())]


@pytest.mark.parametrize("victim", ["fork_server", "winnow.search.worker.trainer", "winnow work"])
def test_a_search_loses_no_trial_when_any_of_its_processes_is_killed(place: Place, victim: str) -> None:
    run = place.start("run", place.spec(trials=4, more=SLOW), "--devices", "cpu", "--workers", "2")
    wait_for(lambda: (place.folder / "winnow.db").exists() and len(with_word(family(run), "worker.trainer")) == 2)
    wait_for(lambda: sum(len(trial.intermediate_values) for trial in place.study().trials) >= 4)
    (server,) = with_word(family(run), "fork_server")
    workers = with_word(family(run), "winnow work")
    assert {each.ppid() for each in workers} == {server.pid}
    with_word(family(run), victim)[0].kill()
    _, said = run.communicate(timeout=600)
    assert run.returncode == 0, said
    assert place.states() == ["COMPLETE"] * 4
