"""Models that are imported: one's own as `module:function`, torchvision's and timm's as `torchvision:resnet34`.

One's own is called with the shape of an example and the number of outputs, and with its own keyword parameters, which
are hyperparameters by their types and defaults. Nothing here imports torch before a model is built.
"""

import functools
import importlib.util
import inspect
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Annotated, Any

from winnow.objectives import user_code
from winnow.objectives.definition import Definition, Hyperparameter, Value, definitions_of, plain_definitions_of
from winnow.objectives.errors import HyperparameterError
from winnow.objectives.models.architectures import Weights, WeightsSHA256
from winnow.objectives.models.shapes import Shape
from winnow.objectives.registry import model

if TYPE_CHECKING:
    import torch
    from torch import nn

LIBRARIES = ("torchvision", "timm")


def around(
    *,
    weights: Weights = "",
    weights_sha256: WeightsSHA256 = "",
    frozen_prefixes: Annotated[
        str,
        Hyperparameter(
            "parts that keep their weights, by the first letters of their parameters' names, as in `conv1, layer1`",
            method="trained weights",
        ),
    ] = "",
) -> None:
    """Hold the hyperparameters of every imported model."""


def of_library(
    *,
    small_stem: Annotated[
        bool,
        Hyperparameter("for small images: the first convolution 3x3 and without stride, no pooling after it"),
    ] = False,
) -> None:
    """Hold the hyperparameters of every model of a library."""


@dataclass(frozen=True)
class ImportedModel:
    """A model that is built by code outside of Winnow, with the values that a configuration has for it."""

    name: str
    make: Callable[..., "nn.Module"]
    own: tuple[Definition, ...]
    """The hyperparameters that `make` takes."""
    library: bool = False
    values: Mapping[str, Value] = field(default_factory=dict)

    @property
    def definitions(self) -> Iterator[Definition]:
        """All of its hyperparameters."""
        yield from self.own
        yield from definitions_of(around)

    def bind(self, values: Mapping[str, Value]) -> "ImportedModel":
        """Give it the values of its hyperparameters."""
        return replace(self, values=values)

    def build(
        self, shape: Shape, outputs: int, initialisation: str, generator: "torch.Generator", **changed: Any
    ) -> "nn.Module":
        """Build it on the CPU with initial weights drawn from `generator`, or read; raises ObjectiveError."""
        from winnow.objectives.models.imported_network import build

        own = {each.name: self.values[each.name] for each in self.own}
        around = {name: value for name, value in self.values.items() if name not in own}
        return build(
            self.name,
            functools.partial(self.make, shape, outputs, **own),
            shape,
            outputs,
            generator,
            initialisation=initialisation,
            channels=3 if self.library and shape[0] == 1 else 0,
            **{**around, **changed},
        )

    def try_on(self, shape: Shape, outputs: int) -> None:
        """Raise ObjectiveError where it cannot be built for examples of `shape`, or gives something else than outputs.

        Without torch, where nothing is trained, nothing is checked. What was found right once is not built again.
        """
        key = (self.name, tuple(sorted(self.values.items())), shape, outputs)
        if key not in _FITTING and importlib.util.find_spec("torch") is not None:
            import torch

            self.build(shape, outputs, "pytorch", torch.Generator(), weights="")
            _FITTING.add(key)


_FITTING: set[tuple[object, ...]] = set()


def find(name: str) -> ImportedModel:
    """Return the model that `module:function` or `library:model` names; raises ObjectiveError."""
    library, _, rest = name.partition(":")
    if library in LIBRARIES:
        from winnow.objectives.models import zoo

        return ImportedModel(
            name, functools.partial(zoo.make, library, rest), tuple(definitions_of(of_library)), library=True
        )
    function = user_code.load_part(name, "model")
    parameters = list(inspect.signature(function).parameters.values())
    if len([each for each in parameters if each.kind <= each.POSITIONAL_OR_KEYWORD]) < 2:
        raise HyperparameterError(
            f"{name} takes {inspect.signature(function)}", "let it take the shape of an example and the classes first"
        )
    return ImportedModel(name, function, tuple(plain_definitions_of(function, name, skip=2)))


model.find = find
