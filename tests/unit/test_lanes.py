"""The lanes of one worker: what one of them waits for keeps no other from its work."""

import threading
from pathlib import Path

import pytest

from winnow import storage
from winnow.records import Outcome
from winnow.search.study import study as studies
from winnow.search.study import validation
from winnow.search.worker.attempt import Attempt
from winnow.search.worker.devices import find
from winnow.search.worker.lanes import Lanes
from winnow.search.worker.shutdown import Shutdown
from winnow.search.worker.trainer_process import WorkerOptions
from winnow.search.worker.worker import Worker
from winnow.storage import claims
from winnow.storage.notifications import Bell


class Gate(Bell):
    """A bell at which a lane is known to wait, until it is let go."""

    def __init__(self, bell: Bell) -> None:
        self.__dict__ |= bell.__dict__
        self.waits, self.opens = threading.Event(), threading.Event()

    def wait(self, listening: float, blind: float) -> None:
        """Wait for the test."""
        self.waits.set()
        assert self.opens.wait(60)


def test_a_lane_that_waits_for_a_trial_keeps_no_other_from_its_trainer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine.py").write_text("def train(trial):\n    return 1.0\n")
    opened = storage.open(f"sqlite:///{tmp_path}/winnow.db")
    content = {"name": "s", "objective": "mine:train", "budget": {"trials": 1}}
    study = studies.create(opened, validation.check(content, "s.toml"))
    held = claims.claim(opened.database, study.study_id, "another")
    assert held is not None, "which may yet give it back"
    shutdown = Shutdown(1.0)
    worker = Worker(study, WorkerOptions(find("cpu")), shutdown)
    worker._bell = gate = Gate(worker._bell)
    idle = threading.Thread(target=worker._next_trial, args=(0,))
    idle.start()
    try:
        assert gate.waits.wait(60)
        worker.trainer.kill()
        other = threading.Thread(target=worker._has_trainer, daemon=True)
        other.start()
        other.join(60)
        assert worker.trainer.is_ready, "it waits for what the first lane waits for"
        ended = Attempt.__new__(Attempt)
        ended.trainer_number, ended.lease = worker.trainer.number, held
        judging = threading.Thread(target=worker._judge_device, args=(ended, Outcome.COMPLETE), daemon=True)
        judging.start()
        judging.join(60)
        assert not judging.is_alive(), "its end waits for what the first lane waits for"
    finally:
        shutdown.requested.set()
        gate.opens.set()
        idle.join(60)
        worker.trainer.kill()
        worker._share.close()
        opened.database.release()


def test_a_trial_takes_its_part_of_a_worker() -> None:
    lanes = Lanes(8)
    asked = list[str]()

    def has_room() -> bool:
        asked.clear()
        lanes.make_way(lambda: bool(asked.append("full")))
        return not asked

    for claim in "abc":
        lanes.take(claim, 4)
    assert has_room()
    lanes.take("alone", 1)
    assert not has_room(), "beside one that no stack makes faster nothing begins"
    for claim in "abc":
        lanes.leave(claim)
    assert not has_room()
    lanes.leave("alone")
    assert has_room()
    for claim in "defg":
        lanes.take(claim, 4)
    assert not has_room()


def test_who_waits_for_room_goes_on_when_there_is_some() -> None:
    lanes = Lanes(2)
    lanes.take("a", 1)
    asks, waiting = threading.Event(), threading.Thread(target=lambda: lanes.make_way(lambda: asks.set() or True))
    waiting.start()
    assert asks.wait(60)
    lanes.leave("a")
    waiting.join(60)
    assert not waiting.is_alive()
