"""The architectures that are built in: their hyperparameters, and whether they fit an example's shape.

Arithmetic without torch, so that `winnow check` knows before any trial; the layers are built in the modules beside.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, ClassVar

from winnow.objectives.definition import Hyperparameter
from winnow.objectives.errors import ObjectiveError
from winnow.objectives.models.shapes import Shape, need_images, nothing_to_normalise, pooled
from winnow.objectives.registry import model

if TYPE_CHECKING:
    from torch import nn

SMALLNET_FILTERS = (32, 64, 128)
Dropout = Annotated[
    float,
    Hyperparameter(
        "dropout p of hidden dense layers", low=0, high=0.95, method="dropout", decides_fit=True, stacks=True
    ),
]
ConvDropout = Annotated[
    float, Hyperparameter("dropout p of convolutions", low=0, high=0.95, method="convolutional dropout", stacks=True)
]

Weights = Annotated[
    str,
    Hyperparameter(
        "file with trained weights as torchvision saves them, or as safetensors; none: random", method="trained weights"
    ),
]
WeightsSHA256 = Annotated[
    str,
    Hyperparameter(
        "SHA-256 that this file must have; filled in by the first training, so that later ones refuse another file",
        method="trained weights",
    ),
]


@dataclass(frozen=True, kw_only=True)
class FreeLayers:
    """What all architectures have whose layers are chosen freely."""

    depth: Annotated[
        int,
        Hyperparameter("layers of each width, or of each number of filters", unit="layers", low=1, decides_fit=True),
    ] = 1
    activation: Annotated[
        str,
        Hyperparameter(
            "activation after each hidden layer",
            choices=("relu", "leaky_relu", "tanh", "sigmoid", "gelu", "none"),
            method="activation",
            stacks=True,
        ),
    ] = "relu"
    batch_norm: Annotated[
        bool,
        Hyperparameter("BatchNorm between a layer and its activation", method="batch normalisation", decides_fit=True),
    ] = False
    norm: Annotated[
        str,
        Hyperparameter(
            "norm in place of BatchNorm: GroupNorm (of dense layers LayerNorm), or LayerNorm",
            choices=("none", "group", "layer"),
            method="batch normalisation",
            decides_fit=True,
        ),
    ] = "none"
    dropout: Dropout = 0.0
    dropouts: Annotated[
        tuple[float, ...],
        Hyperparameter(
            "dropout p of each hidden dense layer, in place of dropout",
            low=0,
            high=0.95,
            method="dropout",
            decides_fit=True,
            stacks=True,
        ),
    ] = ()
    dropout_position: Annotated[
        str,
        Hyperparameter("where dropout stands", choices=("after_activation", "before_activation"), method="dropout"),
    ] = "after_activation"

    def repeated(self, widths: Sequence[int]) -> list[int]:
        """Return each width `depth` times, one after the other."""
        return [width for width in widths for _ in range(self.depth)]

    def _check_hidden(self, hidden: Sequence[int], batch_size: int) -> None:
        if self.batch_norm and self.norm != "none":
            raise ObjectiveError(
                f"batch_norm = true and norm = {self.norm!r} are two norms in one place", "keep one of them"
            )
        if hidden and self.batch_norm and batch_size == 1:
            raise nothing_to_normalise("dense layers")
        if self.dropouts and (self.dropout or len(self.dropouts) != len(hidden)):
            raise ObjectiveError(
                f"dropouts = {list(self.dropouts)} does not go with {len(hidden)} hidden dense layers and "
                f"dropout = {self.dropout:g}",
                "give one p for each of these layers and leave dropout at 0",
            )


@model("mlp")
@dataclass(frozen=True, kw_only=True)
class MLP(FreeLayers):
    """(Linear → activation) for all `widths` on the flattened example, then Linear."""

    widths: Annotated[
        tuple[int, ...], Hyperparameter("units of each hidden layer", unit="units", low=1, decides_fit=True)
    ] = (128,)

    def check(self, shape: Shape, batch_size: int) -> None:
        """Raise ObjectiveError where it does not go with itself; it takes every shape."""
        self._check_hidden(self.repeated(self.widths), batch_size)

    def __call__(self, shape: Shape, outputs: int) -> "nn.Module":
        """Build it for examples of `shape`."""
        from torch import nn

        from winnow.objectives.models.blocks import dense

        return nn.Sequential(nn.Flatten(), *dense(self, math.prod(shape), self.repeated(self.widths), outputs))


@dataclass(frozen=True, kw_only=True)
class Convolutions(FreeLayers):
    """What the CNN and the ResNet have in common."""

    filters: Annotated[
        tuple[int, ...], Hyperparameter("filters of each convolution", unit="filters", low=1, decides_fit=True)
    ] = (16, 32)
    hidden: Annotated[
        tuple[int, ...],
        Hyperparameter("units of each dense layer after the convolutions", unit="units", low=1, decides_fit=True),
    ] = ()
    kernel: Annotated[int, Hyperparameter("side of a convolution's kernel", unit="pixels", low=1, decides_fit=True)] = 3
    pool_every: Annotated[
        int,
        Hyperparameter(
            "convolutions before each pooling; in a resnet also those inside one shortcut",
            unit="layers",
            low=1,
            decides_fit=True,
        ),
    ] = 1
    pooling: Annotated[str, Hyperparameter("kind of pooling", choices=("max", "average"))] = "max"
    pool_size: Annotated[
        int, Hyperparameter("side and stride of a pooling", unit="pixels", low=1, decides_fit=True)
    ] = 2
    conv_dropout: ConvDropout = 0.0
    conv_dropout_kind: Annotated[
        str,
        Hyperparameter(
            "what the dropout of convolutions drops: single values, channels, or squares",
            choices=("dropout", "dropout2d", "dropblock"),
            method="convolutional dropout",
        ),
    ] = "dropout"
    block_size: Annotated[
        int,
        Hyperparameter(
            "side of DropBlock's squares",
            unit="pixels",
            low=1,
            needs={"conv_dropout_kind": ("dropblock",)},
            method="convolutional dropout",
        ),
    ] = 3

    def check(self, shape: Shape, batch_size: int) -> None:
        """Raise ObjectiveError where it does not take examples of `shape`, or does not go with itself."""
        need_images(shape)
        self.features(shape, alone=self.batch_norm and batch_size == 1)
        self._check_hidden(self.hidden, batch_size)

    def features(self, shape: Shape, alone: bool = False) -> Shape:
        """Return what the convolutions and poolings make of an image; raises ObjectiveError where nothing is left."""
        return pooled(shape, self.repeated(self.filters), self.pool_every, self.pool_size, alone=alone)


@model("cnn")
@dataclass(frozen=True, kw_only=True)
class CNN(Convolutions):
    """Convolutions without shortcuts."""

    stride: Annotated[int, Hyperparameter("stride of convolutions", unit="pixels", low=1, decides_fit=True)] = 1
    padding: Annotated[int, Hyperparameter("padding of convolutions", unit="pixels", low=0, decides_fit=True)] = 1

    def features(self, shape: Shape, alone: bool = False) -> Shape:
        """Return what is left of an image, whose sides its convolutions change."""
        filters = self.repeated(self.filters)
        convolution = (self.kernel, self.stride, self.padding)
        return pooled(shape, filters, self.pool_every, self.pool_size, convolution, alone)

    def __call__(self, shape: Shape, outputs: int) -> "nn.Module":
        """Build it for examples of `shape`."""
        from winnow.objectives.models.convolutional import cnn

        return cnn(self, shape, outputs)


@model("smallnet")
@dataclass(frozen=True, kw_only=True)
class SmallNet:
    """Three convolutions of 32, 64 and 128 filters and 420 dense units."""

    dropout: Dropout = 0.0
    conv_dropout: ConvDropout = 0.0

    def check(self, shape: Shape, batch_size: int) -> None:
        """Raise ObjectiveError where it does not take examples of `shape`."""
        need_images(shape)
        self.features(shape, alone=batch_size == 1)

    def features(self, shape: Shape, alone: bool = False) -> Shape:
        """Return what the convolutions and poolings make of an image; raises ObjectiveError where nothing is left."""
        return pooled(shape, SMALLNET_FILTERS, 1, 2, alone=alone)

    def __call__(self, shape: Shape, outputs: int) -> "nn.Module":
        """Build it for examples of `shape`."""
        from winnow.objectives.models.convolutional import smallnet

        return smallnet(self, shape, outputs)


@model("resnet")
@dataclass(frozen=True, kw_only=True)
class ResNet(Convolutions):
    """Convolutions with shortcuts around them (He et al., 2016)."""

    bottleneck: Annotated[
        bool, Hyperparameter("residual blocks at a quarter of the filters, between 1x1 convolutions")
    ] = False

    def check(self, shape: Shape, batch_size: int) -> None:
        """Raise ObjectiveError where it does not take examples of `shape`, or does not go with itself."""
        need_images(shape)
        if self.kernel % 2 == 0:
            raise ObjectiveError(
                f"kernel = {self.kernel} cannot keep the size of an image, which a shortcut needs",
                "choose an odd kernel",
            )
        super().check(shape, batch_size)

    def __call__(self, shape: Shape, outputs: int) -> "nn.Module":
        """Build it for examples of `shape`."""
        from winnow.objectives.models.residual import resnet

        return resnet(self, shape, outputs)


@model("wide_resnet")
@dataclass(frozen=True, kw_only=True)
class WideResNet:
    """Residual blocks of few layers and many filters."""

    wide_blocks: Annotated[
        int, Hyperparameter("blocks in each of three groups; its depth is 6 times this and 4", unit="blocks", low=1)
    ] = 2
    widen: Annotated[int, Hyperparameter("times 16, 32 and 64 filters", low=1)] = 4
    conv_dropout: ConvDropout = 0.0

    def check(self, shape: Shape, batch_size: int) -> None:
        """Raise ObjectiveError where it does not take examples of `shape`."""
        need_images(shape)
        if batch_size == 1 and max(shape[1:]) <= 4:
            raise nothing_to_normalise("convolutions whose output is one pixel")

    def __call__(self, shape: Shape, outputs: int) -> "nn.Module":
        """Build it for examples of `shape`."""
        from winnow.objectives.models.wide_residual import wide_resnet

        return wide_resnet(self, shape, outputs)


@model("vit_tiny")
@dataclass(frozen=True, kw_only=True)
class ViTTiny:
    """Vision transformer of width 192."""

    WIDTH: ClassVar[int] = 192
    HEADS: ClassVar[int] = 3

    patch: Annotated[int, Hyperparameter("side of a patch", unit="pixels", low=1, decides_fit=True)] = 4
    blocks: Annotated[int, Hyperparameter("blocks of attention and dense layers", unit="blocks", low=1)] = 12
    dropout: Dropout = 0.0
    drop_path: Annotated[
        float,
        Hyperparameter("drop path p of the last block, rising to it from 0", low=0, high=0.95, method="drop path"),
    ] = 0.0

    def check(self, shape: Shape, batch_size: int) -> None:
        """Raise ObjectiveError where it does not take examples of `shape`."""
        need_images(shape)
        if any(side % self.patch for side in shape[1:]):
            raise ObjectiveError(
                f"patch = {self.patch} does not divide images of {shape[1]}x{shape[2]}",
                "choose a divisor of both sides",
            )

    def __call__(self, shape: Shape, outputs: int) -> "nn.Module":
        """Build it for examples of `shape`."""
        from winnow.objectives.models.transformer import vit_tiny

        return vit_tiny(self, shape, outputs)


@model("resnet18")
@dataclass(frozen=True, kw_only=True)
class ResNet18:
    """torchvision's, its first parts frozen, its weights from a file."""

    weights: Weights = ""
    weights_sha256: WeightsSHA256 = ""
    frozen: Annotated[
        int,
        Hyperparameter(
            "parts that keep their weights: the first convolution, then the four stages",
            unit="parts",
            low=0,
            high=5,
            method="trained weights",
        ),
    ] = 0

    def check(self, shape: Shape, batch_size: int) -> None:
        """Raise ObjectiveError where it does not take examples of `shape`."""
        need_images(shape)
        if shape[0] not in (1, 3):
            raise ObjectiveError(
                f"model = 'resnet18' takes images of 1 or 3 channels, and these have {shape[0]}", "take another model"
            )

    def __call__(self, shape: Shape, outputs: int) -> "nn.Module":
        """Build it; its weights come from its initialisation, and then from `load_weights`."""
        from winnow.objectives.models.pretrained import PretrainedResNet18

        return PretrainedResNet18(outputs, self.frozen)

    def load_weights(self, network: "nn.Module") -> None:
        """Fill all but the last layer from the file; raises ObjectiveError."""
        from winnow.objectives.models.pretrained import load_weights

        load_weights(network, self.weights, self.weights_sha256)
