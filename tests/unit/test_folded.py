"""The network that evaluates: the same function as the one that trains, with its layers folded."""

from typing import Any

import pytest
import torch
from torch import nn

from winnow.objectives.hyperparameters import make_config
from winnow.objectives.models.batch_norm_folding import folded
from winnow.objectives.models.building import build
from winnow.objectives.models.layers import RandomLayer

MODELS: list[dict[str, Any]] = [
    {"model": "smallnet", "dropout": 0.5, "conv_dropout": 0.5},
    {"model": "mlp", "batch_norm": True, "dropout": 0.5, "dropout_position": "before_activation"},
    {"model": "cnn", "batch_norm": True, "conv_dropout": 0.5, "hidden": [8], "activation": "leaky_relu"},
    {"model": "cnn", "activation": "gelu"},
    {"model": "resnet", "batch_norm": True, "pool_every": 2, "depth": 2, "conv_dropout": 0.5},
    {"model": "resnet18"},
]


@pytest.mark.parametrize("values", MODELS, ids=lambda values: "-".join(map(str, values.values())))
def test_the_folded_network_gives_the_same_outputs_and_leaves_the_model_alone(values: dict[str, Any]) -> None:
    model = build(make_config(values), (3, 16, 16), 5)
    generator = torch.Generator().manual_seed(0)
    for module in model.modules():  # as training leaves them: neither 0 nor 1
        if isinstance(module, nn.BatchNorm1d | nn.BatchNorm2d):
            for tensor in (module.weight, module.bias, module.running_mean, module.running_var):
                assert tensor is not None
                tensor.data.uniform_(0.5, 1.5, generator=generator)
    model.eval()
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    x = torch.randn(4, 3, 16, 16, generator=generator)
    network = folded(model)
    with torch.inference_mode():
        assert torch.allclose(network(x), model(x), rtol=1e-4, atol=1e-5)
    assert all(torch.equal(tensor, before[name]) for name, tensor in model.state_dict().items())
    if values["model"] != "resnet18":
        left = (RandomLayer, nn.BatchNorm1d, nn.BatchNorm2d)
        assert not [module for module in network.modules() if isinstance(module, left)]


def test_a_maximum_before_a_relu_is_the_same_to_the_bit() -> None:
    model = nn.Sequential(nn.ReLU(), nn.MaxPool2d(2)).eval()
    x = torch.randn(2, 3, 8, 8, generator=torch.Generator().manual_seed(0))
    assert [type(layer) for layer in folded(model).children()] == [nn.MaxPool2d, nn.ReLU]
    assert torch.equal(folded(model)(x), model(x))
