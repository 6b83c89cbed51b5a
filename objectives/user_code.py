"""The user's own code: found wherever it lies, imported without hiding a library, and known by what it says.

Two versions of a module are the same code where their syntax trees are equal: a comment, a docstring or the layout of
a line makes no new one.
"""

import ast
import difflib
import hashlib
import importlib
import importlib.util
import sys
import sysconfig
import threading
import traceback
from collections.abc import Callable
from contextlib import suppress
from importlib.machinery import ModuleSpec, PathFinder
from pathlib import Path
from types import ModuleType
from typing import Any

from winnow.errors import StudyError, WinnowError
from winnow.objectives.errors import ObjectiveError

_INSTALLED = ("site-packages", "dist-packages")
_PYTHONS = [Path(sysconfig.get_path(name)).resolve() for name in ("stdlib", "platstdlib")]


def find(objective: str) -> Path:
    """Return the file of the module that `module:function` names, without running it; raises StudyError."""
    module, _, name = objective.partition(":")
    _make_importable()
    try:
        found = _local_spec(module) or importlib.util.find_spec(module)
    except (ImportError, ValueError):
        found = None
    if found is None or found.origin is None:
        remedy = "run winnow in the folder that holds it, or install it"
        if module.endswith(".py"):
            remedy = f'write "{module.removesuffix(".py")}:{name}"'
        raise StudyError(f"{objective!r} is not there: no module {module!r} can be found", remedy)
    return Path(found.origin)


def load(objective: str) -> Callable[..., Any]:
    """Import and return the function that `module:function` names; raises StudyError, or what the import raises.

    From here on this process has the command line of a script that python runs without options.
    """
    sys.argv = [str(find(objective))]
    module, _, name = objective.partition(":")
    imported = _import(module)
    function: Callable[..., Any] | None = getattr(imported, name, None)
    if not callable(function):
        near = difflib.get_close_matches(name, vars(imported), n=1)
        remedy = f"did you mean {near[0]!r}?" if near else "name another"
        raise StudyError(f"the objective {objective!r} is not there: {module} has no function {name!r}", remedy)
    return function


def load_part(named: str, what: str) -> Callable[..., Any]:
    """Import and return what `module:function` names as a study's model, data or metric; raises ObjectiveError."""
    try:
        find(named)
        module, _, name = named.partition(":")
        function = getattr(_import(module), name, None)
    except WinnowError as error:
        raise ObjectiveError(error.problem, error.remedy) from None
    except Exception as error:
        problem = f"{named!r} cannot be imported: {type(error).__name__}: {error}{line_of(error)}"
        raise ObjectiveError(problem, "see that python imports it in this folder") from error
    if not callable(function):
        raise ObjectiveError(f"the {what} {named!r} is not there: {module} has no function {name!r}", "name another")
    return function  # type: ignore[no-any-return]


def extend(module: str) -> None:
    """Import a module that registers something; raises StudyError where there is none, or what it raises."""
    find(module)
    _import(module)


def imported() -> dict[str, str]:
    """Return a fingerprint of each module of the user's that this process has imported, by the module's name.

    The user's are all that belong neither to Python, nor to an installed package, nor to Winnow.
    """
    found = {}
    for name, module in sorted(sys.modules.items()):
        file = _file_of(module)
        if file is None or name in ("__main__", "__mp_main__") or name.partition(".")[0] == "winnow":
            continue
        if not _is_installed(file) and (digest := fingerprint(file)) is not None:
            found[name] = digest
    return found


def line_of(error: BaseException) -> str:
    """Say in brackets which line of the user's own code an error passed last; empty where it passed none."""
    ours = Path(__file__).parents[1]
    frames = [each for each in traceback.extract_tb(error.__traceback__) if not each.filename.startswith("<")]
    users = [(file, each.lineno) for each in frames if not _is_installed(file := Path(each.filename))]
    users = [(file, line) for file, line in users if not file.is_relative_to(ours)]
    return f" ({users[-1][0].name}, line {users[-1][1]})" if users else ""


def fingerprint(file: Path) -> str | None:
    """Return a fingerprint of the code in a file, or of its bytes where it is no Python; None where it is gone."""
    with _READING, suppress(OSError):
        status = file.stat()
        key = (file, status.st_mtime_ns, status.st_ctime_ns, status.st_size)
        if key not in _KNOWN:
            content = file.read_bytes()
            if file.suffix == ".py":
                # Good when it was imported: what lies there now is other code, or a tree too deep to be walked.
                with suppress(SyntaxError, ValueError, RecursionError):
                    content = repr(_structure(ast.parse(content))).encode()
            _KNOWN[key] = hashlib.sha256(content).hexdigest()[:16]
        return _KNOWN[key]
    return None


_KNOWN: dict[tuple[object, ...], str] = {}
"""The fingerprints of files as they were last changed: a large one takes a tenth of a second."""
_READING = threading.Lock()
"""Several `ast.parse` at a time can fail: "AST constructor recursion depth mismatch", by Python 3.11."""


def _structure(node: object) -> object:
    """Return the syntax tree as plain data, without docstrings and without what a version of Python adds as empty."""
    if isinstance(node, list):
        return [_structure(item) for item in node]
    if not isinstance(node, ast.AST):
        return node
    fields = dict(ast.iter_fields(node))
    if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef) and ast.get_docstring(node):
        fields["body"] = node.body[1:]
    return type(node).__name__, [(name, _structure(value)) for name, value in fields.items() if value not in (None, [])]


def _make_importable() -> None:
    """Look for modules in the folder where winnow was started too, after everything installed."""
    here = str(Path.cwd())
    if here not in sys.path:
        sys.path.append(here)


def _local_spec(module: str) -> ModuleSpec | None:
    """Return the module's top-level package or file in this folder, whatever else bears its name."""
    top, _, rest = module.partition(".")
    local = PathFinder.find_spec(top, [str(Path.cwd())])
    if local is None or local.origin is None:  # a folder that is no package hides nothing
        return None
    if not rest:
        return local
    for part in rest.split("."):
        local = PathFinder.find_spec(f"{top}.{part}", local.submodule_search_locations or [])
        if local is None:
            return None
    return local


def _import(module: str) -> ModuleType:
    """Import a module: the one in this folder, where it bears the name of a library's, under a name beside that."""
    top = module.partition(".")[0]
    local = PathFinder.find_spec(top, [str(Path.cwd())])
    usual = importlib.util.find_spec(top)
    if local is not None and local.origin is not None and (usual is None or usual.origin != local.origin):
        name = f"users_{top}"
        if name not in sys.modules:
            folders = local.submodule_search_locations
            local = importlib.util.spec_from_file_location(name, local.origin, submodule_search_locations=folders)
            assert local is not None
            assert local.loader is not None
            sys.modules[name] = importlib.util.module_from_spec(local)
            try:
                local.loader.exec_module(sys.modules[name])
            except BaseException:
                del sys.modules[name]
                raise
        module = f"{name}{module.removeprefix(top)}"
    return importlib.import_module(module)


def _is_installed(file: Path) -> bool:
    return any(part in _INSTALLED for part in file.parts) or any(file.is_relative_to(home) for home in _PYTHONS)


def _file_of(module: ModuleType | None) -> Path | None:
    file = None
    with suppress(Exception):  # one that is loaded when it is first asked something may fail to
        file = getattr(module, "__file__", None)
    return Path(file).resolve() if isinstance(file, str) else None
