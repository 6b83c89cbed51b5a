"""Which steps a GPU may replay as CUDA graphs; that the bits are the same then is `bench/gpu_checks.py::replayed`."""

from typing import Any

import pytest
import torch

from winnow.objectives import steps
from winnow.objectives.data.catalog import DataSpec
from winnow.objectives.data.loading import load
from winnow.objectives.hyperparameters import make_config
from winnow.objectives.learner import Learner
from winnow.objectives.steps import Step

CONV = {"model": "cnn", "filters": [4], "batch_norm": True, "conv_dropout": 0.5, "crop": True, "mixup": True}


@pytest.fixture(autouse=True)
def a_device_that_replays(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(steps, "can_replay", lambda _: True)


def step(**given: Any) -> Step:
    learner = Learner(make_config(**given), load(DataSpec("digits", train=100, validation=60)))
    return Step(learner.member, learner.descent, learner.tally, torch.arange(10), 1, True)


@pytest.mark.parametrize(
    "given", [{}, CONV, {"optimizer": "sgd", "momentum": 0.9, "clip_norm": 1.0}, {"ema_decay": 0.9}, {"l1": 1e-4}]
)
def test_steps_of_built_in_networks_are_replayed(given: dict[str, Any]) -> None:
    assert step(**given).can_be_replayed


@pytest.mark.parametrize("given", [{"optimizer": "lion"}, {"optimizer": "adam_then_sgd"}, {"accumulate": 2}])
def test_steps_of_which_the_host_decides_something_are_not(given: dict[str, Any]) -> None:
    assert not step(**given).can_be_replayed


def test_an_imported_network_is_replayed_where_its_user_says_so() -> None:
    given = {"model": "torchvision:resnet18"}
    assert not step(**given).can_be_replayed
    assert step(**given, compile="graphs").can_be_replayed


def test_all_that_a_step_draws_from_is_known() -> None:
    asked = step(**CONV)
    assert len(asked.member.all_generators) == 3  # crop's, mixup's and dropout's
    assert len(step().member.all_generators) == 1  # dropout's, of whatever p
