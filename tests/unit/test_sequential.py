"""The ablation's questions, the path, and the design for seeds, on objectives whose effects are known."""

import re
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from winnow.objectives.hyperparameters import DEFINITIONS
from winnow.objectives.methods import check_groups, method_of
from winnow.search.analysis import power
from winnow.search.analysis.contrasts import MethodSet
from winnow.search.analysis.sequential import Results, SequentialDesign, Training
from winnow.search.analysis.statistics import Scale

Value = Callable[[MethodSet, int], float | None]


def design(*methods: str, **options: Any) -> SequentialDesign:
    return SequentialDesign(methods, range(1000, 1100), **options)


def run(raced: SequentialDesign, value: Value, rounds: int = 100) -> dict[Training, float | None]:
    """Do what is wanted until nothing is."""
    results: dict[Training, float | None] = {}
    while (wanted := raced.next_trainings(results)) and rounds:
        results.update({training: value(*training) for training in wanted})
        rounds -= 1
    return results


def noisy(truth: Callable[[MethodSet], float], deviation: float, seed: int = 0) -> Value:
    """The truth with noise that depends on the training alone, so that asking twice gives the same."""

    def value(on: MethodSet, training_seed: int) -> float:
        draw = np.random.default_rng([seed, training_seed, *(ord(letter) for letter in "".join(sorted(on)))])
        return truth(on) + float(draw.normal(0, deviation))

    return value


def additive(on: MethodSet) -> float:
    return 0.5 + 0.2 * ("a" in on) + 0.1 * ("b" in on) - 0.1 * ("c" in on)


def pair(on: MethodSet) -> float:
    return 0.5 + 0.2 * ("a" in on and "b" in on) + 0.1 * ("c" in on)


def verdicts(raced: SequentialDesign, results: Results, kind: str) -> dict[str, str]:
    return {effect.method: effect.verdict for effect in raced.answers(results).kind(kind)}  # type: ignore[arg-type]


def test_every_hyperparameter_belongs_to_one_method() -> None:
    groups: dict[str, list[str]] = {}
    for name in DEFINITIONS.keys() - {"seed"}:
        groups.setdefault(method_of(name), []).append(name)
    check_groups(groups)
    assert {method for method, members in groups.items() if len(members) == 1} <= {
        *("activation", "batch normalisation", "initialisation", "learning rate", "batch size", "epochs"),
        *("gradient clipping", "precision", "compilation", "L1 penalty", "L2 penalty", "label smoothing"),
        *(
            "early stopping",
            "focal loss",
            "metric",
            "gradient accumulation",
            "warm-up",
            "layer-wise learning rate",
            "drop path",
        ),
        "normalisation",
    }
    assert method_of("momentum") == "optimiser"
    assert method_of("warmup") == "schedule"
    assert method_of("crop") == "augmentation"
    assert method_of("crop", {"cropping": ["crop", "crop_padding"]}) == "cropping"


def test_effects_that_only_add_are_the_same_however_they_are_asked_for() -> None:
    raced = design("a", "b", "c")
    results = run(raced, noisy(additive, 0.01))
    expected = {"a": "helps", "b": "helps", "c": "hurts"}
    for kind in ("alone", "removed", "path", "order"):
        assert verdicts(raced, results, kind) == expected
    assert raced.path(results) == ["a", "b", "c"]
    assert set(verdicts(raced, results, "together").values()) == {"inconclusive"}
    (everything,) = raced.answers(results).kind("whole")
    assert everything.low < 0.2 < everything.high


def test_two_that_only_work_together_are_found() -> None:
    raced = design("a", "b", "c")
    results = run(raced, noisy(pair, 0.01))
    assert verdicts(raced, results, "alone") == {"a": "inconclusive", "b": "inconclusive", "c": "helps"}
    assert verdicts(raced, results, "removed") == {"a": "helps", "b": "helps", "c": "helps"}
    assert verdicts(raced, results, "together") == {
        "a and b": "helps",
        "a and c": "inconclusive",
        "b and c": "inconclusive",
    }
    by_method = {entry.shapley.method: entry for entry in raced.answers(results).ordered}
    assert by_method["a"].shapley.effect == pytest.approx(0.1, abs=0.02), "half of what the two do together"
    assert by_method["a"].first == pytest.approx(0, abs=0.02)
    assert by_method["a"].last == pytest.approx(0.2, abs=0.02)


def test_the_shapley_values_add_up_to_the_whole() -> None:
    raced = design("a", "b", "c", looks=1)
    results = run(raced, noisy(pair, 0.05))
    (everything,) = raced.answers(results).kind("whole")
    assert sum(effect.effect for effect in raced.answers(results).kind("order")) == pytest.approx(everything.effect)


def test_with_many_methods_orders_are_sampled_and_still_add_up() -> None:
    methods = tuple("abcdefgh")
    raced = design(*methods, looks=1)
    results = run(raced, noisy(pair, 0.0))
    assert len(results) < 2**8 * 5
    by_method = {effect.method: effect for effect in raced.answers(results).kind("order")}
    assert sum(effect.effect for effect in by_method.values()) == pytest.approx(0.3)
    assert by_method["a"].effect + by_method["b"].effect == pytest.approx(0.2)
    assert by_method["d"].effect == 0


def test_seeds_go_where_they_decide() -> None:
    raced = design("a", "b", "c")
    results = run(raced, noisy(lambda on: 0.06 * ("a" in on), 0.01, seed=4))
    runs = {effect.method: effect.runs for effect in raced.answers(results).kind("alone")}
    assert runs["a"] > 10, "five seeds a side do not settle four deviations in a whole table"
    assert runs["b"] == 10, "nor would twice as many find what is nothing"
    assert verdicts(raced, results, "alone") == {"a": "helps", "b": "inconclusive", "c": "inconclusive"}


def test_with_nothing_to_find_the_first_look_is_mostly_the_last() -> None:
    spent = [len(run(design("a", "b", "c"), noisy(lambda on: 0.5, 0.01, seed))) for seed in range(20)]
    assert min(spent) == 8 * 5
    assert np.mean(spent) <= 2 * 8 * 5


def test_the_path_is_measured_on_seeds_that_did_not_choose_it() -> None:
    raced = design("a", "b")
    results = run(raced, noisy(additive, 0.1))
    others = {training: 9.0 if training[1] < 1005 else score for training, score in results.items()}
    assert raced.path(others) == raced.path(results)
    measured, again = (
        [(e.method, e.effect, e.low, e.high) for e in raced.answers(told).kind("path")] for told in (results, others)
    )
    assert measured == again
    assert len(measured) == 2


def test_a_whole_table_is_seldom_wrong_whatever_the_noise() -> None:
    """Nothing does anything, but one method makes trainings uneven, or break down."""

    def uneven(on: MethodSet, seed: int, draw: np.random.Generator) -> float | None:
        return 0.9 - 0.02 * float(draw.exponential() - 1) if "c" in on else 0.9 + 0.002 * float(draw.normal())

    def breaking(on: MethodSet, seed: int, draw: np.random.Generator) -> float | None:
        return None if "c" in on and draw.random() < 0.07 else 0.9 + 0.01 * float(draw.normal())

    def falling(on: MethodSet, seed: int, draw: np.random.Generator) -> float | None:
        return 0.9 + 0.01 * float(draw.normal()) - (0.8 if "c" in on and draw.random() < 0.07 else 0)

    for noise in (uneven, breaking, falling):
        wrong = 0
        for repetition in range(40):
            draw = np.random.default_rng(repetition)
            raced = SequentialDesign(("a", "b", "c"), range(100), scale=Scale(0, 1, 0, -1))
            results = run(raced, lambda on, seed, draw=draw, noise=noise: noise(on, seed, draw))  # type: ignore[misc]
            effects = raced.answers(results).effects
            wrong += any(effect.verdict != "inconclusive" for effect in effects.values())
        assert wrong <= 6, noise.__name__


def test_what_is_missing_is_filled_in_only_where_many_sets_bear_it() -> None:
    def value(on: MethodSet, seed: int) -> float | None:
        return None if on == {"a"} and seed == 1001 else noisy(additive, 0.01)(on, seed)

    raced = design("a", "b", "c", looks=1)
    samples = raced.answers(run(raced, value)).samples
    assert len(samples["alone", "a"].scores) == 4
    assert len(samples["order", "a"].scores) == 5


def test_a_limit_of_trainings_is_kept_and_the_first_questions_come_first() -> None:
    raced = design("a", "b", "c", trainings=45)
    results = run(raced, noisy(additive, 0.01))
    assert len(results) <= 45
    assert len(raced.answers(results).kind("alone")) == len(raced.answers(results).kind("removed")) == 3


def test_under_a_limit_the_path_is_measured_before_anything_is_looked_at_twice() -> None:
    raced = design(*"abcd", trainings=120)
    results = run(raced, noisy(additive, 0.05))
    assert len(results) <= 120
    assert len(raced.answers(results).kind("path")) == 4


def test_half_done_it_says_what_it_can() -> None:
    raced = design("a", "b", "c")
    results = run(raced, noisy(additive, 0.01), rounds=1)
    assert len(raced.answers(results).kind("alone")) == 3
    assert raced.path(results)[:1] == ["a"]
    assert raced.answers(results).kind("path") == []
    assert raced.answers({}).kind("alone") == []


def test_a_training_without_a_score_costs_its_seed_only() -> None:
    def value(on: MethodSet, seed: int) -> float | None:
        return None if "b" in on and seed == 1002 else noisy(additive, 0.01)(on, seed)

    raced = design("a", "b", looks=1)
    effects = {effect.method: effect for effect in raced.answers(run(raced, value)).kind("alone")}
    assert effects["a"].verdict == effects["b"].verdict == "helps"


def test_a_method_that_never_gives_a_score_is_added_last_and_not_judged() -> None:
    raced = design("a", "b", looks=1)
    results = run(raced, lambda on, seed: None if "b" in on else additive(on))
    assert raced.path(results) == ["a", "b"]
    assert verdicts(raced, results, "alone") == {"a": "helps"}


def test_what_it_will_cost_and_can_find_is_said_before() -> None:
    said = " ".join(power.sentences(SequentialDesign(tuple("abcde"), range(100))))
    assert "The ablation of 5 methods takes 160 trainings at the first look (5 seeds of 32 sets of methods)" in said
    found, cost = re.findall(r"from (\d\.\d) times", said), re.findall(r"up to (\d+) in all", said)
    assert [float(size) for size in found] == sorted(map(float, found), reverse=True)
    assert cost == ["800"]
    limited = power.sentences(SequentialDesign(tuple("abcde"), range(100), trainings=200))
    assert "up to 200 in all" in limited[0]
    effect = float(found[0]) * 0.01
    answered = 0
    for repetition in range(10):
        raced = SequentialDesign(tuple("abc"), range(100))
        results = run(raced, noisy(lambda on: effect * ("a" in on), 0.01, repetition))
        answered += verdicts(raced, results, "alone")["a"] == "helps"
    assert answered >= 6
