"""On an objective whose effects are known, what Winnow concludes is true as often as it says (bench/truth.py)."""

import numpy as np
import optuna
import pytest

from bench.truth import KINDS, Tally, repeat
from winnow.search.analysis.statistics import Sample

REPETITIONS = 20
pytestmark = pytest.mark.truth


@pytest.fixture(scope="module")
def tally() -> Tally:
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    counted = Tally()
    for seed in range(REPETITIONS):
        repeat(counted, seed)
    return counted


def test_intervals_hold_the_truth_and_are_not_bought_with_width(tally: Tally) -> None:
    for kind in KINDS:
        assert np.mean(tally.held[kind]) >= 0.92, kind
        assert max(tally.widths[kind]) <= 1.5, kind


def test_a_useless_method_is_seldom_judged_and_a_pair_that_only_works_together_is_found(tally: Tally) -> None:
    assert np.mean(tally.useless_judged) <= 0.05
    assert np.mean(tally.pair_found) >= 0.9


def test_the_searchs_best_value_flatters_and_the_confirmed_winner_does_not(tally: Tally) -> None:
    low, _ = Sample(tuple(tally.search_bias)).interval
    assert low > 0.005, "half of the noise of one training, or more"
    low, high = Sample(tuple(tally.winner_bias)).interval
    assert low < 0 < high
    assert np.mean(tally.held["confirmed winner"]) >= 0.92
