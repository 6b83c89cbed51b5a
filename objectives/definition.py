"""What is known of a hyperparameter: its type, default, meaning, unit, limits, and what it needs of others."""

import dataclasses
import math
import types
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

from winnow.objectives.errors import HyperparameterError

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
            raise HyperparameterError(
                f"{self.name} = {value!r} is not known", f"choose one of {', '.join(self.choices)}"
            )
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
        return None if None in inner else tuple(inner)  # type: ignore[return-value]
    return None


def hyperparameter(
    default: Value,
    meaning: str,
    *,
    unit: str = "",
    low: float = -math.inf,
    high: float = math.inf,
    choices: tuple[str, ...] = (),
    needs: Mapping[str, Collection[Value]] | None = None,
) -> Any:
    """The field of a dataclass that holds it, with all that a Definition says but name and type."""
    facts = {"meaning": meaning, "unit": unit, "low": low, "high": high, "choices": choices}
    facts["needs"] = {name: tuple(values) for name, values in (needs or {}).items()}
    return dataclasses.field(default=default, metadata=facts)
