"""Files that are whole or not there, checkpoints that are passed over when damaged, and what waits for the database."""

import os
import pickle
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from winnow import storage
from winnow.records import Epoch, Outcome
from winnow.storage import Storage, artifacts, checkpoints, claims, endings, epochs, outbox
from winnow.storage.checkpoints import Stored
from winnow.storage.errors import FileDamaged
from winnow.storage.files import read_checked, write_whole
from winnow.storage.leases import Lease
from winnow.storage.outbox import Outbox
from winnow.storage.stores import Folder

CHECKOUT = Path(__file__).parents[2]


@pytest.fixture
def opened(sqlite_url: str) -> Storage:
    return storage.open(sqlite_url)


@pytest.fixture
def lease(opened: Storage) -> Lease:
    from optuna.study import StudyDirection

    claimed = claims.claim(opened.database, opened.create_new_study([StudyDirection.MAXIMIZE]), "w")
    assert claimed is not None
    return claimed


def test_a_file_is_replaced_whole(tmp_path: Path) -> None:
    path = tmp_path / "folder" / "file"
    write_whole(path, b"old")
    digest = write_whole(path, b"new")
    assert read_checked(path, digest) == b"new"
    assert list(path.parent.iterdir()) == [path]


def test_a_write_that_fails_leaves_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "file"
    digest = write_whole(path, b"old")

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space"):
        write_whole(path, b"new")
    assert read_checked(path, digest) == b"old"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize(
    "damage",
    [
        lambda path: path.write_bytes(path.read_bytes()[:-1]),  # torn
        lambda path: path.write_bytes(b"X" + path.read_bytes()[1:]),  # tampered
        lambda path: path.write_bytes(pickle.dumps({"epoch": 2})),  # a pickle in its place
        lambda path: path.unlink(),
    ],
    ids=["torn", "tampered", "pickled", "missing"],
)
def test_a_damaged_checkpoint_is_passed_over_with_a_word(
    opened: Storage, lease: Lease, damage, caplog: pytest.LogCaptureFixture
) -> None:
    for epoch in (1, 2):
        stored = checkpoints.write(opened.store, lease, epoch, b"epoch %d" % epoch)
        epochs.record(opened.database, lease, Epoch(epoch, 0.5), stored)
    assert checkpoints.newest(opened.database, opened.store, lease) == checkpoints.Found(2, b"epoch 2", "")
    (newest,) = opened.files.rglob("*000002.checkpoint")
    damage(newest)
    found = checkpoints.newest(opened.database, opened.store, lease)
    assert (found.epoch, found.content) == (1, b"epoch 1")
    assert found.damaged.startswith(f"the file {newest}")
    assert "trying the checkpoint before it" in caplog.text
    for file in opened.files.rglob("*.checkpoint"):
        file.unlink(missing_ok=True)
    none = checkpoints.newest(opened.database, opened.store, lease)
    assert (none.epoch, none.content) == (0, None)
    assert "cannot be read" in none.damaged


def test_two_checkpoints_are_kept_and_none_of_a_finished_trial(opened: Storage, lease: Lease) -> None:
    for epoch in range(1, 5):
        checkpoints.write(opened.store, lease, epoch, b"x")
        checkpoints.prune_files(opened.store, lease)
    assert [path.stem for path in sorted(opened.files.rglob("*.checkpoint"))] == [
        f"000000-{lease.claim}-000003",
        f"000000-{lease.claim}-000004",
    ]
    checkpoints.prune_files(opened.store, lease, keep=0)
    assert opened.store.names("") == []


def test_the_last_checkpoints_are_kept_of_steps_of_any_length(opened: Storage, lease: Lease) -> None:
    for step in range(999_998, 1_000_002):
        stored = checkpoints.write(opened.store, lease, step, b"%d" % step)
        epochs.record(opened.database, lease, Epoch(step, 0.5), stored)
        checkpoints.prune_files(opened.store, lease)
    assert checkpoints.newest(opened.database, opened.store, lease) == checkpoints.Found(1_000_001, b"1000001", "")
    assert len(opened.store.names("")) == checkpoints.KEPT


def test_an_attempt_after_lost_checkpoints_leaves_its_own_to_the_next(opened: Storage, lease: Lease) -> None:
    """As on a machine that does not see the files of the first attempt."""
    _train(opened, lease, 9)
    for file in opened.files.rglob("*.checkpoint"):
        file.unlink()
    second = claims.claim(opened.database, lease.study_id, "w")
    assert second is not None
    _train(opened, second, 3)
    third = claims.claim(opened.database, lease.study_id, "w")
    assert third is not None
    found = checkpoints.newest(opened.database, opened.store, third)
    assert (found.epoch, found.content) == (3, b"epoch 3")
    assert "-000009.checkpoint cannot be read" in found.damaged


def _train(opened: Storage, lease: Lease, until: int) -> None:
    for epoch in range(1, until + 1):
        stored = checkpoints.write(opened.store, lease, epoch, b"epoch %d" % epoch)
        epochs.record(opened.database, lease, Epoch(epoch, 0.5), stored)
        checkpoints.prune_files(opened.store, lease)
    endings.give_back(opened.database, lease, Outcome.PREEMPTED)


def test_what_a_dead_worker_left_of_a_finished_trial_is_swept_up(opened: Storage, lease: Lease) -> None:
    running = claims.claim(opened.database, lease.study_id, "w")
    assert running is not None
    for each in (lease, running):
        checkpoints.write(opened.store, each, 1, b"x")
    checkpoints.sweep(opened.database, opened.store)
    assert len(opened.store.names("")) == 2, "both trials may go on"
    endings.finish(opened.database, lease, Outcome.LEASE_EXPIRED)
    checkpoints.sweep(opened.database, opened.store)
    assert opened.store.names("") == [f"{lease.home}/checkpoints/000001-{running.claim}-000001.checkpoint"]


def test_what_a_worker_wrote_when_it_was_killed_is_swept_up_too(opened: Storage, lease: Lease) -> None:
    killed = (
        "import os, sys; from pathlib import Path; from winnow.storage.files import write_whole;"
        "os.fsync = lambda _: os._exit(9); write_whole(Path(sys.argv[1]), b'x')"
    )
    stored = checkpoints.write(opened.store, lease, 1, b"epoch 1")
    epochs.record(opened.database, lease, Epoch(1, 0.5), stored)
    (whole,) = opened.files.rglob("*.checkpoint")
    path = str(whole).replace("-000001.", "-000002.")
    assert subprocess.run([sys.executable, "-c", killed, path], cwd=CHECKOUT).returncode == 9
    checkpoints.sweep(opened.database, opened.store)
    assert len(list(whole.parent.iterdir())) == 2, "the trial's worker may be writing it"
    assert checkpoints.newest(opened.database, opened.store, lease).epoch == 1
    endings.finish(opened.database, lease, Outcome.EXCEPTION)
    checkpoints.sweep(opened.database, opened.store)
    assert list(whole.parent.iterdir()) == []


def test_a_damaged_artifact_is_refused(tmp_path: Path) -> None:
    store = Folder(tmp_path)
    name = artifacts.write(store, "database/study", b"weights")
    assert artifacts.read(store, name) == b"weights"
    (tmp_path / name).write_bytes(b"other")
    with pytest.raises(FileDamaged, match="does not hold the bytes that were written"):
        artifacts.read(store, name)


def test_the_next_attempt_finds_what_could_not_be_delivered(tmp_path: Path, lease: Lease) -> None:
    kept = [(Epoch(1, 0.5, lr=0.1), Stored("0" * 64, 3, 1)), (Epoch(2, float("inf")), None), (Epoch(3, 0.7), None)]
    box = Outbox(tmp_path, lease)
    for epoch, checkpoint in kept:
        box.keep(epoch, checkpoint)
    with box.path.open("a") as file:
        file.write('{"epoch": 4, "val')  # the power went here
    later = replace(lease, token=2, claim="f" * 32, earlier_claims=(lease.claim,))
    assert outbox.leftovers(tmp_path, lease) == []
    assert outbox.leftovers(tmp_path, later) == kept
    outbox.clear_leftovers(tmp_path, later)
    assert outbox.leftovers(tmp_path, later) == []


def test_epochs_of_another_attempt_are_refused(tmp_path: Path, lease: Lease, caplog: pytest.LogCaptureFixture) -> None:
    other = replace(lease, claim="e" * 32)
    Outbox(tmp_path, other).keep(Epoch(1, 0.5))
    Outbox(tmp_path, other).path.rename(Outbox(tmp_path, lease).path)
    later = replace(lease, token=2, claim="f" * 32, earlier_claims=(lease.claim,))
    assert outbox.leftovers(tmp_path, later) == []
    assert "holds epochs of another trial" in caplog.text
