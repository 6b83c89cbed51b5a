"""On noise and effects that are known, what Winnow concludes is true as often as it says (bench/truth.py, few times).

A bound is what is promised and three standard errors of so few repetitions: a claim that is broken does not pass.
"""

import math

import pytest

from bench import noise, truth
from bench.designs import DESIGNS, VALUES
from bench.noise import Family
from winnow.search.analysis.importance_evaluators import METHODS, Method

TIMES = 150
ABLATIONS = 12
FAMILIES = {family.name: family for family in noise.families()}
pytestmark = pytest.mark.truth


def at_most(share: float, times: int) -> float:
    return share * times + 3 * math.sqrt(share * (1 - share) * times)


@pytest.mark.parametrize("family", FAMILIES.values(), ids=list(FAMILIES))
def test_an_interval_of_a_mean_holds_the_truth_and_has_a_width(family: Family) -> None:
    missed = 0.08 if family.name == noise.LONG_ABOVE else 0.07
    for seeds in (5, 10):
        (row,) = truth.intervals(family, TIMES, seeds)
        assert row.times - row.hits <= at_most(missed, TIMES), row
        assert family.examples or "break" in family.name or float(row.note.split()[1]) <= 1.3, row


@pytest.mark.parametrize("family", FAMILIES.values(), ids=list(FAMILIES))
def test_equals_are_seldom_called_unequal(family: Family) -> None:
    alone, better, worse = truth.confirmations(family, TIMES)
    for row in (alone, better, worse):
        assert row.hits <= at_most(0.05, TIMES), row


def test_looking_again_and_again_keeps_what_it_promises_beside_a_skewed_arm() -> None:
    skewed = FAMILIES[truth.UNEVEN[1]]
    *_, after_50 = truth.again(skewed, 40)
    assert after_50.hits <= at_most(0.08, 40), after_50
    alone, _ = truth.looks(skewed, truth.METHODS[2:3], TIMES)
    assert alone.hits <= at_most(0.05, TIMES), alone


def test_on_new_data_two_equals_are_seldom_told_apart_and_on_these_often() -> None:
    for examples in (100, 360, 1000):
        unseen, these = truth.unseen(TIMES, examples)
        assert unseen.hits <= at_most(0.07, TIMES), unseen
        assert these.hits > unseen.hits or examples == 1000


@pytest.mark.parametrize("name", ["normal", "one arm skewed, others tight", "one arm breaks down in 7 %"])
def test_a_whole_ablation_is_seldom_wrong_and_finds_what_is_there(name: str) -> None:
    family, half_of_before = FAMILIES[name], 736 / 2
    nothing, *_ = truth.ablations(family, truth.nothing, ABLATIONS)
    planted, strong, _, _, pair = truth.ablations(family, truth.planted, ABLATIONS)
    for row in (nothing, planted):
        assert row.hits <= at_most(0.05, ABLATIONS), row
        assert float(row.note.split()[1]) <= half_of_before, row
    assert min(strong.hits, pair.hits) >= ABLATIONS - 1


@pytest.mark.parametrize("design", VALUES)
@pytest.mark.parametrize("name", ["normal", "counted on 50", "one arm five times as wide"])
def test_values_that_do_the_same_are_seldom_called_different(name: str, design: str) -> None:
    false, _ = truth.values_compared(FAMILIES[name], design, TIMES // 3)
    assert false.hits <= at_most(0.05, false.times), false


@pytest.mark.parametrize("name", DESIGNS)
def test_what_only_adds_up_is_not_called_a_pair(name: str) -> None:
    times = TIMES // 10 if name.startswith("TPE") else TIMES
    (row,) = truth.interactions(name, times, 0.0)
    assert row.hits <= at_most(0.05, times), row


@pytest.mark.parametrize("name", DESIGNS)
@pytest.mark.parametrize("method", METHODS)
def test_importance_ranks_rightly_or_is_left_out(method: Method, name: str) -> None:
    times = {"PED-ANOVA": 8, "MDI": 4, "fANOVA": 1}[method]
    meaningless = ("coordinate", "TPE + ASHA", "freeze-thaw") if method == "fANOVA" else ("coordinate",)
    left_out, *told = truth.importances(method, name, FAMILIES["normal"], times)
    assert left_out.hits == (times if name in meaningless else 0), left_out
    assert bool(told) == (name not in meaningless)
    if told and method == "MDI" and name.startswith("TPE"):  # nine times of ten, and so few times a miss may be
        assert told[0].hits >= times - 1, told[0]
    elif told and not name.startswith("TPE"):
        right, _, mean, useless = told
        assert right.hits == times, right
        assert mean.times - mean.hits <= at_most(0.05, mean.times), mean
        assert useless.hits <= at_most(0.05, times), useless


@pytest.mark.parametrize("early", [0.05, 1.0])
def test_what_an_audit_says_of_the_pruner_holds_what_its_cuts_lose(early: float) -> None:
    none, held = truth.audits(40, 0.2, early, 40)
    assert held.times == 40 - none.hits
    assert held.times - held.hits <= at_most(0.07, held.times), held
