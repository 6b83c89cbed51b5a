"""Disks that are full or read-only, under the database or under the checkpoints; and S3 in their place."""

import signal
import subprocess
import sys
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import numpy as np
import optuna
import pytest

from faults.fleet_under_fire import LEASE_SECONDS, Fleet, filled, wait_for
from winnow import storage
from winnow.objectives.data import decoded
from winnow.records import Epoch
from winnow.search.analysis import export, study_reader
from winnow.search.api.results import write_report
from winnow.storage import endings, outbox
from winnow.storage.leases import Lease
from winnow.storage.outbox import Outbox

WORKERS = 2


def test_the_disk_is_full_for_a_while(small_disk: Path, tmp_path: Path) -> None:
    ours = Fleet(tmp_path, f"sqlite:///{small_disk}/winnow.db", trials=8, epoch_seconds=0.5, lease_seconds=30)
    try:
        ours.start(WORKERS)
        ours.wait_trained(4)
        filler = filled(small_disk)
        ours.wait_trained(8)  # they train on
        filler.unlink()
        ours.wait_done()
        ours.prove()
    finally:
        ours.end()


def test_the_files_are_read_only_for_a_while(small_disk: Path, fleet: Callable[..., Fleet]) -> None:
    ours = fleet(trials=8, epoch_seconds=0.5, lease_seconds=30)
    ours.start(WORKERS, WINNOW_FILES=str(small_disk))
    ours.wait_trained(4)
    wait_for(lambda: _remount(small_disk, "ro"), 30, "a moment without an open file")
    ours.wait_trained(len(ours.trained.read_text().splitlines()) + 8)  # they train on
    assert _remount(small_disk, "rw")
    ours.wait_done()
    ours.prove()
    assert any("has no checkpoint" in ours.log(i) for i in range(WORKERS))


@pytest.mark.skipif(sys.platform != "linux", reason="of a file whose disk does not give it")
def test_a_checkpoint_that_a_disk_does_not_give_is_waited_for(fleet: Callable[..., Fleet]) -> None:
    ours = fleet(trials=1, epoch_seconds=0.5)
    ours.start(1)
    ours.wait_trained(3)
    ours.workers[0].kill()
    ours.workers[0].wait()
    aside = {file: file.with_suffix(".aside") for file in (ours.folder / "files").rglob("*.checkpoint")}
    for file, kept in aside.items():
        file.rename(kept)
        file.symlink_to("/proc/self/mem")  # there, and an input/output error where it is read
    ours.start(1, WINNOW_WORK_PROGRESS_MINUTES="0.02")  # its patience with a trainer is not that with a disk
    wait_for(lambda: ours.log(1).count("waits for what its last attempt left"), 60, "a worker that waits")
    for file, kept in aside.items():
        kept.replace(file)
    ours.wait_done()
    ours.prove(kills=1)


def test_trials_whose_checkpoints_lie_on_a_disk_that_is_not_mounted_do_not_begin_anew(
    fleet: Callable[..., Fleet],
) -> None:
    ours = fleet(trials=2, epoch_seconds=0.5)
    ours.start(2)
    ours.wait_trained(5)
    for worker in ours.workers:
        worker.kill()
        worker.wait()
    files, aside = ours.folder / "files", ours.folder / "aside"
    files.rename(aside)
    wait_for(lambda: endings.reap(ours.storage.database, ours.study.study_id), 30, "the end of their leases")
    ours.start(1)
    assert ours.workers[2].wait(60) == 2
    assert "to go on from a checkpoint that this host wrote, and the folder" in ours.log(2)
    aside.rename(files)
    ours.start(1)
    ours.wait_done(codes=(0, 2, -signal.SIGKILL))
    ours.prove(kills=2)


def test_a_read_only_database_is_refused_in_a_sentence(small_disk: Path, tmp_path: Path) -> None:
    ours = Fleet(tmp_path, f"sqlite:///{small_disk}/winnow.db", trials=2)
    try:
        ours.storage.database.release()
        assert _remount(small_disk, "ro")
        ours.start(1)
        assert ours.workers[0].wait(60) == 2
        assert "cannot be opened" in ours.log(0)
        assert "Traceback" not in ours.log(0)
        assert _remount(small_disk, "rw")
        ours.start(1)
        assert ours.workers[1].wait(60) == 0
        assert [trial.state.name for trial in ours.study.optuna.trials] == ["COMPLETE"] * 2
    finally:
        ours.end()


def test_a_worker_is_killed_whose_checkpoints_lie_on_s3(fleet: Callable[..., Fleet], s3_place: str) -> None:
    ours = fleet(trials=12, epoch_seconds=0.5)
    ours.start(4, WINNOW_FILES=s3_place)
    ours.wait_trained(ours.random.randrange(10, 40))
    ours.random.choice(ours.workers).kill()
    ours.wait_done()
    ours.prove(kills=1)
    assert not (ours.folder / "files" / "checkpoints").exists()


def test_a_database_that_is_moved_away_ends_its_workers_in_a_sentence(tmp_path: Path) -> None:
    file, elsewhere = tmp_path / "winnow.db", tmp_path / "moved.db"
    ours = Fleet(tmp_path, f"sqlite:///{file}", trials=4, epoch_seconds=0.5)
    try:
        ours.start(WORKERS)
        ours.wait_trained(4)
        file.rename(elsewhere)
        ours.wait_done(60, codes=(2,))
        for i in range(WORKERS):
            assert f"{file}, was deleted, moved or replaced while it was in use; end what still uses it" in ours.log(i)
            assert "Traceback" not in ours.log(i)
        assert not file.exists(), "nobody has made an empty one in its place"
        elsewhere.rename(file)
        ours.start(WORKERS)
        ours.wait_done(codes=(0, 2))
        ours.prove(kills=WORKERS)
    finally:
        ours.end()


@pytest.mark.parametrize("kind", ["report.html", "trials.csv", "trials.json"])
def test_what_a_full_disk_does_not_take_leaves_the_last_one_whole(small_disk: Path, tmp_path: Path, kind: str) -> None:
    opened = storage.open(f"sqlite:///{tmp_path}/winnow.db")
    study = optuna.create_study(study_name="s", storage=opened)
    study.optimize(lambda trial: trial.suggest_float("x", 0, 1), n_trials=3)
    file = small_disk / kind

    def write() -> None:
        record = study_reader.load(opened, "s")
        if file.stem == "report":
            write_report(opened, record, file)
        else:
            export.write(record, (), small_disk, file.suffix[1:])  # type: ignore[arg-type]

    write()
    before = file.read_bytes()
    study.optimize(lambda trial: trial.suggest_float("x", 0, 1), n_trials=3)
    filler = filled(small_disk)
    with pytest.raises(OSError, match="No space left"):
        write()
    assert file.read_bytes() == before
    filler.unlink()
    write()
    assert file.read_bytes() != before
    opened.database.release()


@pytest.mark.parametrize("room", [0, 300_000, 700_000])
def test_data_for_which_the_cache_has_no_room_are_decoded_all_the_same(
    small_disk: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, room: int
) -> None:
    def decode(allocate: decoded.Allocate) -> decoded.Arrays:
        images = allocate((500, 3, 16, 16), np.uint8)  # 384,000 bytes: none fits, one of them, or one and not its copy
        images[:] = 7
        return images, np.arange(500)

    monkeypatch.setenv("WINNOW_CACHE", str(small_disk))
    filler = filled(small_disk, room)
    images, labels = decoded.read("made", (), decode)
    assert (images.min(), images.max(), labels[-1]) == (7, 7, 499)
    assert "is not kept" in caplog.text or "is held in memory" in caplog.text
    assert list(small_disk.rglob("*.partial")) == [], "it would keep the disk full"
    filler.unlink()
    assert decoded.read("made", (), decode)[0].max() == 7


def _remount(folder: Path, how: str) -> bool:
    """Make a disk read-only or not; false while a file on it is open for writing."""
    return subprocess.run(["mount", "-o", f"remount,{how}", folder], capture_output=True).returncode == 0


def test_what_a_full_disk_did_not_take_comes_before_the_next(small_disk: Path) -> None:
    lease = Lease(1, 1, 0, 1, "w", LEASE_SECONDS, "database/study", "e" * 32)
    box = Outbox(small_disk, lease)
    box.keep(Epoch(0, 0.5))
    filler, last = filled(small_disk), 0
    with suppress(OSError):
        while True:
            last += 1
            box.keep(Epoch(last, 0.5))
    filler.unlink()
    box.keep(Epoch(last + 1, 0.5))
    later = replace(lease, token=2, claim="f" * 32, earlier_claims=(lease.claim,))
    assert [epoch.epoch for epoch, _ in outbox.leftovers(small_disk, later)] == list(range(last + 2))
