"""Every hyperparameter of the built-in objectives, defined once.

`Config` is what `train` takes. Each of its fields carries its type, default, meaning, unit and limits; the spec's
check, the documentation and the labels of the ablation are all read from here. The defaults are the baseline:
nothing regularised, nothing augmented.
"""

import dataclasses
import types
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, get_type_hints

from winnow.objectives.definition import Definition, hyperparameter
from winnow.objectives.errors import HyperparameterError

_CONVOLUTIONAL = ("cnn", "resnet")
_FREE = ("mlp", *_CONVOLUTIONAL)
"""The architectures whose layers are chosen freely."""
_ADAMS = ("adam", "adamw")
_BELOW_ONE = 1 - 1e-6


@dataclass(frozen=True)
class Config:
    """One training, said in full."""

    # --- model
    model: str = hyperparameter("mlp", "architecture", choices=("mlp", "cnn", "smallnet", "resnet", "resnet18"))
    widths: tuple[int, ...] = hyperparameter(
        (128,), "units of each hidden layer", unit="units", low=1, needs={"model": ("mlp",)}
    )
    filters: tuple[int, ...] = hyperparameter(
        (16, 32), "filters of each convolution", unit="filters", low=1, needs={"model": _CONVOLUTIONAL}
    )
    depth: int = hyperparameter(
        1, "layers of each width, or of each number of filters", unit="layers", low=1, needs={"model": _FREE}
    )
    hidden: tuple[int, ...] = hyperparameter(
        (), "units of each dense layer after the convolutions", unit="units", low=1, needs={"model": _CONVOLUTIONAL}
    )
    kernel: int = hyperparameter(
        3, "side of a convolution's kernel", unit="pixels", low=1, needs={"model": _CONVOLUTIONAL}
    )
    stride: int = hyperparameter(1, "stride of convolutions", unit="pixels", low=1, needs={"model": ("cnn",)})
    padding: int = hyperparameter(1, "padding of convolutions", unit="pixels", low=0, needs={"model": ("cnn",)})
    pool_every: int = hyperparameter(
        1,
        "convolutions before each pooling; in a resnet also those inside one shortcut",
        unit="layers",
        low=1,
        needs={"model": _CONVOLUTIONAL},
    )
    pooling: str = hyperparameter("max", "kind of pooling", choices=("max", "average"), needs={"model": _CONVOLUTIONAL})
    pool_size: int = hyperparameter(
        2, "side and stride of a pooling", unit="pixels", low=1, needs={"model": _CONVOLUTIONAL}
    )
    bottleneck: bool = hyperparameter(
        False, "residual blocks at a quarter of the filters, between 1x1 convolutions", needs={"model": ("resnet",)}
    )
    activation: str = hyperparameter(
        "relu",
        "activation after each hidden layer",
        choices=("relu", "leaky_relu", "tanh", "sigmoid", "gelu", "none"),
        needs={"model": _FREE},
    )
    batch_norm: bool = hyperparameter(False, "BatchNorm between a layer and its activation", needs={"model": _FREE})
    initialisation: str = hyperparameter(
        "pytorch",
        "initial weights: PyTorch's own, He's for ReLU, Glorot's for tanh, or orthogonal",
        choices=("pytorch", "he", "glorot", "orthogonal"),
    )
    weights: str = hyperparameter(
        "", "file with trained weights as torchvision saves them; none: random", needs={"model": ("resnet18",)}
    )
    weights_sha256: str = hyperparameter(
        "",
        "SHA-256 that this file must have; filled in by the first training, so that later ones refuse another file",
        needs={"model": ("resnet18",)},
    )
    frozen: int = hyperparameter(
        0,
        "parts that keep their weights: the first convolution, then the four stages",
        unit="parts",
        low=0,
        high=5,
        needs={"model": ("resnet18",)},
    )

    # --- optimisation
    optimizer: str = hyperparameter("adam", "optimiser", choices=("sgd", "rmsprop", "adam", "adamw"))
    lr: float = hyperparameter(1e-3, "learning rate; of one_cycle its peak", low=0)
    momentum: float = hyperparameter(0.0, "momentum", low=0, high=1, needs={"optimizer": ("sgd", "rmsprop")})
    nesterov: bool = hyperparameter(
        False, "Nesterov's momentum; nothing where momentum is 0", needs={"optimizer": ("sgd",)}
    )
    alpha: float = hyperparameter(
        0.99, "decay of the mean of squared gradients", low=0, high=1, needs={"optimizer": ("rmsprop",)}
    )
    beta1: float = hyperparameter(
        0.9, "decay of the mean of gradients", low=0, high=_BELOW_ONE, needs={"optimizer": _ADAMS}
    )
    beta2: float = hyperparameter(
        0.999, "decay of the mean of squared gradients", low=0, high=_BELOW_ONE, needs={"optimizer": _ADAMS}
    )
    eps: float = hyperparameter(
        1e-8, "added to the root of the mean square", low=0, needs={"optimizer": (*_ADAMS, "rmsprop")}
    )
    schedule: str = hyperparameter(
        "constant",
        "how the learning rate changes",
        choices=("constant", "step", "exponential", "cosine", "one_cycle", "plateau"),
    )
    schedule_factor: float = hyperparameter(
        0.5,
        "what the learning rate is multiplied by at each drop",
        low=0,
        high=1,
        needs={"schedule": ("step", "exponential", "plateau")},
    )
    schedule_epochs: int = hyperparameter(
        5,
        "from drop to drop; of plateau, how many without a better validation score are borne",
        unit="epochs",
        low=1,
        needs={"schedule": ("step", "plateau")},
    )
    warmup: float = hyperparameter(
        0.3, "share of the steps in which the learning rate rises", low=0, high=1, needs={"schedule": ("one_cycle",)}
    )
    batch_size: int = hyperparameter(128, "examples a step", unit="examples", low=1)
    epochs: int = hyperparameter(10, "passes over the training data", unit="epochs", low=1)
    clip_norm: float = hyperparameter(0.0, "longest gradient that is not shortened; 0: any", low=0)
    precision: str = hyperparameter(
        "fp32", "numbers of the forward pass; bf16 is faster on some devices only", choices=("fp32", "bf16")
    )
    compile: str = hyperparameter(
        "none",
        "torch.compile of the network, or CUDA graphs of it; passed over on a CPU",
        choices=("none", "default", "graphs"),
    )

    # --- regularisation
    weight_decay: float = hyperparameter(0.0, "weight decay (added to the gradient, decoupled in AdamW)", low=0)
    decay_norms_and_biases: bool = hyperparameter(True, "weight decay of norms and biases, not of weights alone")
    l1: float = hyperparameter(0.0, "penalty on the weights' absolute values, l1 Σ|w|", low=0)
    l2: float = hyperparameter(0.0, "penalty on the weights' squares, l2 Σw²", low=0)
    dropout: float = hyperparameter(
        0.0, "dropout p of hidden dense layers", low=0, high=0.95, needs={"model": (*_FREE, "smallnet")}
    )
    dropouts: tuple[float, ...] = hyperparameter(
        (), "dropout p of each hidden dense layer, in place of dropout", low=0, high=0.95, needs={"model": _FREE}
    )
    conv_dropout: float = hyperparameter(
        0.0, "dropout p of convolutions", low=0, high=0.95, needs={"model": (*_CONVOLUTIONAL, "smallnet")}
    )
    conv_dropout_kind: str = hyperparameter(
        "dropout",
        "what the dropout of convolutions drops: single values, channels, or squares",
        choices=("dropout", "dropout2d", "dropblock"),
        needs={"model": _CONVOLUTIONAL},
    )
    block_size: int = hyperparameter(
        3, "side of DropBlock's squares", unit="pixels", low=1, needs={"conv_dropout_kind": ("dropblock",)}
    )
    dropout_position: str = hyperparameter(
        "after_activation",
        "where dropout stands",
        choices=("after_activation", "before_activation"),
        needs={"model": _FREE},
    )
    label_smoothing: float = hyperparameter(0.0, "label smoothing", low=0, high=1)
    patience: int = hyperparameter(
        0,
        "epochs without a better validation score before training stops and the best weights return; 0: never",
        unit="epochs",
        low=0,
    )

    # --- augmentation of the training images
    crop: bool = hyperparameter(False, "random crop of the image padded with black; centre crop at evaluation")
    crop_padding: int = hyperparameter(
        4, "padding on each side; an eighth of the image is usual", unit="pixels", low=0, needs={"crop": (True,)}
    )
    crop_size: int = hyperparameter(
        0, "side of the crop; 0: that of the image", unit="pixels", low=0, needs={"crop": (True,)}
    )
    flip: bool = hyperparameter(False, "random horizontal flip")
    flip_p: float = hyperparameter(0.5, "probability of a horizontal flip", low=0, high=1, needs={"flip": (True,)})
    vertical_flip: bool = hyperparameter(False, "random vertical flip")
    vertical_flip_p: float = hyperparameter(
        0.5, "probability of a vertical flip", low=0, high=1, needs={"vertical_flip": (True,)}
    )
    rotation: bool = hyperparameter(False, "random rotation")
    rotation_degrees: float = hyperparameter(
        15.0, "largest rotation, either way", unit="degrees", low=0, high=180, needs={"rotation": (True,)}
    )
    affine: bool = hyperparameter(False, "random translation, zoom and shear")
    translation: float = hyperparameter(
        0.1, "largest translation, either way, as a share of the side", low=0, high=1, needs={"affine": (True,)}
    )
    zoom: float = hyperparameter(
        0.1, "largest zoom: a factor of 1 - zoom to 1 + zoom", low=0, high=0.9, needs={"affine": (True,)}
    )
    shear: float = hyperparameter(
        0.0, "largest shear, either way", unit="degrees", low=0, high=60, needs={"affine": (True,)}
    )
    color_jitter: bool = hyperparameter(False, "random brightness, contrast, saturation and hue")
    brightness: float = hyperparameter(
        0.2, "brightness times 1 - this to 1 + this", low=0, high=1, needs={"color_jitter": (True,)}
    )
    contrast: float = hyperparameter(
        0.2, "contrast times 1 - this to 1 + this", low=0, high=1, needs={"color_jitter": (True,)}
    )
    saturation: float = hyperparameter(
        0.2, "saturation times 1 - this to 1 + this", low=0, high=1, needs={"color_jitter": (True,)}
    )
    hue: float = hyperparameter(
        0.0, "largest turn of the hue, either way", unit="turns", low=0, high=0.5, needs={"color_jitter": (True,)}
    )
    erasing: bool = hyperparameter(False, "random erasing of a rectangle")
    erasing_p: float = hyperparameter(0.5, "probability of an erasing", low=0, high=1, needs={"erasing": (True,)})
    erasing_area: float = hyperparameter(
        0.33, "largest share of the image erased; the smallest is 0.02", low=0.02, high=1, needs={"erasing": (True,)}
    )

    # --- the trial's own randomness
    seed: int = hyperparameter(0, "seed of initialisation, data order, augmentation and dropout", low=0)


def _definitions() -> dict[str, Definition]:
    hints = get_type_hints(Config)
    return {
        field.name: Definition(field.name, hints[field.name], field.default, **field.metadata)  # type: ignore[arg-type]
        for field in dataclasses.fields(Config)
    }


DEFINITIONS: Mapping[str, Definition] = types.MappingProxyType(_definitions())


def definition(name: str) -> Definition:
    """The definition of one hyperparameter; raises HyperparameterError, naming the nearest, where there is none."""
    if name not in DEFINITIONS:
        import difflib

        near = difflib.get_close_matches(name, DEFINITIONS, n=1)
        raise HyperparameterError(
            f"there is no hyperparameter {name!r}",
            f"did you mean {near[0]!r}?" if near else f"known are {', '.join(DEFINITIONS)}",
        )
    return DEFINITIONS[name]


def make_config(values: Mapping[str, object]) -> Config:
    """A checked Config from plain values (lists for tuples, as TOML and JSON have them); raises HyperparameterError."""
    return Config(**{name: definition(name).check(value) for name, value in values.items()})  # type: ignore[arg-type]


def config_values(config: Config) -> dict[str, Any]:
    """The config as JSON has it: lists for tuples. `make_config` takes it back."""
    values = dataclasses.asdict(config)
    return {name: list(value) if isinstance(value, tuple) else value for name, value in values.items()}
