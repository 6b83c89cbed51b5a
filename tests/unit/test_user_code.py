"""An objective of any name is found wherever it lies, and known by what its code says."""

import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest

from winnow.errors import StudyError
from winnow.objectives import user_code

OBJECTIVE = "def train(trial):\n    return 1.0\n"


@pytest.fixture(autouse=True)
def here(tmp_path: Path, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    checkout = str(Path(__file__).parents[2])  # whose folders an installed Winnow does not bring
    others = str(tmp_path_factory.getbasetemp())  # whatever other tests of this process have imported from theirs
    libraries = [path for path in sys.path if path not in ("", checkout) and not path.startswith(others)]
    monkeypatch.setattr(sys, "path", libraries)
    for name, module in list(sys.modules.items()):
        if str(getattr(module, "__file__", "")).startswith(others):
            monkeypatch.delitem(sys.modules, name)
    monkeypatch.setattr(sys, "argv", sys.argv)
    known = set(sys.modules)
    monkeypatch.chdir(tmp_path)
    yield
    for name in set(sys.modules) - known:
        if str(tmp_path) in str(getattr(sys.modules[name], "__file__", "")):
            del sys.modules[name]


def lay(files: dict[str, str]) -> None:
    for name, content in files.items():
        file = Path(name)
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(content)


@pytest.mark.parametrize(
    ("objective", "files"),
    [
        ("mine:train", {"mine.py": OBJECTIVE}),
        ("studies:train", {"studies.py": OBJECTIVE}),
        ("random:train", {"random.py": OBJECTIVE}),
        ("torch:train", {"torch.py": OBJECTIVE}),
        ("optuna:train", {"optuna/__init__.py": OBJECTIVE}),
        ("winnow:train", {"winnow.py": OBJECTIVE}),
        ("objectives:train", {"objectives/__init__.py": OBJECTIVE}),
        ("json.mine:train", {"json/__init__.py": "", "json/mine.py": OBJECTIVE}),
        ("folder.mine:train", {"folder/mine.py": OBJECTIVE}),
        (
            "objectives.deep.mine:train",
            {
                "objectives/__init__.py": "",
                "objectives/deep/__init__.py": "from objectives.helper import train",
                "objectives/helper.py": OBJECTIVE,
                "objectives/deep/mine.py": "from . import train\n",
            },
        ),
    ],
)
def test_an_objective_of_any_name(objective: str, files: dict[str, str]) -> None:
    lay(files)
    known = {name: sys.modules.get(name) for name in ("random", "torch", "optuna", "winnow", "json")}
    assert user_code.load(objective)(None) == 1.0
    assert user_code.load(objective) is user_code.load(objective), "imported once"
    assert {name: sys.modules.get(name) for name in known} == known, "no library is hidden by it"


@pytest.mark.parametrize("objective", ["nowhere:train", "mine.nothing:train", "empty:train", "mine:trian", "mine:X"])
def test_what_is_not_there(objective: str) -> None:
    lay({"mine.py": OBJECTIVE + "X = 1\n", "empty/readme": ""})
    with pytest.raises(StudyError, match="is not there: "):
        user_code.load(objective)


def test_the_modules_that_were_imported_from_the_users_side() -> None:
    lay({"mine.py": "import random, optuna, helper\n" + OBJECTIVE, "helper.py": "", "other.py": ""})
    user_code.load("mine:train")
    found = user_code.imported()
    assert {"mine", "helper"} <= found.keys()
    assert not {"random", "optuna", "other", "winnow", "numpy"} & found.keys()


def test_what_fails_while_it_is_imported_is_placed_in_the_users_own_code() -> None:
    lay({"mine.py": "import beside\n", "beside.py": "import json\n\njson.loads('{')\n"})
    with pytest.raises(ValueError, match="Expecting") as raised:
        user_code.load("mine:train")
    assert user_code.line_of(raised.value) == " (beside.py, line 3)"


def test_a_parser_of_the_script_finds_no_argument_of_anybody_elses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", ["winnow", "replay", "study", "3"])
    lay({"parses.py": f"import argparse\nargs = argparse.ArgumentParser().parse_args()\n{OBJECTIVE}"})
    assert user_code.load("parses:train")(None) == 1.0
    assert sys.argv == [str(Path("parses.py").resolve())]


class Lazy(ModuleType):
    def __getattr__(self, name: str) -> object:
        raise ImportError("the library that this module loads when it is first used is not installed")


def test_a_module_that_cannot_be_asked_and_one_too_nested_to_be_read_as_a_tree(monkeypatch: pytest.MonkeyPatch) -> None:
    sums = "def f():\n    return " + " + ".join("1" * 900)
    lay({"sums.py": sums})
    user_code.load("sums:f")
    with monkeypatch.context() as patch:
        patch.setitem(sys.modules, "lazy", Lazy("lazy"))
        first = user_code.imported()
    assert "sums" in first
    assert "lazy" not in first
    lay({"sums.py": sums + " + 1"})
    assert user_code.imported()["sums"] != first["sums"]


@pytest.mark.parametrize(
    ("code", "same"),
    [
        ("def f(x):\n    return 'a' + x  # why\n", True),
        ('"""A module."""\n\n\ndef f(x):\n    """A function."""\n    return "a" + x\n', True),
        ("def f(\n    x,\n):\n    return ('a' +\n        x)\n", True),
        ("def f(x):\n    return 'b' + x\n", False),
        ("def f(x, y=None):\n    return 'a' + x\n", False),
        ("def f(x):\n    return x + 'a'\n", False),
        ("X = 1\ndef f(x):\n    return 'a' + x\n", False),
        ("def f(x:\n", False),
    ],
)
def test_a_comment_or_the_layout_of_a_line_makes_no_other_code(code: str, same: bool) -> None:
    lay({"before.py": "def f(x):\n    return 'a' + x\n", "after.py": code})
    assert (user_code.fingerprint(Path("before.py")) == user_code.fingerprint(Path("after.py"))) is same
    assert user_code.fingerprint(Path("gone.py")) is None
