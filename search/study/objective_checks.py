"""Checking a user's function against its spec: what it takes and returns, found out in a process beside."""

import ast
import difflib
import inspect
import json
import logging
import os
import subprocess
import sys
import textwrap
import threading
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, NoReturn

import optuna

from winnow.errors import SpecError, WinnowError
from winnow.exit_status import ending
from winnow.objectives import user_code
from winnow.objectives.definition import Definition
from winnow.objectives.errors import ObjectiveError
from winnow.search.study.hyperparameter_checks import check_values
from winnow.search.study.sections import Wrong
from winnow.search.study.spec import SearchEntry, Spec
from winnow.search.study.validation import check

CHECKED = "WINNOW_CHECKED_OBJECTIVE"
"""Names the objective in the environment of the process that imports it to be checked."""
UNDER_MAIN = 'put what begins it under: if __name__ == "__main__":'
BELONGS = f"move what takes long into the function, or {UNDER_MAIN}"
PATIENCE_SECONDS = 20.0
"""After which a person is told that a module is still imported: a script may train there."""
IMPORT_SECONDS = 300.0
"""After which a module that is imported to be checked is taken to hang."""
_GIVEN_BY_WINNOW = ("seed", "resume", "test")
_PLAIN = (bool, int, float, str)
_OTHER_SCOPES = (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda, ast.ClassDef)
_log = logging.getLogger("winnow")
_NO_NUMBERS = (ast.JoinedStr, ast.Tuple, ast.List, ast.Dict, ast.Set, ast.Lambda)


def examine(spec: Spec, file: str) -> list[str]:
    """Return the names of the parameters of a user's function; none of a built-in objective.

    Raises SpecError where the function is not there or takes other parameters than the spec gives it. It is imported
    by a process of its own, so that nothing that it does stays here.
    """
    if spec.built_in:
        return []
    if CHECKED in os.environ:
        raise SpecError(file, "objective", f"importing {os.environ[CHECKED]} begins a search", UNDER_MAIN)
    user_code.find(spec.objective)
    command = [sys.executable, "-P", "-m", "winnow.search.study.objective_checks"]
    patient = threading.Timer(PATIENCE_SECONDS, _log.warning, [f"importing {spec.objective} takes long; {BELONGS}"])
    patient.start()
    try:
        asked = subprocess.run(
            command, input=spec.model_dump_json(), capture_output=True, text=True, timeout=IMPORT_SECONDS
        )
    except subprocess.TimeoutExpired:
        raise SpecError(
            file, "objective", f"importing {spec.objective} takes over {IMPORT_SECONDS:g} seconds", BELONGS
        ) from None
    finally:
        patient.cancel()
    if asked.returncode < 0:
        problem = f"the process that imports {spec.objective} {ending(asked.returncode)}"
        raise SpecError(file, "objective", problem, "see that there is memory for it, and run it again")
    try:
        names, wrong = json.loads(asked.stdout)
    except json.JSONDecodeError:
        remedy = 'put what it does beside defining functions under: if __name__ == "__main__":'
        last = (asked.stderr.strip().splitlines() or [f"it {ending(asked.returncode)}"])[-1]
        raise SpecError(file, "objective", f"{spec.objective} cannot be imported: {last}", remedy) from None
    if wrong:
        raise SpecError(file, *wrong)
    return list(names)


def misfits(spec: Spec, function: Callable[..., Any]) -> Iterator[Wrong]:
    """Yield what of a spec a function cannot be called with."""
    trial, *others = list(_parameters(function).values()) or [inspect.Parameter("none", inspect.Parameter.VAR_KEYWORD)]
    if trial.kind in (trial.KEYWORD_ONLY, trial.VAR_KEYWORD):
        yield "objective", f"{spec.objective} takes no trial", "let its first parameter be the trial"
        return
    named = {each.name: each for each in others if each.kind in (each.POSITIONAL_OR_KEYWORD, each.KEYWORD_ONLY)}
    takes_any = any(each.kind is each.VAR_KEYWORD for each in others)
    if spec.scheduler is not None and "resume" not in named and not takes_any:
        problem = f"{spec.objective} cannot go on from a checkpoint, and so cannot be paused"
        remedy = "take a parameter resume=None and trial.report(value, epoch, checkpoint), or choose another pruner"
        yield "objective", problem, remedy
    if returned := _no_number(function, test="test" in named or takes_any):
        remedy = "let it return its score (with test=False among its parameters also a second one, on test data)"
        yield "objective", f"{spec.objective} returns {returned}, and not a number", remedy
    for section, given in (("fixed", spec.fixed), ("search", spec.search)):
        for name in given:
            if name in ("resume", "test", trial.name):
                problem = f"{spec.objective} gets its {name} from Winnow"
                remedy = "call the hyperparameter by another name"
                if name == trial.name != "trial":
                    problem = f"the first parameter of {spec.objective} is the trial, and is called {name!r}"
                    remedy = f"let the trial come first: (trial, {name}, …)"
                yield f"[{section}] {name}", problem, remedy
            elif name in named:
                yield from _mistyped(spec, section, named[name])
            elif not takes_any:
                near = difflib.get_close_matches(name, named, n=1)
                remedy = f"did you mean {near[0]!r}?" if near else f"it takes {', '.join(named)}"
                if not named:
                    remedy = f"let it stand after the trial: ({trial.name}, {name}, …)"
                yield f"[{section}] {name}", f"{spec.objective} has no parameter {name!r}", remedy
    for name, parameter in named.items():
        if parameter.default is not parameter.empty or name == "seed" or name in spec.fixed:
            continue
        if name in _GIVEN_BY_WINNOW:
            example = {"resume": "None", "test": "False"}[name]
            yield "objective", f"{name} of {spec.objective} has no default", f"write {name}={example}"
        elif name not in spec.search:
            problem = f"{spec.objective} needs {name!r}, which neither [search] nor [fixed] names"
            yield "objective", problem, f"name it there, or give it a default: {name}=…"
        elif all(entry.when for entry in spec.entries(name)):
            problem = f"{name!r} of {spec.objective} has no default, and is not drawn where its `when` does not hold"
            yield f"[search] {name}", problem, f"give it one: {name}=None"


def _mistyped(spec: Spec, section: str, parameter: inspect.Parameter) -> Iterator[Wrong]:
    """Yield what is given to a parameter that says which plain type it has, and is of another."""
    kind, name = parameter.annotation, parameter.name
    if kind not in _PLAIN:
        return
    example = parameter.default if isinstance(parameter.default, kind) else kind()
    known_as = Definition("", name=name, type=kind, default=example)
    try:
        if section == "fixed":
            known_as.check(spec.fixed[name])
        else:
            for entry in spec.entries(name):
                check_values(known_as, entry)
                _refuse_other_kind(known_as, entry)
    except ObjectiveError as error:
        yield f"[{section}] {name}", error.problem, error.remedy


def _refuse_other_kind(known_as: Definition, entry: SearchEntry) -> None:
    """Raise ObjectiveError where a range is written in whole numbers and its parameter is not, or the other way."""
    if entry.choices is not None or known_as.type not in (int, float):
        return
    whole = all(isinstance(number, int) for number in (entry.low, entry.high, entry.step or 1))
    if whole and known_as.type is float:
        raise ObjectiveError(
            "its range is written in whole numbers, and it is a float",
            f"write low = {entry.low}.0, high = {entry.high}.0",
        )
    if not whole and known_as.type is int:
        raise ObjectiveError(
            "its range is not written in whole numbers, and it is an int", "write low, high and step as whole numbers"
        )


def _no_number(function: Callable[..., Any], test: bool) -> str:
    """Say what a function returns that is no number, as far as its source alone tells; empty where it may be one.

    With `test` it may return two.
    """
    try:
        (defined,) = ast.parse(textwrap.dedent(inspect.getsource(function))).body
    except (OSError, TypeError, ValueError):  # it has no source, or its source does not stand alone
        return ""
    if not isinstance(defined, ast.FunctionDef | ast.AsyncFunctionDef) or defined.decorator_list:
        return ""
    inside = list(_inside(defined))
    if isinstance(defined, ast.AsyncFunctionDef):
        return "a coroutine"
    if any(isinstance(node, ast.Yield | ast.YieldFrom) for node in inside):
        return "a generator"
    values = [node.value for node in inside if isinstance(node, ast.Return) and node.value]
    if not values:
        return "" if isinstance(defined.body[-1], ast.Raise | ast.While) else "nothing"
    if all(isinstance(value, _NO_NUMBERS) or _is_text_or_none(value) for value in values):
        return "" if test and any(isinstance(value, ast.Tuple) for value in values) else ast.unparse(values[0])
    return ""


def _is_text_or_none(value: ast.expr) -> bool:
    return isinstance(value, ast.Constant) and (value.value is None or isinstance(value.value, str))


def _inside(node: ast.AST) -> Iterator[ast.AST]:
    """Yield what a function consists of, without the functions and classes that it defines."""
    for child in ast.iter_child_nodes(node):
        if not isinstance(child, _OTHER_SCOPES):
            yield child
            yield from _inside(child)


def _parameters(function: Callable[..., Any]) -> Mapping[str, inspect.Parameter]:
    try:
        return inspect.signature(function, eval_str=True).parameters
    except NameError:  # a type that is imported for type checkers alone
        return inspect.signature(function).parameters


def _refuse_to_search(*_arguments: object, **_options: object) -> NoReturn:
    """Stand for `study.optimize` while a user's module is imported, which every trainer does."""
    raise ObjectiveError(f"importing {os.environ[CHECKED]} begins a search, by study.optimize", UNDER_MAIN)


def _where_it_imports(objective: str, error: Exception) -> str:
    """Return what to do about a module that cannot be imported: a script imports what lies beside it."""
    *folders, script = objective.split(".")
    beside = Path(*folders, str(getattr(error, "name", None)))
    if folders and isinstance(error, ModuleNotFoundError) and (beside.is_dir() or beside.with_suffix(".py").is_file()):
        return f'run winnow in the folder {Path(*folders)}, where {beside.name} lies, with objective = "{script}"'
    return "see that python imports it in this folder"


def main() -> None:
    """Read a spec from standard input and write, as JSON, the function's parameters and what does not fit, if any."""
    out = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what the user's module prints is no answer
    spec = check(json.load(sys.stdin), "the spec")
    os.environ[CHECKED] = spec.objective
    optuna.Study.optimize = _refuse_to_search  # type: ignore[method-assign]
    names: list[str] = []
    wrong: Wrong | None = None
    try:
        function = user_code.load(spec.objective)
        names = list(_parameters(function))
        wrong = next(misfits(spec, function), None)
    except WinnowError as error:
        wrong = ("objective", error.problem, error.remedy)
    except Exception as error:
        said = " ".join(f"{type(error).__name__}: {error}".split())[:500]
        problem = f"{spec.objective} cannot be imported: {said}{user_code.line_of(error)}"
        wrong = ("objective", problem, _where_it_imports(spec.objective, error))
    json.dump([names, wrong], out)
    out.close()


if __name__ == "__main__":
    main()
