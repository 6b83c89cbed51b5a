"""Accuracy does not pay for speed: trained both ways over several seeds, the mean accuracies are the same.

`make check-accuracy` runs it, in minutes. What is exactly the same (weights, order, steps) is checked to the digit in
tests/contract/test_usual_loop.py; here stands what can only be the same on average: augmentation, dropout,
initialisation and the data's order, each from other random numbers.
"""

import math
import statistics
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import nn
from torch.utils.data import DataLoader
from torchvision import transforms

from bench import networks, usual
from example_data import inputs_of
from winnow.objectives.calibration import faster_precision
from winnow.objectives.data.catalog import DataSpec
from winnow.objectives.data.loading import Data, load
from winnow.objectives.errors import DataError
from winnow.objectives.hyperparameters import Config, make_config
from winnow.objectives.training import train

pytestmark = pytest.mark.accuracy

SEEDS = 10
AUGMENTED = {"flip": True, "crop": True, "crop_padding": 2, "color_jitter": True}
TRANSFORMS = (
    transforms.RandomHorizontalFlip(),
    transforms.RandomCrop(28, 2),
    transforms.ColorJitter(0.2, 0.2, 0.2),
)


@pytest.fixture(scope="module")
def fashion_mnist() -> Data:
    try:
        return load(DataSpec("fashion_mnist", train=1000, validation=2000))
    except DataError as error:
        pytest.skip(str(error))


def usual_accuracy(config: Config, data: Data, make_model: Callable[[], nn.Module]) -> float:
    """Validation accuracy after the last epoch of the usual loop, its random numbers from the global generator."""
    torch.manual_seed(config.seed)
    steps = TRANSFORMS if config.flip else ()
    mean, std = data.mean.tolist(), data.std.tolist()
    images = usual.Images(inputs_of(data.train), data.train.targets, steps, mean, std)
    held_out = usual.Images(inputs_of(data.validation), data.validation.targets, (), mean, std)
    batches: usual.Batches = DataLoader(images, config.batch_size, shuffle=True)
    model = make_model()
    optimizer = torch.optim.AdamW(model.parameters(), config.lr, weight_decay=config.weight_decay)
    for _ in range(config.epochs):
        usual.train_epoch(model, batches, optimizer)
    return usual.evaluate(model, DataLoader(held_out, config.batch_size))


@pytest.mark.timeout(1200)
@pytest.mark.parametrize(
    ("values", "make_model"),
    [
        ({"widths": [128], "epochs": 8, **AUGMENTED}, lambda: networks.mlp(784, (128,), 10)),
        ({"model": "smallnet", "conv_dropout": 0.2, "epochs": 4}, lambda: networks.smallnet(1, 28, 10)),
    ],
    ids=["MLP, augmented", "SmallNet"],
)
def test_mean_accuracy_is_that_of_the_usual_way(
    fashion_mnist: Data, values: dict[str, Any], make_model: Callable[[], nn.Module]
) -> None:
    config = make_config(
        {"dropout": 0.2, "optimizer": "adamw", "weight_decay": 0.05, "lr": 2e-3, "batch_size": 64, **values}
    )
    seeded = [replace(config, seed=seed) for seed in range(SEEDS)]
    theirs = [usual_accuracy(each, fashion_mnist, make_model) for each in seeded]
    for precision in dict.fromkeys(("fp32", faster_precision(config, fashion_mnist))):
        ours = [train(replace(each, precision=precision), fashion_mnist, lambda *_: None).value for each in seeded]
        difference = statistics.mean(ours) - statistics.mean(theirs)
        error = math.sqrt((statistics.variance(ours) + statistics.variance(theirs)) / SEEDS)
        print(
            f"ours in {precision} {statistics.mean(ours):.4f} ± {statistics.stdev(ours):.4f}, "
            f"usual {statistics.mean(theirs):.4f} ± {statistics.stdev(theirs):.4f}, "
            f"difference {difference:+.4f} ± {error:.4f}"
        )
        assert error < 0.015, "too noisy to notice that accuracy was lost"
        assert abs(difference) < 3.5 * error
