"""Checking what a spec fixes and searches: known, of its type, in its range, and of use beside the rest."""

import math
import shlex
from collections.abc import Iterator
from typing import Any

from winnow.objectives.definition import Definition
from winnow.objectives.errors import ObjectiveError
from winnow.objectives.hyperparameters import DEFINITIONS, definition
from winnow.objectives.space import Range, label, ordered
from winnow.search.study.sections import Wrong
from winnow.search.study.spec import SearchEntry, Spec, space_entry

_MOST_DECADES = 15
"""More in a row are a slip: from what rounds to nothing to what no training bears are hardly ten."""
_LOGARITHMIC = 1000
"""Who names two ends so many times apart, both above 0, hardly means to draw from the last decade alone."""


def wrongs(spec: Spec) -> Iterator[Wrong]:
    """Yield what is wrong with the hyperparameters of a spec."""
    own_images = spec.built_in and (spec.fixed or spec.search) and spec.data_spec.name == "image_folder"
    if own_images and "model" not in (*spec.fixed, *spec.search):  # the default, an MLP, fits no photographs
        problem = "no model is named, and what fits a folder of images depends on them"
        folder = shlex.quote(str(spec.data_spec.path))
        yield "[fixed] model", problem, f'winnow new {folder} writes a spec; or write model = "cnn"'
    for section, names in (("fixed", spec.fixed), ("baseline", spec.baseline)) if spec.built_in else ():
        for name, value in names.items():
            try:
                definition(name).check(value)
            except ObjectiveError as error:
                yield f"[{section}] {name}", error.problem, error.remedy
    for section, names in (("fixed", spec.fixed), ("search", spec.search)) if spec.built_in else ():
        if "metric" in names:
            problem = f"a metric is not {'searched' if section == 'search' else 'a hyperparameter'}"
            yield f"[{section}] metric", problem, 'write metric = "…" at the top of the spec'
    for name in spec.search:
        key = f"[search] {name}"
        if name in spec.fixed:
            yield key, "it is in [fixed] as well", "keep one of the two"
        elif name == "seed":
            yield key, "a seed is not searched", "repeat the best with `winnow confirm` instead"
        else:
            try:
                _check_alternatives(spec, name)
                for entry in spec.entries(name):
                    _check_entry(spec, name, entry)
            except ObjectiveError as error:
                yield key, error.problem, error.remedy
    for name in spec.baseline:
        if name not in spec.search:
            yield f"[baseline] {name}", "it is not searched", "name it in [search], or use [fixed]"
    try:
        ordered(spec.space)
    except ObjectiveError as error:
        yield "[search]", error.problem, error.remedy
    for section, names in (("fixed", spec.fixed), ("search", spec.search)) if spec.built_in else ():
        for name in names:
            if name in DEFINITIONS:
                yield from _check_needs(spec, section, name)
        for name in ("dropout", "dropouts"):
            if name in names and not _has_hidden_layers(spec):
                yield (
                    f"[{section}] {name}",
                    "it has no effect without hidden dense layers",
                    "write for example hidden = [64]",
                )


def _check_alternatives(spec: Spec, name: str) -> None:
    conditions = [entry.when for entry in spec.entries(name)]
    if not conditions:
        raise ObjectiveError("its list is empty", "write { low = …, high = … } or { choices = […] }")
    if not all(conditions[:-1]):
        raise ObjectiveError("an entry without `when` is drawn wherever no other is", "let it stand last")
    if any(conditions[place] in conditions[:place] for place in range(len(conditions))):
        raise ObjectiveError("two of its entries have the same `when`", "keep one of the two")


def _check_entry(spec: Spec, name: str, entry: SearchEntry) -> None:
    if spec.built_in:
        check_values(definition(name), entry)
    _check_prior(spec, name, entry)
    if len({str(choice) for choice in entry.choices or ()}) < len(entry.choices or ()):
        raise ObjectiveError("a choice stands twice", "remove it")
    for parent, values in entry.when.items():
        if parent not in spec.search:
            raise ObjectiveError(f"`when` names {parent}, which is not searched", "name a searched one, or drop `when`")
        offered = _possible(spec, parent)
        for value in values:
            if value not in offered:
                raise ObjectiveError(
                    f"`when` waits for {parent} = {value!r}, which is never drawn",
                    f"name one of {offered}" if offered else f"give {parent} choices instead of a range",
                )


def _check_prior(spec: Spec, name: str, entry: SearchEntry) -> None:
    if entry.prior is None:
        if entry.confidence is not None:
            raise ObjectiveError("`confidence` is that of a prior", "write for example prior = …, or drop it")
    elif spec.sampler.name in ("grid", "coordinate"):
        raise ObjectiveError(f"{spec.sampler.name} goes through all values, and draws none by a prior", "drop `prior`")
    elif not space_entry(name, entry, own=not spec.built_in).offers(label(entry.prior)):
        offered = f"from {entry.low} to {entry.high}" if entry.choices is None else f"of {entry.choices}"
        raise ObjectiveError(f"its prior {entry.prior!r} is not among what is searched", f"name one {offered}")


def doubt(searched: Range) -> str:
    """Return in a sentence what can hardly be meant of a range that may be searched; empty where it may well be."""
    low, high, step = searched.low, searched.high, searched.step
    if step and not searched.offers(high):
        return f"its high of {high:g} is never drawn: steps of {step:g} from {low:g} end at {searched.nearest(high):g}"
    ratio = high / low if low > 0 else 0.0
    if searched.log and ratio > 10.0**_MOST_DECADES:
        return f"{low:g} to {high:g} are {math.log10(ratio):.0f} decades, of which each is drawn as often as any other"
    if not (searched.log or searched.whole or step) and ratio >= _LOGARITHMIC:
        tenth = low + 0.1 * (high - low)
        return f"nine of ten draws lie above {tenth:g}; with log = true each decade is drawn as often"
    return ""


def check_values(known_as: Definition, entry: SearchEntry) -> None:
    """Raise ObjectiveError where what is searched cannot be a value of its hyperparameter."""
    if entry.choices is not None:
        for choice in entry.choices:
            known_as.check(choice)
    elif known_as.type not in (int, float):
        raise ObjectiveError("it has no range", f"write {{ choices = [{known_as.example}, …] }}")
    else:
        for end in (entry.low, entry.high):
            assert end is not None
            if known_as.type is int and (end != int(end) or (entry.step or 1) % 1):
                raise ObjectiveError(f"{end:g} or its step is not a whole number", "round it")
            known_as.check(int(end) if known_as.type is int else end)


def _check_needs(spec: Spec, section: str, name: str) -> Iterator[Wrong]:
    for parent, allowed in DEFINITIONS[name].needs.items():
        possible = _possible(spec, parent)
        if possible and not any(value in allowed for value in possible):
            have = str(possible[0]).lower() if isinstance(possible[0], bool) else possible[0]
            words = " or ".join(str(v).lower() if isinstance(v, bool) else repr(v) for v in allowed)
            yield (
                f"[{section}] {name}",
                f"it has no effect with {parent} = {have}",
                f"remove it, or set {parent} to {words}",
            )


def _has_hidden_layers(spec: Spec) -> bool:
    """Return whether some configuration has a hidden dense layer: a cnn or resnet has those that `hidden` names."""
    models, layers = _possible(spec, "model"), _possible(spec, "hidden")
    return any(model not in ("cnn", "resnet") for model in models) or any(layers)


def _possible(spec: Spec, name: str) -> list[Any]:
    """Return every value that a hyperparameter can take in a spec; none of a range."""
    return spec.values(name) if name in spec.search else [spec.fixed.get(name, DEFINITIONS[name].default)]
