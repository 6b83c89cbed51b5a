"""The search space of the built-in objectives: ranges and choices, and how a trial draws from them.

A space is plain data (the spec's `[search]`, already checked). `suggest` is the only place where the built-in
objectives ask a trial for parameters.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from objectives.errors import HyperparameterError
from objectives.hyperparameters import DEFINITIONS, definition

Scalar = bool | int | float | str | None
When = Mapping[str, tuple[Any, ...]]


class SuggestingTrial(Protocol):
    """The part of an Optuna trial that draws parameters."""

    def suggest_float(self, name: str, low: float, high: float, *, step: float | None = ..., log: bool = ...) -> float:
        """Draw a real number."""

    def suggest_int(self, name: str, low: int, high: int, *, step: int = ..., log: bool = ...) -> int:
        """Draw a whole number."""

    def suggest_categorical(self, name: str, choices: Any) -> Any:
        """Draw one of the choices."""


@dataclass(frozen=True)
class Range:
    """Numbers from `low` to `high`, both included; whole ones where the hyperparameter is whole."""

    low: float
    high: float
    log: bool = False
    step: float | None = None
    whole: bool = False
    when: When = field(default_factory=dict)

    def suggest(self, trial: SuggestingTrial, name: str) -> float | int:
        """Draw from this range under `name`."""
        if self.whole:
            return trial.suggest_int(name, int(self.low), int(self.high), step=int(self.step or 1), log=self.log)
        return trial.suggest_float(name, self.low, self.high, step=self.step, log=self.log)

    def nearest(self, value: Any) -> float | int:
        """The member of this range that lies nearest to `value`."""
        inside = min(max(value, self.low), self.high)
        if self.step:
            inside = self.low + round((inside - self.low) / self.step) * self.step
            inside = min(inside, self.high)
        return int(inside) if self.whole else float(inside)


@dataclass(frozen=True)
class Choice:
    """A few values; lists among them are known to Optuna by their labels."""

    choices: tuple[Any, ...]
    when: When = field(default_factory=dict)

    @property
    def labels(self) -> tuple[Scalar, ...]:
        """The choices as Optuna stores them."""
        return tuple(label(choice) for choice in self.choices)

    def suggest(self, trial: SuggestingTrial, name: str) -> Any:
        """Draw one of the choices under `name`; a list comes back as a list."""
        return self.choices[self.labels.index(trial.suggest_categorical(name, self.labels))]

    def nearest(self, value: Any) -> Any:
        """`value` where it is a choice, the first choice where it is not."""
        return value if value in self.choices else self.choices[0]


Space = Mapping[str, Range | Choice]


def label(value: Any) -> Scalar:
    """A choice as Optuna can store it: lists become JSON text, everything else stays as it is."""
    return json.dumps(list(value)) if isinstance(value, list | tuple) else value


def conditions(space: Space, name: str) -> When:
    """When `name` is searched: the spec's `when`, and what its definition needs of other searched names."""
    needs = DEFINITIONS[name].needs if name in DEFINITIONS else {}
    return {**{parent: values for parent, values in needs.items() if parent in space}, **space[name].when}


def ordered(space: Space) -> list[str]:
    """The names of a space, each after those that its conditions name; raises HyperparameterError on a circle."""
    order: list[str] = []
    waiting = dict.fromkeys(space)
    while waiting:
        ready = [name for name in waiting if all(p in order for p in conditions(space, name))]
        if not ready:
            raise HyperparameterError(
                f"the `when` conditions of {', '.join(waiting)} depend on each other or on names that are not searched",
                "let `when` name only other searched hyperparameters, without a circle",
            )
        order.extend(ready)
        for name in ready:
            del waiting[name]
    return order


def active(space: Space, name: str, values: Mapping[str, Any]) -> bool:
    """Whether `name` is searched in a trial that has drawn `values` so far."""
    return all(
        parent in values and label(values[parent]) in [label(value) for value in allowed]
        for parent, allowed in conditions(space, name).items()
    )


def suggest(trial: SuggestingTrial, space: Space, fixed: Mapping[str, Any]) -> dict[str, Any]:
    """Draw every active hyperparameter of `space` from `trial`; returns them with `fixed`."""
    drawn: dict[str, Any] = {}
    for name in ordered(space):
        if active(space, name, drawn):
            drawn[name] = space[name].suggest(trial, name)
    return {**fixed, **drawn}


def baseline(space: Space, fixed: Mapping[str, Any], named: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """The baseline as Optuna parameters (inside their ranges) and as the values that are trained (the truth).

    Its values are the defaults, or those that the spec's `[baseline]` names. A number that its range cannot hold
    (weight decay 0 on a log scale) is clamped as a parameter and kept as a value; a choice that is not offered
    becomes the first choice in both.
    """
    parameters: dict[str, Any] = {}
    values: dict[str, Any] = dict(fixed)
    for name in ordered(space):
        if not active(space, name, values):
            continue
        entry = space[name]
        value = named[name] if name in named else definition(name).default
        if isinstance(entry, Choice):
            value = entry.nearest(list(value) if isinstance(value, tuple) else value)
        values[name] = value
        parameters[name] = label(entry.nearest(value))
    return parameters, values


def grid(space: Space, points: int) -> Iterator[tuple[str, list[Scalar]]]:
    """For each name its values on a grid: every choice, or `points` values spread evenly over the scale of a range."""
    import numpy as np

    for name in ordered(space):
        entry = space[name]
        if isinstance(entry, Choice):
            yield name, list(entry.labels)
            continue
        spread = np.geomspace if entry.log else np.linspace
        yield name, list(dict.fromkeys(entry.nearest(float(x)) for x in spread(entry.low, entry.high, points)))


def cells(space: Space, points: int) -> list[dict[str, Scalar]]:
    """Every combination of the grid's values, without those that differ only where a condition is not met."""
    combinations: list[dict[str, Scalar]] = [{}]
    for name, values in grid(space, points):
        combinations = [
            grown
            for cell in combinations
            for grown in ([{**cell, name: value} for value in values] if active(space, name, cell) else [cell])
        ]
    return combinations
