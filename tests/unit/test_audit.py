"""Auditing the pruner: who is let finish, and what came of them."""

from dataclasses import replace

import pytest

from example_search import searched
from winnow.search.analysis import summary
from winnow.search.analysis.pruning import audit
from winnow.search.analysis.statistics import proportion_interval
from winnow.search.analysis.study_record import StudyRecord
from winnow.search.study.pruners import is_audited
from winnow.search.study.validation import check

SPEC = {"name": "s", "data": {"name": "digits"}, "budget": {"trials": 9}, "search": {"flip": {"choices": [True]}}}


def with_audited(history: StudyRecord, ranks: list[int]) -> StudyRecord:
    numbers = {history.ranked[rank].number for rank in ranks}
    trials = tuple(replace(t, would_prune=2 if t.number in numbers else None) for t in history.trials)
    return replace(history, trials=trials)


def test_the_share_is_kept_and_drawn_beforehand() -> None:
    spec = check({**SPEC, "pruner": {"name": "median", "audit": 0.2}}, "SPEC")
    chosen = [is_audited(spec, number) for number in range(2000)]
    assert 0.16 < sum(chosen) / 2000 < 0.24
    assert chosen == [is_audited(spec, number) for number in range(2000)]
    assert not any(is_audited(check({**SPEC, "pruner": {"name": "none"}}, "SPEC"), n) for n in range(100))
    assert not any(is_audited(check(SPEC, "SPEC"), n) for n in range(100)), "nobody audits unasked"


def test_a_pruner_that_would_have_lost_the_winner_is_said_to_be_wrong() -> None:
    found = audit(with_audited(searched(30), [0, 5, 6]))
    assert found is not None
    assert (found.completed, found.wrong, found.good) == (3, 1, 1)
    assert found.share == pytest.approx(1 / 3)
    assert found.seconds == pytest.approx(3 * 0.5 * 6), "six of eight epochs, half a second each"


def test_a_pruner_that_is_right_is_still_not_known_to_be_always_right() -> None:
    found = audit(with_audited(searched(30), [8, 9]))
    assert found is not None
    assert found.wrong == 0
    assert found.interval == pytest.approx((0.0, 0.6576), abs=1e-4)


def test_the_summary_says_so_where_there_was_an_audit() -> None:
    history = searched(30)
    assert audit(history) is None
    assert not any("let finish" in sentence for sentence in summary.sentences(history))
    assert any("let finish" in sentence for sentence in summary.sentences(with_audited(history, [3])))


def test_an_interval_of_a_share() -> None:
    assert proportion_interval(5, 10) == pytest.approx((0.2366, 0.7634), abs=1e-4)
