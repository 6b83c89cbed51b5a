"""`train` computes what the loop that everybody writes computes, from the same weights and in the same order."""

from typing import Any

import pytest
import torch
import torch.nn.functional as F

from winnow.objectives.data.catalog import DataSpec
from winnow.objectives.data.loading import Data, Split, load
from winnow.objectives.hyperparameters import Config, make_config
from winnow.objectives.models.building import build
from winnow.objectives.randomness import generator
from winnow.objectives.training import train


@pytest.fixture(scope="module")
def digits() -> Data:
    return load(DataSpec("digits", train=240, validation=120))


def usual_loop(config: Config, data: Data, optimizer_class: Any, **options: Any) -> list[tuple[float, float, float]]:
    """Training loss, validation loss and validation accuracy of each epoch, by PyTorch's plainest means."""
    mean, std = (statistic.view(1, -1, 1, 1) for statistic in (data.mean, data.std))

    def prepared(split: Split) -> tuple[torch.Tensor, torch.Tensor]:
        return (split.inputs / 255 - mean) / std, split.targets

    model = build(config, data.shape, data.classes).to(memory_format=torch.contiguous_format)
    optimizer = optimizer_class(model.parameters(), lr=config.lr, weight_decay=config.weight_decay, **options)
    order = generator(config.seed, "order")
    (inputs, targets), (held_out, labels) = prepared(data.train), prepared(data.validation)
    curve = []
    for _ in range(config.epochs):
        model.train()
        running = 0.0
        for batch in torch.randperm(len(inputs), generator=order).split(config.batch_size):
            outputs = model(inputs[batch])
            loss = F.cross_entropy(outputs, targets[batch], label_smoothing=config.label_smoothing)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            running += F.cross_entropy(outputs, targets[batch]).item() * len(batch)
        model.eval()
        with torch.no_grad():
            outputs = model(held_out)
        accuracy = (outputs.argmax(1) == labels).double().mean().item()
        curve.append((running / len(inputs), F.cross_entropy(outputs, labels).item(), accuracy))
    return curve


@pytest.mark.parametrize(
    ("values", "optimizer", "options"),
    [
        ({"optimizer": "sgd", "lr": 0.1, "momentum": 0.9}, torch.optim.SGD, {"momentum": 0.9}),
        ({"optimizer": "adam", "lr": 0.01, "weight_decay": 1e-3, "widths": [64, 32]}, torch.optim.Adam, {}),
        (
            {"optimizer": "adamw", "weight_decay": 0.1, "label_smoothing": 0.1, "batch_norm": True},
            torch.optim.AdamW,
            {},
        ),
        ({"model": "smallnet", "optimizer": "adamw", "epochs": 2}, torch.optim.AdamW, {}),
        ({"model": "resnet", "filters": [8], "depth": 3, "pool_every": 2, "lr": 0.01}, torch.optim.Adam, {}),
    ],
    ids=["sgd", "adam", "adamw", "smallnet", "resnet"],
)
def test_training_is_that_of_the_usual_loop(
    digits: Data, values: dict[str, Any], optimizer: Any, options: dict[str, Any]
) -> None:
    config = make_config({"batch_size": 50, "epochs": 4, **values})
    result = train(config, digits, lambda *_: None)
    for ours, (loss, validation_loss, accuracy) in zip(
        result.epochs, usual_loop(config, digits, optimizer, **options), strict=True
    ):
        assert ours.train_loss == pytest.approx(loss, rel=2e-3)
        assert ours.validation_loss == pytest.approx(validation_loss, rel=2e-3)
        assert ours.validation_accuracy == pytest.approx(accuracy, abs=0.0085)  # one of 120 images
