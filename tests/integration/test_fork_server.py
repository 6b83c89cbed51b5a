"""What a fork server forks is what a command would have started, and a search goes on without it."""

import json
import os
import resource
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import psutil
import pytest

from integration.winnow import Place, wait_for
from winnow.search.worker import forking
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
WAITS = """
import os, sys

def main():
    os.read(int(sys.argv[1]), 1)
"""


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[ForkServer]:
    (tmp_path / "tells.py").write_text(TELLS)
    (tmp_path / "waits.py").write_text(WAITS)
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
    group = ProcessGroup("waits", ours, os.environ, server)
    os.kill(server.process_id, signal.SIGSTOP)
    group.kill()
    assert not group.alive
    os.close(ours)
    os.close(theirs)


def test_a_group_is_killed_at_once_and_whole(server: ForkServer) -> None:
    ours, theirs = os.pipe()
    for _ in range(5):
        group = ProcessGroup("waits", ours, os.environ, server)
        assert psutil.Process(group.process_id).ppid() == server.process_id
        group.kill()
        assert not group.alive
        assert group.how_it_ended() == "was killed by SIGKILL"
    os.close(ours)
    os.close(theirs)


def test_each_draws_random_numbers_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    draws = "import json, random, numpy, torch\n\ndef main():\n    "
    draws += "print(json.dumps([random.random(), numpy.random.rand(), torch.rand(1).item()]), flush=True)\n"
    (tmp_path / "draws.py").write_text(draws)
    monkeypatch.setenv("PYTHONPATH", f"{tmp_path}{os.pathsep}{os.environ.get('PYTHONPATH', '')}")
    with fork_server([["draws"]]) as server, open(tmp_path / "out", "ab") as out:
        assert server is not None
        for _ in range(2):
            forked = server.fork("draws", [], os.environ, {0: out.fileno(), 1: out.fileno(), 2: out.fileno()})
            assert forked is not None
            assert forked.wait(60.0) == 0
    one, other = map(json.loads, (tmp_path / "out").read_text().splitlines())
    assert all(mine != theirs for mine, theirs in zip(one, other, strict=True)), (one, other)


def test_how_it_ended_is_told_where_whoever_started_us_ignores_ends_of_children(tmp_path: Path) -> None:
    """As some daemons do, and what they start inherits it."""
    before = signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    try:
        with fork_server([["json"]]) as server:
            assert server is not None
            for _ in range(2):
                forked = server.fork("json.tool", ["no such file"], os.environ, {0: 0, 1: 1, 2: 2})
                assert forked is not None, "the server lives"
                assert forked.wait(60.0) not in (0, LOST)
    finally:
        signal.signal(signal.SIGCHLD, before)


def test_a_fork_needs_no_proc(tmp_path: Path) -> None:
    hidden = ["unshare", "--mount", "sh", "-c", 'mount -t tmpfs none /proc && exec "$@"', "sh"]
    if subprocess.run([*hidden, "true"], capture_output=True).returncode != 0:
        pytest.skip("no right to hide /proc")
    script = """
import os
from winnow.search.worker.forking import fork_server

with fork_server([["this"]]) as server:
    assert server.fork("json.tool", ["--help"], os.environ, {0: 0, 1: 1, 2: 2}).wait(60.0) == 0
"""
    ran = subprocess.run([*hidden, sys.executable, "-c", script], capture_output=True, text=True)
    assert ran.returncode == 0, ran.stderr


@pytest.mark.parametrize("room", range(8))
def test_with_no_room_for_files_there_is_none(room: int) -> None:
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(map(int, os.listdir("/proc/self/fd"))) + 10, before[1]))
    taken: list[int] = []
    try:
        with suppress(OSError):
            while True:
                taken.append(os.dup(2))
        for _ in range(room):
            os.close(taken.pop())
        with fork_server([["json"]]) as server:
            assert room > 4 or server is None
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, before)
        for each in taken:
            os.close(each)


@contextmanager
def another(server: ForkServer) -> Iterator[ForkServer]:
    """A server as another worker sees it."""
    with socket.socket(fileno=os.dup(server.descriptor)) as requests:
        yield ForkServer(server.process_id, requests)


def test_one_that_has_no_room_for_more_lives_on(server: ForkServer) -> None:
    """Who asks is told that it cannot be, and none of those before comes to harm."""
    ours, theirs = os.pipe()
    files = {0: ours, 1: 1, 2: 2}
    first = server.fork("tells", ["0"], os.environ, files)
    assert first is not None
    open_there = len(os.listdir(f"/proc/{server.process_id}/fd"))
    for room in range(8):
        resource.prlimit(server.process_id, resource.RLIMIT_NOFILE, (open_there + room, 4096))
        with another(server) as asks:
            more = asks.fork("tells", ["0"], os.environ, files)
        assert first.poll() is None
        if more is not None:
            more.kill()
            assert more.wait(60.0) == -signal.SIGKILL
    resource.prlimit(server.process_id, resource.RLIMIT_NOFILE, (4096, 4096))
    last = server.fork("tells", ["0"], os.environ, files)
    assert last is not None
    for each in (first, last):
        each.kill()
        assert each.wait(60.0) == -signal.SIGKILL
    os.close(ours)
    os.close(theirs)


def test_many_that_ask_one_that_hangs_wait_only_so_long(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(forking, "ANSWER_SECONDS", 1.0)
    with fork_server([["json"]]) as server:
        assert server is not None
        os.kill(server.process_id, signal.SIGSTOP)
        for _ in range(3):
            with another(server) as asks:
                assert asks.fork("json.tool", [], {**os.environ, "LONG": "x" * 90_000}, {0: 0, 1: 1, 2: 2}) is None


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
