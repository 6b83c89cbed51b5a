"""An interval for new data knows that the test examples are a draw too, and two equals seldom differ."""

import numpy as np
import pytest
from numpy.typing import NDArray

from winnow.search.analysis import new_data
from winnow.search.analysis.statistics import Sample, Scale, scale_of

ACCURACY = scale_of("accuracy", "maximize", 360)


def interval(results: NDArray[np.float64], scale: Scale, resampled: bool = False) -> tuple[float, float]:
    return new_data.interval(results, Sample(tuple(results.mean(axis=1)), scale), 0.05, resampled)


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
        low, high = new_data.interval(
            first - second, Sample(tuple((first - second).mean(1)), ACCURACY.differences), 0.05
        )
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
        low, high = interval(equals(random, 360)[0], ACCURACY)
        assert 0 <= low < high <= 1
        held.append(low <= truth <= high)
    assert np.mean(held) >= 0.93 - 0.03


def test_models_that_are_always_right_may_be_wrong_elsewhere() -> None:
    low, high = interval(np.ones((5, 360)), ACCURACY)
    assert 0.98 < low < 1 - 1 / 360
    assert high == 1
    assert interval(np.ones((1, 360)), ACCURACY)[0] == -np.inf, "one seed says nothing of seeds"


@pytest.mark.parametrize("seeds", [2, 3, 5, 20])
def test_what_holds_for_new_data_holds_what_holds_for_these(seeds: int) -> None:
    random = np.random.default_rng(seeds)
    for _ in range(50):
        results = (random.random((seeds, 200)) < random.uniform(0.5, 1, (seeds, 1))).astype(float)
        low, high = interval(results, ACCURACY)
        inner = Sample(tuple(results.mean(axis=1)), ACCURACY).interval
        assert low <= inner[0] <= inner[1] <= high


def test_draws_with_replacement_tell_what_the_examples_themselves_tell() -> None:
    random = np.random.default_rng(4)
    results = equals(random, 360)[0]
    drawn = np.stack([results[:, random.integers(0, 360, 360)].mean(axis=1) for _ in range(400)], axis=1)
    scale = Scale(0.0, 1.0, 1 / 360)
    exact, resampled = interval(results, scale), interval(drawn, scale, resampled=True)
    assert resampled[1] - resampled[0] == pytest.approx(exact[1] - exact[0], rel=0.15)
