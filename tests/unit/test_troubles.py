"""What a person is told of a study that nobody watches: each trouble once, and again after it had passed."""

from dataclasses import replace
from typing import Any

from winnow.records import Budget
from winnow.search.analysis.status import Status
from winnow.search.launch.troubles import Troubles
from winnow.search.study.sections import NotifySection
from winnow.storage.activity import State
from winnow.storage.budget import Spent
from winnow.storage.workers import Worker

WORKER = Worker("w", "node1", 1, "cpu", "training", 3, 2, 0.5, age=1.0)


def status(workers: list[Worker], curve: int = 1, **states: int) -> Status:
    spent: Any = replace(_spent(), trials=sum(states.values()))
    failures = {"RuntimeError: the disk is on fire": states["FAIL"]} if "FAIL" in states else {}
    curves = {3: (0.5,) * curve}
    return Status("s", "maximize", states, None, None, spent, workers, failures, "", {}, study_id=1, curves=curves)


def _spent() -> Spent:
    return Spent(0, 0.0, 0.0, Budget(trials=40), State.ACTIVE)


def titles(troubles: Troubles, now: Status, minutes: float) -> list[str]:
    return [title.removeprefix("Winnow: s ") for title, _ in troubles.look(now, 60 * minutes)]


def test_no_worker_and_a_stall_are_told_after_their_time_once_and_again_after_they_passed() -> None:
    troubles = Troubles(NotifySection())
    alone, at_it = status([], RUNNING=1), status([WORKER], RUNNING=1)
    assert [titles(troubles, alone, minutes) for minutes in (0, 9, 10, 11)] == [[], [], ["finds no worker"], []]
    assert titles(troubles, at_it, 12) == []
    assert [titles(troubles, at_it, minutes) for minutes in (13, 21, 22, 24)] == [[], [], ["stalls"], []]
    assert titles(troubles, status([WORKER], curve=2, RUNNING=1), 25) == []
    silent = status([replace(WORKER, age=300.0)], RUNNING=1)
    assert [titles(troubles, silent, minutes) for minutes in (26, 37)] == [[], ["finds no worker"]]


def test_failures_are_told_from_a_share_on_and_what_nobody_asked_for_is_not() -> None:
    few, many = status([WORKER], COMPLETE=20, FAIL=5), status([WORKER], COMPLETE=15, FAIL=5)
    troubles = Troubles(NotifySection())
    assert titles(troubles, few, 0) == []
    ((title, words),) = troubles.look(many, 1.0)
    assert title == "Winnow: s fails often"
    assert words == "5 of 20 trials failed, most: RuntimeError: the disk is on fire"
    assert titles(Troubles(NotifySection(on=("end",))), many, 0) == []
