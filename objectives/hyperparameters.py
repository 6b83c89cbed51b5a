"""Every hyperparameter of the built-in objectives, defined once.

`Config` is what `train` takes. Each of its fields carries its type, default, meaning, unit and limits; the spec's
check, the documentation and the labels of the ablation are all read from here. The defaults are the baseline:
nothing regularised, nothing augmented.
"""

import dataclasses
import math
import types
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any, get_type_hints

from objectives.errors import HyperparameterError

Value = bool | int | float | str | tuple[int, ...] | tuple[float, ...]


@dataclass(frozen=True)
class Definition:
    """What is known of one hyperparameter."""

    name: str
    type: type | types.GenericAlias
    default: Value
    meaning: str
    unit: str = ""
    low: float = -math.inf
    high: float = math.inf
    choices: tuple[str, ...] = ()
    needs: Mapping[str, tuple[Value, ...]] = dataclasses.field(default_factory=dict)
    """The values of other hyperparameters without which this one has no effect."""

    def check(self, value: object) -> Value:
        """Return `value` in this hyperparameter's type, or raise HyperparameterError with a sentence."""
        checked = _coerce(value, self.type)
        if checked is None:
            raise HyperparameterError(
                f"{self.name} = {value!r} is not {_TYPE_WORDS[self.type]}", f"for example {self.name} = {self.example}"
            )
        if self.choices and checked not in self.choices:
            raise HyperparameterError(f"{self.name} = {value!r} is not known", f"choose one of {', '.join(self.choices)}")
        for number in checked if isinstance(checked, tuple) else (checked,):
            if not isinstance(number, str) and not self.low <= number <= self.high:
                raise HyperparameterError(f"{self.name} = {value!r} is outside {self.limits}", "choose a value inside")
        return checked

    @property
    def example(self) -> str:
        """The default, as it is written in a spec."""
        if isinstance(self.default, bool):
            return str(self.default).lower()
        return str(list(self.default)) if isinstance(self.default, tuple) else repr(self.default).replace("'", '"')

    @property
    def limits(self) -> str:
        """The range of its values in words, empty where there is none."""
        if self.low > -math.inf and self.high < math.inf:
            return f"{self.low:g} to {self.high:g}"
        if self.low > -math.inf:
            return f"{self.low:g} and above"
        return f"{self.high:g} and below" if self.high < math.inf else ""


_TYPE_WORDS: dict[object, str] = {
    bool: "true or false",
    int: "a whole number",
    float: "a number",
    str: "a text",
    tuple[int, ...]: "a list of whole numbers",
    tuple[float, ...]: "a list of numbers",
}


def _coerce(value: object, kind: object) -> Value | None:
    if kind is bool or isinstance(value, bool):
        return value if kind is bool and isinstance(value, bool) else None
    if kind is float and isinstance(value, int | float):
        return float(value) if math.isfinite(value) else None
    if kind in (int, str):
        return value if isinstance(value, int if kind is int else str) else None
    if kind in (tuple[int, ...], tuple[float, ...]) and isinstance(value, list | tuple):
        inner = [_coerce(item, int if kind == tuple[int, ...] else float) for item in value]
        return None if None in inner else tuple(inner)  # type: ignore[arg-type]
    return None


def _hyperparameter(
    default: Value,
    meaning: str,
    *,
    unit: str = "",
    low: float = -math.inf,
    high: float = math.inf,
    choices: tuple[str, ...] = (),
    needs: Mapping[str, Collection[Value]] | None = None,
) -> Any:
    facts = {"meaning": meaning, "unit": unit, "low": low, "high": high, "choices": choices}
    facts["needs"] = {name: tuple(values) for name, values in (needs or {}).items()}
    return dataclasses.field(default=default, metadata=facts)


@dataclass(frozen=True)
class Config:
    """One training, said in full."""

    # --- model
    model: str = _hyperparameter("mlp", "architecture", choices=("mlp", "cnn", "smallnet"))
    widths: tuple[int, ...] = _hyperparameter(
        (128,), "units of each hidden layer", unit="units", low=1, needs={"model": ("mlp",)}
    )
    filters: tuple[int, ...] = _hyperparameter(
        (16, 32), "filters of each convolution", unit="filters", low=1, needs={"model": ("cnn",)}
    )
    hidden: tuple[int, ...] = _hyperparameter(
        (), "units of each dense layer after the convolutions", unit="units", low=1, needs={"model": ("cnn",)}
    )
    batch_norm: bool = _hyperparameter(
        False, "BatchNorm between a layer and its activation", needs={"model": ("mlp", "cnn")}
    )

    # --- optimisation
    optimizer: str = _hyperparameter("adam", "optimiser", choices=("sgd", "adam", "adamw"))
    lr: float = _hyperparameter(1e-3, "learning rate", low=0)
    momentum: float = _hyperparameter(0.0, "momentum", low=0, high=1, needs={"optimizer": ("sgd",)})
    batch_size: int = _hyperparameter(128, "images a step", unit="images", low=1)
    epochs: int = _hyperparameter(10, "passes over the training data", unit="epochs", low=1)

    # --- regularisation
    weight_decay: float = _hyperparameter(
        0.0, "weight decay (added to the gradient by SGD and Adam, decoupled in AdamW)", low=0
    )
    dropout: float = _hyperparameter(0.0, "dropout p after the activation of dense layers", low=0, high=0.95)
    conv_dropout: float = _hyperparameter(
        0.0, "dropout p after the activation of convolutions", low=0, high=0.95, needs={"model": ("smallnet",)}
    )
    label_smoothing: float = _hyperparameter(0.0, "label smoothing", low=0, high=1)
    patience: int = _hyperparameter(
        0,
        "epochs without a better validation score before training stops and the best weights return; 0: never",
        unit="epochs",
        low=0,
    )

    # --- augmentation of the training images
    crop: bool = _hyperparameter(False, "random crop of the image padded with black; centre crop at evaluation")
    crop_padding: int = _hyperparameter(
        4, "padding on each side; an eighth of the image is usual", unit="pixels", low=0, needs={"crop": (True,)}
    )
    crop_size: int = _hyperparameter(
        0, "side of the crop; 0: that of the image", unit="pixels", low=0, needs={"crop": (True,)}
    )
    flip: bool = _hyperparameter(False, "random horizontal flip")
    flip_p: float = _hyperparameter(0.5, "share of images flipped", low=0, high=1, needs={"flip": (True,)})

    # --- the trial's own randomness
    seed: int = _hyperparameter(0, "seed of initialisation, data order, augmentation and dropout", low=0)


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
