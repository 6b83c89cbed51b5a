"""TPE on an excerpt of a long history: the same best trials as Optuna's own, and an even sample of the others."""

import math
import random

import numpy as np
import optuna
import pytest
from optuna.distributions import FloatDistribution
from optuna.samplers._tpe.sampler import _split_trials, default_weights
from optuna.trial import TrialState, create_trial

from search.bounded_tpe import BoundedTPESampler

BEST = 25  # of Optuna's TPE, in a long study


def study_of(trials: int, direction: str, seed: int = 0, **endings: float) -> optuna.Study:
    """A study with that many finished trials: some pruned, some infeasible, many of equal value."""
    draw = random.Random(seed)
    study = optuna.create_study(direction=direction)
    for _ in range(trials):
        x = draw.random()
        pruned = draw.random() < endings.get("pruned", 0.5)
        curve = {step: round(x, 2) for step in range(draw.randint(0, 4))} if pruned else {}
        if curve and draw.random() < 0.1:
            curve[max(curve)] = math.nan
        constraints = {"size": draw.uniform(-1, 1)} if draw.random() < endings.get("constrained", 0.3) else None
        study.add_trial(
            create_trial(
                state=TrialState.PRUNED if pruned else TrialState.COMPLETE,
                params={"x": x},
                distributions={"x": FloatDistribution(0, 1)},
                value=None if pruned and not curve else round(x, 2),
                intermediate_values=curve,
                constraints=constraints,
            )
        )
    return study


def drawn(sampler: optuna.samplers.BaseSampler, study: optuna.Study) -> list[float]:
    study.sampler = sampler
    return [study.ask().suggest_float("x", 0, 1) for _ in range(5)]


@pytest.mark.parametrize("direction", ["minimize", "maximize"])
@pytest.mark.parametrize(
    "endings", [{}, {"pruned": 0.98}, {"pruned": 0.0}, {"pruned": 0.5, "constrained": 1.9}], ids=str
)
def test_the_best_are_those_of_optunas_own(direction: str, endings: dict[str, float]) -> None:
    study = study_of(400, direction, **endings)
    below, _ = _split_trials(study, study.get_trials(deepcopy=False), BEST)
    seen = BoundedTPESampler(whole=100, good=100, sample=200)._excerpt(study)
    assert _split_trials(study, seen._get_trials(deepcopy=False), BEST)[0] == below


def test_a_short_history_is_seen_whole() -> None:
    ours = drawn(BoundedTPESampler(seed=1, whole=100), study_of(100, "minimize"))
    stock = drawn(optuna.samplers.TPESampler(seed=1), study_of(100, "minimize"))
    assert ours == stock


def test_a_long_one_is_seen_in_part_and_evenly() -> None:
    study = study_of(4000, "minimize")
    excerpt = BoundedTPESampler(whole=1000, good=BEST, sample=500, seed=1)._excerpt(study)
    chosen = excerpt._get_trials(deepcopy=False)
    assert len(chosen) == pytest.approx(500 + BEST, abs=5)
    for start in range(0, 4000, 400):
        tenth = [trial for trial in chosen if start <= trial.number < start + 400]
        assert 46 <= len(tenth) <= 52 + BEST


def test_the_sample_weighs_as_much_as_all_for_which_it_stands() -> None:
    study = study_of(4000, "minimize")
    excerpt = BoundedTPESampler(whole=1000, good=300, sample=500)._excerpt(study)
    assert sum(excerpt.weights.values()) == pytest.approx(default_weights(4000).sum(), rel=0.01)


def test_it_draws_from_nearly_the_densities_of_optunas_own() -> None:
    study = study_of(3000, "minimize", pruned=0.0, constrained=0.0)
    space = {"x": FloatDistribution(0, 1)}
    at = {"x": np.linspace(0.01, 0.99, 50)}
    stock, ours = optuna.samplers.TPESampler(), BoundedTPESampler(whole=1000, good=200, sample=400)
    seen = ours._excerpt(study)
    densities = []
    for sampler, shown in ((stock, study), (ours, seen)):
        below, above = _split_trials(shown, shown._get_trials(deepcopy=False), BEST)
        densities.append(
            [
                sampler._build_parzen_estimator(shown, space, trials, handle_below=good).log_pdf(at)
                for trials, good in ((below, True), (above, False))
            ]
        )
    assert densities[0][0] == pytest.approx(densities[1][0])
    difference = np.abs(densities[0][1] - densities[1][1])
    assert difference[:3].max() < 0.05, "where TPE draws, all are seen"
    assert difference.mean() < 0.25


def test_the_best_are_followed_while_the_study_grows() -> None:
    study = study_of(300, "maximize")
    sampler = BoundedTPESampler(whole=100, good=50, sample=50, seed=1)
    sampler._excerpt(study)
    space = {"x": FloatDistribution(0, 1)}
    study.add_trial(create_trial(params={"x": 0.5}, distributions=space, value=7.0))
    seen = sampler._excerpt(study)._get_trials(deepcopy=False)
    assert max(trial.value for trial in seen if trial.state is TrialState.COMPLETE) == 7.0


def test_running_trials_are_seen_too_and_new_values_are_drawn() -> None:
    study = study_of(300, "minimize")
    sampler = BoundedTPESampler(whole=100, good=50, sample=50, seed=1)
    values = drawn(sampler, study)
    assert len(set(values)) == 5
    running = [trial for trial in sampler._excerpt(study)._get_trials(deepcopy=False) if not trial.state.is_finished()]
    assert [trial.params["x"] for trial in running] == values


def test_a_study_of_two_objectives_is_seen_whole() -> None:
    study = optuna.create_study(directions=["minimize", "maximize"])
    assert BoundedTPESampler(whole=0)._excerpt(study) is study
