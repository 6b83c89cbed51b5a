"""What is known of a hyperparameter: its type, default, meaning, unit, limits, and what it needs of others."""

import inspect
import math
import types
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any, get_args, get_origin

from winnow.objectives.errors import HyperparameterError

Value = bool | int | float | str | tuple[int, ...] | tuple[float, ...]


@dataclass(frozen=True)
class Hyperparameter:
    """What an annotation says of a hyperparameter: `lr: Annotated[float, Hyperparameter("learning rate", low=0)]`."""

    meaning: str
    unit: str = ""
    low: float = -math.inf
    high: float = math.inf
    choices: tuple[str, ...] = ()
    needs: Mapping[str, tuple[Value, ...]] = field(default_factory=dict)
    """The values of other hyperparameters without which this one has no effect."""
    method: str = ""
    """What an ablation switches it on and off with; empty is by itself, or with the thing that it belongs to."""
    decides_fit: bool = False
    """Whether it decides if a configuration fits its data."""
    stacks: bool | None = None
    """Whether trainings that differ in it can be one stack; None: as the kind of thing that it belongs to."""


@dataclass(frozen=True, kw_only=True)
class Definition(Hyperparameter):
    """What is known of one hyperparameter."""

    name: str
    type: type | types.GenericAlias
    default: Value

    def check(self, value: object) -> Value:
        """Return `value` in this hyperparameter's type, or raise HyperparameterError with a sentence."""
        checked = _coerce(value, self.type)
        if checked is None:
            raise HyperparameterError(
                f"{self.name} = {value!r} is not {_TYPE_WORDS[self.type]}", f"for example {self.name} = {self.example}"
            )
        if self.choices and checked not in self.choices:
            raise HyperparameterError(
                f"{self.name} = {value!r} is not known", f"choose one of {', '.join(self.choices)}"
            )
        for number in checked if isinstance(checked, tuple) else (checked,):
            if not isinstance(number, str) and not self.low <= number <= self.high:
                raise HyperparameterError(f"{self.name} = {value!r} is outside {self.limits}", "choose a value inside")
            if isinstance(number, float) and abs(number) > _LARGEST:
                raise HyperparameterError(
                    f"{self.name} = {value!r} is beyond {_LARGEST:.1e}, the largest number that 32-bit floats hold",
                    "choose one that training can use",
                )
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


_LARGEST = 2.0**128 - 2.0**104
"""Of the floats that networks are trained in; what is larger is infinite to them."""
_TYPE_WORDS: dict[object, str] = {
    bool: "true or false",
    int: "a whole number",
    float: "a number",
    str: "a text",
    tuple[int, ...]: "a list of whole numbers",
    tuple[float, ...]: "a list of numbers",
}


def definitions_of(thing: Callable[..., Any]) -> Iterator[Definition]:
    """Read off the hyperparameters of a function's parameters or a dataclass's fields, those that say they are one.

    Raises HyperparameterError where one has no default, or a type that a spec cannot hold.
    """
    for parameter in _signature(thing).parameters.values():
        if get_origin(parameter.annotation) is not Annotated:
            continue
        kind, *notes = get_args(parameter.annotation)
        for note in notes:
            if isinstance(note, Hyperparameter):
                name = parameter.name
                if kind not in _TYPE_WORDS:
                    raise HyperparameterError(f"{name} is a {kind}", f"take one of {', '.join(map(str, _TYPE_WORDS))}")
                if parameter.default is inspect.Parameter.empty:
                    raise HyperparameterError(f"{name} has no default", "give the one that a baseline trains with")
                yield Definition(**vars(note), name=name, type=kind, default=parameter.default)


def plain_definitions_of(thing: Callable[..., Any], name: str, skip: int) -> Iterator[Definition]:
    """Read hyperparameters off a function that knows nothing of Winnow: its parameters after the first `skip`.

    Their types are those of their annotations, else of their defaults; one whose type no spec can hold keeps its
    default. Raises HyperparameterError where one has no default.
    """
    annotated = {each.name: each for each in definitions_of(thing)}
    for parameter in list(_signature(thing).parameters.values())[skip:]:
        if parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD):
            continue
        if parameter.default is inspect.Parameter.empty:
            raise HyperparameterError(f"{parameter.name} of {name} has no default", "give it one")
        default = tuple(parameter.default) if isinstance(parameter.default, list) else parameter.default
        kinds = (parameter.annotation, type(default), tuple[int, ...], tuple[float, ...])
        kind = next((kind for kind in kinds if kind in _TYPE_WORDS and _coerce(default, kind) is not None), None)
        if parameter.name in annotated:
            yield annotated[parameter.name]
        elif kind is not None:
            checked = _coerce(default, kind)
            assert checked is not None
            yield Definition(
                f"{parameter.name} of {name}", decides_fit=True, name=parameter.name, type=kind, default=checked
            )


def _signature(thing: Callable[..., Any]) -> inspect.Signature:
    try:
        return inspect.signature(thing, eval_str=True)
    except NameError:  # a type that is imported for type checkers alone
        return inspect.signature(thing)


def _coerce(value: object, kind: object) -> Value | None:
    if kind is bool or isinstance(value, bool):
        return value if kind is bool and isinstance(value, bool) else None
    if kind is float and isinstance(value, int | float):
        return float(value) if math.isfinite(value) else None
    if kind in (int, str):
        return value if isinstance(value, int if kind is int else str) else None
    if kind in (tuple[int, ...], tuple[float, ...]) and isinstance(value, list | tuple):
        inner = [_coerce(item, int if kind == tuple[int, ...] else float) for item in value]
        return None if None in inner else tuple(inner)  # type: ignore[return-value]
    return None
