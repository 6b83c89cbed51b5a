"""A worker's log keeps its end, whatever a trial prints."""

import os
from contextlib import suppress
from pathlib import Path

import pytest
from click.testing import CliRunner

from winnow.search.cli.main import cli
from winnow.search.launch.supervisor import Supervisor, keep_end
from winnow.search.worker.printed import Printed


@pytest.mark.parametrize(
    "line", [b"x", b"x" * 7000, b"\xff\x00\xc3"], ids=["short", "longer than what is kept", "no text"]
)
def test_a_log_that_grows_is_cut_while_it_is_written(tmp_path: Path, line: bytes) -> None:
    log = tmp_path / "worker.log"
    with log.open("ab", buffering=0) as worker:
        for number in range(10_000 // len(line) + 10):
            worker.write(line + b" %d\n" % number)
            keep_end(log, 4096)
            assert log.stat().st_size <= 4096
        worker.write(b"the last words\n")
    assert log.read_bytes().startswith(b"(what stood before was cut)\n")
    assert log.read_bytes().endswith(b" %d\nthe last words\n" % number)


def test_a_log_that_is_short_stays_as_it_is(tmp_path: Path) -> None:
    log = tmp_path / "worker.log"
    log.write_bytes(b"one\n" * 1024)
    keep_end(log, 4096)
    assert log.read_bytes() == b"one\n" * 1024


def test_debug_reaches_the_workers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WINNOW_DEBUG", "0")
    assert CliRunner().invoke(cli, ["--debug", "studies"]).exit_code == 0
    assert os.getenv("WINNOW_DEBUG") == "1", "which sbatch and the actors of Ray hand on too"
    worker = Supervisor(["s", "--storage", f"sqlite:///{tmp_path}/none.db"], log=tmp_path / "log")
    worker.look()
    assert worker.process is not None
    worker.process.wait(60)
    assert "Traceback" in (tmp_path / "log").read_text()
    worker.look()  # takes note of its end


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="no disk here that is always full")
def test_what_a_full_disk_does_not_take_of_a_log_ends_no_trial() -> None:
    kept = [""]
    with suppress(OSError), Path("/dev/full").open("w") as full:  # what it still holds when it is closed
        printed = Printed(full, kept)
        print("an epoch" * 4096, file=printed, flush=True)
        print("another", file=printed, flush=True)
        kept.append("went on")
    assert kept[0].endswith("another\n")
    assert kept[1:] == ["went on"]
