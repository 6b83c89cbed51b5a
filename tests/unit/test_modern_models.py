"""GroupNorm, LayerNorm, WideResNet and ViT: their parts against torch's, their sizes against papers', and trained."""

import re
from typing import Any

import pytest
import torch
from torch import nn

from winnow.objectives import snapshots
from winnow.objectives.data.catalog import DataSpec
from winnow.objectives.data.loading import load
from winnow.objectives.errors import ObjectiveError
from winnow.objectives.hyperparameters import make_config
from winnow.objectives.models.building import build
from winnow.objectives.models.layers import DropPath, use_generator
from winnow.objectives.models.transformer import Attention, positions
from winnow.objectives.training import check, count_parameters, train


@pytest.mark.parametrize(
    ("values", "count"),
    [
        # Zagoruyko and Komodakis, table 4: WRN-16-4 has 2.7 million, WRN-28-10 36.5 million on CIFAR-10.
        ({"model": "wide_resnet", "wide_blocks": 2, "widen": 4}, 2_748_890),
        ({"model": "wide_resnet", "wide_blocks": 4, "widen": 10}, 36_479_194),
        # Of ViT-Ti's 5.5 million without its class token, positions and head for 1,000 classes.
        ({"model": "vit_tiny"}, 5_350_090),
    ],
)
def test_architectures_have_the_size_of_their_papers(values: dict[str, Any], count: int) -> None:
    model = build(make_config(values), (3, 32, 32), 10, "meta")
    assert sum(parameter.numel() for parameter in model.parameters()) == count


def test_attention_is_torchs() -> None:
    torch.manual_seed(0)
    ours, theirs = Attention(12, 3), nn.MultiheadAttention(12, 3, batch_first=True)
    theirs.in_proj_weight.data, theirs.in_proj_bias.data = ours.inputs.weight.data, ours.inputs.bias.data
    theirs.out_proj.load_state_dict(ours.outputs.state_dict())
    x = torch.randn(2, 5, 12)
    assert torch.allclose(ours(x), theirs(x, x, x)[0], atol=1e-6)


def test_every_place_has_another_position() -> None:
    found = positions(16, 4, 5, torch.device("cpu"))
    assert found.shape == (20, 16)
    assert len({tuple(place.tolist()) for place in found}) == 20


def test_a_dropped_path_drops_whole_examples_and_keeps_their_mean() -> None:
    layer = DropPath(0.25)
    use_generator(layer, torch.Generator().manual_seed(0))
    dropped = layer(torch.ones(4000, 3))
    assert sorted(set(dropped.flatten().tolist())) == pytest.approx([0, 4 / 3])
    assert (dropped.std(1) == 0).all()
    assert dropped.mean().item() == pytest.approx(1, abs=0.05)
    assert torch.equal(layer.eval()(torch.ones(3)), torch.ones(3))


@pytest.mark.parametrize(
    "values",
    [
        {"model": "cnn", "filters": [8], "hidden": [16], "norm": "group"},
        {"model": "resnet", "filters": [8], "hidden": [16], "norm": "layer"},
        {"model": "mlp", "widths": [32], "norm": "layer"},
        {"model": "wide_resnet", "wide_blocks": 1, "widen": 1, "conv_dropout": 0.1, "initialisation": "he"},
        {"model": "vit_tiny", "patch": 4, "blocks": 2, "drop_path": 0.2, "dropout": 0.1, "initialisation": "glorot"},
    ],
    ids=lambda values: "-".join(map(str, values.values())),
)
def test_a_training_learns_and_goes_on_to_the_bit(values: dict[str, Any]) -> None:
    data = load(DataSpec("digits", train=240, validation=120))
    kept: list[bytes] = []
    config = make_config({"batch_size": 60, "epochs": 4, "lr": 3e-3, **values})
    whole = train(config, data, lambda _, snapshot: kept.append(snapshots.to_bytes(snapshot())))
    again = train(config, data, lambda *_: None, snapshots.from_bytes(kept[1]))
    assert all(torch.equal(whole.weights[name], again.weights[name]) for name in whole.weights)
    assert whole.epochs[-1].train_loss is not None
    assert whole.epochs[0].train_loss is not None
    assert whole.epochs[-1].train_loss < whole.epochs[0].train_loss
    assert count_parameters(config, data) == whole.parameters


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"model": "mlp", "norm": "layer", "batch_norm": True}, "are two norms in one place"),
        ({"model": "vit_tiny", "patch": 3}, "patch = 3 does not divide images of 8x8"),
    ],
)
def test_what_does_not_fit_is_refused(values: dict[str, Any], words: str) -> None:
    with pytest.raises(ObjectiveError, match=re.escape(words)):
        check(make_config(values), load(DataSpec("digits")))
