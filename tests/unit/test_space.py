"""The search space: conditions, the baseline, the grid; with real Optuna trials."""

import warnings
from typing import Any

import optuna
import pytest

from winnow.objectives.errors import HyperparameterError
from winnow.objectives.space import Choice, Range, Space, baseline, cells, grid, ordered, suggest

SPACE: Space = {
    "momentum": Range(0.0, 0.9),  # needs optimizer = sgd, by its definition
    "optimizer": Choice(("sgd", "adam")),
    "widths": Choice(([64], [64, 32])),
    "lr": Range(1e-4, 1e-1, log=True),
    "batch_size": Range(16, 64, step=16, whole=True),
}


def draw(space: Any, fixed: dict[str, Any], parameters: dict[str, Any]) -> dict[str, Any]:
    return suggest(optuna.trial.FixedTrial(parameters), space, fixed)


def test_a_hyperparameter_without_effect_is_not_drawn() -> None:
    common = {"widths": "[64, 32]", "lr": 0.01, "batch_size": 32}
    adam = draw(SPACE, {"epochs": 3}, {"optimizer": "adam", **common})
    assert adam == {"epochs": 3, "optimizer": "adam", "widths": [64, 32], "lr": 0.01, "batch_size": 32}
    sgd = draw(SPACE, {}, {"optimizer": "sgd", "momentum": 0.5, **common})
    assert sgd["momentum"] == 0.5


def test_conditions_of_the_spec_come_on_top() -> None:
    space: Space = {"optimizer": Choice(("sgd", "adam")), "lr": Range(0.1, 1.0, when={"optimizer": ("adam",)})}
    assert draw(space, {}, {"optimizer": "sgd"}) == {"optimizer": "sgd"}


def test_of_several_ranges_the_first_whose_condition_holds_is_drawn() -> None:
    space: Space = {
        "lr@optimizer=sgd": Range(0.01, 1.0, when={"optimizer": ("sgd",)}),
        "lr": Range(1e-4, 1e-2),
        "optimizer": Choice(("sgd", "adam")),
    }
    assert ordered(space) == ["optimizer", "lr@optimizer=sgd", "lr"]
    # FixedTrial refuses a name that it does not have: nothing else is asked for.
    assert draw(space, {}, {"optimizer": "sgd", "lr@optimizer=sgd": 0.5}) == {"optimizer": "sgd", "lr": 0.5}
    assert draw(space, {}, {"optimizer": "adam", "lr": 1e-3}) == {"optimizer": "adam", "lr": 1e-3}
    parameters, values = baseline(space, {}, {})
    assert parameters == {"optimizer": "adam", "lr": 1e-3}
    assert values == {"optimizer": "adam", "lr": 1e-3}
    parameters, values = baseline(space, {}, {"optimizer": "sgd"})
    assert parameters == {"optimizer": "sgd", "lr@optimizer=sgd": 0.01}
    assert values == {"optimizer": "sgd", "lr": 1e-3}, "clamped as a parameter, and what is trained is the truth"
    assert list(cells(space, 2)) == [
        {"optimizer": "sgd", "lr@optimizer=sgd": 0.01},
        {"optimizer": "sgd", "lr@optimizer=sgd": 1.0},
        {"optimizer": "adam", "lr": 1e-4},
        {"optimizer": "adam", "lr": 1e-2},
    ]


def test_a_condition_may_name_a_hyperparameter_that_has_several_ranges() -> None:
    space: Space = {
        "schedule_epochs": Range(1, 5, whole=True, when={"schedule": ("step",)}),
        "schedule@optimizer=sgd": Choice(("step", "cosine"), when={"optimizer": ("sgd",)}),
        "schedule": Choice(("constant",)),
        "optimizer": Choice(("sgd", "adam")),
    }
    sgd = {"optimizer": "sgd", "schedule@optimizer=sgd": "step", "schedule_epochs": 2}
    assert draw(space, {}, sgd)["schedule_epochs"] == 2
    assert draw(space, {}, {"optimizer": "adam", "schedule": "constant"}) == {
        "optimizer": "adam",
        "schedule": "constant",
    }
    with pytest.raises(ValueError, match="optimizer"):
        draw(space, {}, {})


def test_a_circle_of_conditions_is_refused() -> None:
    space: Space = {
        "optimizer": Choice(("sgd",), when={"model": ("mlp",)}),
        "model": Choice(("mlp",), when={"optimizer": ("sgd",)}),
    }
    with pytest.raises(HyperparameterError, match="depend on each other"):
        ordered(space)


def test_the_baseline_keeps_the_truth_where_its_parameter_is_clamped() -> None:
    space: Space = {
        "weight_decay": Range(1e-6, 1e-2, log=True),
        "optimizer": Choice(("sgd", "adamw")),
        "momentum": Range(0.5, 0.9),
        "dropout": Range(0.0, 0.5),
    }
    parameters, values = baseline(space, {"epochs": 3}, {"dropout": 0.2})
    assert parameters == {"weight_decay": 1e-6, "optimizer": "sgd", "momentum": 0.5, "dropout": 0.2}
    assert values == {"epochs": 3, "weight_decay": 0.0, "optimizer": "sgd", "momentum": 0.0, "dropout": 0.2}


def test_grid_cells_differ_in_what_has_an_effect() -> None:
    space: Space = {"optimizer": Choice(("sgd", "adam")), "momentum": Range(0.0, 0.9)}
    assert list(cells(space, 2)) == [
        {"optimizer": "sgd", "momentum": 0.0},
        {"optimizer": "sgd", "momentum": 0.9},
        {"optimizer": "adam"},
    ]
    assert [cell["lr"] for cell in cells({"lr": Range(1e-3, 1e-1, log=True)}, 3)] == pytest.approx([1e-3, 1e-2, 1e-1])
    whole = list(cells({"batch_size": Range(16, 64, step=16, whole=True)}, 9))
    assert [cell["batch_size"] for cell in whole] == [16, 32, 48, 64]


@pytest.mark.parametrize(
    ("low", "high", "step", "whole"),
    [(0, 0.6, 0.35, False), (0.1, 0.75, 0.1, False), (0.0, 1.0, 0.3, False), (1, 10, 4, True), (-1.0, 0.5, 0.4, False)],
)
def test_a_grid_keeps_to_the_values_that_optuna_draws(low: float, high: float, step: float, whole: bool) -> None:
    entry = Range(low, high, step=step, whole=whole)
    ((_, values),) = grid({"dropout": entry}, 7)
    study = optuna.create_study()
    for value in values:
        study.enqueue_trial({"dropout": value})
        with warnings.catch_warnings():  # Optuna says that its steps do not reach `high`
            warnings.simplefilter("ignore", UserWarning)
            trial = study.ask()
            assert entry.suggest(trial, "dropout") == value
            assert trial.distributions["dropout"]._contains(float(value))
