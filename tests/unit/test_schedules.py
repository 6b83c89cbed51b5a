import warnings
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch.optim import lr_scheduler

from winnow.objectives.hyperparameters import Config, make_config
from winnow.objectives.registry import schedule
from winnow.objectives.schedules import Progress, plateaus

EPOCHS, STEPS = 12, 7


def learning_rate(config: Config, step: int, steps_per_epoch: int, scores: list[float]) -> float:
    progress = Progress(step, config.epochs * steps_per_epoch, step // steps_per_epoch, scores)
    return float(config.lr * schedule.chosen(config)(progress))


def ours(**values: Any) -> list[float]:
    config = make_config({"lr": 0.3, "epochs": EPOCHS, **values})
    return [learning_rate(config, step, STEPS, []) for step in range(EPOCHS * STEPS)]


def theirs(make: Callable[[torch.optim.Optimizer], lr_scheduler.LRScheduler], every: int) -> list[float]:
    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], 0.3)
    scheduler = make(optimizer)
    rates = []
    with warnings.catch_warnings(action="ignore"):  # of a scheduler that is stepped without its optimiser
        for step in range(EPOCHS * STEPS):
            rates.append(optimizer.param_groups[0]["lr"])
            if (step + 1) % every == 0 and step + 1 < EPOCHS * STEPS:
                scheduler.step()
    return rates


@pytest.mark.parametrize(
    ("values", "make", "every"),
    [
        (
            {"schedule": "step", "schedule_epochs": 5, "schedule_factor": 0.2},
            lambda optimizer: lr_scheduler.StepLR(optimizer, 5, 0.2),
            STEPS,
        ),
        (
            {"schedule": "exponential", "schedule_factor": 0.9},
            lambda optimizer: lr_scheduler.ExponentialLR(optimizer, 0.9),
            STEPS,
        ),
        ({"schedule": "cosine"}, lambda optimizer: lr_scheduler.CosineAnnealingLR(optimizer, EPOCHS * STEPS), 1),
        (
            {"schedule": "one_cycle", "warmup": 0.25},
            lambda optimizer: lr_scheduler.OneCycleLR(
                optimizer, 0.3, EPOCHS * STEPS, pct_start=0.25, cycle_momentum=False
            ),
            1,
        ),
    ],
    ids=["step", "exponential", "cosine", "one_cycle"],
)
def test_a_schedule_is_pytorchs(values: dict[str, Any], make: Any, every: int) -> None:
    assert ours(**values) == pytest.approx(theirs(make, every), rel=1e-6, abs=1e-9)


def test_constant_is_constant() -> None:
    assert set(ours()) == {0.3}


@pytest.mark.parametrize("warmup", [0.0, 1.0, 0.001])
@pytest.mark.parametrize("epochs", [1, 2])
def test_one_cycle_holds_at_its_ends(warmup: float, epochs: int) -> None:
    config = make_config({"schedule": "one_cycle", "warmup": warmup, "epochs": epochs, "lr": 1.0})
    rates = [learning_rate(config, step, 1, []) for step in range(epochs)]
    assert all(0 <= rate <= 1 for rate in rates)


def test_plateau_drops_as_pytorchs_does() -> None:
    scores = [0.1, 0.2, 0.2, 0.15, 0.19, 0.3, 0.3, 0.3, 0.3, 0.3, 0.3, 0.29, 0.31]
    config = make_config({"schedule": "plateau", "schedule_factor": 0.5, "schedule_epochs": 2, "lr": 0.3})
    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], 0.3)
    scheduler = lr_scheduler.ReduceLROnPlateau(optimizer, "max", factor=0.5, patience=2, threshold=0)
    for epoch in range(1, len(scores) + 1):
        scheduler.step(scores[epoch - 1])
        assert learning_rate(config, epoch * STEPS, STEPS, scores[:epoch]) == optimizer.param_groups[0]["lr"]
    assert plateaus(scores, 2) == 3
