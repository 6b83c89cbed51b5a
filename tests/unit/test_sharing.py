"""How a pool shares its workers among studies."""

from winnow.search.worker.pool_worker import SLICE_SECONDS, choose
from winnow.storage.pool import Wanting


def study(number: int, workers: int, *, priority: float = 1.0, seconds: float = 0.0) -> Wanting:
    return Wanting(number, f"study {number}", priority, workers, seconds)


def shared(count: int, *priorities: float) -> list[int]:
    """How many of so many workers each study gets, when they come one by one."""
    given = [0] * len(priorities)
    for _ in range(count):
        found = choose([study(i, given[i], priority=priority) for i, priority in enumerate(priorities)])
        assert found is not None
        given[found.study_id] += 1
    return given


def test_workers_are_shared_in_proportion_to_priority() -> None:
    assert choose([]) is None
    assert shared(6, 1, 1) == [3, 3]
    assert shared(6, 2, 1) == [4, 2]
    assert shared(10, 4, 0.5, 0.5) == [8, 1, 1]


def test_of_equals_the_one_that_used_least_comes_next() -> None:
    found = choose([study(0, 1, seconds=50), study(1, 1, seconds=10)])
    assert found is not None
    assert found.study_id == 1


def test_a_worker_stays_unless_another_study_has_a_better_right() -> None:
    def left(mine: Wanting, other: Wanting) -> bool:
        found = choose([mine, other], mine=mine.study_id)
        assert found is not None
        return found.study_id != mine.study_id

    assert not left(study(0, 1), study(1, 1)), "four workers, two and two"
    assert left(study(0, 3), study(1, 0)), "a study that has just come"
    assert not left(study(0, 1, seconds=SLICE_SECONDS - 1), study(1, 1)), "the odd worker does not run to and fro"
    assert left(study(0, 1, seconds=SLICE_SECONDS + 1), study(1, 1)), "but they take turns"
