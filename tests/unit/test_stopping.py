"""When a search should stop before its budget is spent."""

import optuna
import pytest

from winnow.search.study.schedulers import Direction
from winnow.search.study.spec import BudgetSection
from winnow.search.study.stopping import reason_to_stop


def study(xs: list[float], direction: Direction = "maximize") -> optuna.Study:
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
def test_stagnation_counts_the_trials_since_the_best(direction: Direction) -> None:
    rule = BudgetSection(stagnation=3)
    assert reason_to_stop(study([0.1, 0.5, 0.2, 0.3], direction), rule) == ""
    said = reason_to_stop(study([0.1, 0.5, 0.2, 0.3, 0.4], direction), rule)
    assert said == "none of the 3 trials after trial 1 was better than it"


def test_pruned_trials_stagnate_too() -> None:
    made = study([0.5])
    for _ in range(3):
        made.add_trial(optuna.trial.create_trial(state=optuna.trial.TrialState.PRUNED))
    assert reason_to_stop(made, BudgetSection(stagnation=3))


def test_the_earlier_of_two_equal_trials_is_the_best() -> None:
    rule = BudgetSection(stagnation=2)
    assert reason_to_stop(study([0.5, 0.5, 0.1]), rule) == "none of the 2 trials after trial 0 was better than it"


def test_trials_that_broke_a_limit_are_no_result() -> None:
    made = study([0.1])
    for x in (0.5, 0.1, 0.2):
        trial = made.ask()
        trial.set_constraint("parameters", 1.0)
        made.tell(trial, 1 - (x - 0.5) ** 2)
    said = reason_to_stop(made, BudgetSection(stagnation=3))
    assert said == "none of the 3 trials after trial 0 was better than it"


def test_trials_under_way_do_not_count_against_the_best() -> None:
    made = study([0.5, 0.1])
    made.ask()
    made.ask()
    assert reason_to_stop(made, BudgetSection(stagnation=2)) == ""
