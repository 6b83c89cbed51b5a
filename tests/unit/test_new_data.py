"""An interval for new data knows that the test examples are a draw too, and two equals seldom differ."""

import numpy as np
import pytest
from numpy.typing import NDArray

from winnow.search.analysis import new_data
from winnow.search.analysis.statistics import Sample, scale_of

ACCURACY = scale_of("accuracy", "maximize", 360)


def equals(random: np.random.Generator, examples: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Two configurations, equal over all data, of which each finds other examples hard; (5 seeds, examples) each."""
    hard = random.random(examples) < 0.1
    sides = [np.where(hard, random.beta(0.6, 0.3, examples), 0.999) for _ in range(2)]
    luck = random.normal(0, 0.02, (2, 5, 1))
    first, second = (random.random((5, examples)) < side + luck[i] for i, side in enumerate(sides))
    return first.astype(float), second.astype(float)


@pytest.mark.parametrize("examples", [100, 360, 1000])
def test_two_that_are_equal_over_all_data_are_seldom_told_apart_on_some_of_them(examples: int) -> None:
    random = np.random.default_rng(0)
    missed = missed_on_these = 0
    for _ in range(200):
        first, second = equals(random, examples)
        low, high = new_data.interval(first - second, ACCURACY.differences, 0.05)
        missed += not low <= 0 <= high
        low, high = Sample(tuple((first - second).mean(1)), ACCURACY.differences).interval
        missed_on_these += not low <= 0 <= high
    assert missed / 200 <= 0.07 + 0.03
    assert missed < missed_on_these


def test_the_accuracy_over_all_data_is_held() -> None:
    random = np.random.default_rng(1)
    truth = np.mean([equals(random, 20_000)[0].mean() for _ in range(5)])
    held = []
    for _ in range(200):
        low, high = new_data.interval(equals(random, 360)[0], ACCURACY, 0.05)
        assert 0 <= low < high <= 1
        held.append(low <= truth <= high)
    assert np.mean(held) >= 0.93 - 0.03


def test_models_that_are_always_right_may_be_wrong_elsewhere() -> None:
    low, high = new_data.interval(np.ones((5, 360)), ACCURACY, 0.05)
    assert 0.98 < low < 1 - 1 / 360
    assert high == 1
    assert new_data.interval(np.ones((1, 360)), ACCURACY, 0.05)[0] == -np.inf, "one seed says nothing of seeds"
