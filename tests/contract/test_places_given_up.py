"""A place that a fleet gave up stands in the storage with its reason, and counts as nobody at work."""

import optuna
from sqlalchemy import text

from winnow.records import Budget
from winnow.storage import Storage, workers
from winnow.storage.budget import set_budget
from winnow.storage.pool import Pool


def make_study(opened: Storage, name: str = "s") -> int:
    study_id = opened.create_new_study([optuna.study.StudyDirection.MAXIMIZE], name)
    set_budget(opened.database, study_id, Budget(trials=3))
    opened.set_study_user_attr(study_id, "ready", True)
    return study_id


def test_it_is_told_with_its_last_reason_and_is_no_worker(opened: Storage) -> None:
    study_id, other = make_study(opened), make_study(opened, "other")
    workers.register(opened.database, study_id, "w", "here", 1, "cuda:0")
    long = "GPU-ü is lost; " * 100
    for host, device, reason in (
        ("here", "cuda:1", "no kernel image"),
        ("here", "cuda:1", long),
        ("there", "cuda:1", "x"),
    ):
        workers.give_up(opened.database, study_id, host, 1, device, reason)
    found = workers.given_up(opened.database, study_id)
    assert [(each.host, each.device, each.reason) for each in found] == [
        ("here", "cuda:1", long),
        ("there", "cuda:1", "x"),
    ]
    assert all(0 <= each.age < 60 for each in found)
    assert [worker.worker for worker in workers.present(opened.database, study_id)] == ["w"]
    wanting = {each.name: each.workers for each in Pool(opened.database, "ready").wanting()}
    assert wanting == {"s": 1, "other": 0}
    assert workers.given_up(opened.database, other) == []
    assert [each.host for each in workers.given_up(opened.database, host="there")] == ["there"]


def test_it_is_forgotten_when_it_is_to_be_tried_again(opened: Storage) -> None:
    study_id = make_study(opened)
    workers.give_up(opened.database, study_id, "here", 1, "cuda:1", "lost")
    past = f"UPDATE winnow_workers SET seen_at = seen_at - {workers.FORGOTTEN_SECONDS}"
    opened.database.execute(text(past))
    assert workers.given_up(opened.database, study_id) == []
