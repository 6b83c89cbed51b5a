"""TPE with a memory draws what Optuna's own draws, whatever the history."""

import math
import random
from collections.abc import Callable
from typing import Any

import numpy as np
import optuna
import pytest
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.samplers import TPESampler
from optuna.trial import FrozenTrial, TrialState, create_trial

from winnow.search.study.fast_tpe import QuickTPESampler, log_density
from winnow.search.study.schedulers import Direction

SPACE: dict[str, BaseDistribution] = {
    "x": FloatDistribution(-3.0, 5.0),
    "lr": FloatDistribution(1e-5, 1e-1, log=True),
    "width": IntDistribution(8, 512, log=True),
    "depth": IntDistribution(1, 9),
    "dropout": FloatDistribution(0.0, 0.6, step=0.1),
    "optimizer": CategoricalDistribution(("sgd", "adam", "adamw")),
}


def finished(draw: random.Random, **shares: float) -> FrozenTrial:
    """A finished trial: perhaps pruned, infeasible, without a parameter; often of the same value as others."""
    parameters: dict[str, Any] = {
        "x": draw.uniform(-3, 5),
        "lr": 10 ** draw.uniform(-5, -1),
        "width": draw.randint(8, 512),
        "depth": draw.randint(1, 9),
        "dropout": draw.randint(0, 6) / 10,
        "optimizer": draw.choice(["sgd", "adam", "adamw"]),
    }
    if draw.random() < shares.get("lacking", 0.0):
        del parameters["optimizer"]
    value = round(abs(parameters["x"] - 1) + abs(math.log10(parameters["lr"]) + 3), 1)
    pruned = draw.random() < shares.get("pruned", 0.4)
    curve = {step: value for step in range(draw.randint(0, 4))} if pruned else {}
    if curve and draw.random() < 0.1:
        curve[max(curve)] = math.nan
    return create_trial(
        state=TrialState.PRUNED if pruned else TrialState.COMPLETE,
        params=parameters,
        distributions={name: SPACE[name] for name in parameters},
        value=None if pruned and not curve else value,
        intermediate_values=curve,
        constraints={"size": draw.uniform(-1, 1)} if draw.random() < shares.get("constrained", 0.2) else None,
    )


def draws(
    make: Callable[[], TPESampler], direction: Direction, trials: int, **shares: float
) -> list[dict[str, object]]:
    """What a sampler draws while a study grows and other trials run."""
    study = optuna.create_study(direction=direction, sampler=make())
    draw = random.Random(0)
    found = []
    for count in (trials, 1, 7):
        study.add_trials([finished(draw, **shares) for _ in range(count)])
        for _ in range(3):
            trial = study.ask()  # and goes on running
            found.append({name: trial._suggest(name, kind) for name, kind in SPACE.items()})
    return found


@pytest.mark.parametrize("direction", ["minimize", "maximize"])
@pytest.mark.parametrize("trials", [5, 60, 300])
@pytest.mark.parametrize(
    "shares",
    [{}, {"pruned": 0.97}, {"pruned": 0.0, "constrained": 0.0}, {"constrained": 1.0}, {"lacking": 0.3}],
    ids=["mixed", "nearly all pruned", "all complete", "most infeasible", "conditional"],
)
def test_the_draws_are_those_of_optunas_own(direction: Direction, trials: int, shares: dict[str, float]) -> None:
    ours = draws(lambda: QuickTPESampler(seed=1), direction, trials, **shares)
    assert ours == draws(lambda: TPESampler(seed=1), direction, trials, **shares)


@pytest.mark.parametrize("option", [{"multivariate": False}, {"constant_liar": False}, {"n_ei_candidates": 3}], ids=str)
def test_so_they_are_with_other_options(option: dict[str, Any]) -> None:
    ours = draws(lambda: QuickTPESampler(seed=1, **option), "minimize", 60)
    assert ours == draws(lambda: TPESampler(seed=1, **option), "minimize", 60)


def test_a_whole_search_is_the_same() -> None:
    def searched(sampler: TPESampler) -> list[dict[str, object]]:
        study = optuna.create_study(sampler=sampler)
        study.optimize(lambda trial: sum(trial.suggest_float(name, -5, 5) ** 2 for name in "abc"), n_trials=80)
        return [trial.params for trial in study.trials]

    assert searched(QuickTPESampler(seed=2)) == searched(TPESampler(seed=2))


def test_two_objectives_are_optunas_own() -> None:
    def searched(sampler: TPESampler) -> list[dict[str, object]]:
        study = optuna.create_study(directions=["minimize", "maximize"], sampler=sampler)
        study.optimize(lambda trial: (trial.suggest_float("x", 0, 1), trial.suggest_float("y", 0, 1)), n_trials=20)
        return [trial.params for trial in study.trials]

    assert searched(QuickTPESampler(seed=2)) == searched(TPESampler(seed=2))


def test_the_density_is_optunas_own_but_for_rounding() -> None:
    draw = random.Random(0)
    seen = [finished(draw).params for _ in range(2000)]
    columns = {name: np.array([kind.to_internal_repr(row[name]) for row in seen]) for name, kind in SPACE.items()}
    points = {name: column[:50] for name, column in columns.items()}
    sampler = TPESampler()
    estimator = sampler._parzen_estimator_cls(columns, SPACE, sampler._parzen_estimator_parameters)
    assert log_density(estimator, points) == pytest.approx(estimator.log_pdf(points), abs=1e-10)


def test_so_it_is_where_no_trial_was_seen() -> None:
    none = {name: np.array([]) for name in SPACE}
    at = {name: np.array([kind.to_internal_repr(value)]) for name, kind, value in _one_of_each()}
    sampler = TPESampler()
    estimator = sampler._parzen_estimator_cls(none, SPACE, sampler._parzen_estimator_parameters)
    assert log_density(estimator, at) == pytest.approx(estimator.log_pdf(at), abs=1e-10)


def _one_of_each() -> list[tuple[str, BaseDistribution, object]]:
    parameters = finished(random.Random(0)).params
    return [(name, kind, parameters[name]) for name, kind in SPACE.items()]


def test_a_paused_trial_counts_by_what_it_has_shown_and_is_not_learnt_for_good() -> None:
    """Each draw as Optuna's own makes it of the same trials, while those that are paused rise and end."""
    draw = random.Random(0)
    history = [finished(draw) for _ in range(60)]

    def drawn(sampler: TPESampler) -> list[dict[str, object]]:
        study = optuna.create_study(sampler=sampler)
        study.add_trials(history)
        stored = study._storage._get_trial  # type: ignore[attr-defined]
        found = []
        for step in range(1, 5):
            for number in range(5, 60, 5):
                trial = stored(number)
                trial.state, trial.datetime_complete = TrialState.PRUNED, None
                trial.intermediate_values = {epoch: trial.value or 0.0 for epoch in range(step)}
                trial.value = (trial.value or 0.0) - step * number / 30
                trial.intermediate_values[step] = trial.value
            asked = study.ask()
            found.append({name: asked._suggest(name, kind) for name, kind in SPACE.items()})
        return found

    assert drawn(QuickTPESampler(seed=3)) == drawn(TPESampler(seed=3))
