"""Compiled networks, as far as a CPU shows it: the same numbers, the same names, and its own random draws."""

import logging

import pytest
import torch
from torch import nn

from winnow.objectives.data.catalog import DataSpec
from winnow.objectives.data.loading import load
from winnow.objectives.errors import warn_once
from winnow.objectives.hyperparameters import make_config
from winnow.objectives.models import compiled
from winnow.objectives.models.building import build
from winnow.objectives.models.layers import use_generator
from winnow.objectives.training import train

CONFIG = make_config({"model": "cnn", "filters": [4], "batch_norm": True, "conv_dropout": 0.5, "hidden": [8]})


def steps(model: nn.Module) -> list[torch.Tensor]:
    """The weights after two steps of training, on batches of two sizes, and what it then says of one image."""
    use_generator(model, torch.Generator().manual_seed(0))
    images = torch.randn(6, 1, 8, 8, generator=torch.Generator().manual_seed(1))
    optimizer = torch.optim.SGD(model.parameters(), 0.1)
    for batch in torch.split(images, 4):
        optimizer.zero_grad()
        model(batch).square().mean().backward()
        optimizer.step()
    with torch.inference_mode():
        return [model.eval()(images[:1]), *model.state_dict().values()]


def test_a_compiled_network_trains_to_the_same_bits_under_the_same_names() -> None:
    plain, other = build(CONFIG, (1, 8, 8), 3), build(CONFIG, (1, 8, 8), 3)
    # Traced and differentiated as on a GPU; the kernels are PyTorch's own, so that no compiler of C++ is needed.
    compiled.compile_in_place(other, backend="aot_eager")
    assert all(torch.equal(mine, its) for mine, its in zip(steps(plain), steps(other), strict=True))
    assert list(plain.state_dict()) == list(other.state_dict())


def test_on_a_cpu_it_is_passed_over_and_says_so(caplog: pytest.LogCaptureFixture) -> None:
    warn_once.cache_clear()
    data = load(DataSpec("digits", train=100, validation=60))
    values = [
        train(make_config(epochs=2, batch_size=50, compile=choice), data, lambda *_: None).value
        for choice in ("none", "graphs", "graphs")
    ]
    assert len(set(values)) == 1
    told = [record.message for record in caplog.records if record.levelno == logging.WARNING]
    assert told == ["compile = 'graphs' is passed over on a CPU, where it takes longer than it saves"]
