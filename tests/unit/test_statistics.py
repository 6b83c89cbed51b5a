"""Intervals cover what they promise of scores as trainings give them, and the best is seldom left out."""

import math
from collections.abc import Callable

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.special import stdtrit

from winnow.search.analysis.seeds import decide_nothing
from winnow.search.analysis.statistics import (
    ANY,
    ROOM,
    Sample,
    Scale,
    broken_down,
    error_of_look,
    largest_spread,
    paired,
    possibly_best,
    scale_of,
    seeds_at_look,
)

ACCURACY = scale_of("validation accuracy", "maximize", 360)
Draw = Callable[[np.random.Generator, int], NDArray[np.float64]]


def students(scores: NDArray[np.float64]) -> float:
    return 2 * float(stdtrit(len(scores) - 1, 0.975) * np.std(scores, ddof=1)) / math.sqrt(len(scores))


def test_the_interval_is_students_with_room_for_skewness() -> None:
    low, high = Sample((1.0, 2.0, 3.0)).interval
    half = 4.302653 / math.sqrt(3) * (1 + ROOM / 2)
    assert (low, high) == pytest.approx((2 - half, 2 + half))
    low, high = Sample((0.90, 0.99, 0.98, 0.99, 0.98)).interval
    assert 0.968 - low > high - 0.968, "more room where the tail is"


FAMILIES: dict[str, tuple[Draw, float, Scale]] = {
    "normal": (lambda random, n: random.normal(0.9, 0.01, n), 0.9, ACCURACY),
    "exponential": (lambda random, n: 0.9 - random.exponential(0.01, n), 0.89, Scale(0, 1, 0, -1)),
    "heavy tails": (lambda random, n: 0.9 + 0.005 * random.standard_t(3, n), 0.9, Scale(0, 1, 0, -1)),
    "bounded near 1": (lambda random, n: random.beta(99, 1, n), 0.99, Scale(0, 1, 0, -1)),
    "counted on few": (lambda random, n: random.binomial(360, 0.998, n) / 360, 0.998, ACCURACY),
    "one in ten breaks down": (
        lambda random, n: random.normal(0.9, 0.01, n) - 0.5 * (random.random(n) < 0.1),
        0.9,
        Scale(0, 1, 0, -1),
    ),
}


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("seeds", [5, 10])
def test_intervals_hold_the_truth_of_scores_as_trainings_give_them(family: str, seeds: int) -> None:
    draw, truth, scale = FAMILIES[family]
    random = np.random.default_rng(0)
    held, widths, plain = [], [], []
    for _ in range(400):
        scores = draw(random, seeds)
        low, high = Sample(tuple(scores), scale).interval
        assert scale.low <= low < high <= scale.high
        held.append(low <= truth <= high)
        widths.append(high - low)
        plain.append(students(scores))
    assert np.mean(held) >= 0.93 - 2 * math.sqrt(0.93 * 0.07 / 400)
    assert np.mean(widths) <= 1.3 * np.mean(plain) or family == "counted on few"


def test_seeds_that_broke_down_are_kept_apart() -> None:
    scores = (0.91, 0.9, 0.92, 0.1, 0.9, 0.91, 0.92, 0.9)
    sample = Sample(scores, ACCURACY)
    assert sample.broken == 1
    assert sample.mean == pytest.approx(0.9085714)
    assert sample.as_dict()["broken_down"] == 1  # type: ignore[index]
    assert Sample(scores).broken == 0, "without a worse side there is no break-down"
    assert Sample(tuple(-score for score in scores), ACCURACY.negative).broken == 1
    assert Sample((0.9, 0.9, 0.1), ACCURACY).broken == 0, "of three nobody can tell"
    two = (0.91, 0.1, 0.9, 0.2, 0.92)
    assert Sample(two, ACCURACY).broken == 0, "of five, two are not told by the other three"
    like_theirs = [(0.91, 0.9, 0.92, 0.9, 0.91)] * 7
    assert largest_spread([*like_theirs[1:], two], ACCURACY) == math.inf, "seven sets tell no spread"
    spread = largest_spread([*like_theirs, two], ACCURACY)
    assert broken_down(two, ACCURACY, spread) == [False, True, False, True, False], "but by other sets like theirs"
    others = [0.8, 0.81, 0.8, 0.8, 0.1, 0.81, 0.8, 0.8]
    assert len(paired(scores, others, ACCURACY).scores) == 6, "a seed counts where neither side broke down"


def test_the_worst_of_a_skewed_tail_did_not_break_down() -> None:
    random = np.random.default_rng(0)
    for seeds in (10, 20, 50):
        drawn = 0.9 - 0.01 * random.exponential(size=(400, seeds))
        broken = [any(broken_down(scores, ACCURACY)) for scores in drawn.tolist()]
        assert np.mean(broken) <= 0.02, seeds  # 0.1 to 0.8 of 100 are expected, and without the floor 2.5 to 18
        drawn[:, 0] -= 0.5
        assert all(broken_down(scores, ACCURACY)[0] for scores in drawn.tolist()), "a training at chance did"


def test_an_interval_stays_within_what_the_metric_can_take_and_has_a_width() -> None:
    assert Sample((0.64, 0.98), ACCURACY).interval[1] == 1.0
    low, high = Sample((0.6, 0.6), ACCURACY).interval
    assert low < 0.6 < high
    low, high = Sample((0.6, 0.6), scale_of("accuracy", "maximize")).interval
    assert low < 0.6 < high, "also where nobody said on how many examples"
    assert Sample((1.0,) * 5, ACCURACY).interval[0] < 0.998
    assert paired([0.9, 0.9], [0.9, 0.9], ACCURACY).interval == pytest.approx((-0.0161, 0.0161), abs=0.0001)
    assert scale_of("validation loss", "minimize") == Scale(low=0.0, worse=1)
    assert scale_of("accuracy", "maximize", 200, [0.4, 1.0]) == Scale(0.0, 1.0, 0.005, -1)
    assert scale_of("accuracy", "maximize", 200, [0.4, 93.5]) == Scale(0.0, 100.0, 0.5, -1), "in per cent"
    assert scale_of("accuracy", "maximize", 0, [-3.0, 120.0]) == Scale(worse=-1), "whatever it is"
    assert scale_of("objective value", "minimize") == Scale(worse=1)
    assert scale_of("signed error", "minimize", 0, [-0.2, 0.1]) == Scale(worse=1), "it only sounds like one"


def test_a_metric_of_ones_own_has_an_interval_around_its_scores() -> None:
    kappa = Sample((-0.02, -0.01, -0.03), scale_of("adjusted accuracy", "maximize", 100, [0.2, 0.4]))
    low, high = kappa.interval
    assert low < -0.03 < -0.01 < high, "seeds may leave the bounds that its name and the search suggest"


def test_a_metric_of_ones_own_that_is_counted_has_an_interval_of_some_width() -> None:
    worst_class = scale_of("worst class", "maximize", 0, [count / 36 for count in (30, 31, 31, 33, 33) * 2])
    assert worst_class.step == pytest.approx(1 / 36)
    gain = paired([34 / 36] * 3, [33 / 36] * 3, worst_class)
    assert gain.interval[0] < 0 < gain.p, "three seeds that count one more do not prove it"
    assert scale_of("worst class", "maximize", 0, [0.5, 0.5, 0.9]).step == 0, "too few to tell"
    assert scale_of("worst class", "maximize", 0, list(np.linspace(0.5, 0.9, 12))).step == 0, "all differ"


def test_the_smallest_error_of_an_interval_without_zero() -> None:
    sample = Sample((0.01, 0.02, 0.015, 0.03, 0.012), ACCURACY.differences)
    assert sample.interval_at(sample.p * 1.01)[0] > 0 > sample.interval_at(sample.p * 0.99)[0]
    assert Sample((0.1,)).p == Sample((0.0, 0.0)).p == 1
    assert Sample((0.1, 0.1)).p == 0


def test_a_skewness_that_is_known_makes_room_on_its_own_side_alone() -> None:
    scores = (1.0, 2.0, 3.0)
    low, high = Sample(scores, skewness=-2.0).interval
    student = 4.302653 / math.sqrt(3)
    assert (2 - low, high - 2) == pytest.approx((student * (1 + 3 / math.sqrt(3)), student))
    assert Sample(scores, skewness=0.0).interval == pytest.approx((2 - student, 2 + student))


def test_seeds_that_change_no_number_of_a_curve_decide_nothing() -> None:
    assert decide_nothing([[0.5, 0.7, 0.8], [0.5, 0.7, 0.8]])
    assert not decide_nothing([[0.5, 0.7, 0.8], [0.5, 0.71, 0.8]]), "the same end by another way is another training"
    assert not decide_nothing([[0.8]]), "one says nothing"


def test_one_score_says_nothing_of_noise() -> None:
    assert Sample((0.9,)).interval == (-math.inf, math.inf)
    assert math.isnan(Sample((0.9,)).deviation)


def test_what_a_seed_does_to_both_falls_out_of_their_difference() -> None:
    difference = paired([0.7, 0.9, 0.5], [0.6, 0.8, 0.4])
    assert difference.mean == pytest.approx(0.1)
    assert difference.deviation == pytest.approx(0)
    assert difference.scale == ANY


def test_all_looks_together_spend_no_more_than_the_error() -> None:
    assert sum(error_of_look(look) for look in range(1, 50)) <= 0.05
    assert [seeds_at_look(look, 5) for look in (1, 2, 3)] == [5, 10, 20]


def test_stopping_when_the_interval_leaves_zero_does_not_break_its_promise() -> None:
    random = np.random.default_rng(1)
    missed = missed_by_naive = 0
    for _ in range(300):
        scores = tuple(random.normal(size=20))
        for look in (1, 2, 3):
            low, high = Sample(scores[: seeds_at_look(look, 5)]).interval_at(error_of_look(look))
            if low > 0 or high < 0:
                missed += 1
                break
        for seeds in range(5, 21):
            if abs(np.mean(scores[:seeds])) > students(np.array(scores[:seeds])) / 2:
                missed_by_naive += 1
                break
    assert missed / 300 <= 0.05
    assert missed_by_naive / 300 > 0.1, "looking after each seed with a plain interval would find what is not there"


def test_the_possibly_best_are_ordered_and_leave_out_the_clearly_worse() -> None:
    scores = {"bad": [0.1, 0.2, 0.3, 0.1], "good": [0.8, 0.9, 1.0, 0.8], "as good": [0.79, 0.92, 0.97, 0.8]}
    assert possibly_best(scores) == ["good", "as good"]
    assert possibly_best({"a": [0.1], "b": [0.9]}) == ["b", "a"], "one seed tells nothing apart"


def test_one_of_two_equals_is_called_better_five_times_of_a_hundred() -> None:
    random = np.random.default_rng(3)
    alone = [len(possibly_best({i: list(random.normal(size=5)) for i in range(2)})) == 1 for _ in range(400)]
    assert np.mean(alone) <= 0.05 + 2 * math.sqrt(0.05 * 0.95 / 400)


def test_the_truly_best_is_among_the_possibly_best() -> None:
    random = np.random.default_rng(2)
    found = 0
    for _ in range(200):
        truth = [0.0, 0.0, 0.0, 0.3]
        found += 3 in possibly_best({i: list(mean + random.normal(size=5)) for i, mean in enumerate(truth)})
    assert found / 200 >= 0.95
