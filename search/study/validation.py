"""Checking a study spec, whole, before anything is written.

pydantic checks the shape; `_wrongs` checks what the shape cannot say (are there such data, does the model have that
hyperparameter?). Every refusal is one SpecError that names the file, the key, what was wrong and what would be right.
"""

import difflib
import importlib.util
import json
import math
import re
import shlex
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pydantic

from winnow.errors import SpecError, WinnowError
from winnow.objectives import metrics, user_code
from winnow.objectives.data.catalog import DataSpec
from winnow.objectives.data.sources import class_names, count, describe
from winnow.objectives.errors import ObjectiveError
from winnow.objectives.methods import check_groups
from winnow.objectives.registry import resolve
from winnow.objectives.space import baseline, by_hyperparameter
from winnow.records import Budget
from winnow.search.study import hyperparameter_checks, ready
from winnow.search.study.extremes import misfit
from winnow.search.study.imported_samplers import ImportedPruner, ImportedSampler
from winnow.search.study.sections import PRUNERS, SAMPLERS, Section, Wrong
from winnow.search.study.shape_errors import in_words
from winnow.search.study.spec import BUILT_IN, LOG_PACKAGES, Spec


def read(path: Path) -> Spec:
    """Return the spec in a TOML file, or the ready study of that name; raises SpecError."""
    path = ready.find(path)
    try:
        text = path.read_text(encoding="utf-8-sig")  # some editors begin a file with a mark of its encoding
    except FileNotFoundError:
        near = difflib.get_close_matches(str(path), ready.names(), n=1, cutoff=0.8)
        remedy = f"did you mean {near[0]!r}?" if near else "give the path of a study spec, or a name of winnow studies"
        if ":" in path.name:
            remedy = f'a study is a TOML file, which names the function: objective = "{path}" (docs/own_script.md)'
        raise SpecError(str(path), "", "there is no such file", remedy) from None
    except IsADirectoryError:
        raise SpecError(
            str(path), "", "it is a folder", f"write a spec of its images: winnow new {shlex.quote(str(path))}"
        ) from None
    except UnicodeDecodeError as error:
        raise SpecError(
            str(path), "", f"its byte {error.start} is no UTF-8, which TOML is written in", "save it as UTF-8"
        ) from None
    except OSError as error:
        raise SpecError(str(path), "", f"the file cannot be read ({error})", "give the path of a TOML file") from None
    return parse(text, str(path))


def parse(text: str, file: str) -> Spec:
    """Return the spec in a TOML text, or of a .json file as a study keeps it; raises SpecError, naming `file`."""
    kind = "JSON" if file.endswith(".json") else "TOML"
    try:
        content = json.loads(text) if kind == "JSON" else tomllib.loads(text)
    except (tomllib.TOMLDecodeError, json.JSONDecodeError) as error:
        remedy = "fix that line"
        if file.endswith(".py"):
            named = f'objective = "{Path(file).stem}:FUNCTION"'
            remedy = f"a study is a TOML file, which names the function: {named} (docs/own_script.md)"
        elif file.endswith((".yaml", ".yml")):
            remedy = "a study is a TOML file; docs/coming_from.md has what stands there for each key of a sweep"
        elif re.search(r"[=,\[] *(True|False|None)\b", text):
            remedy = "TOML writes true and false small, and leaves out what is None"
        raise SpecError(file, "", f"this is not {kind}: {error}", remedy) from None
    return check(content, file)


def check(content: Mapping[str, Any], file: str, *, stored: bool = False) -> Spec:
    """Check a spec given as plain data, with what its extensions register; raises SpecError, naming `file`.

    One that is `stored` with its study was checked when that was made: its data need not lie where it is read.
    """
    extensions = content.get("extensions", ())
    for module in extensions if isinstance(extensions, list | tuple) else ():
        try:
            user_code.extend(str(module))
        except WinnowError as error:
            raise SpecError(file, "extensions", error.problem, error.remedy) from None
        except Exception as error:
            problem = f"{module} cannot be imported: {type(error).__name__}: {error}"
            raise SpecError(file, "extensions", problem, "see that python imports it in this folder") from error
    spec = shaped(content, file)
    for wrong in [*_unresolved(spec)] or ([] if stored else _wrongs(spec)):
        raise SpecError(file, *wrong)
    return spec


def shaped(content: Mapping[str, Any], file: str) -> Spec:
    """Return a spec of which only the shape was checked: its data need not be there; raises SpecError."""
    chosen = {kind: _chosen(kind, known, content[kind], file) for kind, known in _REGISTRIES.items() if kind in content}
    try:
        return Spec.model_validate({**content, **chosen})
    except pydantic.ValidationError as error:
        raise in_words(error, file) from None


def _chosen(kind: str, known: Mapping[str, type[Section]], content: Any, file: str) -> Section:
    """Return a `[sampler]` or `[pruner]` as the class that is registered under its name; raises SpecError."""
    if not isinstance(content, Mapping):
        raise SpecError(file, kind, f"{content!r} is no table of keys", f'write [{kind}], and below it name = "…"')
    name = content.get("name")
    if isinstance(name, str) and ":" in name:
        known = {name: _IMPORTED[kind]}
    if not isinstance(name, str) or name not in known:
        problem = f"there is no {kind} {name!r}" if name else "it has no name"
        raise SpecError(file, f"[{kind}] name", problem, f"choose one of {', '.join(known)}, or module:Class")
    try:
        return known[name].model_validate(content)
    except pydantic.ValidationError as error:
        raise in_words(error, file, kind) from None


def _unresolved(spec: Spec) -> Iterator[Wrong]:
    """Register the models that a spec names outside of Winnow; yields what is wrong with them."""
    for value in spec.values("model") if spec.built_in else ():
        try:
            resolve({"model": value})
        except ObjectiveError as error:
            yield "[search] model" if "model" in spec.search else "[fixed] model", error.problem, error.remedy


def _wrongs(spec: Spec) -> Iterator[Wrong]:
    """Yield everything that is wrong with a spec of the right shape."""
    if not spec.built_in:
        yield from _check_own_objective(spec)
    else:
        yield from _check_training(spec)
    yield from _check_two_objectives(spec)
    yield from _check_scheduler(spec)
    yield from _check_ablation(spec)
    yield from _check_log(spec)
    yield from _check_questions(spec)
    yield from spec.sampler.misfits(spec, spec.directions)
    if not spec.built_in and (spec.keep.layers or spec.keep.outputs):
        yield "[keep]", "layers and outputs are of networks that Winnow trains itself", "remove them"
    budget = spec.storage_budget
    if budget == Budget():
        yield "[budget]", "no limit is given", "write for example trials = 40"
    elif spec.sampler.name == "grid" and (budget.trials or 0) > (most := spec.grid_cells + spec.has_baseline):
        yield (
            "[budget] trials",
            f"the grid has {spec.grid_cells} cells" + " and the baseline comes first" * spec.has_baseline,
            f"write at most trials = {most}, or leave it out",
        )


def _check_questions(spec: Spec) -> Iterator[Wrong]:
    for asked in spec.question:
        for name in filter(None, (asked.of, *asked.across)):
            if (spec.built_in or spec.search) and name not in spec.search:
                known = f"searched are {', '.join(spec.search) or 'none'}"
                yield f"[[question]] {asked.asks!r}", f"{name} is not searched", known


def _check_own_objective(spec: Spec) -> Iterator[Wrong]:
    if not re.fullmatch(r"[\w.]+:\w+", spec.objective):
        near = difflib.get_close_matches(spec.objective, BUILT_IN, n=1)
        module, _, function = spec.objective.partition(":")
        if re.fullmatch(r"[\w.]+:[\w.]+", spec.objective):
            problem = f"{function!r} is no name of a function in {module}"
            yield (
                "objective",
                problem,
                f"let a function there call it, and name that: def fit(trial, …): return {function}(…)",
            )
            return
        if function:
            named = module.removesuffix(".py").strip("./").replace("/", ".")
            spelt = re.sub(r"[^\w.]", "_", named)
            of_file = "" if spelt == named else f", and call the file {spelt.replace('.', '/')}.py"
            problem = f"{module!r} is no name by which Python imports a module"
            yield "objective", problem, f'write "{spelt}:{function}"{of_file}'
            return
        remedy = f"write {', '.join(BUILT_IN)}, or your own as module:function"
        yield "objective", f"there is no objective {spec.objective!r}", f"did you mean {near[0]!r}?" if near else remedy
    elif spec.metric:
        yield "metric", "an objective of one's own returns what it is judged by", "remove it"
    elif spec.data is not None:
        yield "[data]", "an objective of one's own loads its own data", "remove [data]"
    elif spec.sampler.name in ("grid", "coordinate", "freeze_thaw") and not spec.search:
        yield "[sampler] name", f"{spec.sampler.name} needs a space in [search]", "use tpe, random, gp, cmaes or qmc"
    elif spec.sampler.name == "coordinate" and not spec.baseline:
        yield "[baseline]", "coordinate begins there", "name each searched hyperparameter in [baseline]"
    elif spec.search:
        yield from hyperparameter_checks.wrongs(spec)
        if spec.baseline and (missing := _not_named(spec)):
            yield (
                "[baseline]",
                f"it says nothing of {', '.join(missing)}",
                "name each hyperparameter that trial 0 is to have",
            )


def _not_named(spec: Spec) -> list[str]:
    """Return the hyperparameters that a baseline of the user's own draws and that nobody has given a value."""
    drawn = by_hyperparameter(baseline(spec.space, spec.fixed, spec.baseline)[0])
    return [name for name in drawn if name not in spec.baseline]


def _check_ablation(spec: Spec) -> Iterator[Wrong]:
    try:
        own = {**spec.search, **spec.fixed} if spec.search else {}
        check_groups(spec.ablation.methods, None if spec.built_in else own)
    except ObjectiveError as error:
        yield "[ablation] methods", error.problem, error.remedy


def _check_log(spec: Spec) -> Iterator[Wrong]:
    for name, package in LOG_PACKAGES.items():
        if getattr(spec.log, name) and not is_installed(package):
            yield f"[log] {name}", f"its package is missing: {package}", f"pip install 'winnow-hpo[{name}]'"


def is_installed(package: str) -> bool:
    """Return whether a package can be imported; a mere folder of its name in the user's folder is none."""
    found = importlib.util.find_spec(package)
    return found is not None and found.loader is not None and found.origin is not None


def _check_scheduler(spec: Spec) -> Iterator[Wrong]:
    by_sampler = spec.sampler.scheduler(spec)
    if by_sampler is not None and spec.pruner.scheduler(spec) is not None:
        yield "[pruner] name", f"the sampler {spec.sampler.name} says already which trial goes on", "leave [pruner] out"
    if by_sampler is not None and spec.against is not None:
        yield (
            "[sampler] name",
            f"{spec.sampler.name} pauses trials by one value, and this study has two",
            "use tpe or gp",
        )
    unknown = not spec.built_in and "epochs" not in spec.fixed
    for table, section in (("sampler", spec.sampler), ("pruner", spec.pruner)):
        if unknown and section.scheduler(spec) is not None and section.options.get("max_resource", 1) is None:
            yield (
                f"[{table}] max_resource",
                "nobody knows how many epochs an objective of one's own has",
                "write for example max_resource = 30",
            )


def _check_two_objectives(spec: Spec) -> Iterator[Wrong]:
    if spec.against is None:
        return
    why = "with `against` the study has two objectives"
    if spec.pruner.name != "none":
        yield (
            "[pruner] name",
            f"{why}, and Optuna cannot prune those",
            'write name = "none"; or drop `against` and ask winnow front for the same from a pruned study',
        )
    if spec.sampler.name in ("cmaes", "coordinate"):
        yield "[sampler] name", f"{why}, and {spec.sampler.name} takes one", "use tpe, gp or random"
    if spec.budget.stagnation is not None:
        yield "[budget]", f"{why}, and no rule says when to stop early", "give trials or hours alone"
    if spec.against == "parameters" and not spec.built_in:
        yield "against", "nobody counts the parameters of one's own objective", 'write "seconds"'


def _check_training(spec: Spec) -> Iterator[Wrong]:
    if spec.data is None or "name" not in spec.data:
        yield "[data] name", "no data set is named", 'write for example name = "digits"'
        return
    fields = DataSpec.__dataclass_fields__
    for key in spec.data:
        if key not in fields:
            yield f"[data] {key}", "there is no such key", f"known are {', '.join(fields)}"
    try:
        examples, _ = count(spec.data_spec)
        task = describe(spec.data_spec).task
    except ObjectiveError as error:
        yield "[data]", error.problem, error.remedy
        return
    if spec.metric:
        for wrong_metric in metrics.wrongs(spec.metric, len(class_names(spec.data_spec))):
            yield "metric", wrong_metric.problem, wrong_metric.remedy
            return
        if spec.direction not in (None, spec.model_copy(update={"direction": None}).optimises):
            yield "direction", f"{spec.metric} says the direction itself", "remove it"
    features = describe(spec.data_spec).shape
    if spec.keep.outputs and features not in ((1,), (2,)):
        problem = f"outputs are drawn over one or two features, and an example has {math.prod(features):,}"
        yield "[keep] outputs", problem, "remove it"
    if task != spec.objective:
        whole = ", or give its targets as whole numbers" * (task == "regression" and ":" in spec.data_spec.name)
        yield "objective", f"the data set {spec.data_spec.name} is a {task}", f'write "{task}"{whole}'
    yield from hyperparameter_checks.wrongs(spec)
    # A study whose trials are given to it one by one has neither.
    wrong = misfit(spec, examples) if spec.search or spec.fixed else None
    if wrong is not None:
        yield "[search]" if spec.search else "[fixed]", wrong.problem, wrong.remedy


_IMPORTED: Mapping[str, type[Section]] = {"sampler": ImportedSampler, "pruner": ImportedPruner}
_REGISTRIES: Mapping[str, Mapping[str, type[Section]]] = {"sampler": SAMPLERS, "pruner": PRUNERS}
