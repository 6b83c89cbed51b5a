import hashlib
from pathlib import Path
from typing import Any

import optuna
import pytest
import safetensors.torch
import torch
from torch import nn

from winnow.objectives import compatibility, registry
from winnow.objectives.data.catalog import DataSpec
from winnow.objectives.errors import ObjectiveError
from winnow.objectives.hyperparameters import change, make_config
from winnow.objectives.models.building import build
from winnow.objectives.models.layers import DropBlock, Dropout, Dropout2d
from winnow.objectives.training_objective import TrainingObjective

CIFAR = (3, 32, 32)


def on_meta(outputs: int = 10, shape: tuple[int, ...] = CIFAR, **values: Any) -> nn.Module:
    return build(make_config(values), shape, outputs, "meta")


def parameters(model: nn.Module) -> int:
    return sum(parameter.numel() for parameter in model.parameters())


def names(model: nn.Module) -> str:
    """The layers in their order, each by the first letters of its kind."""
    short = {
        "Conv2d": "C",
        "Linear": "F",
        "MaxPool2d": "P",
        "AvgPool2d": "A",
        "ReLU": "r",
        "Tanh": "t",
        "Residual": "R",
    }
    short |= {"Dropout": "d", "Dropout2d": "2", "DropBlock": "b", "BatchNorm2d": "n", "BatchNorm1d": "n"}
    return "".join(short.get(type(module).__name__, "") for module in model.modules())


@pytest.mark.parametrize(
    ("values", "outputs", "count"),
    [
        ({"model": "smallnet"}, 100, 996_376),
        ({"model": "resnet18", "frozen": 5}, 100, 11_227_812),
        ({"widths": [128, 32]}, 3, 3072 * 128 + 128 + 128 * 32 + 32 + 32 * 3 + 3),
        ({"widths": [124, 64], "activation": "leaky_relu"}, 3, 3072 * 124 + 124 + 124 * 64 + 64 + 64 * 3 + 3),
        ({"widths": [248, 210], "dropouts": [0.5, 0.3]}, 3, 3072 * 248 + 248 + 248 * 210 + 210 + 210 * 3 + 3),
        ({"widths": [8], "depth": 2, "batch_norm": True}, 2, 3072 * 8 + 16 + 8 * 8 + 16 + 8 * 2 + 2),
    ],
    ids=["SmallNet", "ResNet-18", "AnimalNet", "BigAnimalNet", "AnimalNetDropout", "no bias before BatchNorm"],
)
def test_architectures_have_the_parameters_of_their_description(
    values: dict[str, Any], outputs: int, count: int
) -> None:
    assert parameters(on_meta(outputs, **values)) == count


@pytest.mark.parametrize("model", registry.model)
@pytest.mark.parametrize("shape", [CIFAR, (1, 28, 28), (1, 8, 8)])
def test_every_architecture_takes_every_size_of_image(model: str, shape: tuple[int, ...]) -> None:
    network = build(make_config({"model": model}), shape, 7).eval()
    with torch.inference_mode():
        outputs = network(torch.randn(2, *shape))
    assert outputs.shape == (2, 7)
    assert outputs.isfinite().all()


def test_a_cnn_pools_after_every_so_many_convolutions_and_ends_dense() -> None:
    model = on_meta(model="cnn", filters=[4, 8, 16], depth=2, pool_every=4, hidden=[20, 30])
    assert names(model).replace("d", "") == "CrCrCrCrP" + "CrCr" + "FrFrF"
    assert [m.out_channels for m in model.modules() if isinstance(m, nn.Conv2d)] == [4, 4, 8, 8, 16, 16]


def test_a_cnn_has_its_options() -> None:
    model = on_meta(
        model="cnn",
        filters=[6],
        kernel=5,
        stride=2,
        padding=2,
        pooling="average",
        pool_size=4,
        activation="tanh",
        batch_norm=True,
        conv_dropout=0.3,
        conv_dropout_kind="dropout2d",
        dropout_position="before_activation",
        hidden=[9],
    )
    assert names(model) == "Cn2tA" + "Fndt" + "F"
    linear = [module for module in model.modules() if isinstance(module, nn.Linear)]
    assert linear[0].in_features == 6 * 4 * 4


def test_dropout_of_convolutions_is_of_the_kind_that_was_chosen() -> None:
    for kind, layer in (("dropout", Dropout), ("dropout2d", Dropout2d), ("dropblock", DropBlock)):
        model = on_meta(model="cnn", filters=[4], conv_dropout=0.25, conv_dropout_kind=kind, block_size=5)
        (found,) = (module for module in model.modules() if isinstance(module, layer))
        assert found.p == 0.25
        assert getattr(found, "size", 5) == 5


def test_a_resnet_has_a_shortcut_around_every_so_many_convolutions() -> None:
    model = on_meta(model="resnet", filters=[4, 8], depth=3, pool_every=2)
    blocks = [module for module in model.modules() if type(module).__name__ == "Residual"]
    assert [names(block.body).replace("d", "") for block in blocks] == ["CrC", "CrC", "CrC"]  # type: ignore[arg-type]
    # 3 → 4 and 4 → 8 channels take a 1x1 convolution, 8 → 8 none
    assert [names(block.shortcut) for block in blocks] == ["C", "C", ""]  # type: ignore[arg-type]
    assert names(model).count("P") == 3


def test_a_shortcut_adds_what_came_in() -> None:
    model = build(make_config({"model": "resnet", "filters": [3], "activation": "none"}), CIFAR, 10)
    block = next(module for module in model.modules() if type(module).__name__ == "Residual")
    x = torch.randn(2, *CIFAR)
    assert torch.allclose(block(x), block.body(x) + x)


def test_a_bottleneck_works_at_a_quarter_of_the_filters() -> None:
    model = on_meta(model="resnet", filters=[64], bottleneck=True, batch_norm=True)
    block = next(module for module in model.modules() if type(module).__name__ == "Residual")
    convolutions = [m for m in block.body.modules() if isinstance(m, nn.Conv2d)]  # type: ignore[union-attr]
    assert [(c.out_channels, c.kernel_size[0]) for c in convolutions] == [(16, 1), (16, 3), (64, 1)]
    assert all(convolution.bias is None for convolution in convolutions)


def test_a_resnet_refuses_a_kernel_that_moves_the_image() -> None:
    with pytest.raises(ObjectiveError, match="kernel = 4 cannot keep the size"):
        on_meta(model="resnet", kernel=4)


def test_one_dropout_for_each_dense_layer() -> None:
    model = on_meta(widths=[8, 8], dropouts=[0.5, 0.25])
    assert [module.p for module in model.modules() if isinstance(module, Dropout)] == [0.5, 0.25]
    for wrong in ({"dropouts": [0.5]}, {"dropouts": [0.5, 0.3], "dropout": 0.1}):
        with pytest.raises(ObjectiveError, match="does not go with 2 hidden dense layers"):
            on_meta(widths=[8, 8], **wrong)


@pytest.mark.parametrize("model", ["cnn", "smallnet", "resnet"])
def test_images_too_small_for_the_poolings_are_refused(model: str) -> None:
    with pytest.raises(ObjectiveError, match=r"images of 7x9 are too small for the convolutions and poolings"):
        on_meta(shape=(3, 7, 9), model=model, filters=[4, 4, 4])


def test_features_are_refused_by_a_network_for_images() -> None:
    with pytest.raises(ObjectiveError, match="needs images, and this data has 100 features"):
        on_meta(shape=(100,), model="cnn")


def test_nothing_is_allocated_on_meta() -> None:
    assert {p.device.type for p in on_meta(model="resnet18").parameters()} == {"meta"}


def test_the_same_seed_gives_the_same_weights_and_another_seed_others() -> None:
    first, second, other = (build(make_config(model="resnet", seed=seed), CIFAR, 10).state_dict() for seed in (1, 1, 2))
    assert all(torch.equal(first[name], second[name]) for name in first)
    assert not any(torch.equal(first[name], other[name]) for name in first if name.endswith("weight"))


# --- ResNet-18 from a file


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    from torchvision.models import resnet18

    path = tmp_path_factory.mktemp("weights") / "resnet18.pth"
    torch.save(resnet18().state_dict(), path)
    return path


def test_weights_come_from_the_file_but_for_the_last_layer(trained: Path, tmp_path: Path) -> None:
    given = torch.load(trained)
    safetensors.torch.save_file(given, tmp_path / "resnet18.safetensors")
    for path in (trained, tmp_path / "resnet18.safetensors"):
        model = build(make_config({"model": "resnet18", "weights": str(path)}), CIFAR, 10)
        state = model.network.state_dict()  # type: ignore[union-attr]
        assert all(torch.equal(state[name], given[name]) for name in state if not name.startswith("fc."))
        assert state["fc.weight"].shape == (10, 512)


def test_another_file_than_the_one_that_was_recorded_is_refused(trained: Path, tmp_path: Path) -> None:
    objective = TrainingObjective(DataSpec("digits"), fixed={"model": "resnet18", "weights": str(trained)})
    config = objective.config(optuna.trial.FixedTrial({}))
    assert config.weights_sha256 == hashlib.sha256(trained.read_bytes()).hexdigest()
    build(config, CIFAR, 10)
    other = tmp_path / "other.pth"
    other.write_bytes(b"others")
    with pytest.raises(ObjectiveError, match="is another file than before"):
        build(change(config, weights=str(other)), CIFAR, 10)


def test_random_weights_are_told(caplog: pytest.LogCaptureFixture) -> None:
    build(make_config(model="resnet18"), CIFAR, 10)
    assert "ResNet-18 starts from random weights" in caplog.text


def test_frozen_parts_neither_learn_nor_follow_the_batch() -> None:
    model = build(make_config({"model": "resnet18", "frozen": 5}), CIFAR, 10).train()
    assert [name for name, p in model.named_parameters() if p.requires_grad] == ["network.fc.weight", "network.fc.bias"]
    before = {name: buffer.clone() for name, buffer in model.named_buffers()}
    model(torch.randn(4, *CIFAR))
    assert all(torch.equal(buffer, before[name]) for name, buffer in model.named_buffers())
    half = on_meta(model="resnet18", frozen=2)
    assert {name.split(".")[1] for name, p in half.named_parameters() if not p.requires_grad} == {
        "conv1",
        "bn1",
        "layer1",
    }


def test_a_file_that_is_no_resnet18_is_refused(tmp_path: Path) -> None:
    (tmp_path / "text").write_text("no weights")
    torch.save({"weight": torch.ones(1)}, tmp_path / "other")
    for name in ("text", "other", "missing"):
        with pytest.raises(ObjectiveError, match=f"{name}' cannot be read as ResNet-18"):
            build(make_config({"model": "resnet18", "weights": str(tmp_path / name)}), CIFAR, 10)


def test_resnet18_refuses_other_channels() -> None:
    with pytest.raises(ObjectiveError, match="images of 1 or 3 channels, and these have 2"):
        on_meta(shape=(2, 32, 32), model="resnet18")


@pytest.mark.parametrize(
    ("values", "shape"),
    [
        ({"model": "mlp"}, (1, 8, 8)),
        ({"model": "cnn", "hidden": [16]}, (1, 8, 8)),
        (
            {"model": "cnn", "hidden": [], "filters": [4, 4, 4], "pool_every": 1, "pool_size": 2, "padding": 0},
            (1, 8, 8),
        ),
    ],
)
def test_batch_normalisation_of_a_single_value_is_refused(values: dict[str, Any], shape: tuple[int, ...]) -> None:
    with pytest.raises(ObjectiveError, match="batch_size = 1 gives batch normalisation of"):
        compatibility.check(make_config({**values, "batch_norm": True, "batch_size": 1}), "made", shape, 10, 100)
    compatibility.check(make_config({"model": "mlp", "batch_norm": False, "batch_size": 1}), "made", shape, 10, 100)
