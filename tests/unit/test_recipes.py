"""Parts of today's recipes, each against its reference: torch's own, timm's, or its formula."""

import copy
import re
from typing import Any

import pytest
import torch
from schedulefree import AdamWScheduleFreeReference, SGDScheduleFreeReference
from torch import nn
from torch.optim.lr_scheduler import CosineAnnealingLR, LinearLR, LRScheduler, MultiStepLR, SequentialLR
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from winnow.objectives import registry, snapshots, steps
from winnow.objectives.data.catalog import DataSpec
from winnow.objectives.data.loading import Data, load
from winnow.objectives.errors import ObjectiveError
from winnow.objectives.hyperparameters import make_config
from winnow.objectives.models.building import build
from winnow.objectives.optimisation import decay_groups, make_optimizer, set_training
from winnow.objectives.schedules import Progress, after_warmup
from winnow.objectives.training import Result, train


@pytest.fixture(scope="module")
def digits() -> Data:
    return load(DataSpec("digits", train=240, validation=120))


def trained(data: Data, resume: Any = None, **values: Any) -> tuple[Result, list[Any]]:
    kept: list[Any] = []
    config = make_config({"batch_size": 60, "epochs": 4, "lr": 0.01, **values})
    result = train(config, data, lambda _, snapshot: kept.append(snapshots.to_bytes(snapshot())), resume)
    return result, kept


def rates(scheduler: LRScheduler, steps: int, each: int = 1) -> list[float]:
    found = []
    for step in range(steps):
        found.append(float(scheduler.get_last_lr()[0]))
        scheduler.optimizer.step()
        if (step + 1) % each == 0:
            scheduler.step()
    return found


def ours(steps: int, epochs: int, **values: Any) -> list[float]:
    config = make_config(values, lr=1.0, epochs=epochs)
    schedule = registry.schedule.chosen(config)
    progress = (Progress(step, steps, step * epochs // steps, ()) for step in range(steps))
    return [after_warmup(schedule, each, config.warmup_epochs, epochs) for each in progress]


@pytest.fixture
def optimizer() -> torch.optim.Optimizer:
    return torch.optim.SGD([nn.Parameter(torch.zeros(1))], lr=1.0)


def test_milestones_are_torchs(optimizer: torch.optim.Optimizer) -> None:
    expected = rates(MultiStepLR(optimizer, [5, 8], 0.1), 20, each=2)
    found = ours(20, 10, schedule="milestones", milestones=[0.5, 0.8], schedule_factor=0.1)
    assert found == pytest.approx(expected)


def test_a_warm_up_before_a_schedule_is_torchs(optimizer: torch.optim.Optimizer) -> None:
    warm, cosine = LinearLR(optimizer, 1 / 6, total_iters=6), CosineAnnealingLR(optimizer, 24)
    expected = rates(SequentialLR(optimizer, [warm, cosine], [6]), 30)
    assert ours(30, 10, schedule="cosine", warmup_epochs=2.0) == pytest.approx(expected)
    assert ours(30, 10, schedule="cosine") == pytest.approx(ours(30, 10, schedule="cosine", warmup_epochs=0.0))


def matrices(seed: int) -> nn.Sequential:
    torch.manual_seed(seed)
    return nn.Sequential(nn.Conv2d(3, 6, 3), nn.Flatten(), nn.Linear(6 * 36, 12), nn.Linear(12, 5))


def moved(model: nn.Module, optimizer: Any, steps: int = 4) -> nn.Module:
    for step in range(steps):
        generator = torch.Generator().manual_seed(step)
        optimizer.zero_grad()
        model(torch.randn(8, 3, 8, 8, generator=generator)).square().mean().backward()
        optimizer.step()
    return model


def assert_alike(first: nn.Module, second: nn.Module) -> None:
    for ours, theirs in zip(first.parameters(), second.parameters(), strict=True):
        assert torch.allclose(ours, theirs, rtol=1e-5, atol=1e-7)


def test_lion_is_timms() -> None:
    timm = pytest.importorskip("timm.optim")
    mine, theirs = matrices(0), matrices(0)
    config = make_config(optimizer="lion", lr=1e-3, weight_decay=0.1, beta1=0.95, lion_beta2=0.98)
    moved(mine, make_optimizer(config, mine))
    moved(theirs, timm.Lion(theirs.parameters(), lr=1e-3, weight_decay=0.1, betas=(0.95, 0.98)))
    assert_alike(mine, theirs)


def test_muon_is_torchs_with_adamw_for_the_last_layer_and_biases() -> None:
    mine, theirs = (nn.Sequential(nn.Flatten(), nn.Linear(192, 12), nn.Linear(12, 5)) for _ in range(2))
    theirs.load_state_dict(mine.state_dict())
    config = make_config(optimizer="muon", lr=1e-2, weight_decay=0.1)
    moved(mine, make_optimizer(config, mine))
    first, *rest = theirs.parameters()

    class Both:
        parts = (
            torch.optim.Muon([first], lr=1e-2, weight_decay=0.1, adjust_lr_fn="match_rms_adamw"),
            torch.optim.AdamW(rest, lr=1e-2, weight_decay=0.1),
        )

        def zero_grad(self) -> None:
            theirs.zero_grad()

        def step(self) -> None:
            for part in self.parts:
                part.step()

    moved(theirs, Both())
    assert_alike(mine, theirs)


@pytest.mark.parametrize("name", ["schedule_free_sgd", "schedule_free_adamw"])
def test_schedule_free_is_its_authors_reference(name: str) -> None:
    reference = {
        "schedule_free_sgd": lambda weights: SGDScheduleFreeReference(weights, 0.02, momentum=0.8, weight_decay=0.1),
        "schedule_free_adamw": lambda weights: AdamWScheduleFreeReference(
            weights, 0.02, betas=(0.8, 0.98), weight_decay=0.1
        ),
    }[name]
    mine, theirs = matrices(0), matrices(0)
    config = make_config(optimizer=name, lr=0.02, weight_decay=0.1, schedule_free_beta=0.8, beta2=0.98)
    ours, others = make_optimizer(config, mine), reference(theirs.parameters())
    others.train()
    for _ in range(2):  # judged, and gone on with
        moved(mine, ours)
        moved(theirs, others)
        set_training(ours, False)
        others.eval()
        assert_alike(mine, theirs)
        set_training(ours, True)
        others.train()


def test_norms_are_measured_where_schedule_free_weights_are_judged(
    digits: Data, monkeypatch: pytest.MonkeyPatch
) -> None:
    values = {"model": "cnn", "filters": [6], "batch_norm": True, "optimizer": "schedule_free_adamw", "epochs": 3}
    measured, _ = trained(digits, **values)
    monkeypatch.setattr(steps, "NORM_BATCHES", 0)
    as_trained, _ = trained(digits, **values)
    losses = [(a.validation_loss, b.validation_loss) for a, b in zip(measured.epochs, as_trained.epochs, strict=True)]
    assert all(ours < theirs for ours, theirs in losses), losses


@pytest.mark.parametrize(
    ("optimizer", "lr"), [("lion", 1e-3), ("muon", 1e-3), ("schedule_free_sgd", 0.3), ("schedule_free_adamw", 0.01)]
)
def test_an_optimiser_goes_on_to_the_bit_on_convolutions(optimizer: str, lr: float, digits: Data) -> None:
    values = {"model": "cnn", "filters": [6], "batch_norm": True, "optimizer": optimizer, "lr": lr}
    whole, kept = trained(digits, **values)
    again, _ = trained(digits, snapshots.from_bytes(kept[1]), **values)
    assert all(torch.equal(whole.weights[name], again.weights[name]) for name in whole.weights)
    assert whole.epochs[-1].value > whole.epochs[0].value


def by_hand(data: Data, average: Any, at: str) -> nn.Module:
    """The same training by torch's averages: weights of each step or epoch, taken from snapshots of one-step epochs."""
    averaged: Any = None
    config = make_config(batch_size=240, epochs=6, lr=0.01, batch_norm=True)

    def take(epoch: Any, snapshot: Any) -> None:
        nonlocal averaged
        model = build(config, data.shape, data.classes)
        model.load_state_dict(snapshot()["model"])
        averaged = averaged or average(model)
        if at == "step" or epoch.epoch > 3:
            averaged.update_parameters(model)

    train(config, data, take)
    return averaged.module


def test_the_moving_average_of_weights_is_torchs(digits: Data) -> None:
    expected = by_hand(
        digits, lambda model: AveragedModel(model, multi_avg_fn=get_ema_multi_avg_fn(0.6), use_buffers=True), "step"
    ).state_dict()
    found, _ = trained(digits, batch_size=240, epochs=6, batch_norm=True, ema_decay=0.6)
    assert all(torch.allclose(found.weights[name], expected[name], atol=1e-6) for name in expected)


def test_stochastic_weight_averaging_is_torchs(digits: Data) -> None:
    expected = by_hand(digits, lambda model: AveragedModel(model, use_buffers=True), "epoch").state_dict()
    found, _ = trained(digits, batch_size=240, epochs=6, batch_norm=True, swa_from=0.5)
    assert all(torch.allclose(found.weights[name], expected[name], atol=1e-6) for name in expected)


@pytest.mark.parametrize("values", [{"ema_decay": 0.9}, {"swa_from": 0.5}, {"accumulate": 3}, {"warmup_epochs": 1.5}])
def test_what_was_cut_off_goes_on_to_the_bit(values: dict[str, Any], digits: Data) -> None:
    whole, kept = trained(digits, **values)
    for place in (0, 2, 3):
        again, _ = trained(digits, snapshots.from_bytes(kept[place]), **values)
        assert all(torch.equal(whole.weights[name], again.weights[name]) for name in whole.weights)
    plain, _ = trained(digits)
    assert any(not torch.equal(whole.weights[name], plain.weights[name]) for name in whole.weights)


def test_accumulated_batches_move_as_one_large_batch(digits: Data) -> None:
    whole, _ = trained(digits, batch_size=120, optimizer="sgd", lr=0.1, clip_norm=0.5)
    parts, _ = trained(digits, batch_size=40, accumulate=3, optimizer="sgd", lr=0.1, clip_norm=0.5)
    assert all(torch.allclose(whole.weights[name], parts.weights[name], atol=1e-6) for name in whole.weights)


def test_two_averages_at_once_are_refused(digits: Data) -> None:
    with pytest.raises(ObjectiveError, match=re.escape("ema_decay = 0.9 and swa_from = 0.5 are two averages")):
        trained(digits, ema_decay=0.9, swa_from=0.5)


def test_the_parts_of_a_zoos_model_learn_at_rising_rates() -> None:
    model = build(make_config(model="torchvision:resnet18"), (3, 32, 32), 10)
    groups = decay_groups(make_config(layer_decay=0.5, weight_decay=0.1, decay_norms_and_biases=False), model)
    scale = {id(p): group["lr_scale"] for group in groups for p in group["params"]}  # type: ignore[attr-defined]
    named = {name.removeprefix("network."): scale[id(parameter)] for name, parameter in model.named_parameters()}
    parts = ["conv1", "bn1", "layer1", "layer2", "layer3", "layer4", "fc"]
    for place, part in enumerate(parts):
        assert {value for name, value in named.items() if name.startswith(part)} == {0.5 ** (len(parts) - 1 - place)}
    assert {group["weight_decay"] for group in groups} == {0.0, 0.1}


def test_a_layers_rate_is_what_it_moves_by(digits: Data) -> None:
    config = make_config(model="mlp", batch_size=240, epochs=1, lr=0.1, optimizer="sgd", layer_decay=0.5)
    before = copy.deepcopy(build(config, digits.shape, 10).state_dict())
    slow, _ = trained(digits, batch_size=240, epochs=1, lr=0.1, optimizer="sgd", layer_decay=0.5)
    full, _ = trained(digits, batch_size=240, epochs=1, lr=0.1, optimizer="sgd")
    for name, share in (("1.weight", 0.5), ("4.weight", 1.0)):
        assert torch.allclose(slow.weights[name] - before[name], share * (full.weights[name] - before[name]), atol=1e-7)
