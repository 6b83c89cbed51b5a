"""The configurations at the edges of a search space: does each of them fit the data, before any is trained?"""

import itertools
from collections.abc import Iterator
from typing import Any

from winnow.objectives import compatibility
from winnow.objectives.data import sources
from winnow.objectives.errors import ObjectiveError
from winnow.objectives.hyperparameters import DEFINITIONS, make_config
from winnow.objectives.space import Choice, Space, baseline, by_hyperparameter, cells, conditions, hyperparameter
from winnow.search.study.samplers import GridSampler
from winnow.search.study.spec import Spec

MOST = 3_000
"""How many configurations are looked at, of a space that has more: some tenths of a second."""
MOST_BUILT = 8
"""How many of them where a model of others is among them, which has to be built to be known."""


def misfit(spec: Spec, examples: int) -> ObjectiveError | None:
    """Say what is wrong with the first configuration that does not fit `examples` training examples of the data.

    That is the baseline, then a grid cell by cell; of any other space the ends of its ranges with each other and with
    all choices. A hyperparameter that decides nothing here stays out of it.
    """
    data = spec.data_spec
    shape, classes = sources.shape(data), len(sources.class_names(data))
    for where, values in _configurations(spec):
        try:
            compatibility.check(make_config(values), data.name, shape, classes, examples, spec.fleet.devices_per_trial)
        except ObjectiveError as error:
            return ObjectiveError(f"{where} does not fit the data: {error.problem}", error.remedy)
    return None


def _configurations(spec: Spec) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield what is looked at, each with its name."""
    yield "the baseline", baseline(spec.space, spec.fixed, spec.baseline)[1]
    space = _deciding(spec.space)
    points = spec.sampler.points if isinstance(spec.sampler, GridSampler) else 2
    most = MOST_BUILT if any(":" in model for model in spec.values("model")) else MOST
    for cell in itertools.islice(cells(space, points), most if space else 0):
        values = by_hyperparameter({name: _value(space, name, chosen) for name, chosen in cell.items()})
        said = ", ".join(
            f"{name} = {_written(value)}" for name, value in values.items() if DEFINITIONS[name].decides_fit
        )
        yield f"a configuration with {said}", {**spec.fixed, **values}


def _deciding(space: Space) -> Space:
    """Return the part of a space on which the fit depends, and what decides whether that is drawn."""
    names = {parameter for parameter in space if DEFINITIONS[hyperparameter(parameter)].decides_fit}
    while True:
        parents = {parent for parameter in names for parent in conditions(space, parameter)}
        more = {parameter for parameter in space if hyperparameter(parameter) in parents} - names
        if not more:
            return {parameter: entry for parameter, entry in space.items() if parameter in names}
        names |= more


def _value(space: Space, parameter: str, chosen: Any) -> Any:
    """Return the value behind a choice's label."""
    entry = space[parameter]
    return entry.choices[entry.labels.index(chosen)] if isinstance(entry, Choice) else chosen


def _written(value: Any) -> str:
    """Write a value as in a spec."""
    return str(value).lower() if isinstance(value, bool) else f'"{value}"' if isinstance(value, str) else f"{value}"
