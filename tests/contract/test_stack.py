"""Trainings of one shape in a stack are what they are alone: weights, curves and snapshots, whoever comes and goes.

On a processor with AVX-512 the weights are the same to the bit where dense layers have 16 units or more; elsewhere,
and on others, to 1e-6.
"""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
import torch

from contract.counting_networks import COUNTERS
from winnow.objectives import snapshots
from winnow.objectives.data.catalog import DataSpec
from winnow.objectives.data.loading import Data, load
from winnow.objectives.errors import Diverged
from winnow.objectives.hyperparameters import Config, change, make_config, shape_of
from winnow.objectives.models.building import build
from winnow.objectives.models.stacked_own import apart_because
from winnow.objectives.snapshots import Snapshot
from winnow.objectives.stack import train_stack
from winnow.objectives.training import Limits, Result, begin, train
from winnow.records import Epoch

# What members of one stack may differ in.
OWN: list[dict[str, Any]] = [
    {"optimizer": "adam", "lr": 1e-3, "activation": "sigmoid"},
    {"optimizer": "adamw", "weight_decay": 0.01, "label_smoothing": 0.1, "dropout": 0.3, "schedule": "cosine"},
    {"optimizer": "sgd", "lr": 0.05, "momentum": 0.9, "nesterov": True, "dropout": 0.1},
    {"optimizer": "adam", "weight_decay": 0.1, "decay_norms_and_biases": False, "beta1": 0.8, "dropout": 0.4},
    {"optimizer": "rmsprop", "lr": 1e-3, "l1": 1e-4, "l2": 1e-3, "clip_norm": 1.0, "schedule": "one_cycle"},
    {"optimizer": "adam", "lr": 1e-2, "patience": 1, "initialisation": "he", "activation": "tanh"},
]
# As well, where it is images that are told apart.
LOSSES: list[dict[str, Any]] = [
    {"class_weights": "balanced"},
    {"mixup": True, "mixup_alpha": 0.4, "class_weights": "sqrt", "label_smoothing": 0.1},
    {"cutmix": True, "accumulate": 2},
    {},
    {"focal_gamma": 2.0, "accumulate": 3, "clip_norm": 1.0},
    {"mixup": True, "cutmix": True, "flip": True},
]
IMAGES: dict[str, Any] = {"crop": True, "crop_padding": 1, "flip": True, "erasing": True}
SHAPES: dict[str, dict[str, Any]] = {
    "mlp": {"widths": [64]},
    "mlp of two layers, batch normalised": {"widths": [48, 32], "batch_norm": True},
    "mlp, augmented": {"widths": [32], **IMAGES},
    "mlp, bf16": {"widths": [64], "precision": "bf16"},
    "mlp, each by a loss of its own": {"widths": [64], "losses": LOSSES},
    "mlp, each by a loss of its own, bf16": {"widths": [64], "losses": LOSSES, "precision": "bf16"},
    "cnn": {"model": "cnn", "filters": [8, 16], "hidden": [32]},
    "cnn, each by a loss of its own": {"model": "cnn", "filters": [8, 16], "hidden": [32], "losses": LOSSES},
    "cnn, batch normalised, augmented": {"model": "cnn", "filters": [8], "batch_norm": True, **IMAGES},
    "smallnet": {"model": "smallnet", "conv_dropout": 0.1},
    "resnet": {"model": "resnet", "filters": [8], "depth": 2, "pool_every": 2},
    "one's own": {"model": "own_networks_of_a_test:Shortcut"},
    "one's own, bf16": {"model": "own_networks_of_a_test:Shortcut", "precision": "bf16"},
    "one's own, called one by one": {"model": "own_networks_of_a_test:Scaled"},
    "one's own, whose weights have hooks": {"model": "own_networks_of_a_test:Hooked"},
    "one's own, whose passes are done again": {"model": "own_networks_of_a_test:Checkpointing"},
    "one's own, which draws by Python and NumPy": {"model": "own_networks_of_a_test:Choosing"},
    "one's own, which changes its input": {"model": "own_networks_of_a_test:Spoiling"},
}
OWN_NETWORKS = (
    COUNTERS
    + """
import random

import numpy as np
import torch
import torch.nn.functional as F
import torch.utils.checkpoint
from torch import nn


class Shortcut(nn.Module):
    def __init__(self, shape, classes):
        super().__init__()
        self.before = nn.Sequential(nn.Flatten(), nn.Linear(64, 32), nn.BatchNorm1d(32), nn.ReLU(inplace=True))
        self.before.append(nn.Linear(32, 32)).append(nn.ReLU(inplace=True))
        self.block, self.drop, self.after = nn.Linear(32, 32), nn.Dropout(0.3), nn.Linear(32, classes)

    def forward(self, x):
        x = self.before(x)
        return self.after(x + self.drop(F.gelu(self.block(x))))


class Scaled(Shortcut):
    def __init__(self, shape, classes):
        super().__init__(shape, classes)
        self.scale = nn.Parameter(torch.ones(classes))

    def forward(self, x):
        return self.scale * super().forward(x)


class Centred(Shortcut):
    def forward(self, x):
        return super().forward(x - x.mean(0))


class Branching(Shortcut):
    def forward(self, x):
        return super().forward(x if x.max() > 0 else 2 * x)


class Drawing(Shortcut):
    def forward(self, x):
        return F.dropout(super().forward(x), 0.1, self.training)


class Convolving(Shortcut):
    def __init__(self, shape, classes):
        super().__init__(shape, classes)
        self.convolution = nn.Conv2d(1, 1, 3, padding=1)


class Shared(Shortcut):
    def __init__(self, shape, classes):
        super().__init__(shape, classes)
        self.before.append(self.block)


class Hooked(Shortcut):
    def __init__(self, shape, classes):
        super().__init__(shape, classes)
        self.block.weight.register_hook(lambda gradient: gradient / 2)


class Counting(Counts, Shortcut):
    pass


class Keeping(Keeps, Shortcut):
    pass


class Checkpointing(Shortcut):
    def forward(self, x):
        return torch.utils.checkpoint.checkpoint(super().forward, x, use_reentrant=False)


class Listing(Shortcut):
    def __init__(self, shape, classes):
        super().__init__(shape, classes)
        self.all = [self.before, self.block, self.after]

    def forward(self, x):
        for layer in self.all:
            x = layer(x)
        return x


class Choosing(Shortcut):
    def forward(self, x):
        return super().forward(x * random.uniform(0.9, 1.1) * np.random.uniform(0.9, 1.1) if self.training else x)


class Spoiling(Shortcut):
    def forward(self, x):
        return super().forward(x.mul_(0.5))
"""
)
NOT_TO_THE_BIT = 1e-6
"""Of the weights: no layer here is so narrow that this machine's kernels differ, but other processors have others."""


@pytest.fixture(autouse=True, scope="module")
def own_networks(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    folder = tmp_path_factory.mktemp("own")
    (folder / "own_networks_of_a_test.py").write_text(OWN_NETWORKS)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        yield


@pytest.mark.parametrize(
    ("network", "why"),
    [
        ("Shortcut", ""),
        ("Scaled", "it is a Scaled with weights"),
        ("Centred", "depends on the others of its batch"),
        ("Branching", "data-dependent control flow"),
        ("Drawing", "draws random numbers"),
        ("Convolving", "it.convolution is a Conv2d with weights"),
        ("Shared", "two of its layers share weights"),
        ("Hooked", "its weights have hooks"),
        ("Counting", "it counts in steps"),
        ("Keeping", "it is a Keeping with weights"),
        ("Checkpointing", "its gradients are others"),
        ("Listing", "depends on the others of its batch"),
        ("Choosing", "it draws random numbers of Python or NumPy"),
    ],
)
def test_why_ones_own_networks_are_called_one_by_one(network: str, why: str) -> None:
    model: Any = build(make_config({"model": f"own_networks_of_a_test:{network}"}), (1, 8, 8), 10)
    found = apart_because(model, (1, 8, 8))
    assert why in found if why else not found, found


def data_of(examples: int = 300) -> Data:
    return load(DataSpec("digits", train=examples, validation=100))


def members(shape: dict[str, Any], **more: Any) -> list[Config]:
    base = {"epochs": 3, "batch_size": 64, **shape, **more}
    losses = base.pop("losses", [{}] * len(OWN))
    model = str(base.get("model"))
    known = {"activation"} if model == "smallnet" else {"activation", "dropout"} if ":" in model else set()
    return [
        make_config({**base, **{k: v for k, v in {**own, **loss}.items() if k not in known}, "seed": seed})
        for seed, (own, loss) in enumerate(zip(OWN, losses, strict=True))
    ]


def silent(epoch: Epoch, snapshot: Callable[[], Snapshot]) -> None:
    pass


def together(configs: list[Config], data: Data, reports: Any = None, resumes: Any = None) -> list[Any]:
    ends: dict[int, Any] = {}
    trainings = [
        (
            begin(config, data, reports[k] if reports else silent, resumes[k] if resumes else None),
            lambda end, k=k: ends.update({k: end}),
        )
        for k, config in enumerate(configs)
    ]
    train_stack(trainings)
    return [ends[k] for k in range(len(configs))]


def assert_same(one: Result, other: Result) -> None:
    exact = torch.backends.cpu.get_cpu_capability() == "AVX512"
    assert [epoch.epoch for epoch in one.epochs] == [epoch.epoch for epoch in other.epochs]
    for name, weight in one.weights.items():
        same = torch.equal if exact else lambda a, b: torch.allclose(a, b, rtol=0, atol=NOT_TO_THE_BIT)
        assert same(weight, other.weights[name]), (name, (weight - other.weights[name]).abs().max())
    for ours, theirs in zip(one.epochs, other.epochs, strict=True):
        assert ours.validation_accuracy == theirs.validation_accuracy
        assert ours.train_accuracy == theirs.train_accuracy
        assert ours.train_loss == pytest.approx(theirs.train_loss, abs=1e-6)
        assert ours.validation_loss == pytest.approx(theirs.validation_loss, abs=1e-6)


@pytest.mark.parametrize("shape", SHAPES)
def test_members_of_a_stack_are_what_they_are_alone(shape: str) -> None:
    data = data_of()
    configs = members(SHAPES[shape])
    assert len(set(map(shape_of, configs))) == 1, "one stack"
    for config, member in zip(configs, together(configs, data), strict=True):
        assert_same(train(config, data, silent), member)


def test_a_training_begun_in_a_stack_goes_on_alone_and_the_other_way_round() -> None:
    data = data_of()
    configs = members(SHAPES["mlp"])
    unbroken = [train(config, data, silent) for config in configs]
    for first, second in ((together, alone), (alone, together)):
        kept: dict[int, bytes] = {}

        def keep(k: int, kept: dict[int, bytes] = kept) -> Any:
            def report(epoch: Epoch, snapshot: Callable[[], Snapshot]) -> None:
                if epoch.epoch == 2:
                    kept[k] = snapshots.to_bytes(snapshot())
                    raise InterruptedError

            return report

        ends = first(configs, data, [keep(k) for k in range(len(configs))])
        assert all(isinstance(end, InterruptedError) for end in ends)
        resumed = second(configs, data, None, [snapshots.from_bytes(kept[k]) for k in range(len(configs))])
        for whole, end in zip(unbroken, resumed, strict=True):
            assert_same(whole, end)


def alone(configs: list[Config], data: Data, reports: Any = None, resumes: Any = None) -> list[Any]:
    ends = []
    for k, config in enumerate(configs):
        ends += together([config], data, reports and [reports[k]], resumes and [resumes[k]])
    return ends


def test_one_that_diverges_leaves_and_the_others_do_not_notice() -> None:
    data = data_of()
    configs = members(SHAPES["mlp"])
    configs[2] = change(configs[2], lr=1e12)
    ends = together(configs, data)
    assert isinstance(ends[2], Diverged)
    for k in (0, 1, 3, 4, 5):
        assert_same(train(configs[k], data, silent), ends[k])


def test_who_joins_later_is_at_its_own_epoch() -> None:
    data = data_of()
    configs = members(SHAPES["mlp"])
    later = iter(configs[2:])
    ends: dict[int, Any] = {}

    def training(config: Config) -> Any:
        return begin(config, data, silent), lambda end: ends.update({config.seed: end})

    train_stack(map(training, configs[:2]), lambda: [training(config) for config in [next(later, None)] if config])
    for config in configs:
        assert_same(train(config, data, silent), ends[config.seed])


def test_all_have_reported_before_one_waits_for_its_verdict() -> None:
    data = data_of()
    told: list[str] = []

    def reporter(k: int) -> Any:
        def report(epoch: Epoch, snapshot: Callable[[], Snapshot]) -> Callable[[bool], None]:
            told.append(f"report {k}")
            return lambda _: told.append(f"verdict {k}")

        return report

    configs = members(SHAPES["mlp"], epochs=1)[:2]
    together(configs, data, [reporter(k) for k in range(2)])
    assert told == ["report 0", "report 1", "verdict 0", "verdict 1"]


def test_a_member_over_a_limit_of_its_own_takes_nobody_along() -> None:
    data = data_of()
    configs = members(SHAPES["mlp"], epochs=1)[:2]
    ends: list[Any] = []
    train_stack(
        [
            (begin(configs[0], data, silent, limits=Limits(max_parameters=10)), ends.append),
            (begin(configs[1], data, silent), ends.append),
        ]
    )
    assert "max_parameters" in str(ends[0])
    assert_same(train(configs[1], data, silent), ends[1])
