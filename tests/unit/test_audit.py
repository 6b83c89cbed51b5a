"""Auditing the pruner: who is let finish, and what came of them."""

from dataclasses import replace

import pytest

from example_search import searched
from winnow.search.analysis import summary
from winnow.search.analysis.conclusions import Conclusions
from winnow.search.analysis.pruning import audit, foretold, foretold_sentence
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


def test_an_audit_that_caught_nothing_is_said_to_say_nothing() -> None:
    audited = check({**SPEC, "pruner": {"name": "median", "audit": 0.05}}, "SPEC")
    said = summary.sentences(searched(30), Conclusions(spec=audited))
    assert any("let finish yet: what its cuts lose is not known" in sentence for sentence in said)
    assert not any("let finish" in sentence for sentence in summary.sentences(searched(30)))


def test_a_search_whose_cuts_nobody_audited_is_said_to_be_such() -> None:
    for pruner, is_doubted in (("asha", True), ("asha_promotion", False), ("none", False)):
        spec = check({**SPEC, "pruner": {"name": pruner}}, "SPEC")
        said = summary.sentences(searched(30), Conclusions(spec=spec))
        assert any("[pruner] audit = 0.1" in sentence for sentence in said) == is_doubted, pruner
    asha = Conclusions(spec=check({**SPEC, "pruner": {"name": "asha"}}, "SPEC"))
    assert not any("audit" in sentence for sentence in summary.sentences(searched(1), asha)), "nothing was cut"


def test_the_summary_says_so_where_there_was_an_audit() -> None:
    history = searched(30)
    assert audit(history) is None
    assert not any("audit" in sentence for sentence in summary.sentences(history))
    told = "An audit let 1 trial finish that the pruner would have stopped: 0 came out better than all that it spared"
    assert any(sentence.startswith(told) for sentence in summary.sentences(with_audited(history, [3])))


def test_an_interval_of_a_share() -> None:
    assert proportion_interval(5, 10) == pytest.approx((0.2366, 0.7634), abs=1e-4)


def judged_early(order: list[int]) -> StudyRecord:
    """A search of which one trial was cut after two epochs; `order` is the rank after them of each that finished."""
    history = searched(30)
    kept = history.ranked[: len(order)]
    early = {
        trial.number: tuple(replace(e, value=rank / 100) if e.epoch == 2 else e for e in trial.curve)
        for rank, trial in zip(order, kept, strict=True)
    }
    cut = next(trial for trial in history.trials if trial.number not in early and trial.curve)
    trials = [replace(trial, curve=early[trial.number]) for trial in kept]
    trials.append(replace(cut, state="PRUNED", curve=cut.curve[:2], outcome="pruned"))
    return replace(history, trials=tuple(trials))


def test_how_well_early_epochs_foretell_the_end_is_said() -> None:
    same = foretold(judged_early([9, 8, 7, 6, 5, 4, 3, 2, 1, 0]))
    assert same is not None
    assert (same.epochs, same.trials) == (2, 10)
    assert same.agreement == pytest.approx(1.0)
    assert same.interval[0] < 0.98, "ten trials in the same order are no proof that all would be"
    assert "foretold much of their last one" in foretold_sentence(same)
    other = foretold(judged_early([4, 9, 2, 7, 0, 5, 1, 8, 3, 6]))
    assert other is not None
    assert other.interval[0] < 0 < other.interval[1]
    assert "foretold nothing that can be shown" in foretold_sentence(other)
    assert any("foretold nothing" in said for said in summary.sentences(judged_early([4, 9, 2, 7, 0, 5, 1, 8, 3, 6])))


def test_of_few_trials_or_without_a_cut_nothing_is_said() -> None:
    assert foretold(judged_early([3, 2, 1, 0])) is None
    history = searched(30)
    assert foretold(replace(history, trials=tuple(t for t in history.trials if t.state == "COMPLETE"))) is None
