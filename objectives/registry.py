"""Where augmentations, models, optimisers and schedules are registered, each in one place with its hyperparameters.

What is registered is a function, or a dataclass whose instances are called: its parameters that are annotated as a
`Hyperparameter` become hyperparameters of every spec. Nothing here, and nothing built in, imports torch before a call.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from functools import partial
from typing import Any, TypeVar

from winnow.objectives.definition import Definition, Value, definitions_of
from winnow.objectives.errors import HyperparameterError

Thing = TypeVar("Thing", bound=Callable[..., Any])

DEFINITIONS: dict[str, Definition] = {}
"""Every hyperparameter by its name; what is registered later is added."""


class Registry(Mapping[str, Callable[..., Any]]):
    """All things of one kind by their names. Used as a decorator: `@model("tiny")`."""

    find: Callable[[str], Any] | None = None
    """Gives what a name with a colon means, which is registered when a spec or a configuration first says it."""

    def __init__(
        self, method: str, chooser: str = "", meaning: str = "", default: str = "", stacks: bool = False
    ) -> None:
        """`chooser` is the hyperparameter that chooses one of them; without it, each has a switch of its own name.

        `stacks` says that trainings with different ones, or with different values of them, can be one stack.
        """
        self.method = method
        self.stacks = stacks
        self.chooser = chooser
        self._found: dict[str, dict[str, Definition]] = {}
        self._things: dict[str, Callable[..., Any]] = {}
        self._names: dict[str, tuple[str, ...]] = {}
        if chooser:
            DEFINITIONS[chooser] = Definition(
                meaning,
                method=method,
                decides_fit=chooser == "model",
                stacks=stacks,
                name=chooser,
                type=str,
                default=default,
            )

    def __call__(self, name: str) -> Callable[[Thing], Thing]:
        """Register what is decorated under `name`; raises HyperparameterError where one of its names is taken."""

        def register(thing: Thing) -> Thing:
            self._add(name, thing)
            return thing

        return register

    def __getitem__(self, name: str) -> Callable[..., Any]:
        return self._things[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._things)

    def __len__(self) -> int:
        return len(self._things)

    def bound(self, name: str, config: object) -> Any:
        """Return what is registered under `name` with the values that `config` has of its hyperparameters."""
        thing, values = self._things[name], {own: getattr(config, own) for own in self._names[name]}
        if name in self._found:
            return thing.bind(values)  # type: ignore[attr-defined]
        return thing(**values) if isinstance(thing, type) else partial(thing, **values)

    def chosen(self, config: object) -> Any:
        """Return the one that `config` chooses, with its values."""
        return self.bound(getattr(config, self.chooser), config)

    def switched_on(self, config: object) -> dict[str, Any]:
        """Return those that `config` switches on by their names, with its values, in the order of registration."""
        return {name: self.bound(name, config) for name in self if getattr(config, name)}

    def resolve(self, name: object) -> None:
        """Register what `module:function` or `library:thing` names, where it is not yet; raises ObjectiveError."""
        if self.find is None or not isinstance(name, str) or ":" not in name or name in self._things:
            return
        thing = self.find(name)
        own = {each.name: each for each in thing.definitions}
        for each in own.values():
            known = DEFINITIONS.get(each.name)
            if known and (known.type != each.type or (known.choices and each.default not in known.choices)):
                raise HyperparameterError(
                    f"{each.name} of {name} is another hyperparameter already: {known.meaning}", "give it another name"
                )
        self._things[name], self._names[name], self._found[name] = thing, tuple(own), own
        DEFINITIONS[self.chooser] = replace(DEFINITIONS[self.chooser], choices=tuple(self._things))
        for each in own.values():
            known = DEFINITIONS.get(each.name)
            if known is None or self.chooser in known.needs:
                each = known or replace(each, method=each.method or self.method)
                users = (*each.needs.get(self.chooser, ()), name)
                DEFINITIONS[each.name] = replace(each, needs={**each.needs, self.chooser: users})

    def defaults(self, name: str) -> dict[str, Value]:
        """Return the defaults of the hyperparameters of a thing that was found by its name, which it may share."""
        return {each.name: each.default for each in self._found.get(name, {}).values()}

    def is_anothers(self, hyperparameter: str, name: str) -> bool:
        """Return whether only things found by their names have this hyperparameter, and `name` is none of them."""
        if not self._found:
            return False
        users = [thing for thing, own in self._names.items() if hyperparameter in own]
        return bool(users) and name not in users and all(thing in self._found for thing in users)

    def _add(self, name: str, thing: Callable[..., Any]) -> None:
        own = list(definitions_of(thing))
        if name in self._things or (not self.chooser and name in DEFINITIONS):
            raise HyperparameterError(f"the {self.method} {name!r} is there already", "register it under another name")
        for each in own:
            known = DEFINITIONS.get(each.name)
            if known and (known.type, known.default, known.meaning) != (each.type, each.default, each.meaning):
                raise HyperparameterError(
                    f"{each.name} of {name!r} is already another hyperparameter: {known.meaning}",
                    "call it by another name, or give it that type, default and meaning",
                )
        self._things[name] = thing
        self._names[name] = tuple(each.name for each in own)
        if self.chooser:
            DEFINITIONS[self.chooser] = replace(DEFINITIONS[self.chooser], choices=tuple(self._things))
        else:
            first = (thing.__doc__ or name).strip().partition("\n")[0].partition(". ")[0].rstrip(".")
            meaning = first[0].lower() + first[1:]
            DEFINITIONS[name] = Definition(
                meaning,
                method=self.method,
                decides_fit=any(d.decides_fit for d in own),
                stacks=self.stacks,
                name=name,
                type=bool,
                default=False,
            )
        for each in own:
            DEFINITIONS[each.name] = replace(
                each,
                method=each.method or self.method,
                needs=each.needs or self._needs(each.name, name),
                stacks=self.stacks if each.stacks is None else each.stacks,
            )

    def _needs(self, own: str, name: str) -> dict[str, tuple[str | bool, ...]]:
        if not self.chooser:
            return {name: (True,)}
        return {self.chooser: tuple(thing for thing, names in self._names.items() if own in names)}


model = Registry("architecture", "model", "architecture", "mlp")
"""Called with the shape of an example and the number of outputs, gives a torch module.

Its `check(shape, batch_size)`, where it has one, raises ObjectiveError where it does not fit, without importing torch;
`try_on(shape, outputs)` of a model that is found by its name has to build it for that.
"""
optimizer = Registry("optimiser", "optimizer", "optimiser", "adam", stacks=True)
"""Called with groups of parameters and the learning rate, gives an optimiser, torch's or like it."""
schedule = Registry("schedule", "schedule", "how the learning rate changes", "constant", stacks=True)
"""Called with a `Progress`, gives what the learning rate is multiplied by."""
augmentation = Registry("augmentation", stacks=True)
"""Called with images float32 (B, C, H, W) and their `Draws`, gives images; its docstring begins with what it does."""


def resolve(values: Mapping[str, Any]) -> None:
    """Register what the values of choosers name outside of Winnow; raises ObjectiveError."""
    if model.chooser in values:
        model.resolve(values[model.chooser])
