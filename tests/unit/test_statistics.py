"""Intervals cover what they promise, looked at once or again and again, and the best is seldom left out."""

import math

import numpy as np
import pytest

from winnow.search.analysis.statistics import Sample, error_of_look, paired, possibly_best, seeds_at_look


def test_the_interval_is_students() -> None:
    low, high = Sample((1.0, 2.0, 3.0)).interval
    assert (low, high) == pytest.approx((2 - 4.302653 / math.sqrt(3), 2 + 4.302653 / math.sqrt(3)))


def test_one_score_says_nothing_of_noise() -> None:
    assert Sample((0.9,)).interval == (-math.inf, math.inf)
    assert math.isnan(Sample((0.9,)).deviation)


def test_what_a_seed_does_to_both_falls_out_of_their_difference() -> None:
    difference = paired([0.7, 0.9, 0.5], [0.6, 0.8, 0.4])
    assert difference.mean == pytest.approx(0.1)
    assert difference.deviation == pytest.approx(0)


def test_all_looks_together_spend_no_more_than_the_error() -> None:
    assert sum(error_of_look(look) for look in range(1, 50)) <= 0.05
    assert [seeds_at_look(look, 5) for look in (1, 2, 3)] == [5, 10, 20]


def test_an_interval_is_at_most_half_as_wide_again_as_one_that_is_looked_at_once() -> None:
    random = np.random.default_rng(0)
    for look in (1, 2, 3):
        sample = Sample(tuple(random.normal(size=seeds_at_look(look, 5))))
        once, repeated = sample.interval, sample.interval_at(error_of_look(look))
        assert repeated[1] - repeated[0] <= 1.5 * (once[1] - once[0])


def test_stopping_when_the_interval_leaves_zero_does_not_break_its_promise() -> None:
    random = np.random.default_rng(1)
    missed = missed_by_naive = 0
    for _ in range(200):
        scores = tuple(random.normal(size=20))
        for look in (1, 2, 3):
            low, high = Sample(scores[: seeds_at_look(look, 5)]).interval_at(error_of_look(look))
            if low > 0 or high < 0:
                missed += 1
                break
        for seeds in range(5, 21):
            low, high = Sample(scores[:seeds]).interval
            if low > 0 or high < 0:
                missed_by_naive += 1
                break
    assert missed / 200 <= 0.05
    assert missed_by_naive / 200 > 0.1, "looking after each seed with a plain interval would find what is not there"


def test_the_possibly_best_are_ordered_and_leave_out_the_clearly_worse() -> None:
    scores = {"bad": [0.1, 0.2, 0.3, 0.1], "good": [0.8, 0.9, 1.0, 0.8], "as good": [0.79, 0.92, 0.97, 0.8]}
    assert possibly_best(scores) == ["good", "as good"]
    assert possibly_best({"a": [0.1], "b": [0.9]}) == ["b", "a"], "one seed tells nothing apart"


def test_the_truly_best_is_among_the_possibly_best() -> None:
    random = np.random.default_rng(2)
    found = 0
    for _ in range(200):
        truth = [0.0, 0.0, 0.0, 0.3]
        found += 3 in possibly_best({i: list(mean + random.normal(size=5)) for i, mean in enumerate(truth)})
    assert found / 200 >= 0.95
