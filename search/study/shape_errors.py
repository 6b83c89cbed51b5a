"""What pydantic finds wrong with the shape of a spec, as a sentence with its remedy."""

import difflib
from collections.abc import Mapping

import pydantic

from winnow.errors import SpecError
from winnow.search.study.sections import NotifySection, Section
from winnow.search.study.spec import (
    AblationSection,
    BudgetSection,
    FleetSection,
    KeepSection,
    LimitsSection,
    LogSection,
    SearchEntry,
    Spec,
    StartSection,
)

_SECTIONS: Mapping[str, type[Section]] = {
    "budget": BudgetSection,
    "limits": LimitsSection,
    "ablation": AblationSection,
    "log": LogSection,
    "notify": NotifySection,
    "keep": KeepSection,
    "fleet": FleetSection,
    "start": StartSection,
}


def in_words(error: pydantic.ValidationError, file: str, *within: str) -> SpecError:
    """Return the first of pydantic's errors as a sentence."""
    first = error.errors()[0]
    path = [*within, *(str(part) for part in first["loc"])]
    # A searched hyperparameter carries how many entries it has: [search] lr several 0 low.
    if len(path) > 2 and path[0] == "search":
        if path[2] == "several" and len(path) > 3:
            path[1] += f" (entry {int(path.pop(3)) + 1})"
        del path[2]
    key = path[0] if len(path) == 1 else f"[{path[0]}] {'.'.join(path[1:])}"
    kind, context = first["type"], first.get("ctx", {})
    if kind == "extra_forbidden":
        return SpecError(file, key, "there is no such key", _nearest(path))
    if kind == "missing":
        return SpecError(file, key, "it is missing", "add it")
    if kind == "value_error":
        problem, _, remedy = str(context["error"]).partition("|")
        return SpecError(file, key, problem, remedy)
    if kind == "string_pattern_mismatch":
        return SpecError(file, key, f"{first['input']!r} is no name", "use letters, digits, dots, dashes, underscores")
    if kind == "model_type" and path[0] == "search" and len(path) > 1:
        remedy = "write { choices = […] } or { low = …, high = … }, or put one value under [fixed]"
        return SpecError(file, key, f"{first['input']!r} says neither choices nor a range", remedy)
    if kind == "model_type":
        remedy = f"write [{'.'.join(path)}], and its keys below"
        return SpecError(file, key, f"{first['input']!r} is no table of keys", remedy)
    given = f" (here {first['input']!r})" if not isinstance(first["input"], dict) else ""
    return SpecError(file, key, f"{first['msg'][0].lower()}{first['msg'][1:]}{given}", "")


def _nearest(path: list[str]) -> str:
    """Return what an unknown key may have meant."""
    if len(path) == 1:
        names = list(Spec.model_fields)
    elif path[0] == "search":
        names = list(SearchEntry.model_fields)
    elif path[0] in _SECTIONS:
        names = [field.alias or name for name, field in _SECTIONS[path[0]].model_fields.items()]
    else:
        return "remove it"
    near = difflib.get_close_matches(path[-1], names, n=1)
    return f"did you mean {near[0]!r}?" if near else f"known are {', '.join(names)}"
