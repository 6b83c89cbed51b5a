"""What a person believes of a search: where it draws, how that fades, and that nothing is ruled out."""

import math
import statistics
from collections.abc import Mapping
from typing import Any

import numpy as np
import optuna
import pytest

from winnow.objectives.space import Choice, Range, Space, suggest
from winnow.search.study import validation
from winnow.search.study.encoding import Encoding
from winnow.search.study.freeze_thaw.scheduler import FreezeThaw
from winnow.search.study.prior import Prior, PriorSampler, weight
from winnow.search.study.schedulers import Begin, Outline, Standing

SPACE: Space = {
    "lr": Range(1e-5, 1.0, log=True, prior=1e-2),
    "optimizer": Choice(("sgd", "adam", "adamw"), prior="adamw", confidence=0.5),
    "momentum": Range(0.0, 0.99, when={"optimizer": ("sgd",)}, prior=0.95),
    "units": Range(16, 1024, log=True, whole=True),
}


RATE: Space = {"lr": SPACE["lr"]}


def drawn(count: int) -> list[dict[str, Any]]:
    encoding = Encoding(SPACE)
    return [encoding.values(point) for point in Prior(SPACE).draw(count, np.random.default_rng(0))]


def test_draws_lie_around_what_is_believed_and_everywhere_else_too() -> None:
    values = drawn(4000)
    rates = [math.log10(each["lr"]) for each in values]
    assert statistics.median(rates) == pytest.approx(-2, abs=0.1)
    assert statistics.mean(abs(rate + 2) < 1 for rate in rates) == pytest.approx(0.9 * 0.954 + 0.1 * 0.4, abs=0.03)
    assert min(rates) < -4.5
    assert max(rates) > -0.5
    assert statistics.mean(each["optimizer"] == "adamw" for each in values) == pytest.approx(0.5 + 0.5 / 3, abs=0.03)
    assert all(0 <= each["momentum"] <= 0.99 for each in values)
    assert statistics.mean(each["units"] < 128 for each in values) == pytest.approx(0.5, abs=0.03)


def test_the_density_is_that_of_the_draws() -> None:
    """Under uniform points its mean is 1, and under its own draws the mean of its inverse is."""
    prior, random = Prior(SPACE), np.random.default_rng(0)
    assert prior.density(random.random((20_000, 4))).mean() == pytest.approx(1, abs=0.05)
    assert (1 / prior.density(prior.draw(20_000, random))).mean() == pytest.approx(1, abs=0.1)


def off(parameters: Mapping[str, Any]) -> float:
    return abs(math.log10(parameters["lr"]) + 2)


def run(sampler: optuna.samplers.BaseSampler, trials: int, *, wrong: bool) -> list[dict[str, Any]]:
    """Search what is best where the prior says, or anywhere else but there."""
    study = optuna.create_study(sampler=sampler)
    study.optimize(lambda trial: off(suggest(trial, RATE, {})) * (-1 if wrong else 1), n_trials=trials)
    return [trial.params for trial in study.trials]


@pytest.mark.parametrize("inner", [optuna.samplers.RandomSampler, optuna.samplers.TPESampler])
def test_a_search_begins_there(inner: type[optuna.samplers.RandomSampler | optuna.samplers.TPESampler]) -> None:
    first = [run(PriorSampler(inner(seed=seed), SPACE, seed), 5, wrong=False) for seed in range(5)]
    assert statistics.mean(off(each) < 0.75 for seen in first for each in seen) > 0.6


def test_a_search_forgets_it_where_it_is_wrong() -> None:
    near = {True: 0, False: 0}
    for seed in range(12):
        for wrong in near:
            seen = run(PriorSampler(optuna.samplers.RandomSampler(seed=seed), RATE, seed), 25, wrong=wrong)
            near[wrong] += sum(off(each) < 0.75 for each in seen[10:])
    assert near[True] < 0.8 * near[False]


def test_even_a_good_prior_fades() -> None:
    assert weight(0) == 1
    assert weight(1000) < 0.01


def test_a_trial_draws_the_same_whoever_asks() -> None:
    first, second = (
        run(PriorSampler(optuna.samplers.RandomSampler(seed=1), SPACE, 7), 6, wrong=False) for _ in range(2)
    )
    assert first == second


def test_freeze_thaw_begins_there_and_weighs_what_the_model_promises() -> None:
    scheduler, random = FreezeThaw(SPACE, 27, "maximize"), np.random.default_rng(0)
    first = [scheduler.next([], random) for _ in range(20)]
    assert sum(off(begin.parameters) < 0.75 for begin in first if isinstance(begin, Begin) and begin.parameters) > 12
    second = [scheduler.next([Outline(0, Standing.RUNNING)], random) for _ in range(20)]
    assert sum(off(begin.parameters) < 0.75 for begin in second if isinstance(begin, Begin) and begin.parameters) < 9


def test_without_a_prior_nothing_is_drawn_otherwise() -> None:
    plain = {"lr": Range(1e-5, 1.0, log=True), "units": Range(16, 1024, log=True, whole=True)}
    ours, theirs = Prior(plain), Encoding(plain)
    assert np.array_equal(ours.draw(9, np.random.default_rng(0)), theirs.draw(9, np.random.default_rng(0)))
    assert np.array_equal(ours.density(np.full((3, 2), 0.4)), np.ones(3))


def test_a_spec_says_it_and_its_study_draws_by_it() -> None:
    content = {
        "name": "s",
        "data": {"name": "digits"},
        "search": {"lr": {"low": 1e-5, "high": 1.0, "log": True, "prior": 0.01, "confidence": 0.99}},
        "budget": {"trials": 5},
    }
    spec = validation.check(content, "s.toml")
    assert spec.has_prior
    assert spec.space["lr"] == Range(1e-5, 1.0, log=True, prior=0.01, confidence=0.99)
    assert validation.check(spec.model_dump(mode="json"), "s.toml", stored=True) == spec
