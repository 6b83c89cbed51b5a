from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from winnow.objectives.hyperparameters import make_config
from winnow.objectives.models.building import build
from winnow.objectives.optimisation import add_penalties, make_optimizer, restore_state, trained_weights

OPTIMIZERS: dict[str, tuple[dict[str, Any], Any]] = {
    "sgd": ({"lr": 0.1, "momentum": 0.9}, lambda p, **k: torch.optim.SGD(p, 0.1, 0.9, **k)),
    "nesterov": (
        {"optimizer": "sgd", "lr": 0.1, "momentum": 0.9, "nesterov": True},
        lambda p, **k: torch.optim.SGD(p, 0.1, 0.9, nesterov=True, **k),
    ),
    "rmsprop": (
        {"lr": 0.01, "alpha": 0.9, "momentum": 0.5, "eps": 1e-6},
        lambda p, **k: torch.optim.RMSprop(p, 0.01, 0.9, 1e-6, momentum=0.5, **k),
    ),
    "adam": (
        {"lr": 0.01, "beta1": 0.8, "beta2": 0.99, "eps": 1e-6},
        lambda p, **k: torch.optim.Adam(p, 0.01, (0.8, 0.99), 1e-6, **k),
    ),
    "adamw": ({"lr": 0.01}, lambda p, **k: torch.optim.AdamW(p, 0.01, **k)),
}


def small_cnn(**values: Any) -> nn.Module:
    return build(make_config({"model": "cnn", "filters": [8, 16], "batch_norm": True, **values}), (3, 8, 8), 5)


def backward(model: nn.Module, step: int) -> None:
    x = torch.randn(16, 3, 8, 8, generator=torch.Generator().manual_seed(step))
    model.zero_grad()
    F.cross_entropy(model(x), torch.arange(16) % 5).backward()


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_a_fused_step_on_images_laid_out_by_pixels_is_the_plain_one(name: str) -> None:
    """A fused kernel that met a gradient laid out otherwise than its weight would scramble it without an error."""
    values, plain = OPTIMIZERS[name]
    config = make_config({"optimizer": name, **values, "weight_decay": 0.1})
    ours = small_cnn()
    theirs = small_cnn().to(memory_format=torch.contiguous_format)
    second = [module.weight for module in ours.modules() if isinstance(module, nn.Conv2d)][1]
    assert second.is_contiguous(memory_format=torch.channels_last)
    assert not second.is_contiguous()
    fused, reference = make_optimizer(config, ours), plain(theirs.parameters(), weight_decay=0.1, foreach=False)
    for step in range(5):
        for model, optimizer in ((ours, fused), (theirs, reference)):
            backward(model, step)
            optimizer.step()
    for (parameter, weight), wanted in zip(ours.named_parameters(), theirs.parameters(), strict=True):
        assert torch.allclose(weight, wanted, atol=2e-4), parameter


@pytest.mark.parametrize("name", ["sgd", "nesterov", "adam", "adamw"])
def test_a_fused_step_is_torchs_to_the_bit(name: str) -> None:
    values, torchs = OPTIMIZERS[name]
    ours, theirs = small_cnn(), small_cnn()
    fused = make_optimizer(make_config({"optimizer": name, **values, "weight_decay": 0.1}), ours)
    reference = torchs(theirs.parameters(), weight_decay=0.1, fused=True)
    for step in range(3):
        for model, optimizer in ((ours, fused), (theirs, reference)):
            backward(model, step)
            optimizer.step()
    assert all(torch.equal(one, other) for one, other in zip(ours.parameters(), theirs.parameters(), strict=True))


def test_state_that_was_saved_is_laid_out_as_its_weights() -> None:
    model = small_cnn()
    optimizer = make_optimizer(make_config({}), model)
    backward(model, 0)
    optimizer.step()
    for group in optimizer.param_groups:
        for weight in group["params"]:
            assert optimizer.state[weight]["exp_avg"].stride() == weight.stride()
            assert weight.grad.stride() == weight.stride()


def test_nesterov_without_momentum_is_plain() -> None:
    optimizer = make_optimizer(make_config({"optimizer": "sgd", "nesterov": True}), small_cnn())
    assert optimizer.param_groups[0]["nesterov"] is False


def test_norms_and_biases_are_decayed_or_not() -> None:
    both = make_optimizer(make_config({"weight_decay": 0.1}), small_cnn())
    assert [group["weight_decay"] for group in both.param_groups] == [0.1]
    only = make_optimizer(make_config({"weight_decay": 0.1, "decay_norms_and_biases": False}), small_cnn())
    decayed, rest = only.param_groups
    assert (decayed["weight_decay"], rest["weight_decay"]) == (0.1, 0)
    assert {p.dim() for p in decayed["params"]} == {2, 4}
    assert {p.dim() for p in rest["params"]} == {1}


def test_what_is_frozen_is_not_moved() -> None:
    model = build(make_config({"model": "resnet18", "frozen": 5}), (3, 32, 32), 5, "meta")
    (group,) = make_optimizer(make_config({}), model).param_groups
    assert len(group["params"]) == 2
    assert len(trained_weights(model)) == 1


def test_penalties_are_those_of_the_loss() -> None:
    config = make_config({"l1": 0.01, "l2": 0.02})
    ours, theirs = small_cnn(), small_cnn()
    backward(ours, 0)
    add_penalties(config, trained_weights(ours))
    backward(theirs, 0)
    weights = trained_weights(theirs)
    penalty = sum((0.01 * weight.abs().sum() + 0.02 * weight.square().sum() for weight in weights), torch.zeros(()))
    penalty.backward()
    for first, second in zip(ours.parameters(), theirs.parameters(), strict=True):
        assert first.grad is not None
        assert second.grad is not None
        assert torch.allclose(first.grad, second.grad, atol=1e-6)


@pytest.mark.parametrize("name", ["sgd", "rmsprop", "adam", "adamw"])
def test_a_restored_state_lies_in_memory_as_its_weight_does(name: str) -> None:
    config = make_config({"optimizer": name, "lr": 0.1} | ({"momentum": 0.9} if "am" not in name else {}))
    results = []
    for contiguous in (False, True):
        model = small_cnn()
        first = make_optimizer(config, model)
        backward(model, 0)
        first.step()
        state: Any = first.state_dict()["state"]
        if contiguous:  # as a snapshot that passed through another layout
            state = {
                key: {name: value.contiguous() if torch.is_tensor(value) else value for name, value in kept.items()}
                for key, kept in state.items()
            }
        second = make_optimizer(config, model)
        restore_state(second, state)
        for weight, kept in second.state.items():
            assert all(value.stride() == weight.stride() for value in kept.values() if value.shape == weight.shape)
        second.step()
        results.append([weight.detach().clone() for weight in model.parameters()])
    assert all(torch.equal(one, other) for one, other in zip(*results, strict=True))


def test_adam_then_sgd_is_each_in_its_turn_and_goes_on_from_its_state() -> None:
    values = {"optimizer": "adam_then_sgd", "lr": 0.01, "momentum": 0.9, "adam_steps": 3, "sgd_lr_ratio": 5.0}
    config = make_config({**values, "weight_decay": 0.1})
    ours, theirs = small_cnn(), small_cnn()
    switching = make_optimizer(config, ours)
    plain = [torch.optim.Adam(theirs.parameters(), 0.01, weight_decay=0.1)]
    plain.append(torch.optim.SGD(theirs.parameters(), 0.05, 0.9, weight_decay=0.1))  # type: ignore[arg-type]
    for step in range(6):
        if step == 4:  # a training that was cut off
            kept = switching.state_dict()["state"]
            switching = make_optimizer(config, ours)
            restore_state(switching, kept)
        backward(ours, step)
        switching.step()
        backward(theirs, step)
        plain[step >= 3].step()
    for weight, wanted in zip(ours.parameters(), theirs.parameters(), strict=True):
        assert torch.allclose(weight, wanted, atol=2e-4)
