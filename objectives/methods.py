"""Hyperparameters grouped into the methods that people name: what an ablation switches on and off as one."""

import difflib
from collections.abc import Collection, Mapping, Sequence

from winnow.objectives.errors import HyperparameterError
from winnow.objectives.hyperparameters import DEFINITIONS, definition


def method_of(name: str, regrouped: Mapping[str, Sequence[str]] | None = None, *, own: bool = False) -> str:
    """Return the method of hyperparameter `name`: of `regrouped` where it is named there, else of its definition.

    A hyperparameter that names no method is one of its own, and so is each of the user's `own` objective.
    """
    for method, members in (regrouped or {}).items():
        if name in members:
            return method
    return (DEFINITIONS[name].method if name in DEFINITIONS and not own else "") or name


def check_groups(groups: Mapping[str, Sequence[str]], own: Collection[str] | None = None) -> None:
    """Raise HyperparameterError where a name is unknown, or stands in two groups.

    `own` are the hyperparameters of one's own objective; where it draws them itself and there are none, any may be.
    """
    seen: dict[str, str] = {}
    for method, members in groups.items():
        if not method or method == "seed":
            raise HyperparameterError(f"{method!r} is no name for a method", "give it another")
        for name in members:
            if own is None:
                definition(name)
            elif own and name not in own:
                near = difflib.get_close_matches(name, own, n=1)
                remedy = f"did you mean {near[0]!r}?" if near else f"it is given {', '.join(own)}"
                raise HyperparameterError(f"the objective is given no {name!r}", remedy)
            if name in seen:
                raise HyperparameterError(f"{name} is in {seen[name]!r} and in {method!r}", "keep one of the two")
            seen[name] = method
