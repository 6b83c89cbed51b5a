"""The search space of an objective: ranges and choices, and how a trial draws from them.

A space is plain data (the spec's `[search]`, already checked). `suggest` is the only place where a declared space is
asked of a trial. Most parameters are called like the hyperparameter that they draw; one that is
drawn from different ranges under different conditions has a parameter for each, since Optuna knows a parameter by one
range in all of a study: `lr` and `lr@optimizer=sgd`.
"""

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, Protocol

from winnow.objectives.errors import HyperparameterError
from winnow.objectives.hyperparameters import DEFINITIONS, definition

Scalar = bool | int | float | str | None
When = Mapping[str, tuple[Any, ...]]
CONFIDENCE = 0.9
"""How surely a person is taken to believe what says nothing of it."""


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
    own: bool = False
    """Whether it belongs to an objective of the user's, of which Winnow's definitions say nothing."""
    prior: float | None = None
    """Where a person believes the best to be."""
    confidence: float = CONFIDENCE
    """How surely: of the draws by the prior the share that lies around it."""

    def suggest(self, trial: SuggestingTrial, name: str) -> float | int:
        """Draw from this range under `name`."""
        if self.whole:
            return trial.suggest_int(name, int(self.low), int(self.high), step=int(self.step or 1), log=self.log)
        return trial.suggest_float(name, self.low, self.high, step=self.step, log=self.log)

    def nearest(self, value: Any) -> float | int:
        """Return the member of this range that lies nearest to `value`."""
        inside = min(max(value, self.low), self.high)
        if self.step:  # in decimals, as Optuna counts: no value lies a rounding error beyond the last step
            low, high, step = (Decimal(str(number)) for number in (self.low, self.high, self.step))
            inside = float(low + min(round((inside - self.low) / self.step), int((high - low) // step)) * step)
        return int(inside) if self.whole else float(inside)

    def offers(self, value: Any) -> bool:
        """Return whether a trial may draw `value`, as Optuna stores it."""
        number = isinstance(value, int | float) and not isinstance(value, bool)
        return number and math.isclose(self.nearest(value), value, rel_tol=1e-12)


@dataclass(frozen=True)
class Choice:
    """A few values; lists among them are known to Optuna by their labels."""

    choices: tuple[Any, ...]
    when: When = field(default_factory=dict)
    own: bool = False
    """As of a range, as are the next two."""
    prior: Any = None
    confidence: float = CONFIDENCE

    @property
    def labels(self) -> tuple[Scalar, ...]:
        """The choices as Optuna stores them."""
        return tuple(label(choice) for choice in self.choices)

    def suggest(self, trial: SuggestingTrial, name: str) -> Any:
        """Draw one of the choices under `name`; a list comes back as a list."""
        return self.choices[self.labels.index(trial.suggest_categorical(name, self.labels))]

    def nearest(self, value: Any) -> Any:
        """Return `value` where it is a choice, the first choice where it is not."""
        return value if value in self.choices else self.choices[0]

    def offers(self, value: Any) -> bool:
        """Return whether it may be drawn; a list is stored as its label."""
        return any(value == known and type(value) is type(known) for known in self.labels)


Space = Mapping[str, Range | Choice]
"""What is drawn under each parameter's name; of several for one hyperparameter the first whose conditions hold."""


def label(value: Any) -> Scalar:
    """Return a choice as Optuna can store it: lists become JSON text, everything else stays as it is."""
    return json.dumps(list(value)) if isinstance(value, list | tuple) else value


def parameter_name(name: str, when: Mapping[str, Sequence[Any]]) -> str:
    """Return what the parameter is called that draws hyperparameter `name` under one of several conditions."""
    if not when:
        return name
    values = {parent: ",".join(json.dumps(value).strip('"') for value in when[parent]) for parent in when}
    return f"{name}@{'&'.join(f'{parent}={value}' for parent, value in values.items())}"


def hyperparameter(parameter: str) -> str:
    """Return the hyperparameter that a parameter draws."""
    return parameter.partition("@")[0]


def by_hyperparameter(parameters: Mapping[str, Any]) -> dict[str, Any]:
    """Return the parameters of one trial under the names of their hyperparameters."""
    return {hyperparameter(parameter): value for parameter, value in parameters.items()}


def conditions(space: Space, parameter: str) -> When:
    """Return when `parameter` is drawn: the spec's `when`, and what its definition needs of other searched names."""
    name, searched = hyperparameter(parameter), by_hyperparameter(space)
    needs = DEFINITIONS[name].needs if name in DEFINITIONS and not space[parameter].own else {}
    return {**{parent: values for parent, values in needs.items() if parent in searched}, **space[parameter].when}


def ordered(space: Space) -> list[str]:
    """Return the parameters of a space, each after those that its conditions name.

    Raises HyperparameterError on a circle.
    """
    parents: dict[str, set[str]] = {}
    for parameter in space:
        parents.setdefault(hyperparameter(parameter), set()).update(conditions(space, parameter))
    order: list[str] = []
    placed: set[str] = set()
    while len(placed) < len(parents):
        ready = [name for name in parents if name not in placed and parents[name] <= placed]
        if not ready:
            waiting = ", ".join(name for name in parents if name not in placed)
            raise HyperparameterError(
                f"the `when` conditions of {waiting} depend on each other or on names that are not searched",
                "let `when` name only other searched hyperparameters, without a circle",
            )
        order.extend(parameter for name in ready for parameter in space if hyperparameter(parameter) == name)
        placed.update(ready)
    return order


def active(space: Space, parameter: str, values: Mapping[str, Any]) -> bool:
    """Return whether `parameter` is drawn in a trial that has `values` of hyperparameters so far."""
    return hyperparameter(parameter) not in values and all(
        parent in values and label(values[parent]) in [label(value) for value in allowed]
        for parent, allowed in conditions(space, parameter).items()
    )


def shaping(space: Space) -> list[str]:
    """Return the parameters on which the shape of a training depends; trainings alike in them can be one stack.

    Those on which depends whether one of these is drawn are among them.
    """
    order = ordered(space)
    names = {name for name in map(hyperparameter, order) if name in DEFINITIONS and not DEFINITIONS[name].stacks}
    for parameter in reversed(order):
        if hyperparameter(parameter) in names:
            names.update(conditions(space, parameter))
    return [parameter for parameter in order if hyperparameter(parameter) in names]


def suggest(trial: SuggestingTrial, space: Space, fixed: Mapping[str, Any]) -> dict[str, Any]:
    """Draw every active hyperparameter of `space` from `trial`; returns them with `fixed`."""
    drawn: dict[str, Any] = {}
    for parameter in ordered(space):
        if active(space, parameter, drawn):
            drawn[hyperparameter(parameter)] = space[parameter].suggest(trial, parameter)
    return {**fixed, **drawn}


def baseline(space: Space, fixed: Mapping[str, Any], named: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the baseline as Optuna parameters (inside their ranges) and as the values that are trained (the truth).

    Its values are the defaults, or those that the spec's `[baseline]` names. A number that its range cannot hold
    (weight decay 0 on a log scale) is clamped as a parameter and kept as a value; a choice that is not offered
    becomes the first choice in both.
    """
    parameters: dict[str, Any] = {}
    values: dict[str, Any] = dict(fixed)
    for parameter in ordered(space):
        if active(space, parameter, values):
            value = _unsearched(space[parameter], hyperparameter(parameter), named)
            values[hyperparameter(parameter)] = value
            parameters[parameter] = label(space[parameter].nearest(value))
    return parameters, values


def resting(space: Space, named: Mapping[str, Any]) -> dict[str, Scalar]:
    """Return every parameter, active or not, as near as its range allows to its default, or to what `named` says."""
    return {
        parameter: label(entry.nearest(_unsearched(entry, hyperparameter(parameter), named)))
        for parameter, entry in space.items()
    }


def only_active(space: Space, parameters: Mapping[str, Scalar]) -> dict[str, Scalar]:
    """Return those of `parameters`, which has all of a space, that are drawn in one trial."""
    kept: dict[str, Scalar] = {}
    for parameter in ordered(space):
        if active(space, parameter, by_hyperparameter(kept)):
            kept[parameter] = parameters[parameter]
    return kept


def grid(space: Space, points: int) -> Iterator[tuple[str, list[Scalar]]]:
    """Return each parameter's values on a grid: every choice, or `points` of a range, evenly over its scale."""
    import numpy as np

    for parameter in ordered(space):
        entry = space[parameter]
        if isinstance(entry, Choice):
            yield parameter, list(entry.labels)
            continue
        spread = np.geomspace if entry.log else np.linspace
        yield parameter, list(dict.fromkeys(entry.nearest(float(x)) for x in spread(entry.low, entry.high, points)))


def cells(space: Space, points: int) -> Iterator[dict[str, Scalar]]:
    """Yield every combination of the grid's values, one by one, none twice for values whose condition is not met."""

    def grown(cell: dict[str, Scalar], rest: Sequence[tuple[str, list[Scalar]]]) -> Iterator[dict[str, Scalar]]:
        if not rest:
            yield cell
        elif active(space, rest[0][0], by_hyperparameter(cell)):
            parameter, values = rest[0]
            for value in values:
                yield from grown({**cell, parameter: value}, rest[1:])
        else:
            yield from grown(cell, rest[1:])

    return grown({}, list(grid(space, points)))


def _unsearched(entry: Range | Choice, name: str, named: Mapping[str, Any]) -> Any:
    """Return the value of a hyperparameter that nobody searches: what `named` says, else its default, else a choice.

    Of the user's own, whose default nobody knows here, the first choice or the low end.
    """
    if entry.own and name not in named:
        return entry.choices[0] if isinstance(entry, Choice) else entry.nearest(entry.low)
    value = named[name] if name in named else definition(name).default
    return entry.nearest(list(value) if isinstance(value, tuple) else value) if isinstance(entry, Choice) else value
