import math

import pytest
import torch
from torch import nn

from objectives.errors import ObjectiveError
from objectives.hyperparameters import Config, make_config
from objectives.models import ARCHITECTURES, build


def parameters(model: nn.Module) -> int:
    return sum(parameter.numel() for parameter in model.parameters())


def test_smallnet_has_the_parameters_of_its_description() -> None:
    assert parameters(build(Config(model="smallnet"), (3, 32, 32), 100, "meta")) == 996_376


@pytest.mark.parametrize("model", ARCHITECTURES)
@pytest.mark.parametrize("shape", [(3, 32, 32), (1, 28, 28), (1, 8, 8)])
def test_every_architecture_takes_every_size_of_image(model: str, shape: tuple[int, ...]) -> None:
    network = build(make_config({"model": model}), shape, 7).eval()
    with torch.inference_mode():
        outputs = network(torch.randn(2, *shape))
    assert outputs.shape == (2, 7)
    assert outputs.isfinite().all()


def test_nothing_is_allocated_on_meta() -> None:
    assert {p.device.type for p in build(Config(), (1, 8, 8), 10, "meta").parameters()} == {"meta"}


def test_the_same_seed_gives_the_same_weights_and_another_seed_others() -> None:
    first, second, other = (
        build(Config(model="smallnet", seed=seed), (3, 32, 32), 10).state_dict() for seed in (1, 1, 2)
    )
    assert all(torch.equal(first[name], second[name]) for name in first)
    assert not torch.equal(first["1.weight"], other["1.weight"])


def test_initial_weights_are_distributed_as_pytorchs() -> None:
    ours = build(Config(widths=(256,)), (256,), 100)
    theirs = nn.Linear(256, 256)
    weight = ours.get_parameter("1.weight").detach()
    assert float(weight.abs().max()) == pytest.approx(1 / math.sqrt(256), rel=1e-3)
    assert float(weight.std()) == pytest.approx(float(theirs.weight.detach().std()), rel=0.02)


def test_no_bias_stands_before_batch_norm() -> None:
    model = build(make_config({"batch_norm": True, "widths": [5, 4]}), (3,), 2)
    linear = [module for module in model if isinstance(module, nn.Linear)]
    assert [layer.bias is not None for layer in linear] == [False, False, True]


@pytest.mark.parametrize("model", ["cnn", "smallnet"])
def test_images_too_small_for_the_poolings_are_refused(model: str) -> None:
    config = make_config({"model": model, "filters": [4, 4, 4]})
    with pytest.raises(ObjectiveError, match=r"images of 7x9 are too small for the poolings"):
        build(config, (3, 7, 9), 10, "meta")


def test_features_are_refused_by_a_network_for_images() -> None:
    with pytest.raises(ObjectiveError, match="needs images, and this data has 100 features"):
        build(Config(model="cnn"), (100,), 10, "meta")
