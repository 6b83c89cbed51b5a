import math

import pytest
import torch
from torch import nn

from winnow.objectives.errors import ObjectiveError
from winnow.objectives.models.initialisation import initialise

FAN_IN, FAN_OUT = 48 * 9, 64 * 9


def initialised(layer: nn.Module, scheme: str, seed: int = 0) -> nn.Module:
    initialise(layer, scheme, torch.Generator().manual_seed(seed))
    return layer


@pytest.mark.parametrize(
    ("scheme", "deviation"),
    [
        ("pytorch", 1 / math.sqrt(3 * FAN_IN)),
        ("he", math.sqrt(2 / FAN_IN)),
        ("glorot", math.sqrt(2 / (FAN_IN + FAN_OUT))),
    ],
)
def test_weights_have_the_deviation_of_their_scheme(scheme: str, deviation: float) -> None:
    layer = nn.Conv2d(48, 64, 3).requires_grad_(False)
    initialised(layer, scheme)
    assert float(layer.weight.std()) == pytest.approx(deviation, rel=0.02)
    assert float(layer.weight.mean()) == pytest.approx(0, abs=0.02 * deviation)
    assert layer.bias is not None
    assert bool(layer.bias.any()) == (scheme == "pytorch")


def test_orthogonal_weights_keep_lengths() -> None:
    layer = initialised(nn.Linear(20, 30).requires_grad_(False), "orthogonal")
    assert torch.allclose(layer.weight.T @ layer.weight, torch.eye(20), atol=1e-5)


def test_pytorchs_scheme_is_distributed_as_its_layers_are() -> None:
    ours = initialised(nn.Linear(64, 4000).requires_grad_(False), "pytorch")
    theirs = nn.Linear(64, 4000).requires_grad_(False)
    for name in ("weight", "bias"):
        first, second = ours.get_parameter(name), theirs.get_parameter(name)
        assert float(first.std()) == pytest.approx(float(second.std()), rel=0.04)
        assert float(first.abs().max()) == pytest.approx(1 / 8, rel=1e-3)


def test_norms_start_at_one_and_zero() -> None:
    norm = initialised(nn.BatchNorm2d(3).to_empty(device="cpu"), "he")
    assert {name: value.tolist() for name, value in norm.state_dict().items()} == {
        "weight": [1, 1, 1],
        "bias": [0, 0, 0],
        "running_mean": [0, 0, 0],
        "running_var": [1, 1, 1],
        "num_batches_tracked": 0,
    }


def test_a_layer_that_nobody_thought_of_is_not_left_empty() -> None:
    with pytest.raises(ObjectiveError, match="Embedding"):
        initialised(nn.Embedding(2, 2), "he")
