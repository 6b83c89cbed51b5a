"""What is said of two methods' regrets: nothing that a task without any could turn over."""

import math

import numpy as np
import pytest

from bench.regret import interval, table


def test_the_interval_holds_the_ratio_and_is_narrow_where_all_tasks_agree():
    theirs = np.random.default_rng(0).uniform(0.5, 1.5, (8, 5))
    assert interval(theirs / 2, theirs) == pytest.approx((0.5, 0.5, 0.5))
    ratio, low, high = interval(theirs[:, ::-1], theirs)
    assert low < ratio < high
    assert ratio == pytest.approx(1)


def test_a_ratio_to_what_may_be_nothing_has_no_upper_end():
    """Of two tasks one leaves the other method no regret: a fourth of all resamples hold that task alone."""
    theirs, ours = np.array([[0.0], [0.1]]), np.array([[0.1], [0.1]])
    assert interval(ours, theirs) == pytest.approx((2, 1, math.inf))
    assert "2.00 [1.00 any]" in table({"theirs": theirs[:, :, None], "ours": ours[:, :, None]}, [1])


def test_where_neither_leaves_anything_any_ratio_may_be():
    nothing = np.zeros((2, 3))
    ratio, low, high = interval(nothing, nothing)
    assert math.isnan(ratio)
    assert (low, high) == (0, math.inf)
    assert "any [0.00 any]" in table({"theirs": nothing[:, :, None], "ours": nothing[:, :, None]}, [1])
