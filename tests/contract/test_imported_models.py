"""A model of one's own, of torchvision or of timm trains in the built-in loop as the built-in ones do."""

import random
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from contract.counting_networks import COUNTERS
from example_data import inputs_of
from winnow.errors import SpecError
from winnow.objectives import snapshots
from winnow.objectives.data.catalog import DataSpec
from winnow.objectives.data.loading import Data, load
from winnow.objectives.errors import ObjectiveError
from winnow.objectives.hyperparameters import DEFINITIONS, config_values, make_config
from winnow.objectives.learner import Learner
from winnow.objectives.models.building import build
from winnow.objectives.trained_model import restore
from winnow.objectives.training import Result, train
from winnow.search.study import validation

MODULE = (
    COUNTERS
    + """
import random
import threading

import numpy as np
import torch
from torch import nn

def build(shape, classes, width: int = 6, dropout=0.25, act: str = "relu", norm: object = nn.BatchNorm2d):
    return Net(shape, classes, width, dropout)

class Net(nn.Module):
    def __init__(self, shape, classes, width=5, drop=0.1):
        super().__init__()
        self.layers = nn.Sequential(
            nn.Conv2d(shape[0], width, 3, padding=1), nn.BatchNorm2d(width), nn.ReLU(), nn.Dropout(drop)
        )
        self.scale = nn.Parameter(torch.randn(width * shape[1] * shape[2]))
        self.head = nn.Linear(width * shape[1] * shape[2], classes)

    def forward(self, x):
        return self.head(self.layers(x).view(x.size(0), -1) * self.scale)

def needs(shape, classes, width):
    return nn.Flatten()

def three(shape, classes):
    return nn.Sequential(nn.Flatten(), nn.LazyLinear(classes + 3))

def number(shape, classes):
    return 7

def large(shape, classes):
    return nn.Sequential(nn.Flatten(), nn.Linear(100, classes))

def clash(shape, classes, dropout: str = "none"):
    return nn.Flatten()

def nothing():
    return nn.Flatten()

def complex_weights(shape, classes):
    net = Net(shape, classes)
    net.filter = nn.Parameter(torch.zeros(3, dtype=torch.cfloat))
    return net

class Drawing(Net):
    def __init__(self, shape, classes):
        super().__init__(shape, classes)
        self.scale.data *= torch.from_numpy(np.random.rand(len(self.scale)).astype("float32"))

    def forward(self, x):
        return super().forward(x * random.uniform(0.5, 2) * np.random.rand() if self.training else x)

class Adding(Net):
    def forward(self, x):
        return super().forward(x) + (random.random() + np.random.rand() if self.training else 0)

class Counting(Counts, Net):
    pass

class Keeping(Keeps, Net):
    pass

class Helped(Net):
    def forward(self, x):
        made = super().forward(x)
        return (made, made) if self.training else made

class Growing(Net):
    def __init__(self, shape, classes):
        super().__init__(shape, classes)
        self.register_buffer("seen", torch.zeros(0))

    def forward(self, x):
        if self.training:
            self.seen = torch.cat([self.seen, x.mean().view(1)])
        return super().forward(x)

class Locking(Net):
    def __init__(self, shape, classes):
        super().__init__(shape, classes)
        self.lock = threading.Lock()

class Dropping(Net):
    def __init__(self, shape, classes):
        super().__init__(shape, classes)
        self.some, self.all = nn.Dropout(0.5), nn.Dropout(1.0)

    def forward(self, x):
        return self.some(super().forward(x)) + self.all(x).sum() * 0
"""
)
STEPS = "network._extra_state"
ZOO = [
    "torchvision:resnet18",
    "torchvision:mobilenet_v3_small",
    "torchvision:efficientnet_b0",
    "torchvision:convnext_tiny",
    "torchvision:swin_t",
    "timm:vit_tiny_patch16_224",
]


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "mymodels_of_a_test.py").write_text(MODULE)
    monkeypatch.chdir(tmp_path)


@pytest.fixture(scope="module")
def digits() -> Data:
    return load(DataSpec("digits", train=60, validation=30))


def twice(values: dict[str, Any], data: Data) -> tuple[Result, Result]:
    """One training unbroken, and another that another process's draws disturb, cut off after its first epoch."""
    config = make_config({"batch_size": 20, "epochs": 2, "lr": 0.01, "optimizer": "sgd", **values})
    torch.manual_seed(1)
    kept: list[bytes] = []
    whole = train(config, data, lambda _, snapshot: kept.append(snapshots.to_bytes(snapshot())))
    torch.manual_seed(2)
    return whole, train(config, data, lambda *_: None, snapshots.from_bytes(kept[0]))


def same(first: Result, second: Result) -> bool:
    return all(torch.equal(weight, second.weights[name]) for name, weight in first.weights.items() if name != STEPS)


def test_ones_own_is_trained_to_the_bit_with_its_parameters(digits: Data) -> None:
    name = "mymodels_of_a_test:build"
    whole, resumed = twice({"model": name, "width": 7}, digits)
    assert same(whole, resumed)
    assert whole.weights["network.layers.0.weight"].shape[0] == 7
    config = make_config({"model": name})
    assert (config.width, config.dropout, config.act) == (6, 0.25, "relu")
    assert DEFINITIONS["width"].type is int
    assert make_config(config_values(config)) == config
    assert "width" not in config_values(make_config({"model": "cnn"}))
    assert make_config({"model": "mlp"}).dropout == 0.0
    other = twice({"model": name, "width": 7, "dropout": 0.5}, digits)[0]
    assert not same(whole, other), "dropout is drawn"


@pytest.mark.parametrize("name", ["Drawing", "Keeping", "Dropping", "Locking"])
def test_what_it_draws_or_keeps_elsewhere_is_the_trials(digits: Data, name: str) -> None:
    random.seed(1)
    np.random.seed(1)
    assert same(*twice({"model": f"mymodels_of_a_test:{name}"}, digits))
    assert random.random() == random.Random(1).random(), "whoever else draws is left alone"


def test_each_batch_has_its_own_draws_elsewhere(digits: Data) -> None:
    model = Learner(make_config({"model": "mymodels_of_a_test:Adding"}), digits).model
    examples = inputs_of(digits.train)[:4].float()
    network: Any = model.network
    network.layers[-1].p = 0.0  # so that torch draws nothing
    assert len({round(float(model(examples).detach().mean()), 3) for _ in range(5)}) > 3


def test_a_count_that_no_checkpoint_has_is_told(caplog: pytest.LogCaptureFixture) -> None:
    for name in ("Counting", "Counting", "Keeping"):
        build(make_config({"model": f"mymodels_of_a_test:{name}"}), (1, 8, 8), 10)
    (said,) = caplog.messages
    assert "mymodels_of_a_test:Counting changes steps as it trains, which no checkpoint keeps" in said


def test_each_batch_has_its_own_dropout(digits: Data) -> None:
    model = Learner(make_config({"model": "mymodels_of_a_test:build", "dropout": 0.5}), digits).model
    examples = inputs_of(digits.train)[:4].float()
    assert not torch.equal(model(examples), model(examples))


def test_a_class_is_a_model_too(digits: Data) -> None:
    whole, resumed = twice({"model": "mymodels_of_a_test:Net", "initialisation": "he"}, digits)
    assert same(whole, resumed)
    model = restore({"model": "mymodels_of_a_test:Net"}, whole.weights, digits)
    assert all(torch.equal(weight, whole.weights[name]) for name, weight in model.state_dict().items())


@pytest.mark.parametrize("name", ZOO)
def test_a_zoos_model_is_trained_to_the_bit(name: str) -> None:
    if name.startswith("timm"):
        pytest.importorskip("timm")
    data = load(DataSpec("digits", train=12, validation=10))
    larger, largest = (
        replace(split, inputs=inputs_of(split).repeat_interleave(4, 2).repeat_interleave(4, 3))
        for split in (data.train, data.validation)
    )
    data = replace(data, train=larger, validation=largest, shape=(1, 32, 32))
    whole, resumed = twice({"model": name, "batch_size": 4}, data)
    assert same(whole, resumed)
    assert whole.weights.keys() == build(make_config({"model": name}), (1, 32, 32), 10).state_dict().keys()


def test_weights_from_a_file_leave_the_last_layer_and_frozen_parts_stay(digits: Data, tmp_path: Path) -> None:
    from torchvision.models import mobilenet_v3_small

    torch.manual_seed(0)
    state = mobilenet_v3_small(num_classes=7).state_dict()
    torch.save(state, tmp_path / "mobile.pt")
    values = {
        "model": "torchvision:mobilenet_v3_small",
        "weights": "mobile.pt",
        "frozen_prefixes": "features.0., features.1",
    }
    whole, resumed = twice(values, digits)
    assert same(whole, resumed)
    first, norm = whole.weights["network.features.0.0.weight"], whole.weights["network.features.0.1.running_mean"]
    assert torch.equal(first, state["features.0.0.weight"])
    assert torch.equal(norm, state["features.0.1.running_mean"])
    assert not torch.equal(whole.weights["network.features.3.block.0.0.weight"], state["features.3.block.0.0.weight"])
    assert whole.weights["network.classifier.3.weight"].shape[0] == 10
    (tmp_path / "mobile.pt").write_bytes(b"PK torn")
    with pytest.raises(ObjectiveError, match="cannot be read as torchvision:mobilenet_v3_small"):
        twice(values, digits)
    with pytest.raises(ObjectiveError, match="another file than before"):
        twice({**values, "weights_sha256": "0" * 64}, digits)


def test_a_small_stem_keeps_the_size_of_the_image() -> None:
    model: Any = build(make_config({"model": "torchvision:resnet34", "small_stem": True}), (3, 32, 32), 10)
    assert model.network.conv1.kernel_size == (3, 3)
    assert isinstance(model.network.maxpool, torch.nn.Identity)
    with pytest.raises(ObjectiveError, match="no stem of convolutions to make small"):
        build(make_config({"model": "torchvision:convnext_tiny", "small_stem": True}), (3, 32, 32), 10)


def spec(**changed: Any) -> dict[str, Any]:
    data = {"name": "digits", "train": 200, "validation": 30}
    return {"name": "s", "data": data, "budget": {"trials": 2}, **changed}


@pytest.mark.parametrize(
    ("fixed", "words"),
    [
        ({"model": "nowhere_at_all:build"}, "no module 'nowhere_at_all' can be found"),
        ({"model": "mymodels_of_a_test:missing"}, "has no function 'missing'; name another"),
        ({"model": "mymodels_of_a_test:nothing"}, "let it take the shape of an example and the classes first"),
        ({"model": "mymodels_of_a_test:needs"}, "width of mymodels_of_a_test:needs has no default"),
        ({"model": "mymodels_of_a_test:three"}, "makes (2, 13) of two examples, not (2, 10)"),
        ({"model": "mymodels_of_a_test:Helped"}, "makes a tuple of two examples in training, not (2, 10)"),
        ({"model": "mymodels_of_a_test:Growing"}, "gives its buffer seen another size as it trains"),
        ({"model": "mymodels_of_a_test:number"}, "gives a int; let it return a torch.nn.Module"),
        ({"model": "mymodels_of_a_test:large"}, "does not take examples of (1, 8, 8): RuntimeError"),
        ({"model": "mymodels_of_a_test:clash"}, "dropout of mymodels_of_a_test:clash is another hyperparameter"),
        ({"model": "mymodels_of_a_test:complex_weights"}, "has complex weights, filter for one, which the optimisers"),
        ({"model": "mymodels_of_a_test:build", "width": "x"}, "width = 'x' is not a whole number"),
        ({"model": "mymodels_of_a_test:build", "widht": 3}, "there is no hyperparameter 'widht'; did you mean 'width'"),
        ({"model": "torchvision:resnet33"}, "torchvision has no classifier 'resnet33'; did you mean 'resnet34'"),
        ({"model": "torchvision:resnet34", "frozen_prefixes": "layr"}, "no parameter of torchvision:resnet34 begins"),
        ({"model": "torchvision:vit_b_32", "small_stem": False}, "cannot be built for examples of (1, 8, 8)"),
    ],
)
def test_what_cannot_be_trained_is_refused_before_a_study_exists(fixed: dict[str, Any], words: str) -> None:
    with pytest.raises(SpecError, match=re.escape(words)):
        validation.check(spec(fixed=fixed), "s.toml")


def test_a_spec_searches_what_only_one_of_its_models_has() -> None:
    search = {
        "model": {"choices": ["mymodels_of_a_test:build", "smallnet"]},
        "width": {"low": 2, "high": 8, "when": {"model": ["mymodels_of_a_test:build"]}},
    }
    checked = validation.check(spec(search=search), "s.toml")
    assert checked.imports == ("mymodels_of_a_test:build",)
    with pytest.raises(SpecError, match="width"):
        validation.check(spec(fixed={"model": "smallnet"}, search={"width": {"low": 2, "high": 8}}), "s.toml")
