"""What pydantic finds wrong with the shape of a spec, as a sentence with its remedy."""

import difflib
from collections.abc import Mapping

import pydantic

from winnow.errors import SpecError
from winnow.search.study.sections import NotifySection, Section
from winnow.search.study.spec import (
    LONGEST_NAME,
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

_LONGEST_SHOWN = 60
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


# What a value should have been, by the beginning of pydantic's name of the fault, and how it is written.
_WANTED = {
    "string": ("text", "write it in quotes"),
    "int": ("whole number", "write for example 3"),
    "float": ("number", "write for example 0.5"),
    "bool": ("true or false", "write true or false, without quotes"),
    "list": ("list", "write it in brackets: [ … ]"),
    "tuple": ("list", "write it in brackets: [ … ]"),
}


_ELSEWHERE = {
    **{"min": "low", "max": "high", "values": "choices", "categories": "choices", "q": "step"},
    **{"bounds": "low", "min_value": "low", "max_value": "high", "sampling": "log", "log_scale": "log"},
}
"""What other tools call the keys of a searched hyperparameter."""
_SECTIONS_ELSEWHERE = {
    **{"parameters": "search", "params": "search", "space": "search", "param_space": "search"},
    **{"n_trials": "budget", "num_samples": "budget", "run_cap": "budget", "max_evals": "budget"},
    **{"method": "sampler", "early_terminate": "pruner", "scheduler": "pruner", "study_name": "name"},
}
"""What other tools call the parts of a spec."""


def in_words(error: pydantic.ValidationError, file: str, *within: str) -> SpecError:
    """Return the first of pydantic's errors as a sentence."""
    faults = error.errors()
    first = next((each for each in faults if each["type"] == "extra_forbidden"), faults[0])
    path = [*within, *(str(part) for part in first["loc"])]
    # A searched hyperparameter carries how many entries it has: [search] lr several 0 low.
    if len(path) > 2 and path[0] == "search":
        if path[2] == "several" and len(path) > 3:
            path[1] += f" (entry {int(path.pop(3)) + 1})"
        del path[2]
    if len(path) > 2 and path[0] == "question":
        path[:2] = [f"[[question]] {int(path[1]) + 1}"]
    # Of a value that may be of several kinds pydantic has a fault for each, with the kind's name after the key.
    others = [str(each["ctx"]["expected"]) for each in faults[1:] if each["type"] == "literal_error"]
    if others:
        path.pop()
    key = ": ".join(path) if len(path) == 1 or path[0][0] == "[" else f"[{path[0]}] {'.'.join(path[1:])}"
    kind, context, given = first["type"], first.get("ctx", {}), first["input"]
    if kind == "extra_forbidden":
        return SpecError(file, key, "there is no such key", _nearest(path))
    if kind == "missing":
        return SpecError(file, key, "it is missing", "add it")
    if kind == "value_error":
        problem, _, remedy = str(context["error"]).partition("|")
        return SpecError(file, key, problem, remedy)
    if kind == "string_pattern_mismatch":
        remedy = f"use up to {LONGEST_NAME} letters, digits, dots, dashes, underscores, a letter or digit first"
        return SpecError(file, key, f"{_shown(given)} is no name", remedy)
    if kind == "model_type" and path[0] == "search" and len(path) > 1:
        remedy = "write { choices = […] } or { low = …, high = … }, or put one value under [fixed]"
        return SpecError(file, key, f"{_shown(given)} says neither choices nor a range", remedy)
    if kind in ("model_type", "dict_type"):
        remedy = f"write [{'.'.join(path)}], and its keys below"
        return SpecError(file, key, f"{_shown(given)} is no table of keys", remedy)
    if kind == "too_short":
        return SpecError(file, key, "it is empty", "name at least one")
    if key == "objective" and callable(given):
        name = getattr(given, "__name__", "function")
        remedy = f'write "module:{name}": workers, processes of their own, import it from module.py'
        return SpecError(file, key, f"{name} is given as a function", remedy)
    wanted, remedy = _WANTED.get(kind.partition("_")[0], ("", ""))
    if wanted and kind != "float_type_finite":
        return SpecError(file, key, f"{_shown(given)} is no {wanted}", " or ".join([remedy, *others]))
    said = first["msg"].replace("Input should", "it should", 1)
    return SpecError(file, key, f"{said} (here {_shown(given)})", "")


def _shown(given: object) -> str:
    """Return what was written, cut short where it is long."""
    shown = repr(given)
    return shown if len(shown) <= _LONGEST_SHOWN else f"{shown[:_LONGEST_SHOWN]}… ({len(shown):,} letters)"


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
    elsewhere = {"search": _ELSEWHERE}.get(path[0], {}) if len(path) > 1 else _SECTIONS_ELSEWHERE
    near = [elsewhere[path[-1]]] if path[-1] in elsewhere else near
    if not near and path[0] == "search":
        return "write { low = …, high = … }, of a logarithm { low = …, high = …, log = true }, or { choices = […] }"
    return f"did you mean {near[0]!r}?" if near else f"known are {', '.join(names)}"
