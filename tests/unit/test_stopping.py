"""When a search should stop, and how much better the next trial is expected to be."""

import optuna
import pytest

from winnow.search.study.expected_improvement import encode, expected_improvement
from winnow.search.study.spec import BudgetSection
from winnow.search.study.stopping import reason_to_stop


def study(xs: list[float], direction: str = "maximize") -> optuna.Study:
    """Trials of a parabola with its peak of 1 (or its valley of -1) at 0.5."""
    sign = 1 if direction == "maximize" else -1
    made = optuna.create_study(direction=direction)
    for x in xs:
        made.add_trial(
            optuna.trial.create_trial(
                params={"x": x, "kind": "a"},
                distributions={
                    "x": optuna.distributions.FloatDistribution(0, 1),
                    "kind": optuna.distributions.CategoricalDistribution(["a", "b"]),
                },
                value=sign * (1 - (x - 0.5) ** 2),
            )
        )
    return made


def test_nothing_stops_unless_it_is_asked_for() -> None:
    assert reason_to_stop(study([0.5] * 30), BudgetSection(trials=100)) == ""
    assert reason_to_stop(study([]), BudgetSection(stagnation=1)) == ""


@pytest.mark.parametrize("direction", ["maximize", "minimize"])
def test_stagnation_counts_the_trials_since_the_best(direction: str) -> None:
    rule = BudgetSection(stagnation=3)
    assert reason_to_stop(study([0.1, 0.5, 0.2, 0.3], direction), rule) == ""
    said = reason_to_stop(study([0.1, 0.5, 0.2, 0.3, 0.4], direction), rule)
    assert said == "none of the 3 trials after trial 1 was better than it"


def test_pruned_trials_stagnate_too() -> None:
    made = study([0.5])
    for _ in range(3):
        made.add_trial(optuna.trial.create_trial(state=optuna.trial.TrialState.PRUNED))
    assert reason_to_stop(made, BudgetSection(stagnation=3))


def test_little_is_expected_where_the_peak_is_known_and_much_where_it_is_not() -> None:
    space = {"x": optuna.distributions.FloatDistribution(0, 1)}
    edge = [i / 50 for i in range(12)]
    everywhere = [i / 19 for i in range(20)]
    far = expected_improvement(space, [{"x": x} for x in edge], [1 - (x - 0.5) ** 2 for x in edge])
    near = expected_improvement(space, [{"x": x} for x in everywhere], [1 - (x - 0.5) ** 2 for x in everywhere])
    assert far > 0.02
    assert near < 0.002
    assert expected_improvement(space, [{"x": x} for x in edge], [0.5] * 12) == 0.0


def test_a_search_stops_when_little_is_expected_and_only_with_enough_trials() -> None:
    rule = BudgetSection(min_improvement=0.05)
    known = [i / 19 for i in range(20)]
    both = study(known)
    for trial in study(known).trials:
        both.add_trial(
            optuna.trial.create_trial(
                params={**trial.params, "kind": "b"}, distributions=trial.distributions, value=trial.value
            )
        )
    assert reason_to_stop(both, rule).startswith("the next trial is expected to be better by ")
    assert reason_to_stop(study(known[:9]), rule) == ""


def test_parameters_become_coordinates_on_their_own_scale() -> None:
    space = {
        "lr": optuna.distributions.FloatDistribution(1e-4, 1e-2, log=True),
        "depth": optuna.distributions.IntDistribution(1, 5),
        "kind": optuna.distributions.CategoricalDistribution(["a", "b"]),
    }
    assert encode(space, {"lr": 1e-3, "depth": 2, "kind": "b"}) == pytest.approx([0.5, 0.25, 0.0, 0.5**0.5])
